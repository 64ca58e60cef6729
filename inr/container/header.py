"""The header: canonical CBOR of the fields that differ from their defaults, keyed by small integers."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import cbor2

from inr.container import ids, limits
from inr.container.times import frames_of, times_of
from inr.errors import CorruptHeaderError, LimitExceededError, UnsupportedFeatureError
from inr.meta import MAX_GAMMA, Stored

WireValue = Any
"""A number, or a component: (wire id, ((number, value), ...))."""
ModelFields = tuple[tuple[int, WireValue], ...]
"""Settings of a model, or fields of a coder, by number, in order."""

WEIGHTS = 0
"""Id of the coder whose files have a model (keys 5, 6 and 9); all others have fields of their own (key 20)."""

_MAPS = ("model_fields", "coder_fields")
_ATTRIBUTES = ("attributes", "extras")
_MAX_NESTING = 4
_BOX = 2**20
_FLOAT32_MAX = (2 - 2**-23) * 2.0**127
_SAMPLE_LIMITS = {
    "uint8": (0, 255),
    "uint16": (0, 65535),
    "float16": (-65504.0, 65504.0),
    "float32": (-_FLOAT32_MAX, _FLOAT32_MAX),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
}
_MAX_FRAME_RATE = 2**31
_MAX_ASPECT = 2**16 - 1
_LEAST_SCALE = 2.0**-160  # of a light curve, so that no sample of 32 bits leaves the range of 64


@dataclass(frozen=True)
class CoderPart:
    """What a header says of the coder, under the names of `Header`; all parts of a signal in one file share it."""

    coder: int = WEIGHTS
    coder_fields: ModelFields = ()
    model: int | None = None
    model_fields: ModelFields = ()
    coding: int = 0


@dataclass(frozen=True)
class Header:
    """What a file says about itself. Numbers in the attribute list are the CBOR keys.

    Attributes:
        shape: (1) samples on each axis.
        channels: (2) values a sample.
        dtype: (3) id in `ids.SAMPLE_TYPES`.
        value_range: (4) the sample values that -1 and 1 stand for; None means all of an integer type.
        model: (5) wire id of the model of the coder `WEIGHTS`; None for every other coder.
        model_fields: (6) its non-default settings by wire number.
        layers: (7) quality layers, coarse to fine.
        tiles: (8) tiles along each axis; None means one tile.
        coding: (9) id in `ids.CODINGS`.
        psnr: (10) PSNR after each layer in 1/100 dB.
        orientation: (11) EXIF orientation of the original, already applied.
        colour_space: (12) id in `ids.COLOUR_SPACES`.
        kind: (13) id in `ids.SIGNAL_KINDS`.
        alignment: (14) id in `ids.ALIGNMENTS`.
        box: (15) low, high of each axis in field coordinates; None means the default for the shape.
        power: (16) low, high and gamma of the power transform; None for the linear map of `value_range`.
        frame_rate: (17) frames a second of a video as numerator and denominator.
        attributes: (18) attributes of a later kind of signal by number, sorted: numbers, or tuples of numbers.
        coder: (19) wire id of the coder.
        coder_fields: (20) what a coder other than `WEIGHTS` says of itself, by number.
        frame_times: (21) how long frames of a video are shown, see `inr.container.times`; None if all equally long.
        pixel_aspect: (22) width of a pixel of a video by its height, as numerator and denominator.
        light: (23) scale of the light curve, how many first channels are on it; with key 10, PU21-PSNR in 1/100 dB.
        roles: (24) how many first channels are colours, and 1 if the last one is alpha; None where the number tells.
        extras: (25) attributes of kinds 0 to 2 that came later than their own keys, in the form of `attributes`.
    """

    shape: tuple[int, ...] = field(metadata={"key": 1})
    model: int | None = field(default=None, metadata={"key": 5})
    channels: int = field(default=3, metadata={"key": 2})
    dtype: int = field(default=0, metadata={"key": 3})
    value_range: tuple[float, float] | None = field(default=None, metadata={"key": 4})
    model_fields: ModelFields = field(default=(), metadata={"key": 6})
    layers: int = field(default=1, metadata={"key": 7})
    tiles: tuple[int, ...] | None = field(default=None, metadata={"key": 8})
    coding: int = field(default=0, metadata={"key": 9})
    psnr: tuple[int, ...] = field(default=(), metadata={"key": 10})
    orientation: int = field(default=1, metadata={"key": 11})
    colour_space: int = field(default=0, metadata={"key": 12})
    kind: int = field(default=0, metadata={"key": 13})
    alignment: int = field(default=0, metadata={"key": 14})
    box: tuple[float, ...] | None = field(default=None, metadata={"key": 15})
    power: tuple[float, float, float] | None = field(default=None, metadata={"key": 16})
    frame_rate: tuple[int, int] | None = field(default=None, metadata={"key": 17})
    attributes: Stored = field(default=(), metadata={"key": 18})
    coder: int = field(default=WEIGHTS, metadata={"key": 19})
    coder_fields: ModelFields = field(default=(), metadata={"key": 20})
    frame_times: tuple[int, ...] | None = field(default=None, metadata={"key": 21})
    pixel_aspect: tuple[int, int] = field(default=(1, 1), metadata={"key": 22})
    light: tuple[float, ...] | None = field(default=None, metadata={"key": 23})
    roles: tuple[int, int] | None = field(default=None, metadata={"key": 24})
    extras: Stored = field(default=(), metadata={"key": 25})

    def __post_init__(self) -> None:
        _check_grid(self)
        _check_ids(self)
        _check_coder(self)
        _check_kind(self)
        _check_video(self)
        _check_attributes(self.attributes)
        _check_attributes(self.extras)
        _check_values(self)
        _check_channels(self)

    @property
    def coder_part(self) -> CoderPart:
        """What it says of the coder."""
        return CoderPart(self.coder, self.coder_fields, self.model, self.model_fields, self.coding)

    @property
    def data_sections(self) -> int:
        """Number of DATA sections of the whole file."""
        return self.layers * math.prod(self.tiles or (1,))


def _set_up() -> None:
    """Let cbor2 set itself up while this module is imported, for which a fork in another thread waits (`inr.forks`).

    It does so when it is used first, behind locks that a child would find locked for ever.
    """
    cbor2.loads(cbor2.dumps({0: [1, -1, 2.5, b"", "", True, None, {1: (2,)}]}, canonical=True))


_set_up()


def to_cbor(header: Header) -> bytes:
    """Canonical CBOR of a header."""
    document: dict[int, Any] = {}
    for item in fields(header):
        value = getattr(header, item.name)
        if value != item.default:
            if item.name in _MAPS:
                value = _thawed_fields(value)
            if item.name in _ATTRIBUTES:
                value = {number: list(v) if isinstance(v, tuple) else v for number, v in value}
            document[item.metadata["key"]] = list(value) if isinstance(value, tuple) else value
    return cbor2.dumps(document, canonical=True)


def from_cbor(data: bytes) -> Header:
    """Parse and check a header; raises a `FormatError`."""
    if len(data) > limits.MAX_HEADER_BYTES:
        raise LimitExceededError(f"header of {len(data)} bytes; at most {limits.MAX_HEADER_BYTES} are allowed")
    try:
        document = cbor2.loads(data)
    except Exception as error:
        raise CorruptHeaderError(f"header is not CBOR: {type(error).__name__}") from None
    if not isinstance(document, dict):
        raise CorruptHeaderError(f"header must be a map; it is a {type(document).__name__}")
    known = {item.metadata["key"]: item.name for item in fields(Header)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        if not (_is_int(key) and _is_number(key)):
            raise CorruptHeaderError(f"header: keys must be integers below 2^63; got a {type(key).__name__}")
        if key not in known:
            raise UnsupportedFeatureError(f"header field {key} is not known to this version")
        values[known[key]] = _frozen(value, known[key])
    missing = ({"shape"} if "coder" in values else {"shape", "model"}) - values.keys()
    if missing:
        raise CorruptHeaderError(f"header lacks {' and '.join(sorted(missing))}")
    header = Header(**values)
    if to_cbor(header) != data:
        raise CorruptHeaderError("header is not in canonical form")
    return header


def _thawed_fields(fields: ModelFields) -> dict[int, Any]:
    return {
        number: [value[0], _thawed_fields(value[1])] if isinstance(value, tuple) else value for number, value in fields
    }


def _frozen_fields(value: Any, name: str, nesting: int = 1) -> ModelFields:
    """A map of fields as sorted pairs; a component in it is a list of its id and its own map."""
    if not isinstance(value, dict) or not all(_is_int(key) and _is_number(key) for key in value):
        raise CorruptHeaderError(f"header: {name} must map integers to numbers or components")
    if nesting > _MAX_NESTING:
        raise LimitExceededError(f"header: components are nested more than {_MAX_NESTING} deep")
    pairs: list[tuple[int, WireValue]] = []
    for key, item in sorted(value.items()):
        if isinstance(item, list) and len(item) == 2 and _is_int(item[0]) and 0 <= item[0] < 2**31:
            pairs.append((key, (item[0], _frozen_fields(item[1], name, nesting + 1))))
        elif _is_number(item):
            pairs.append((key, item))
        else:
            raise CorruptHeaderError(f"header: {name} must map integers to numbers or components")
    return tuple(pairs)


def _frozen(value: Any, name: str) -> Any:
    """Lists to tuples, maps of fields to pairs; refuses everything else that is not a number."""
    if name in _MAPS:
        return _frozen_fields(value, name.replace("_", " "))
    if name in _ATTRIBUTES:
        if not isinstance(value, dict) or not all(_is_int(key) and _is_number(key) for key in value):
            raise CorruptHeaderError("header: attributes must map integers to numbers or lists of numbers")
        return tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in sorted(value.items()))
    if isinstance(value, list):
        if not all(_is_number(v) for v in value):
            raise CorruptHeaderError(f"header: {name} must hold numbers")
        return tuple(value)
    if not _is_number(value):
        raise CorruptHeaderError(f"header: {name} must be a number")
    return value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (_is_int(value) and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value))


def _integers(name: str, value: Any, count: int | None, low: int, high: int) -> None:
    """Check a tuple of `count` integers in [low, high]."""
    if (
        not isinstance(value, tuple)
        or not all(_is_int(v) for v in value)
        or (count is not None and len(value) != count)
    ):
        raise CorruptHeaderError(f"header: {name} must be {'a list of' if count is None else count} integers")
    for v in value:
        if not low <= v <= high:
            raise LimitExceededError(f"header: {name} must be within {low}..{high}; got {v}")


def _check_grid(header: Header) -> None:
    _integers("shape", header.shape, None, 1, limits.MAX_AXIS_SAMPLES)
    n = len(header.shape)
    if not 1 <= n <= limits.MAX_AXES:
        raise LimitExceededError(f"header: 1 to {limits.MAX_AXES} axes are allowed; got {n}")
    if math.prod(header.shape) > limits.MAX_SAMPLES:
        raise LimitExceededError(f"header: {math.prod(header.shape)} samples; at most {limits.MAX_SAMPLES} are allowed")
    _integers("channels", (header.channels,), 1, 1, limits.MAX_CHANNELS)
    _integers("layers", (header.layers,), 1, 1, limits.MAX_LAYERS)
    if header.tiles is not None:
        _integers("tiles", header.tiles, n, 1, limits.MAX_TILES)
        if math.prod(header.tiles) == 1:
            raise CorruptHeaderError("header: tiles must be left out if there is one")
        if math.prod(header.tiles) > limits.MAX_TILES:
            raise LimitExceededError(f"header: at most {limits.MAX_TILES} tiles are allowed; got {header.tiles}")
        if any(tiles > samples for tiles, samples in zip(header.tiles, header.shape, strict=True)):
            raise CorruptHeaderError(f"header: {header.tiles} tiles are more than the samples {header.shape}")
        if header.alignment != 0 or header.box is not None:
            raise CorruptHeaderError("header: tiles need samples at cell centres and the default box")
    box: Any = header.box
    if box is not None and (
        not isinstance(box, tuple)
        or len(box) != 2 * n
        or any(abs(bound) > _BOX for bound in box)
        or any(high - low < 1 / _BOX for low, high in zip(box[::2], box[1::2], strict=True))
    ):
        raise CorruptHeaderError("header: box must hold low < high for each axis, within 2^20 and at least 2^-20 apart")


def _check_ids(header: Header) -> None:
    tables = {
        "dtype": ids.SAMPLE_TYPES,
        "coding": ids.CODINGS,
        "colour_space": ids.COLOUR_SPACES,
        "alignment": ids.ALIGNMENTS,
    }
    for name, table in tables.items():
        value = getattr(header, name)
        if not _is_int(value) or value not in table:
            raise UnsupportedFeatureError(f"header: {name} {value!r:.40} is not known to this version")
    _integers("kind", (header.kind,), 1, 0, 2**31)
    if header.kind not in ids.SIGNAL_KINDS and header.kind < ids.FIRST_FOREIGN_KIND:
        raise UnsupportedFeatureError(f"header: kind {header.kind} is not known to this version")
    _integers("orientation", (header.orientation,), 1, 1, 8)


def _check_coder(header: Header) -> None:
    """A model belongs to the coder of weights, fields of its own to every other."""
    _integers("coder", (header.coder,), 1, 0, 2**31)
    if header.coder == WEIGHTS:
        if header.model is None:
            raise CorruptHeaderError("header lacks model")
        _integers("model", (header.model,), 1, 0, 2**31)
        if header.coder_fields:
            raise CorruptHeaderError("header: coder fields need a coder of their own")
        if ids.CODINGS[header.coding] != "uniform" and header.layers != 1:
            raise CorruptHeaderError(f"header: stored floats come in 1 layer; got {header.layers}")
    elif header.model is not None or header.model_fields or header.coding:
        raise CorruptHeaderError(f"header: model, model fields and coding do not belong to coder {header.coder}")


def _check_kind(header: Header) -> None:
    """What the kind of signal implies."""
    kind, n = ids.SIGNAL_KINDS.get(header.kind, f"kind {header.kind}"), len(header.shape)
    axes = ids.SIGNAL_AXES.get(kind)
    if axes is not None and len(axes) != n:
        raise CorruptHeaderError(f"header: {kind} has {len(axes)} axes; got {n}")
    if (kind == "video") != (header.frame_rate is not None):
        raise CorruptHeaderError(f"header: {kind} {'needs a' if kind == 'video' else 'has no'} frame rate")
    if header.kind in ids.SIGNAL_KINDS:
        if header.attributes:
            raise CorruptHeaderError(f"header: {kind} has no attributes of its own")
    elif header.orientation != 1 or header.colour_space != 0 or header.extras:
        raise CorruptHeaderError(f"header: {kind} has no orientation, no colour space and no extras")


def _check_video(header: Header) -> None:
    """Times of frames, and the shape of pixels."""
    _integers("pixel_aspect", header.pixel_aspect, 2, 1, _MAX_ASPECT)
    if header.frame_rate is None:
        if header.frame_times is not None or header.pixel_aspect != (1, 1):
            raise CorruptHeaderError("header: frame_times and pixel_aspect belong to videos")
        return
    _integers("frame_rate", header.frame_rate, 2, 1, _MAX_FRAME_RATE)
    for name in ("frame_rate", "pixel_aspect"):
        if math.gcd(*getattr(header, name)) != 1:
            raise CorruptHeaderError(f"header: {name} must be in lowest terms; got {getattr(header, name)}")
    if header.frame_times is not None:
        _integers("frame_times", header.frame_times, None, -(2**31), 2**53)
        frames = frames_of(times_of(header.frame_times)[1])
        if frames != header.shape[0]:
            raise CorruptHeaderError(f"header: frame_times are of {frames} frames; there are {header.shape[0]}")


def _check_attributes(attributes: Stored) -> None:
    """That they are bounded; what they mean is the kind's to check."""
    if len(attributes) > limits.MAX_ATTRIBUTES:
        raise LimitExceededError(f"header: at most {limits.MAX_ATTRIBUTES} attributes are allowed")
    for key, value in attributes:
        _integers("number of an attribute", (key,), 1, 0, limits.MAX_ATTRIBUTE_KEY)
        numbers = value if isinstance(value, tuple) else (value,)
        if len(numbers) > limits.MAX_ATTRIBUTE_NUMBERS:
            raise LimitExceededError(f"header: an attribute has at most {limits.MAX_ATTRIBUTE_NUMBERS} numbers")
        if not all(_is_number(number) for number in numbers):
            raise CorruptHeaderError("header: attributes must map integers to numbers or lists of numbers")


