"""Rate-distortion-optimised quantisation of a pyramid: a symbol is its second nearest integer where that costs less.

A training with noise leaves symbols that are good on average, not each the better one of its two. What a symbol costs,
with the pixels that it reaches and the symbols that it predicts, is measured with either. Symbols of a grid that are
far enough from each other are tried in one go, a trial; all trials of a grid are a pass.

Source of the term: Karczewicz, Ye, Chong 2008, "Rate distortion optimized quantization", VCEG-AH21.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import Engine, Floats, hard_round
from inr.coders.latent.spec import SYMBOL_MAX, SYMBOL_MIN

SPACING: Final = 5
"""Rows and columns between two symbols of a trial. With 4 a fifth of what is won is lost again, with 3 all of it; 6 to
12 win hardly more."""
MOST_PASSES: Final = 4
"""More win nothing."""
A_STEP: Final = 6
"""Trials at most in a step of the last phase; so many cost about as much as two steps."""
LEAST: Final = 1e-2
"""Bits that a symbol must save."""
INSIDE: Final = 0.25
"""How far a value that became another symbol is from it, towards its old one, which is the second nearest now."""


@dataclass(frozen=True)
class Trial:
    """Symbols that are tried at once.

    Attributes:
        level: of their grid of latents.
        row: the first of their rows; the others are `SPACING` apart.
        column: likewise.
    """

    level: int
    row: int
    column: int


def passes_of(steps: int) -> int:
    """Passes that a last phase of so many steps has time for."""
    return min(steps * A_STEP // SPACING**2, MOST_PASSES)


def trials(passes: int, levels: int) -> list[Trial]:
    """All of so many passes, in order: over the two finest grids in turn, the finest one last.

    All coarser ones together would win a tenth of what these do.

    Args:
        passes: over one grid each.
        levels: of the pyramid.
    """
    return [
        Trial(level, row, column)
        for level in (left % 2 for left in reversed(range(passes)))
        for row in range(SPACING)
        for column in range(SPACING)
        if level < levels
    ]


def improve(engine: Engine, latents: Floats, networks: Floats, gain: float, lmbda: float, some: Sequence[Trial]) -> int:
    """Move latents to better symbols, in place; how many have moved.

    Args:
        engine: of the picture.
        latents: ``(size,)``; symbols are `gain` times these, rounded.
        networks: ``(parameters,)``.
        gain: symbols a unit of latents.
        lmbda: weight of a bit.
        some: trials.
    """
    if not some:
        return 0
    values: Floats = latents * np.float32(gain)
    symbols = hard_round(values)
    value_of, symbol_of = (engine.spec.split_grids(every, engine.height, engine.width) for every in (values, symbols))
    moved, known, before = 0, -1, np.empty((0, 0), np.float32)
    for trial in some:
        place = np.s_[trial.row :: SPACING, trial.column :: SPACING]
        value, symbol = (grids[f"latent{trial.level}"][place] for grids in (value_of, symbol_of))
        if symbol.size == 0:
            continue
        if trial.level != known:
            known, before = trial.level, engine.costs(symbols, networks, lmbda, trial.level)
        first = symbol.copy()
        second = np.clip(first + np.where(value > first, 1, -1), SYMBOL_MIN, SYMBOL_MAX).astype(np.float32)
        symbol[:] = second
        after = engine.costs(symbols, networks, lmbda, trial.level)
        rows = _cells(trial.row, symbol.shape[0], trial.level, before.shape[0])
        columns = _cells(trial.column, symbol.shape[1], trial.level, before.shape[1])
        saved = np.add.reduceat(np.add.reduceat(before - after, rows[:-1], axis=0), columns[:-1], axis=1)
        better = saved > LEAST
        symbol[:] = np.where(better, second, first)
        value[:] = np.where(better, second + np.float32(INSIDE) * np.sign(first - second), value)
        taken = np.repeat(np.repeat(better, np.diff(rows), axis=0), np.diff(columns), axis=1)
        np.copyto(before, after, where=taken)
        moved += int(better.sum())
    latents[:] = values / np.float32(gain)
    return moved


def _cells(first: int, count: int, level: int, pixels: int) -> npt.NDArray[np.int64]:
    """Where the cells around the symbols of a trial begin in a picture, and where the last one ends.

    Args:
        first: row, or column, of the first symbol.
        count: of rows, or columns, of symbols.
        level: of their grid.
        pixels: rows, or columns, of the picture.
    """
    begins = (first - SPACING // 2 + SPACING * np.arange(count)) << level
    return np.concatenate([[0], begins[1:], [pixels]])
