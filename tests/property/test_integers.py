"""The integer models: exact for every integer below 2^31, refused beyond, near the entropy of usual weights."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.entropy.coder import RangeDecoder, RangeEncoder
from inr.entropy.models.adaptive import MIN_COST_BITS
from inr.entropy.models.integers import IntegerModel, RefinementModel
from inr.errors import CorruptStreamError, SpecError
from tests.support.strategies import MAX_MAGNITUDE, integers

LONG = 20_000


def encode(values: list[int]) -> bytes:
    encoder, model = RangeEncoder(), IntegerModel()
    for value in values:
        model.encode(encoder, value)
    return encoder.finish()


def decode(data: bytes, count: int) -> list[int]:
    decoder, model = RangeDecoder(data), IntegerModel()
    values = [model.decode(decoder) for _ in range(count)]
    decoder.finish()
    return values


def coarse(value: int) -> int:
    return -(-value >> 1) if value < 0 else value >> 1


def refine(values: list[int]) -> bytes:
    encoder, model = RangeEncoder(), RefinementModel()
    for value in values:
        model.encode(encoder, coarse(value), value)
    return encoder.finish()


def refined(data: bytes, known: list[int]) -> list[int]:
    decoder, model = RangeDecoder(data), RefinementModel()
    values = [model.decode(decoder, value) for value in known]
    decoder.finish()
    return values


@given(st.lists(integers(), max_size=60))
def test_integers_round_trip(values: list[int]) -> None:
    assert decode(encode(values), len(values)) == values


@given(st.lists(integers(), max_size=60))
def test_refinements_round_trip(values: list[int]) -> None:
    assert refined(refine(values), [coarse(value) for value in values]) == values


@given(st.lists(integers(), min_size=1, max_size=20), st.binary(min_size=1, max_size=2))
def test_trailing_bytes_never_decode_to_the_same_integers(values: list[int], extra: bytes) -> None:
    try:
        found = decode(encode(values) + extra, len(values))
    except CorruptStreamError:
        return
    assert found != values


@pytest.mark.parametrize("value", [2**31, -(2**31), 2**32, -(2**40)])
def test_integers_beyond_the_limit_are_refused(value: int) -> None:
    with pytest.raises(SpecError, match=r"below 2\^31"):
        encode([value])
    with pytest.raises(SpecError, match=r"below 2\^31"):
        refine([value])


@pytest.mark.parametrize(("known", "value"), [(0, 2), (1, 5), (-1, 2), (1, -2), (3, -6), (5, 4)])
def test_refinement_of_another_coarse_value_is_refused(known: int, value: int) -> None:
    with pytest.raises(SpecError, match="is not the coarse value"):
        RefinementModel().encode(RangeEncoder(), known, value)


def test_refined_magnitude_beyond_the_limit_is_corrupt() -> None:
    with pytest.raises(CorruptStreamError, match=r"below 2\^31"):
        RefinementModel().decode(RangeDecoder(b"\x00"), 2**30)
    assert RefinementModel().decode(RangeDecoder(b"\x00"), MAX_MAGNITUDE >> 1) == MAX_MAGNITUDE


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0], ""),
        ([1], "e0"),
        ([-1], "a0"),
        (list(range(-8, 9)), "87c6469d73cf45032948c34b"),
        ([MAX_MAGNITUDE, -MAX_MAGNITUDE, 0], "bfff8000000000020000000000"),
        ([(i * i) % 23 - 11 for i in range(40)], "8644c0a9e85d8fe31cf89da3a9f5345e711450e5ae12803f63b7"),
    ],
)
def test_bytes_of_integers_are_pinned(values: list[int], expected: str) -> None:
    """A change of these bytes makes every existing file unreadable."""
    assert encode(values).hex() == expected
    assert decode(bytes.fromhex(expected), len(values)) == values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, -1, 2, -3], "91"),
        ([(i * i) % 23 - 11 for i in range(40)], "6a559a0c"),
        ([MAX_MAGNITUDE, 1 - MAX_MAGNITUDE], "60"),
    ],
)
def test_bytes_of_refinements_are_pinned(values: list[int], expected: str) -> None:
    assert refine(values).hex() == expected
    assert refined(bytes.fromhex(expected), [coarse(value) for value in values]) == values


def laplace(scale: float) -> npt.NDArray[np.float64]:
    """Probabilities of the integers -m..m under a discrete Laplace distribution."""
    reach = int(40 * scale) + 10
    weights = np.exp(-np.abs(np.arange(-reach, reach + 1)) / scale)
    return np.asarray(weights / weights.sum())


def uniform(reach: int) -> npt.NDArray[np.float64]:
    return np.full(2 * reach + 1, 1 / (2 * reach + 1))


@pytest.mark.parametrize(
    "probabilities",
    [laplace(0.5), laplace(2), laplace(30), laplace(1000), uniform(1), uniform(7), uniform(255)],
    ids=["laplace-0.5", "laplace-2", "laplace-30", "laplace-1000", "uniform-1", "uniform-7", "uniform-255"],
)
def test_size_of_independent_integers_is_near_their_entropy(probabilities: npt.NDArray[np.float64]) -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    index = rng.choice(len(probabilities), LONG, p=probabilities)
    ideal = float(-np.log2(probabilities[index]).sum()) / 8
    values = (index - len(probabilities) // 2).tolist()
    size = len(encode(values))
    assert 0.98 * ideal <= size <= 1.02 * ideal + 8


@pytest.mark.parametrize(("value", "decisions"), [(0, 1), (1, 3), (-6, 6), (100, 14)])
def test_constant_integers_cost_the_least_but_not_less(value: int, decisions: int) -> None:
    """After a few bytes of learning each decision costs `MIN_COST_BITS`, the bound that decoders rely on."""
    size = len(encode([value] * LONG))
    least = LONG * decisions * MIN_COST_BITS / 8
    assert least - 4 <= size <= 1.02 * least + 8 * decisions


def test_refinements_of_nothing_cost_the_least_but_not_less() -> None:
    count = 100_000
    size = len(refine([0] * count))
    assert 8 * (size + 4) >= count * MIN_COST_BITS
    assert size <= 1.02 * count * MIN_COST_BITS / 8 + 8
