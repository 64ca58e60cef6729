"""Files of some hundred bytes that ask for far too much, or whose header is not what it should be."""

import struct
from typing import Any

import cbor2

from inr.container.file import DATA, HEAD
from inr.container.header import Header, to_cbor
from inr.errors import CorruptHeaderError, CorruptStreamError, FormatError, LimitExceededError, TruncatedError
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.spec import to_wire
from tests.support.small_files import join, section

Document = dict[Any, Any]

SIREN, HASHGRID = Siren.wire_id, HashGridMlp.wire_id
SOUND: Document = {1: [6, 8], 5: SIREN, 6: {0: 3, 1: 1}}
PAYLOAD = bytes(range(1, 60))

NAN, INF = float("nan"), float("inf")


def forged(document: Document | bytes, payload: bytes = PAYLOAD) -> bytes:
    """A file with any header and a right checksum."""
    head = document if isinstance(document, bytes) else cbor2.dumps(document, canonical=True)
    return join([(HEAD, head), (DATA, payload)])


def changed(**fields: Any) -> bytes:
    """The sound header with some fields changed: k3=0 sets key 3."""
    return forged({**SOUND, **{int(name[1:]): value for name, value in fields.items()}})


def film(**fields: Any) -> bytes:
    """As `changed`, of a video of three frames."""
    return changed(k1=[3, 6, 8], k13=1, k17=[25, 1], **fields)


def nested(depth: int, around: Any = 1) -> Any:
    """A list in a list in a list ..."""
    for _ in range(depth):
        around = [around]
    return around


def tagged(tag: int, value: Any) -> bytes:
    """The sound header with a tagged value for the shape."""
    return b"\xa3\x01" + cbor2.dumps(cbor2.CBORTag(tag, value)) + b"\x05\x01\x06\xa2\x00\x03\x01\x01"


HUGE: dict[str, tuple[type[FormatError], bytes]] = {
    "shape beyond an axis": (LimitExceededError, changed(k1=[2**24 + 1, 8])),
    "shape of 2^63": (LimitExceededError, changed(k1=[2**63 - 1, 2**63 - 1])),
    "shape of 2^64": (CorruptHeaderError, changed(k1=[2**64, 1])),
    "shape of a bignum": (CorruptHeaderError, changed(k1=[10**60, 1])),
    "too many samples": (LimitExceededError, changed(k1=[2**20, 2**20])),
    "five axes": (LimitExceededError, changed(k1=[2] * 5)),
    "a thousand axes": (LimitExceededError, changed(k1=[1] * 1000)),
    "channels": (LimitExceededError, changed(k2=2**40)),
    "layers": (LimitExceededError, changed(k7=2**31)),
    "nine layers": (LimitExceededError, changed(k7=9)),
    "tiles": (LimitExceededError, changed(k8=[4096, 4096])),
    "tiles of 2^62": (LimitExceededError, changed(k8=[2**62, 2**62])),
    "tiles of 64 x 64 and 8 layers": (TruncatedError, changed(k1=[64, 64], k8=[64, 64], k7=8)),
    "width": (CorruptHeaderError, changed(k6={0: 2**40})),
    "width within its limit": (LimitExceededError, changed(k6={0: 4096, 1: 32})),
    "widest model within all limits": (CorruptStreamError, changed(k6={0: 4090, 1: 1})),
    "depth": (CorruptHeaderError, changed(k6={1: 2**31})),
    "hash table": (LimitExceededError, forged({1: [6, 8], 5: HASHGRID, 6: {0: 24, 1: 2**16, 2: 32, 3: 8}})),
    "hash table of 2^60": (CorruptHeaderError, forged({1: [6, 8], 5: HASHGRID, 6: {0: 60}})),
    "finest resolution": (CorruptHeaderError, forged({1: [6, 8], 5: HASHGRID, 6: {1: 2**40}})),
    "float weights": (CorruptStreamError, changed(k6={0: 2000, 1: 2}, k9=2)),
}

