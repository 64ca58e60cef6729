"""Hypothesis strategies for the types of the library."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from inr.coders.weights.quantize import MAX_STEP_CODE, MIN_STEP_CODE, QuantizedTensor
from inr.coders.weights.stream import Layouts
from inr.container import ids, limits
from inr.container.file import DATA, HEAD, InrFile, Section
from inr.container.header import CoderPart, Header, ModelFields, WireValue
from inr.container.times import stored_times
from inr.layers.layout import TensorLayout
from inr.meta import INTEGER_RANGE, Stored

MAX_MAGNITUDE = 2**31 - 1

_FLOAT_LIMIT = {"float16": 65504.0, "float32": 3.4e38}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def integers() -> st.SearchStrategy[int]:
    """Signed integers of all sizes that the entropy coder takes, small ones more often."""
    return st.one_of(
        st.integers(-3, 3),
        st.integers(-300, 300),
        st.integers(-MAX_MAGNITUDE, MAX_MAGNITUDE),
        st.sampled_from([-MAX_MAGNITUDE, MAX_MAGNITUDE, 2**30, -(2**30)]),
    )


@st.composite
def layouts(draw: st.DrawFn) -> Layouts:
    """One to four tensors of one to three axes, with random groups."""
    found = []
    for i in range(draw(st.integers(1, 4))):
        groups = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
        rest = tuple(draw(st.lists(st.integers(1, 4), max_size=2)))
        shape = (sum(groups), *rest)
        bias = not rest and draw(st.booleans())
        found.append(TensorLayout(f"{i}.t", shape, groups, bias=bias, separate_models=draw(st.booleans())))
    return tuple(found)


@st.composite
def quantized_tensors(draw: st.DrawFn) -> tuple[QuantizedTensor, ...]:
    """Tensors of integers with uniform steps."""
    tensors = []
    for layout in draw(layouts()):
        count = math.prod(layout.shape)
        symbols = draw(st.lists(integers(), min_size=count, max_size=count))
        code = st.integers(MIN_STEP_CODE, MAX_STEP_CODE)
        codes = draw(st.lists(code, min_size=len(layout.groups), max_size=len(layout.groups)))
        tensors.append(
            QuantizedTensor(
                layout, np.array(symbols, dtype=np.int64).reshape(layout.shape), np.array(codes, dtype=np.int64)
            )
        )
    return tuple(tensors)


def wire_values(nesting: int = 2) -> st.SearchStrategy[WireValue]:
    """Numbers and components that a header may hold."""
    numbers = st.integers(-(2**63) + 1, 2**63 - 1)
    values: st.SearchStrategy[WireValue] = numbers | st.floats(allow_nan=False, allow_infinity=False)
    return values | st.tuples(st.integers(0, 2**31 - 1), model_fields(nesting - 1)) if nesting else values


def model_fields(nesting: int = 2) -> st.SearchStrategy[ModelFields]:
    """Settings of a model by number, in order."""
    numbers = st.integers(-(2**63) + 1, 2**63 - 1)
    pairs = st.dictionaries(numbers, wire_values(nesting), max_size=8)
    return pairs.map(lambda fields: tuple(sorted(fields.items())))


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, ...]:
    """Grids of one to four axes, at most 2^36 samples."""
    axes = draw(st.integers(1, 4))
    return tuple(draw(st.lists(st.integers(1, 2 ** min(24, 36 // axes)), min_size=axes, max_size=axes)))


@st.composite
def value_ranges(draw: st.DrawFn, dtype: str) -> tuple[float, float] | None:
    """A range that the sample type allows, in integers or floats; None where an integer type is used in full."""
    if dtype in INTEGER_RANGE:
        least, most = INTEGER_RANGE[dtype]
        whole = st.tuples(st.integers(least, most), st.integers(least, most)).filter(lambda pair: pair[0] != pair[1])
        pair = tuple(sorted(draw(whole)))
        return None if draw(st.booleans()) or pair == (least, most) else (pair[0], pair[1])
    limit = _FLOAT_LIMIT[dtype]
    numbers = st.floats(-limit, limit) | st.integers(-60000, 60000)
    low, high = sorted(draw(st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1])))
    return low, high


@st.composite
def boxes(draw: st.DrawFn, axes: int) -> tuple[float, ...]:
    """Low and high of each axis, in integers or floats."""
    number = st.floats(-(2.0**20), 2.0**20) | st.integers(-(2**20), 2**20)
    pair = st.tuples(number, number).map(sorted).filter(lambda p: p[1] - p[0] >= 2.0**-20)
    return tuple(value for _ in range(axes) for value in draw(pair))


def tilings(shape: tuple[int, ...]) -> st.SearchStrategy[tuple[int, ...] | None]:
    """Two to 16 tiles of at least a sample, or None."""
    most = 2 if len(shape) > 1 else 8
    counts = st.tuples(*[st.integers(1, min(most, n)) for n in shape])
    return st.none() | counts.map(lambda tiles: tiles if math.prod(tiles) > 1 else None)


def powers() -> st.SearchStrategy[tuple[float, float, float]]:
    """Low, high and gamma of a power transform."""
    number = st.floats(-(2.0**100), 2.0**100, width=32) | st.integers(-60000, 60000)
    ends = st.tuples(number, number).filter(lambda pair: pair[0] != pair[1]).map(sorted)
    return st.tuples(ends, st.floats(0.2, 5) | st.integers(1, 5)).map(lambda p: (p[0][0], p[0][1], p[1]))


@st.composite
def lights(draw: st.DrawFn, channels: int, layers: int) -> tuple[float, ...]:
    """Scale of a light curve, how many channels are on it, and perhaps a PSNR for each layer."""
    scale = draw(st.floats(2.0**-140, 2.0**120, width=32) | st.integers(1, 60000))
    psnr = st.lists(st.integers(0, 10_000), min_size=layers, max_size=layers).map(tuple)
    return scale, draw(st.integers(1, channels)), *draw(st.just(()) | psnr)


def roles(channels: int) -> st.SearchStrategy[tuple[int, int] | None]:
    """What channels of a picture are, if that is not what it usually is."""
    usual = {1: (1, 0), 2: (1, 1), 3: (3, 0), 4: (3, 1)}.get(channels)
    pairs = st.sampled_from([(1, 0), (1, 1), (3, 0), (3, 1)])
    return st.none() | pairs.filter(lambda pair: sum(pair) <= channels and pair != usual)


def attributes() -> st.SearchStrategy[Stored]:
    """Numbers, and lists of numbers, of a kind of signal of another package."""
    number = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    value = number | st.lists(number, max_size=limits.MAX_ATTRIBUTE_NUMBERS).map(tuple)
    keys = st.integers(0, limits.MAX_ATTRIBUTE_KEY)
    return st.dictionaries(keys, value, max_size=4).map(lambda found: tuple(sorted(found.items())))


@st.composite
def frame_times(draw: st.DrawFn, frames: int) -> tuple[int, ...] | None:
    """Times of so many frames that are not all equally long, or None."""
    if frames < 2 or draw(st.booleans()):
        return None
    cuts = draw(st.sets(st.integers(1, frames - 1), min_size=1, max_size=5))
    counts = [last - first for first, last in pairwise([0, *sorted(cuts), frames])]
    ticks = draw(st.lists(st.integers(1, 2**20), min_size=len(counts), max_size=len(counts)))
    for place in range(1, len(ticks)):
        ticks[place] += ticks[place] == ticks[place - 1]
    common = math.gcd(*ticks)
    runs = tuple((length // common, count) for length, count in zip(ticks, counts, strict=True))
    tick = Fraction(draw(st.integers(1, 2**31)), draw(st.integers(1, 2**31)))
    return stored_times(tick.as_integer_ratio(), runs)


def pixel_aspects() -> st.SearchStrategy[tuple[int, int]]:
    """Shapes of pixels, square ones too."""
    term = st.integers(1, 2**16 - 1)
    return st.tuples(term, term).map(lambda pair: Fraction(*pair).as_integer_ratio())


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Any header that the format allows, with at most 64 data sections."""
    shape = draw(shapes())
    dtype = draw(st.sampled_from(sorted(ids.SAMPLE_TYPES)))
    coding = draw(st.sampled_from(sorted(ids.CODINGS)))
    layers = draw(st.integers(1, 8)) if ids.CODINGS[coding] == "uniform" else 1
    psnr = st.lists(st.integers(0, 10_000), min_size=layers, max_size=layers).map(tuple)
    rates = st.tuples(st.integers(1, 2**31), st.integers(1, 2**31)).map(lambda r: Fraction(*r).as_integer_ratio())
    kind = draw(st.sampled_from([2, {2: 0, 3: 1}.get(len(shape), 2), draw(st.integers(ids.FIRST_FOREIGN_KIND, 2**31))]))
    known = kind in ids.SIGNAL_KINDS
    tiles, channels = draw(tilings(shape)), draw(st.integers(1, 64))
    power = draw(st.none() | powers())
    bright = power is None and ids.SAMPLE_TYPES[dtype].startswith("float")
    return Header(
        shape=shape,
        channels=channels,
        dtype=dtype,
        value_range=draw(value_ranges(ids.SAMPLE_TYPES[dtype])),
        layers=layers,
        tiles=tiles,
        psnr=draw(st.just(()) | psnr),
        orientation=draw(st.integers(1, 8)) if known else 1,
        colour_space=draw(st.sampled_from(sorted(ids.COLOUR_SPACES))) if known else 0,
        kind=kind,
        alignment=0 if tiles else draw(st.sampled_from(sorted(ids.ALIGNMENTS))),
        box=None if tiles else draw(st.none() | boxes(len(shape))),
        power=power,
        light=draw(st.none() | lights(channels, layers)) if bright else None,
        roles=draw(roles(channels)) if kind == 0 and channels != 1 else None,
        frame_rate=draw(rates) if kind == 1 else None,
        frame_times=draw(frame_times(shape[0])) if kind == 1 else None,
        pixel_aspect=draw(pixel_aspects()) if kind == 1 else (1, 1),
        attributes=() if known else draw(attributes()),
        extras=draw(attributes()) if known else (),
        **vars(draw(weights_parts(coding) | coder_parts())),
    )


