"""Damaged and forged files: a `FormatError`, or a picture of the stated shape; nothing else, and soon."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.codec.decode import open_field
from inr.codec.field import DecodedField
from inr.container.file import DATA, HEAD, MAJOR, SIGNATURE, InrFile, parse, section_sizes, to_bytes
from inr.errors import (
    BadMagicError,
    ChecksumError,
    CorruptStreamError,
    FormatError,
    TruncatedError,
    UnsupportedFeatureError,
    UnsupportedVersionError,
)
from inr.signals.image.attributes import image_attributes
from tests.support.small_files import (
    LAYERS,
    MODELS,
    PROFILE,
    SHAPE,
    check_decodes,
    join,
    outcome,
    partial_outcome,
    small_file,
    split,
)

FILES = {name: small_file(name) for name in MODELS}

each_file = pytest.mark.parametrize("data", FILES.values(), ids=FILES)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def check_outcome(data: bytes) -> bool:
    """True if the bytes open; then they also decode."""
    result = outcome(data)
    if isinstance(result, FormatError):
        return False
    check_decodes(result)
    return True


@each_file
def test_the_files_are_sound(data: bytes) -> None:
    assert len(data) < 500
    assert join(split(data)) == data
    assert [kind for kind, _ in split(data)] == [HEAD, *[DATA] * LAYERS, b"iccp"]
    field = outcome(data)
    assert isinstance(field, DecodedField)
    assert image_attributes(field.meta).icc_profile == PROFILE
    assert field.decode().shape == (*SHAPE, 3)
    assert field.decode().std() > 5


@each_file
def test_truncation_at_every_byte(data: bytes) -> None:
    """A prefix opens if and only if it ends at a section border behind the base layer."""
    layers = section_sizes(parse(data))
    opening = [size for size in range(len(data) + 1) if check_outcome(data[:size])]
    assert opening == [*layers, len(data)]
    for count, size in enumerate(layers, start=1):
        assert parse(data[:size]).layers_present == count
    for size in set(range(len(SIGNATURE), len(data))) - set(layers):
        assert isinstance(outcome(data[:size]), TruncatedError)


@each_file
def test_truncation_keeps_the_whole_layers_before_it(data: bytes) -> None:
    layers = section_sizes(parse(data))
    for size in range(len(data) + 1):
        whole = sum(border <= size for border in layers)
        found = partial_outcome(data[:size])
        if whole:
            assert isinstance(found, InrFile)
            assert found.layers_present == whole
        else:
            assert isinstance(found, FormatError)


@each_file
def test_every_flipped_bit_is_noticed(data: bytes) -> None:
    """The checksums catch all of them, except in the minor version, whose value does not matter."""
    opening = {bit // 8 for bit in range(8 * len(data)) if check_outcome(flipped(data, bit))}
    assert opening == {len(SIGNATURE) + 1}


@each_file
def test_every_flipped_bit_leaves_the_layers_before_it(data: bytes) -> None:
    layers = section_sizes(parse(data))
    for bit in range(8 * layers[0], 8 * len(data), 5):
        found = partial_outcome(flipped(data, bit))
        assert isinstance(found, InrFile)
        assert found.layers_present == sum(border <= bit // 8 for border in layers)


@each_file
def test_every_flipped_bit_behind_a_right_checksum(data: bytes) -> None:
    """Now the flip reaches the header's parser and the entropy decoder."""
    opened = 0
    sections = split(data)
    for number, (kind, payload) in enumerate(sections[:-1]):
        for bit in range(8 * (len(kind) + len(payload))):
            mutant = flipped(kind + payload, bit)
            forged = [*sections[:number], (mutant[:4], mutant[4:]), *sections[number + 1 :]]
            opened += check_outcome(join(forged))
    assert opened > 0


@each_file
def test_every_payload_cut_or_lengthened_behind_a_right_checksum(data: bytes) -> None:
    sections = split(data)
    for number, (kind, payload) in enumerate(sections):
        if kind != DATA:
            continue
        for changed in [payload[:size] for size in range(len(payload))] + [
            payload + bytes([b]) for b in range(0, 256, 15)
        ]:
            forged = join([*sections[:number], (kind, changed), *sections[number + 1 :]])
            result = outcome(forged)
            if not isinstance(result, FormatError):
                check_decodes(result)
            elif len(changed) > len(payload):
                assert isinstance(result, CorruptStreamError)


