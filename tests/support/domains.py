"""Grids where only the number of axes matters."""

from inr.domain import Domain


def plain(axes: int) -> Domain:
    """Eight samples along each of so many axes, all of [-1, 1]."""
    return Domain.of_shape((8,) * axes, tuple("abcdefgh"[:axes]))