def _check_channels(header: Header) -> None:
    """What is said of single channels."""
    dtype, n = ids.SAMPLE_TYPES[header.dtype], header.channels
    if header.roles is not None:
        _integers("roles", header.roles, 2, 0, 3)
        colours, alpha = header.roles
        usual = n <= 4 and header.roles == (1 if n <= 2 else 3, int(n % 2 == 0))
        if colours not in (1, 3) or alpha > 1 or colours + alpha > n or usual:
            raise CorruptHeaderError(f"header: roles {header.roles} do not go with {n} channels")
        if ids.SIGNAL_KINDS.get(header.kind) != "image":
            raise CorruptHeaderError("header: only a picture has roles of channels")
    light: Any = header.light
    if light is None:
        return
    if not isinstance(light, tuple) or len(light) not in (2, 2 + header.layers):
        raise CorruptHeaderError("header: light must hold a scale, a number of channels, and one PSNR for each layer")
    if not _LEAST_SCALE <= light[0] <= _FLOAT32_MAX or header.power is not None or not dtype.startswith("float"):
        raise CorruptHeaderError(
            f"header: light needs float samples, a scale within 2^-160..2^128 and no power; got {light[0]}"
        )
    _integers("light", light[1:2], 1, 1, n)
    _integers("light", light[2:], None, 0, 10_000)