WRONG: dict[str, bytes] = {
    "box with nan": changed(k15=[NAN, 1.0, -1.0, 1.0]),
    "box with infinity": changed(k15=[-INF, INF, -1.0, 1.0]),
    "box upside down": changed(k15=[1.0, -1.0, -1.0, 1.0]),
    "box of no size": changed(k15=[1.0, 1.0, -1.0, 1.0]),
    "box too narrow": changed(k15=[1.0, 1.0 + 2.0**-40, -1.0, 1.0]),
    "box too large": changed(k15=[-1e30, 1e30, -1.0, 1.0]),
    "box for one axis": changed(k15=[-1.0, 1.0]),
    "box of odd length": changed(k15=[-1.0, 1.0, 2.0]),
    "range with nan": changed(k4=[NAN, 1.0]),
    "range beyond the type": changed(k4=[0, 256]),
    "range upside down": changed(k4=[9, 3]),
    "range of three": changed(k4=[0, 1, 2]),
    "range that is one float": changed(k3=3, k4=[2**62, 2**62 + 1]),
    "float samples without a range": changed(k3=3),
    "float range of infinity": changed(k3=3, k4=[-INF, INF]),
    "one axis": changed(k1=[48]),
    "three axes": changed(k1=[6, 8, 2]),
    "no axes": changed(k1=[]),
    "no shape": forged({5: 1}),
    "no model": forged({1: [6, 8]}),
    "nothing": forged({}),
    "unknown coder": forged({1: [6, 8], 19: 77, 20: {0: 3}}),
    "coder beyond all ids": forged({1: [6, 8], 19: 2**40}),
    "the default coder written out": changed(k19=0),
    "another coder with a model": changed(k19=77),
    "another coder with a coding": forged({1: [6, 8], 9: 1, 19: 77}),
    "fields of a coder that has none": changed(k20={0: 3}),
    "no fields of a coder": forged({1: [6, 8], 19: 77, 20: {}}),
    "zero samples": changed(k1=[0, 8]),
    "negative shape": changed(k1=[-6, 8]),
    "float shape": changed(k1=[6.0, 8.0]),
    "boolean channels": changed(k2=True),
    "no channels": changed(k2=0),
    "unknown dtype": changed(k3=99),
    "thousand dtypes": changed(k3=[0] * 1000),
    "unknown model": changed(k5=77, k6={}),
    "unknown coding": changed(k9=3),
    "unknown colour space": changed(k12=3),
    "unknown kind": changed(k13=3),
    "last kind of this project": changed(k13=65_535),
    "negative kind": changed(k13=-1),
    "kind of a package that is not here": changed(k13=2**31, k18={0: 1}),
    "kind that is too large": changed(k13=2**31 + 1),
    "picture with attributes of its own": changed(k18={0: 1}),
    "orientation of another kind": changed(k11=3, k13=70_001),
    "colours of another kind": changed(k12=1, k13=70_001),
    "frame rate of another kind": changed(k13=70_001, k17=[25, 1]),
    "attributes that are no map": changed(k13=70_001, k18=[1, 2]),
    "attributes that are a number": changed(k13=70_001, k18=4),
    "attribute with a name": changed(k13=70_001, k18={"rate": 1}),
    "attribute that is a text": changed(k13=70_001, k18={0: "48000"}),
    "attribute that is a map": changed(k13=70_001, k18={0: {0: 1}}),
    "attribute that is a list of lists": changed(k13=70_001, k18={0: [[1]]}),
    "attribute that is not finite": changed(k13=70_001, k18={0: NAN}),
    "attribute that is true": changed(k13=70_001, k18={0: True}),
    "attribute of 2^64": changed(k13=70_001, k18={0: 2**64}),
    "attribute number 256": changed(k13=70_001, k18={256: 1}),
    "attribute number -1": changed(k13=70_001, k18={-1: 1}),
    "no attributes": changed(k13=70_001, k18={}),
    "an attribute of many numbers": changed(k13=70_001, k18={0: [1] * 17}),
    "many attributes": changed(k13=70_001, k18=dict.fromkeys(range(33), 1)),
    "picture with a frame rate": changed(k17=[25, 1]),
    "picture with times of frames": changed(k21=[1, 50, 2, 4]),
    "picture with a shape of pixels": changed(k22=[4, 3]),
    "times of other frames": film(k21=[1, 50, 2, 4]),
    "times of 2^31 frames": film(k21=[1, 50, 2, -(2**31), 4]),
    "times of no frames": film(k21=[]),
    "times without a tick": film(k21=[0, 1, 2, 4, -1]),
    "times that are a number": film(k21=3),
    "times that are a text": film(k21=["1", 50, 2, 4, -1]),
    "times that are not whole": film(k21=[1, 50, 2.5, 4, -1]),
    "times that are not finite": film(k21=[1, 50, NAN, 4, -1]),
    "times that are lists": film(k21=[[1, 50], [2, 4, -1]]),
    "times that are equal": film(k21=[1, 50, 2, -2]),
    "times that become 0": film(k21=[1, 50, 2, 1, 2]),
    "shape of pixels that is square": film(k22=[1, 1]),
    "shape of pixels in other terms": film(k22=[8, 6]),
    "shape of pixels of nothing": film(k22=[0, 1]),
    "shape of pixels of 2^16": film(k22=[2**16, 1]),
    "shape of pixels of one number": film(k22=[4]),
    "shape of pixels that is a number": film(k22=4),
    "shape of pixels with a fraction": film(k22=[1.5, 1]),
    "video without a frame rate": changed(k1=[2, 6, 8], k13=1),
    "video of two axes": changed(k13=1, k17=[25, 1]),
    "power upside down": changed(k16=[1, 0, 1.5]),
    "power with a gamma of 9": changed(k16=[0, 1, 9]),
    "light of integers": changed(k23=[0.5, 3]),
    "light without channels": changed(k3=3, k4=[0, 1], k23=[0.5]),
    "light of more channels than there are": changed(k3=3, k4=[0, 1], k23=[0.5, 4]),
    "light of half a channel": changed(k3=3, k4=[0, 1], k23=[0.5, 1.5]),
    "light with a scale of 0": changed(k3=3, k4=[0, 1], k23=[0, 3]),
    "light with a scale of 1e-300": changed(k3=3, k4=[0, 1], k23=[1e-300, 3]),
    "light with a scale of 1e300": changed(k3=3, k4=[0, 1], k23=[1e300, 3]),
    "light and power": changed(k3=3, k4=[0, 1], k16=[0, 1, 2], k23=[0.5, 3]),
    "light with a PSNR too many": changed(k3=3, k4=[0, 1], k23=[0.5, 3, 3000, 3000]),
    "light with a PSNR of 200 dB": changed(k3=3, k4=[0, 1], k23=[0.5, 3, 20_000]),
    "usual roles written out": changed(k24=[3, 0]),
    "roles of two colours": changed(k24=[2, 0]),
    "roles of more channels than there are": changed(k24=[3, 1]),
    "roles with two alphas": changed(k2=5, k24=[3, 2]),
    "roles of one number": changed(k2=5, k24=[3]),
    "roles in a video": changed(k1=[2, 6, 8], k2=5, k13=1, k17=[25, 1], k24=[3, 0]),
    "tiles of samples on the borders": changed(k8=[2, 1], k14=1),
    "tiles in a box": changed(k8=[2, 1], k15=[-1.0, 1.5, -1.0, 1.5]),
    "unknown alignment": changed(k14=2),
    "unknown header field": changed(k16=0),
    "unknown setting": changed(k6={0: 3, 9: 1}),
    "setting out of range": changed(k6={0: 0}),
    "setting not whole": changed(k6={0: 3.5}),
    "whole setting as float": changed(k6={0: 16.0, 1: 1}),
    "setting not a number": changed(k6={0: "3"}),
    "setting nan": changed(k6={2: NAN}),
    "setting at its default": changed(k6={0: 3, 1: 3}),
    "setting called by a name": changed(k6={"width": 3}),
    "setting with a huge number": changed(k6={10**5000: 3}),
    "settings that contradict": forged({1: [6, 8], 5: HASHGRID, 6: {1: 5}}),
    "orientation": changed(k11=9),
    "psnr of two layers": changed(k10=[1, 2]),
    "psnr of a billion": changed(k10=[10**9]),
    "default written out": changed(k2=3),
    "layers of floats": changed(k9=1, k7=2),
    "one tile": changed(k8=[1, 1]),
    "all of an integer type": changed(k4=[0, 255]),
    "part of an integer": changed(k4=[0.5, 200.25]),
    "the default box": changed(k15=[-0.75, 0.75, -1, 1]),
    "more tiles than columns": join(
        [(HEAD, cbor2.dumps({**SOUND, 8: [1, 9]}, canonical=True))] + 9 * [(DATA, PAYLOAD)]
    ),
    "more payloads than layers": join([(HEAD, cbor2.dumps(SOUND, canonical=True)), (DATA, PAYLOAD), (DATA, PAYLOAD)]),
    "key twice": forged(b"\xa4\x01\x82\x06\x08\x01\x82\x06\x08\x05\x01\x06\xa2\x00\x03\x01\x01"),
    "keys out of order": forged(b"\xa3\x05\x01\x01\x82\x06\x08\x06\xa2\x00\x03\x01\x01"),
    "integer longer than needed": forged(b"\xa3\x01\x82\x18\x06\x08\x05\x01\x06\xa2\x00\x03\x01\x01"),
    "float longer than needed": forged(b"\xa3\x01\x82\x06\x08\x05\x01\x06\xa1\x02\xfb@$\x00\x00\x00\x00\x00\x00"),
    "indefinite list": forged(b"\xa3\x01\x9f\x06\x08\xff\x05\x01\x06\xa2\x00\x03\x01\x01"),
    "bytes after the header": forged(cbor2.dumps(SOUND, canonical=True) + b"\x00"),
    "cut header": forged(cbor2.dumps(SOUND, canonical=True)[:-1]),
    "empty header": forged(b""),
    "list for a header": forged(b"\x82\x01\x02"),
    "number for a header": forged(b"\x01"),
    "null for a header": forged(b"\xf6"),
    "header too long": forged({**SOUND, 99: "x" * 5000}),
    "text key": forged({**SOUND, "x": 1}),
    "boolean key": forged({**SOUND, True: 1}),
    "null key": forged({**SOUND, None: 1}),
    "float key": forged({**SOUND, 1.5: 1}),
    "nan key": forged({**SOUND, NAN: 1}),
    "huge key": forged({**SOUND, 10**5000: 1}),
    "huge negative key": forged({**SOUND, -(10**5000): 1}),
}