@each_file
@pytest.mark.parametrize("fill", [b"\x00", b"\xff", b"\x55"])
def test_payloads_of_one_byte_value(data: bytes, fill: bytes) -> None:
    sections = split(data)
    for size in (0, 1, 3, 4, 5, 50, 5000):
        for number in range(1, LAYERS + 1):
            forged = [*sections[:number], (DATA, fill * size), *sections[number + 1 :]]
            result = outcome(join(forged))
            if size == 5000:
                assert isinstance(result, CorruptStreamError)
            elif isinstance(result, DecodedField):
                check_decodes(result)


@each_file
def test_sections_in_another_order(data: bytes) -> None:
    """Layers that changed places decode to garbage or not at all; the header comes first."""
    head, one, two, three, profile = split(data)
    for order in ([head, two, one, three], [head, three, two], [head, one, one, one], [head, profile, two]):
        check_outcome(join(order))
    for order in ([one, head], [profile, head, one], [one], []):
        assert isinstance(outcome(join(order)), FormatError)
    assert isinstance(outcome(join([head, head, one])), UnsupportedFeatureError)
    assert check_outcome(join([head, profile, one, two, profile, three]))


def test_ends_of_files_are_named() -> None:
    data = FILES["siren"]
    for size in range(1, len(SIGNATURE) + 2):
        with pytest.raises(TruncatedError, match=f"ends after {size} bytes"):
            parse(data[:size])
    with pytest.raises(BadMagicError):
        parse(b"")
    with pytest.raises(TruncatedError, match="is cut: 1 of"):
        parse(data[:-1])
    with pytest.raises(TruncatedError, match="within the frame"):
        parse(data + b"\0")
    with pytest.raises(ChecksumError, match=f"section at byte {len(SIGNATURE) + 2} is damaged"):
        parse(flipped(data, 8 * 20))


@pytest.mark.parametrize(
    "damaged",
    [
        FILES["siren"].replace(b"\r\n", b"\n"),
        FILES["siren"].replace(b"\x1a\n", b"\x1a\r\n"),
        bytes([FILES["siren"][0] & 0x7F]) + FILES["siren"][1:],
        b"\x89PNG\r\n\x1a\n" + FILES["siren"][8:],
    ],
    ids=["crlf to lf", "lf to crlf", "7 bit", "png"],
)
def test_signature_catches_broken_transfers(damaged: bytes) -> None:
    with pytest.raises(BadMagicError, match="signature"):
        parse(damaged)


@pytest.mark.parametrize("major", [0, 2, 255])
def test_other_major_version_is_refused_by_name(major: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=rf"version {major}\.7; this version reads {MAJOR}\.x"):
        open_field(join(split(FILES["siren"]), version=bytes([major, 7])))


@pytest.mark.parametrize("minor", [1, 255])
def test_newer_minor_version_is_read(minor: int) -> None:
    data = join([*split(FILES["siren"]), (b"newx", b"something of a later version")], version=bytes([MAJOR, minor]))
    assert parse(data).minor == minor
    assert to_bytes(parse(data)) == data
    assert check_outcome(data)


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    for start in (b"", SIGNATURE, SIGNATURE + bytes([MAJOR, 0])):
        assert isinstance(outcome(start + data), FormatError)
        assert isinstance(partial_outcome(start + data), FormatError)


@given(st.sampled_from(sorted(FILES)), st.integers(0, LAYERS + 1), st.binary(max_size=80))
def test_random_payloads_behind_a_right_checksum(name: str, number: int, payload: bytes) -> None:
    sections = split(FILES[name])
    sections[number] = (sections[number][0], payload)
    opened = check_outcome(join(sections))
    assert opened or number <= LAYERS


@given(st.integers(0, 2**32 - 1))
def test_several_random_changes_behind_right_checksums(seed: int) -> None:
    """Bytes replaced, removed, inserted and copied within header and payloads."""
    rng = random.Random(seed)
    sections = split(FILES[rng.choice(sorted(FILES))])
    for _ in range(rng.randint(1, 4)):
        number = rng.randrange(LAYERS + 1)
        kind, payload = sections[number]
        at, size = rng.randrange(len(payload) + 1), rng.randrange(4)
        filling = rng.choice([rng.randbytes(size), payload[:size], b"\xff" * size, b""])
        sections[number] = (kind, payload[:at] + filling + payload[at + rng.randrange(4) :])
    check_outcome(join(sections))
