"""The container: files and bytes are the same thing, extensions are skipped or refused, framing is small."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.codec.pack import pack, with_psnr
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.container import ids
from inr.container.file import DATA, MAJOR, InrFile, Section, parse, parse_partial, section_sizes, to_bytes
from inr.container.header import Header, from_cbor, to_cbor
from inr.errors import CorruptHeaderError, TruncatedError, UnsupportedFeatureError, UnsupportedVersionError
from inr.models.base import ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from tests.support.random_fields import random_field
from tests.support.strategies import files, headers, section_types

LAST_KEY = max(item.metadata["key"] for item in dataclasses.fields(Header))

MAX_FRAMING = 64
KEYS = {item.metadata["key"] for item in dataclasses.fields(Header)}


@given(files())
def test_parse_undoes_to_bytes(file: InrFile) -> None:
    data = to_bytes(file)
    again = parse(data)
    assert again == file
    assert to_bytes(again) == data
    assert parse_partial(data) == (file, None)


@given(headers())
def test_header_round_trip(header: Header) -> None:
    data = to_cbor(header)
    again = from_cbor(data)
    assert again == header
    assert to_cbor(again) == data


@given(headers())
def test_default_fields_take_no_bytes(header: Header) -> None:
    smallest = Header(
        shape=header.shape, model=header.model, coder=header.coder, kind=header.kind, frame_rate=header.frame_rate
    )
    assert len(to_cbor(smallest)) <= len(to_cbor(header))
    assert header == smallest or len(to_cbor(header)) > len(to_cbor(smallest))


@given(files(), st.data())
@settings(max_examples=40)
def test_unknown_critical_section_is_refused_by_name(file: InrFile, data: st.DataObject) -> None:
    kind = data.draw(section_types(critical=True))
    position = data.draw(st.integers(0, len(file.sections)))
    sections = list(file.sections)
    sections.insert(position, Section(kind, b"?"))
    with pytest.raises(UnsupportedFeatureError, match=kind.decode()):
        parse(to_bytes(dataclasses.replace(file, sections=tuple(sections))))


@given(files())
@settings(max_examples=40)
def test_prefixes_that_end_at_a_border_parse(file: InrFile) -> None:
    data = to_bytes(file)
    tiles = math.prod(file.header.tiles or (1,))
    for number, size in enumerate(section_sizes(file), start=1):
        if number < tiles:
            with pytest.raises(TruncatedError, match="first quality layer"):
                parse(data[:size])
        else:
            prefix = parse(data[:size])
            assert prefix.payloads == file.payloads[:number]
            assert prefix.header == file.header


@given(files(), st.data())
@settings(max_examples=40)
def test_truncated_keeps_the_first_layers_and_everything_else(file: InrFile, data: st.DataObject) -> None:
    layers = data.draw(st.integers(1, file.layers_present))
    cut = file.truncated(layers)
    assert cut.layers_present == layers
    assert cut.payloads == file.payloads[: layers * math.prod(file.header.tiles or (1,))]
    assert [s for s in cut.sections if s.type != DATA] == [s for s in file.sections if s.type != DATA]
    assert parse(to_bytes(cut)) == cut


@given(files(), st.integers(0, 255))
@settings(max_examples=40)
def test_every_minor_version_is_read(file: InrFile, minor: int) -> None:
    newer = dataclasses.replace(file, minor=minor)
    assert parse(to_bytes(newer)) == newer


@given(files(), st.integers(0, 255).filter(lambda major: major != MAJOR))
@settings(max_examples=40)
def test_other_major_version_is_refused_by_name(file: InrFile, major: int) -> None:
    data = bytearray(to_bytes(file))
    data[8] = major
    with pytest.raises(UnsupportedVersionError, match=rf"{major}\.{file.minor}; this version reads {MAJOR}\."):
        parse(bytes(data))


@given(headers(), st.integers(LAST_KEY + 1, 2**63 - 1))
@settings(max_examples=40)
def test_header_field_of_a_later_version_is_refused(header: Header, key: int) -> None:
    count = to_cbor(header)[0]
    assert 0xA0 < count < 0xB7
    later = bytes([count + 1]) + to_cbor(header)[1:] + b"\x1b" + key.to_bytes(8, "big") + b"\x00"
    with pytest.raises(UnsupportedFeatureError, match=rf"header field {key} is not known"):
        from_cbor(later)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_float_samples_need_a_range(dtype: str) -> None:
    with pytest.raises(CorruptHeaderError, match="float samples need a value_range"):
        Header(shape=(2, 2), model=1, dtype=ids.id_of(ids.SAMPLE_TYPES, dtype))


@pytest.mark.parametrize(
    "model",
    [Siren(width=106), HashGridMlp(log2_hashmap_size=11, finest_resolution=768, n_levels=9)],
    ids=lambda model: str(model.kind),
)
def test_framing_of_a_plain_picture_is_small(model: ModelSpec) -> None:
    """Everything that is not payload, for a photo of usual size with its PSNR."""
    file = with_psnr(pack(quantize(random_field(model, shape=(512, 768)), QuantSpec(bits=4))), (31.41,))
    assert [section.type for section in file.sections] == [DATA]
    assert len(to_bytes(file)) - len(file.payloads[0]) <= MAX_FRAMING