CBOR: dict[str, bytes] = {
    "bignum": forged(tagged(2, b"\xff" * 3000)),
    "negative bignum": forged(tagged(3, b"\xff" * 3000)),
    "decimal of 10^9 digits": forged(tagged(4, [10**9, 1])),
    "float of 2^(10^9)": forged(tagged(5, [10**9, 1])),
    "date": forged(tagged(0, "2020-01-01T00:00:00Z")),
    "bad date": forged(tagged(0, "yesterday")),
    "time beyond all calendars": forged(tagged(1, 1e300)),
    "regular expression": forged(tagged(35, "((a{99}){99}){99}b")),
    "mail": forged(tagged(36, "a: b\n\nc")),
    "fraction": forged(tagged(30, [1, 0])),
    "address": forged(tagged(260, b"\x01")),
    "set": forged(tagged(258, [1, 2])),
    "unknown tag": forged(tagged(999_999, [6, 8])),
    "list that holds itself": forged(b"\xa2\x01\xd8\x1c\x81\xd8\x1d\x00\x05\x01"),
    "map that holds itself": forged(b"\xd8\x1c\xa2\x01\xd8\x1d\x00\x05\x01"),
    "shared lists that double": forged(
        b"\xa2\x01" + b"".join(b"\xd8\x1c\x82" for _ in range(30)) + b"\x01" + b"\xd8\x1d\x00" * 30 + b"\x05\x01"
    ),
    "string references": forged(b"\xd9\x01\x00\xa1\x64aaaa\xd8\x19\x00"),
    "lists 300 deep": forged({**SOUND, 1: nested(300)}),
    "lists 4000 deep": forged(b"\xa2\x01" + b"\x81" * 4000 + b"\x01\x05\x01"),
    "tags 4000 deep": forged(b"\xa2\x01" + b"\xd8\x1c" * 2000 + b"\x01\x05\x01"),
    "maps 4000 deep": forged(b"\xa1" * 4000),
    "undefined": forged(b"\xa2\x01\xf7\x05\x01"),
    "break": forged(b"\xa2\x01\xff\x05\x01"),
    "fraction of bignums for a key": forged(b"\xa1\xd8\x1e\x82" + cbor2.dumps(10**3000) + cbor2.dumps(7) + b"\x01"),
    **{
        f"{name} of 2^{bits}": forged(b"\xa2\x05\x01\x01" + bytes([first]) + struct.pack(">Q", 2**bits - 1))
        for name, first in (("bytes", 0x5B), ("text", 0x7B), ("list", 0x9B), ("map", 0xBB))
        for bits in (30, 40, 63, 64)
    },
}

