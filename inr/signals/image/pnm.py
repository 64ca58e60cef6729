"""Reading and writing the Netpbm formats (PBM, PGM, PPM and PAM, binary and text), and PFM, which has floats."""

import re
from dataclasses import dataclass

import numpy as np

from inr.signals.image.picture import Picture, check_frames, check_size, full_range
from inr.signals.refusal import Refusal, damaged, shown
from inr.signals.signal import Array

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NUMBER = rb"(\d{1,9})"
_BITMAP = re.compile(rb"P([14])" + _GAP + _NUMBER + _GAP + _NUMBER + rb"\s")
_GRAYMAP = re.compile(rb"P([2356])" + _GAP + _NUMBER + _GAP + _NUMBER + _GAP + _NUMBER + rb"\s")
_FLOATMAP = re.compile(
    rb"P([Ff])\s+" + _NUMBER + rb"\s+" + _NUMBER + rb"\s+([-+]?[0-9.]{1,40}(?:[eE][-+]?\d{1,3})?)\r?\s"
)
_ANYMAP = re.compile(rb"P7\s*\n((?:[^\n]{0,999}\n){1,100}?)ENDHDR[ \t\r]*\n")
_TEXT = frozenset({"1", "2", "3"})


@dataclass(frozen=True)
class _Header:
    """What the header of one picture says.

    Attributes:
        kind: the character behind the P.
        height: rows.
        width: samples of a row.
        channels: values a sample.
        maximum: the value of white, or of an opaque pixel.
        end: where the samples begin.
    """

    kind: str
    height: int
    width: int
    channels: int
    maximum: int
    end: int

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the stored samples; eight of a bitmap share one."""
        return np.dtype(np.uint8 if self.maximum < 256 else ">u2")

    @property
    def length(self) -> int:
        """Bytes of the samples of a binary picture."""
        if self.kind == "4":
            return self.height * -(-self.width // 8)
        return self.height * self.width * self.channels * self.dtype.itemsize


def is_pnm(head: bytes) -> bool:
    """True for the first bytes of a file that is read here."""
    return head[:1] == b"P" and head[1:2] in b"1234567Ff" and (head[2:3].isspace() or head[2:3] == b"#")


def read_pnm(data: bytes) -> Picture:
    """Read PBM, PGM, PPM or PAM, binary or text, of any maximum up to 65535; or PFM.

    A bitmap becomes 8 bits. Of PFM, colours count as linear light, which is what such pictures hold; of gray ones,
    which are as often depths, nothing is assumed. The size of PFM's scale factor has no meaning that programs agree on
    and is not applied.
    """
    if data[1:2] in b"Ff":
        return _read_floats(data)
    header = _header(data, 0)
    if header is None:
        raise damaged("its header needs a width, a height and a maximum")
    check_size(header.height, header.width)
    if not 1 <= header.maximum <= 65535:
        raise damaged(f"its maximum is {header.maximum}; 1 to 65535 is allowed")
    samples = _text_samples(data, header) if header.kind in _TEXT else _binary_samples(data, header)
    if samples.max() > header.maximum:
        raise damaged(f"a sample is {samples.max()}, above the stated maximum of {header.maximum}")
    if header.kind in "14":
        samples = 1 - samples  # of a bitmap 1 is black
    native = samples.astype(np.uint8 if header.maximum < 256 else np.uint16)
    return Picture(full_range(native.reshape(header.height, header.width, header.channels), header.maximum), "srgb")


def _header(data: bytes, position: int) -> _Header | None:
    """The header that begins at a position, or None."""
    if found := _BITMAP.match(data, position):
        kind, width, height = (int(field) for field in found.groups())
        return _Header(str(kind), height, width, 1, 1, found.end())
    if found := _GRAYMAP.match(data, position):
        kind, width, height, maximum = (int(field) for field in found.groups())
        return _Header(str(kind), height, width, 3 if kind in (3, 6) else 1, maximum, found.end())
    if found := _ANYMAP.match(data, position):
        return _anymap(found)
    return None


def _anymap(found: "re.Match[bytes]") -> _Header:
    """The header of a PAM picture; refuses one whose channels have no meaning here."""
    lines = [line.split(None, 1) for line in found[1].splitlines() if line.strip() and not line.startswith(b"#")]
    fields = {name: rest[0].strip() if rest else b"" for name, *rest in lines}
    numbers = [fields.get(name, b"") for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
    if not all(re.fullmatch(_NUMBER, number) for number in numbers):
        raise damaged("its header needs WIDTH, HEIGHT, DEPTH and MAXVAL")
    width, height, channels, maximum = map(int, numbers)
    meaning = fields.get(b"TUPLTYPE", b"").decode("latin-1")
    if not 1 <= channels <= 4 or (meaning and meaning.endswith("_ALPHA") != (channels in (2, 4))):
        held = f"{channels} channels {shown(meaning)!r}"
        raise Refusal(f"is not supported: it has {held}; gray and RGB are read, with or without alpha")
    return _Header("7", height, width, channels, maximum, found.end())


def _binary_samples(data: bytes, header: _Header) -> Array:
    """The samples of a binary file that holds one picture and nothing else."""
    end = header.end + header.length
    if end > len(data):
        raise damaged(f"pixels end at byte {end}, the file at byte {len(data)}")
    check_frames(1 + _count_further(data, end))
    samples: Array = np.frombuffer(data[header.end : end], header.dtype)
    if header.kind == "4":
        rows = np.unpackbits(samples.reshape(header.height, -1), axis=1)
        return rows[:, : header.width]
    return samples


def _text_samples(data: bytes, header: _Header) -> Array:
    """The samples of a text file. White space must follow the last one, or a cut number would go unnoticed."""
    text = re.sub(rb"#[^\r\n]*", b"", data[header.end :])
    count = header.height * header.width * header.channels
    if header.kind == "1":
        return _text_bits(b"".join(text.split()), count)
    tokens = text.split()
    if len(tokens) != count or not text[-1:].isspace():
        raise damaged(f"it has {len(tokens)} whole or cut numbers; its header needs {count}, each before a white space")
    if not all(token.isdigit() and len(token) < 10 for token in tokens):
        raise damaged("a sample is not a decimal number")
    return np.array(tokens).astype(np.int64)


def _text_bits(digits: bytes, count: int) -> Array:
    """The bits of a bitmap in text, whose digits need no space between them."""
    if len(digits) != count:
        raise damaged(f"it has {len(digits)} pixels; its header needs {count}")
    samples: Array = np.frombuffer(digits, np.uint8) - ord("0")
    if samples.max() > 1:
        raise damaged("a pixel is neither 0 nor 1")
    return samples


def _count_further(data: bytes, position: int) -> int:
    """Number of further binary pictures from `position` on."""
    count = 0
    while header := _header(data, position):
        position = header.end + header.length
        count += 1
    if data[position:].strip():
        raise damaged(f"{len(data) - position} bytes follow its last pixel")
    return count


def _read_floats(data: bytes) -> Picture:
    """Read PFM: rows from the bottom up, little-endian if the scale factor is negative."""
    found = _FLOATMAP.match(data)
    if found is None:
        raise damaged("its header needs a width, a height and a scale factor")
    width, height, channels = int(found[2]), int(found[3]), 3 if found[1] == b"F" else 1
    check_size(height, width)
    end = found.end() + 4 * height * width * channels
    if end != len(data):
        raise damaged(f"pixels end at byte {end}, the file at byte {len(data)}")
    order = "<f4" if found[4].startswith(b"-") else ">f4"
    samples: Array = np.frombuffer(data, order, height * width * channels, found.end())
    upright = samples.reshape(height, width, channels)[::-1].astype(np.float32)
    return Picture(upright, "linear" if channels == 3 else "unknown")


def encode_pnm(samples: Array) -> bytes:
    """PGM or PPM of `(height, width, 1 or 3)` samples of type uint8 or uint16."""
    height, width, channels = samples.shape
    return b"P%d\n%d %d\n%d\n" % (5 if channels == 1 else 6, width, height, _top(samples)) + _big_endian(samples)


def encode_pam(samples: Array) -> bytes:
    """PAM of `(height, width, 1 to 4)` samples of type uint8 or uint16."""
    height, width, channels = samples.shape
    meaning = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")[channels - 1]
    fields = f"WIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {_top(samples)}\nTUPLTYPE {meaning}"
    return f"P7\n{fields}\nENDHDR\n".encode() + _big_endian(samples)


def encode_pbm(samples: Array) -> bytes:
    """PBM of `(height, width, 1)` samples of type uint8: what is darker than half is black."""
    return b"P4\n%d %d\n" % samples.shape[1::-1] + np.packbits(samples[..., 0] < 128, axis=1).tobytes()


def encode_pfm(samples: Array) -> bytes:
    """PFM of `(height, width, 1 or 3)` float samples, little-endian."""
    height, width, channels = samples.shape
    kind = b"f" if channels == 1 else b"F"
    return b"P%s\n%d %d\n-1.0\n" % (kind, width, height) + samples[::-1].astype("<f4").tobytes()


def _top(samples: Array) -> int:
    return int(np.iinfo(samples.dtype).max)


def _big_endian(samples: Array) -> bytes:
    return samples.astype(samples.dtype.newbyteorder(">")).tobytes()