def weights_parts(coding: int) -> st.SearchStrategy[CoderPart]:
    """What a header says of a network's weights."""
    models = st.tuples(st.integers(0, 2**31), model_fields())
    return models.map(lambda pair: CoderPart(model=pair[0], model_fields=pair[1], coding=coding))


def coder_parts() -> st.SearchStrategy[CoderPart]:
    """What a header says of any other coder."""
    return st.tuples(st.integers(1, 2**31), model_fields()).map(lambda pair: CoderPart(*pair))


@st.composite
def section_types(draw: st.DrawFn, critical: bool) -> bytes:
    """Four letters that no section of this version has; the case of the first says whether it is critical."""
    first = draw(st.sampled_from(_LETTERS[:26] if critical else _LETTERS[26:]))
    name = first + draw(st.text(_LETTERS, min_size=3, max_size=3))
    return b"Zzzz" if name.encode() in (HEAD, DATA) else name.encode()


@st.composite
def files(draw: st.DrawFn) -> InrFile:
    """A file with at least one whole quality layer, and ancillary sections anywhere."""
    header = draw(headers())
    tiles = math.prod(header.tiles or (1,))
    count = draw(st.integers(tiles, min(header.data_sections, tiles + 4)))
    sections = [Section(DATA, draw(st.binary(max_size=20))) for _ in range(count)]
    for _ in range(draw(st.integers(0, 3))):
        extra = Section(draw(section_types(critical=False)), draw(st.binary(max_size=20)))
        sections.insert(draw(st.integers(0, len(sections))), extra)
    return InrFile(header, tuple(sections), minor=draw(st.integers(0, 255)))