def _check_values(header: Header) -> None:
    _integers("psnr", header.psnr, None, 0, 10_000)
    if len(header.psnr) not in (0, header.layers):
        raise CorruptHeaderError(f"header: psnr needs one value for each of {header.layers} layers")
    power: Any = header.power
    if power is not None and (
        not isinstance(power, tuple) or len(power) != 3 or max(map(abs, power)) > 2 * _FLOAT32_MAX
    ):
        raise CorruptHeaderError("header: power must hold low, high and gamma")
    if power is not None and not (power[0] < power[1] and 1 / MAX_GAMMA <= power[2] <= MAX_GAMMA):
        raise CorruptHeaderError(f"header: power needs low < high and gamma within 1/5..5; got {power}")
    dtype = ids.SAMPLE_TYPES[header.dtype]
    if header.value_range is None:
        if dtype.startswith("float"):
            raise CorruptHeaderError("header: float samples need a value_range")
        return
    values: Any = header.value_range
    if not isinstance(values, tuple) or len(values) != 2 or not float(values[0]) < float(values[1]):
        raise CorruptHeaderError("header: value_range must hold low < high")
    low, high = _SAMPLE_LIMITS[dtype]
    if not dtype.startswith("float") and (values == (low, high) or not all(_is_int(value) for value in values)):
        raise CorruptHeaderError(
            f"header: value_range of {dtype} must be whole numbers, and left out if it is all; got {values}"
        )
    if not low <= values[0] < values[1] <= high:
        raise CorruptHeaderError(f"header: value_range of {dtype} must be within {low:g}..{high:g}; got {values}")
