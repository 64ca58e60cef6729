"""Hand-made lies: each is refused with a named error, at once and without memory for what it promises."""

import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import cbor2
import numpy as np
import pytest

from inr.codec.decode import open_field
from inr.codec.field import DecodedField
from inr.container import limits
from inr.errors import (
    CorruptHeaderError,
    CorruptStreamError,
    FormatError,
    LimitExceededError,
    UnsupportedFeatureError,
)
from tests.support import lies
from tests.support.small_files import check_decodes, outcome, partial_outcome

ROOT = Path(__file__).parents[2]
SECONDS = 2.0
"""Of a processor, whatever else the machine does."""
MEMORY = 64 * 2**20
SMALL = 10_000


def refusal(data: bytes) -> FormatError:
    """The error that a file is refused with, soon and with little memory."""
    began = time.process_time()
    result = outcome(data)
    assert time.process_time() - began < SECONDS
    assert isinstance(result, FormatError)
    if len(data) > SMALL:
        return result
    tracemalloc.start()  # slows everything down, so it is not timed
    try:
        assert type(outcome(data)) is type(result)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    return result


@pytest.mark.parametrize(("expected", "data"), lies.HUGE.values(), ids=lies.HUGE)
def test_files_that_ask_for_too_much(expected: type[FormatError], data: bytes) -> None:
    assert type(refusal(data)) is expected


@pytest.mark.parametrize("name", lies.WRONG)
def test_headers_with_wrong_values(name: str) -> None:
    error = refusal(lies.WRONG[name])
    assert isinstance(error, CorruptHeaderError | LimitExceededError | UnsupportedFeatureError)


@pytest.mark.parametrize("name", lies.CBOR)
def test_headers_with_more_of_cbor_than_numbers(name: str) -> None:
    assert isinstance(refusal(lies.CBOR[name]), CorruptHeaderError)


@pytest.mark.parametrize("name", lies.TYPES)
def test_header_fields_of_the_wrong_type(name: str) -> None:
    error = refusal(lies.TYPES[name])
    assert isinstance(error, CorruptHeaderError | LimitExceededError | UnsupportedFeatureError)


@pytest.mark.parametrize("name", lies.FRAMES)
def test_sections_that_are_not_sound(name: str) -> None:
    refusal(lies.FRAMES[name])
    assert isinstance(partial_outcome(lies.FRAMES[name]), FormatError) != name.startswith("length of 4 GiB behind")


def test_the_sound_header_behind_all_these_lies_opens() -> None:
    """Were it refused itself, the tests above would show nothing."""
    error = refusal(lies.forged(lies.SOUND))
    assert isinstance(error, CorruptStreamError)
    symbols = bytes(2 * (2 * 3 + 3 + 9 + 3 + 9 + 3))
    field = outcome(lies.forged({**lies.SOUND, 9: 1}, symbols))
    assert isinstance(field, DecodedField)
    np.testing.assert_array_equal(field.decode(), np.full((6, 8, 3), 128))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({1: [2**24 + 1, 8]}, r"shape must be within 1\.\.16777216; got 16777217"),
        ({1: [2**20, 2**20]}, "1099511627776 samples; at most 68719476736 are allowed"),
        ({2: 65}, r"channels must be within 1\.\.64; got 65"),
        ({7: 9}, r"layers must be within 1\.\.8; got 9"),
        ({11: 0}, r"orientation must be within 1\.\.8; got 0"),
        ({6: {0: 4096, 1: 32}}, rf"parameters; at most {limits.MAX_PARAMETERS}"),
        ({6: {0: 0}}, r"siren: width: .*greater than or equal to 1; got 0"),
        ({6: {77: 0}}, "model siren has no setting number 77"),
        ({5: 77, 6: {0: 3}}, "model id 77 is not known"),
        ({1: [48]}, "image has 2 axes; got 1"),
    ],
)
def test_messages_name_the_value_and_what_is_allowed(document: lies.Document, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        open_field(lies.forged({**lies.SOUND, **document}))


@pytest.mark.parametrize("size", [0, 1, 100, 1000, 20_000])
@pytest.mark.parametrize("fill", ["zeros", "ones", "random"])
def test_payload_too_short_for_the_largest_model(fill: str, size: int) -> None:
    random = np.random.Generator(np.random.PCG64(0)).bytes(size)
    payload = {"zeros": bytes(size), "ones": b"\xff" * size, "random": random}[fill]
    error = refusal(lies.largest(payload))
    assert isinstance(error, CorruptStreamError)
    assert "cannot hold" in str(error)


@pytest.mark.parametrize("seed", range(3))
def test_random_payload_long_enough_for_the_largest_model(seed: int) -> None:
    """It is decoded until its bytes run out; the numbers behind that point are never written to."""
    payload = np.random.Generator(np.random.PCG64(seed)).bytes(30_000)
    began = time.process_time()
    assert isinstance(outcome(lies.largest(payload)), CorruptStreamError)
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("alignment", [0, 1])
@pytest.mark.parametrize("shape", [[1, 1], [1, 9], [9, 1], [700, 600]])
def test_unusual_but_sound_grids_decode(shape: list[int], alignment: int) -> None:
    """Corner-aligned and one-sample grids are in the format, so they decode, in several blocks too."""
    settings = {0: 1, 1: 0}
    document = {1: shape, 5: lies.SIREN, 6: settings, 9: 1, **({14: alignment} if alignment else {})}
    field = outcome(lies.forged(document, bytes(2 * 9)))
    assert isinstance(field, DecodedField)
    check_decodes(field)
    assert field.decode().shape == (*shape, 3)
    assert field.decode(scale=0.5).shape[2] == 3


def test_resident_memory_stays_small_for_all_lies() -> None:
    """The same in a process of its own, with all memory counted and not only Python's."""
    program = """
import resource, sys, time
from tests.support import lies
from tests.support.small_files import outcome, small_file
from inr.errors import FormatError
unit = 1 if sys.platform == "darwin" else 1024
outcome(small_file("siren")).decode()
outcome(lies.FRAMES["70000 empty sections"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
wrong = [name for name, data in lies.ALL.items() if not isinstance(outcome(data), FormatError)]
wrong += [f"{n} zeros" for n in (50, 20000) if not isinstance(outcome(lies.largest(bytes(n))), FormatError)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before, len(lies.ALL), wrong)
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    growth, count, wrong = run.stdout.split(maxsplit=2)
    assert int(count) > 250
    assert wrong.strip() == "[]"
    assert int(growth) < MEMORY


def test_lies_are_small() -> None:
    """What asks for gigabytes fits into a few kilobytes, so a limit on the file's size would not help."""
    for name, data in lies.ALL.items():
        assert len(data) < SMALL or name.startswith("70000"), name
    assert len(cbor2.dumps(lies.SOUND)) < 20
