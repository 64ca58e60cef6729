"""Files of the coder `latent` that lie or are damaged: a named error, at once, without memory for what they promise."""

import random
import re
import time
import tracemalloc
from typing import Any

import pytest

from inr.codec.field import DecodedField
from inr.coders.latent.coder import Latent
from inr.coders.latent.stream import MAX_PIXELS, MAX_SIDE
from inr.container.file import DATA, HEAD, to_bytes
from inr.errors import (
    CorruptHeaderError,
    CorruptStreamError,
    FormatError,
    LimitExceededError,
    TruncatedError,
    UnsupportedFeatureError,
)
from tests.golden import latent_files
from tests.support import lies
from tests.support.small_files import check_decodes, join, outcome, split

LATENT = Latent.wire_id
SOUND: lies.Document = {1: [6, 8], 19: LATENT, 20: {0: 2, 1: 0, 2: 0, 3: 4, 4: 0}}
SECONDS = 2.0
"""Of a processor, whatever else the machine does."""
MEMORY = 64 * 2**20
PAYLOAD = bytes([255, *range(2, 40)])  # begins with the number of networks of its own
FILES = {case.__name__: to_bytes(case()) for case in latent_files.CASES}

LIES: dict[str, tuple[type[FormatError], dict[int, Any], str]] = {
    "2^40 pixels": (LimitExceededError, {1: [2**20, 2**20]}, "1099511627776 samples; at most 68719476736 are allowed"),
    "2^36 pixels": (LimitExceededError, {1: [2**18, 2**18]}, rf"262144 x 262144 pixels; at most {MAX_PIXELS}"),
    "a pixel too many": (LimitExceededError, {1: [2**12, 2**12 + 1]}, rf"at most {MAX_PIXELS}"),
    "a long side": (LimitExceededError, {1: [2, MAX_SIDE + 1]}, rf"{MAX_SIDE} a side"),
    "a tall side": (LimitExceededError, {1: [MAX_SIDE + 1, 2]}, rf"{MAX_SIDE} a side"),
    "more symbols than bytes": (CorruptStreamError, {1: [2**12, 2**12]}, ""),
    "10^4 layers": (LimitExceededError, {7: 10_000}, r"layers must be within 1\.\.8; got 10000"),
    "channels": (LimitExceededError, {2: 65}, r"channels must be within 1\.\.64; got 65"),
    "large networks": (CorruptStreamError, {2: 64, 20: {3: 64, 4: 3}}, ""),
    "contexts": (CorruptHeaderError, {20: {0: 15}}, "latent: contexts: .*less than or equal to 14; got 15"),
    "no contexts": (CorruptHeaderError, {20: {0: 0}}, "latent: contexts: "),
    "features": (CorruptHeaderError, {20: {1: 2**40}}, "latent: features: "),
    "hidden": (CorruptHeaderError, {20: {2: 4}}, "latent: hidden: "),
    "width": (CorruptHeaderError, {20: {3: 10**6}}, "latent: width: "),
    "width in parts": (CorruptHeaderError, {20: {3: 4.5}}, "latent: width: "),
    "residuals": (CorruptHeaderError, {20: {4: -1}}, "latent: residuals: "),
    "a setting of its own": (UnsupportedFeatureError, {20: {9: 10_000}}, "coder latent has no setting number 9"),
    "a component": (CorruptHeaderError, {20: {0: [1, {}]}}, "latent"),
    "a default that is stored": (CorruptHeaderError, {20: {0: 14}}, ""),
    "a model": (CorruptHeaderError, {5: 1}, ""),
    "a coding": (CorruptHeaderError, {9: 1}, ""),
    "a video": (CorruptHeaderError, {1: [3, 6, 8], 13: 1, 17: [25, 1]}, "latents of 3 axes; pictures have 2"),
    "an array of 4 axes": (CorruptHeaderError, {1: [2, 3, 6, 8], 13: 2}, "latents of 4 axes; pictures have 2"),
    "another coder": (UnsupportedFeatureError, {19: 9_999}, "coder id 9999 is not known to this version"),
    "tiles without payloads": (TruncatedError, {1: [64, 64], 8: [32, 32]}, ""),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_of_the_header(name: str) -> None:
    expected, fields, message = LIES[name]
    data = lies.forged({**SOUND, **fields}, PAYLOAD)
    began = time.process_time()
    error = outcome(data)
    assert time.process_time() - began < SECONDS
    assert type(error) is expected, error
    assert re.search(message, str(error))
    tracemalloc.start()
    try:
        outcome(data)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def test_the_header_behind_these_lies_is_sound() -> None:
    assert isinstance(outcome(lies.forged(SOUND, PAYLOAD)), CorruptStreamError)
    sections = split(FILES["latents_rgb"])
    assert isinstance(outcome(join(sections)), DecodedField)


@pytest.mark.parametrize("name", FILES)
def test_truncation_leaves_the_layers_before_it(name: str) -> None:
    data, opened = FILES[name], 0
    for size in range(0, len(data) + 1, 1 if len(data) < 700 else 7):
        result = outcome(data[:size])
        if isinstance(result, DecodedField):
            opened += 1
            check_decodes(result)
        else:
            assert isinstance(result, FormatError)
    assert opened or len(data) % 7


@pytest.mark.parametrize("name", FILES)
def test_damaged_payloads_with_right_checksums(name: str) -> None:
    """Symbols and parameters become others, within the bounds of the format, or a named error says why not."""
    choice, refused, decoded = random.Random(name), 0, 0
    sections = split(FILES[name])
    places = [i for i, (kind, _) in enumerate(sections) if kind == DATA]
    for _ in range(60):
        at = choice.choice(places)
        payload = bytearray(sections[at][1])
        for _ in range(choice.choice([1, 1, 2, 8])):
            payload[choice.randrange(len(payload))] = choice.randrange(256)
        cut = choice.choice([len(payload), len(payload), choice.randrange(len(payload))])
        damaged = [*sections[:at], (DATA, bytes(payload[:cut])), *sections[at + 1 :]]
        began = time.process_time()
        result = outcome(join(damaged))
        try:
            if isinstance(result, FormatError):
                raise result
            check_decodes(result)  # of tiles the payloads are read when they are shown
            decoded += 1
        except FormatError:
            refused += 1
        assert time.process_time() - began < SECONDS
    assert refused > 20
    assert refused + decoded == 60


def test_payloads_of_other_sections() -> None:
    """Layers in another order, one that is missing in the middle, one too many."""
    head, *data = split(FILES["latents_layers"])
    assert head[0] == HEAD
    for wrong in ([data[1], data[0], *data[2:]], [*data[:3], *data[4:]], [*data, data[-1]], data[::-1]):
        assert isinstance(outcome(join([head, *wrong])), FormatError)
