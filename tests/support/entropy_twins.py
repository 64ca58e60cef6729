"""Both entropy coders, to compare them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from inr.entropy.stream import Decoder, Encoder, Integers, PythonDecoder, PythonEncoder
from inr.errors import CorruptStreamError, SpecError
from inr.native import load, reason
from tests.support.strategies import integers

KERNELS = load()

native = pytest.mark.skipif(KERNELS is None, reason=f"no compiled module: {reason()}")
each_twin = pytest.mark.parametrize("twin", ["python", pytest.param("native", marks=native)])


def native_encoder() -> Encoder:
    assert KERNELS is not None
    made: Encoder = KERNELS.RangeEncoder()
    return made


def native_decoder(data: bytes) -> Decoder:
    assert KERNELS is not None
    made: Decoder = KERNELS.RangeDecoder(data)
    return made


def twins(twin: str, data: bytes = b"") -> tuple[Encoder, Decoder]:
    """An encoder and a decoder of one kind."""
    return (PythonEncoder(), PythonDecoder(data)) if twin == "python" else (native_encoder(), native_decoder(data))


def array(values: list[int]) -> Integers:
    return np.array(values, dtype=np.int64)


def runs() -> st.SearchStrategy[list[int]]:
    """Integers of all magnitudes, each alone or many times."""
    repeated = st.lists(st.tuples(integers(), st.integers(1, 200)), max_size=6)
    return st.lists(integers(), max_size=60) | repeated.map(
        lambda found: [value for value, count in found for _ in range(count)]
    )


def outcome(coder: Any, name: str, *arguments: Any) -> Any:
    """What a call gives, with arrays as lists: its result, or class and message of an error of the library."""
    try:
        result = getattr(coder, name)(*arguments)
    except (SpecError, CorruptStreamError) as error:
        return type(error), str(error)
    return result.tolist() if isinstance(result, np.ndarray) else result