_TYPES: dict[str, Any] = {
    "null": None,
    "true": True,
    "text": "1",
    "bytes": b"1",
    "float": 1.5,
    "negative": -1,
    "huge": 2**64,
    "list": [],
    "mixed": [1, "1"],
    "nested": [[1]],
    "map": {1: 1},
    "nan": NAN,
}

TYPES: dict[str, bytes] = {
    f"key {key} {name}": forged({**SOUND, key: value})
    for key in (*range(1, 18), 19, 20, 23, 24)
    for name, value in _TYPES.items()
    if (key, name) != (6, "map")
}
"""Every header field with every wrong type."""

FRAMES: dict[str, bytes] = {
    "length of 4 GiB": join([])[:10] + b"\xff\xff\xff\xffHEAD" + PAYLOAD,
    "length of 4 GiB behind a header": forged(SOUND) + b"\xff\xff\xff\xfficcp",
    "70000 empty sections": forged(SOUND) + section(b"none", b"") * 70_000,
    "70000 empty sections first": join([]) + section(b"none", b"") * 70_000,
    "type with a digit": forged(SOUND) + section(b"abc1", b""),
    "type of zeros": forged(SOUND) + section(b"\0\0\0\0", b""),
    "second header": forged(SOUND) + section(b"HEAD", cbor2.dumps(SOUND, canonical=True)),
    "unknown critical section": forged(SOUND) + section(b"Mask", b""),
    "data before the header": join([]) + section(DATA, b"") + forged(SOUND)[10:],
}

LARGEST = HashGridMlp(
    log2_hashmap_size=24, finest_resolution=4095, n_levels=1, n_features=1, base_resolution=4095, width=1
)
"""A model of just under 2^24 parameters."""


def largest(payload: bytes) -> bytes:
    """A file that says it holds `LARGEST`."""
    header = Header((6, 8), LARGEST.wire_id, model_fields=tuple(to_wire(LARGEST).items()))
    return forged(to_cbor(header), payload)


ALL = {**{name: data for name, (_, data) in HUGE.items()}, **WRONG, **CBOR, **TYPES, **FRAMES}
