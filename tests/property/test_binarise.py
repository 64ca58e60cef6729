"""Magnitudes as decisions: they come back, and no two different decisions have one place."""

from hypothesis import given
from hypothesis import strategies as st

from inr.entropy.binarise import MAX_BITS, PLACES, read_magnitude, write_magnitude

magnitudes = st.integers(0, MAX_BITS - 1).flatmap(lambda bits: st.integers(2**bits, 2 ** (bits + 1) - 1))


def decisions(magnitude: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    write_magnitude(magnitude, lambda place, bit: found.append((place, bit)))
    return found


@given(magnitudes)
def test_a_reader_asks_for_what_a_writer_put(magnitude: int) -> None:
    found = decisions(magnitude)
    asked = iter(found)

    def get(place: int) -> int:
        written, bit = next(asked)
        assert written == place
        return bit

    assert read_magnitude(get) == magnitude
    assert next(asked, None) is None
    assert all(0 <= place < PLACES and bit in (0, 1) for place, bit in found)
    assert len({place for place, _ in found}) == len(found)


@given(magnitudes, magnitudes)
def test_two_magnitudes_part_at_one_place(one: int, other: int) -> None:
    """So a model that knows all decisions before knows which one comes: nothing else tells magnitudes apart."""
    for first, second in zip(decisions(one), decisions(other), strict=False):
        assert first[0] == second[0]
        if first[1] != second[1]:
            assert one != other
            return
    assert one == other
