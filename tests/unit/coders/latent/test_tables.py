"""The integer tables of probabilities."""

import hashlib
from decimal import Decimal, localcontext

import numpy as np

from inr.coders.latent.spec import LOG_SCALE_LIMIT
from inr.coders.latent.tables import MEAN_BITS, SCALE_BITS, SCALES, TAIL_BITS, centre, tables

SHA = "a7ebe5468d7c5fee39a6e2fd6f00c5edfa98bfd6709556e611db52aa81e066fb"


def _scale(index: int) -> Decimal:
    return (Decimal(index - 160) / 32).exp()


def test_the_tables_are_frozen() -> None:
    """Files that exist depend on every number."""
    table = tables()
    parts = (table.away, table.up, table.more, table.tail)
    assert hashlib.sha256(b"".join(part.astype("<u2").tobytes() for part in parts)).hexdigest() == SHA


def test_scales_span_what_the_model_may_ask_for() -> None:
    """The ends of the table are the ends of the clamp."""
    assert (SCALES - 1) / 2 ** (SCALE_BITS + 1) == LOG_SCALE_LIMIT


def test_probabilities_are_those_of_a_laplace_distribution() -> None:
    """To a unit of 1/65536, but for the floors."""
    table = tables()
    with localcontext(prec=40):
        for index in range(0, SCALES, 7):
            b = _scale(index)
            ratio = (-1 / b).exp()
            assert abs(_floored(ratio, 256) - int(table.more[index])) <= 1
            for bit in range(TAIL_BITS):
                power = ratio ** (2**bit)
                assert abs(_floored(power / (1 + power), 256) - int(table.tail[index, bit])) <= 1
            for d in range(-128, 129, 16):
                mean = Decimal(d) / 256
                below = (-(Decimal("0.5") + mean) / b).exp() / 2
                above = (-(Decimal("0.5") - mean) / b).exp() / 2
                assert abs(_floored(below + above, 1) - int(table.away[abs(d), index])) <= 1
                assert abs(_floored(above / (above + below), 256) - int(table.up[d + 128, index])) <= 1


def test_no_probability_is_zero_and_both_sides_are_alike() -> None:
    """A coder cannot code what is impossible; mirrored means give mirrored probabilities."""
    table = tables()
    assert table.away.min() >= 1
    assert min(table.up.min(), table.more.min(), table.tail.min()) >= 256
    np.testing.assert_array_equal(table.up.astype(np.int64) + table.up[::-1], 65536)


def test_probabilities_of_all_symbols_add_up_to_one() -> None:
    """The decisions are a tree: whatever the mean and the scale, the whole range takes all the mass."""
    table = tables()
    for d, index in ((0, 0), (100, 160), (-128, 320), (7, 200)):
        away = table.away[abs(d), index] / 65536
        more = table.more[index] / 65536
        tail = np.array([1.0])
        for p in table.tail[index] / 65536:
            tail = np.concatenate([tail * (1 - p), tail * p])
        assert abs((1 - away) + away * ((1 - more) + more * tail.sum()) - 1) < 1e-12


def test_the_centre_is_the_nearest_integer() -> None:
    """Halves belong to the integer above."""
    mean = np.arange(-600, 600)
    nearest, apart = centre(mean)
    np.testing.assert_array_equal(nearest * 2**MEAN_BITS + apart, mean)
    assert apart.min() == -128
    assert apart.max() == 127


def _floored(probability: Decimal, least: int) -> int:
    return min(max(round(probability * 65536), least), 65536 - least)
