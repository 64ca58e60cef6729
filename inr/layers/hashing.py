"""The levels of a multi-resolution hash grid, in integer arithmetic (Mueller et al. 2022)."""

from dataclasses import dataclass

from inr.errors import SpecError

HASH_PRIMES = (1, 2654435761, 805459861, 3674653429)
"""One multiplier an axis; the first is 1 so that neighbours along it share cache lines."""

_FRACTION_BITS = 10


@dataclass(frozen=True)
class GridLevel:
    """One level: nodes at every ``1/scale`` of the unit interval.

    Attributes:
        scale: distance 1 of the unit cube in cells; a multiple of 1/1024, so exact in float32.
        resolution: nodes an axis.
        entries: rows of this level's table.
        offset: its first row.
        dense: True if every node has a row of its own; if not, `entries` is a power of two.
    """

    scale: float
    resolution: int
    entries: int
    offset: int
    dense: bool


def grid_levels(d_in: int, n_levels: int, table_size: int, base: int, finest: int) -> tuple[GridLevel, ...]:
    """Levels whose resolutions grow geometrically from `base` to `finest`; raises `SpecError`."""
    if not 1 <= d_in <= len(HASH_PRIMES):
        raise SpecError(f"hash grid: works on 1 to {len(HASH_PRIMES)} axes; got {d_in}")
    if finest < base:
        raise SpecError(f"hash grid: finest_resolution must be at least base_resolution {base}; got {finest}")
    levels: list[GridLevel] = []
    offset = 0
    for l in range(n_levels):  # noqa: E741 (the paper's index)
        fixed = _geometric(base, finest, l, max(n_levels - 1, 1))
        resolution = -(-fixed >> _FRACTION_BITS)
        nodes = -(-(resolution**d_in) // 8) * 8
        entries = min(nodes, table_size)
        levels.append(GridLevel(fixed / 2**_FRACTION_BITS - 1, resolution, entries, offset, entries == nodes))
        offset += entries
    return tuple(levels)


def _geometric(base: int, finest: int, step: int, steps: int) -> int:
    """floor(2^10 base^(1 - step/steps) finest^(step/steps)), exactly."""
    power = base ** (steps - step) * finest**step << (_FRACTION_BITS * steps)
    low, high = 0, (finest << _FRACTION_BITS) + 1
    while low < high:  # largest r with r^steps <= power
        middle = (low + high + 1) // 2
        if middle**steps <= power:
            low = middle
        else:
            high = middle - 1
    return low
