"""Super-resolution: the samples are means of the field over their cells."""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
from pydantic import Field as Setting

from inr.backends.base import Coordinates, Field, Positions, PulledBatch, Values
from inr.backends.render import PIECE, cell_means
from inr.domain import Domain
from inr.errors import SpecError
from inr.losses.base import LossSpec
from inr.samplers.base import Moment, Points, Selection
from inr.signals.signal import Signal
from inr.tasks.base import TASKS, AbstractTask, TaskSpec

MAX_POINTS = 4096
"""Points of a cell, at most."""


@final
@TASKS.register
class SuperResolve(TaskSpec):
    """The field is finer than what was measured: each sample is the mean of the field over its cell (a box filter).

    ``loss(mean of the field at the centres of factor^d equal parts of a sample's cell, sample)``: a field fitted so can
    be decoded at `factor` times the size, where it shows what the network finds likely between the samples, and
    averages to the samples. Its rival is to fit the samples as points and to decode at that size all the same.

    Steps cost factor^d evaluations a sample. Points do not stray from their places, whatever a sampler says. Samplers
    that want residuals are refused.

    Raises:
        SpecError: too many points a cell, or a loss whose derivative is not stated.
    """

    kind: Literal["superresolve"] = "superresolve"
    wire_id: ClassVar[int] = 2
    pulls: ClassVar[bool] = True
    paper: ClassVar[str] = (
        "after Chen, Liu, Wang 2021, Learning Continuous Image Representation with Local Implicit Image Function"
    )

    factor: Annotated[int, Setting(ge=2, le=8)] = 2
    """Parts of a cell along each axis."""

    def start(self, signal: Signal, loss: LossSpec) -> AbstractTask:
        """See the base class."""
        count = self.factor**signal.domain.ndim
        if count > MAX_POINTS:
            raise SpecError(f"superresolve: factor^axes must be at most {MAX_POINTS}; got {count}")
        if loss.neighbours:
            raise SpecError(f"superresolve: loss {loss.kind}: compares samples beside their neighbours; use task fit")
        if not loss.stated:
            raise SpecError(f"superresolve: loss {loss.kind}: its derivative is not stated")
        return _Means(self.factor, signal, loss)


@final
class _Means(AbstractTask):
    """Cells of a grid and their parts."""

    def __init__(self, factor: int, signal: Signal, loss: LossSpec) -> None:
        self._signal, self._loss = signal, loss
        self._domain = signal.domain.centred()
        parts = (np.arange(factor, dtype=np.float32) + np.float32(0.5)) / np.float32(factor) - np.float32(0.5)
        self._parts: npt.NDArray[np.float32] = parts
        self._offsets: npt.NDArray[np.float32] = np.array(list(itertools.product(parts, repeat=self._domain.ndim)))
        """Places of the parts, `(factor^d, d)`, in cells from the centre of theirs."""

    def batch(self, selection: Selection, moment: Moment) -> PulledBatch:
        """See the base class."""
        del moment
        index = selection.index if isinstance(selection, Points) else selection.flat_index(self._domain.shape)
        weights = selection.weights if isinstance(selection, Points) else None
        targets, loss = self._signal.targets(index), self._loss
        parts = len(self._offsets)

        def pull_back(values: Values) -> tuple[float, Values]:
            found = loss.derivative(_means(values, parts), targets)
            if found is None:
                raise SpecError(f"superresolve: loss {loss.kind}: its derivative is not stated")
            losses, slopes = found
            if weights is not None:
                losses, slopes = losses * weights, slopes * weights[:, None]
            share = np.float32(1 / (len(targets) * parts))
            return float(losses.mean(dtype=np.float64)), np.repeat(slopes * share, parts, axis=0)

        repeated = np.tile(self._offsets, (len(index), 1))
        return PulledBatch(self._domain.coordinates(np.repeat(index, parts), repeated), pull_back)

    def seen(self, field: Field) -> Field:
        """Its means over cells."""
        return _SeenField(field, self._domain, self._parts)


@final
class _SeenField:
    """A field whose value at a point is the mean over a cell around it."""

    def __init__(self, field: Field, domain: Domain, parts: npt.NDArray[np.float32]) -> None:
        self._field = field
        cells = [(high - low) / n for n, (low, high) in zip(domain.shape, domain.box, strict=True)]
        self._parts = [parts * np.float32(cell) for cell in cells]
        """Places of the parts along each axis, from the centre of their cell."""
        self._offsets = np.array(list(itertools.product(*self._parts)), dtype=np.float32)

    def __call__(self, coordinates: Positions) -> Values:
        """See `Field`."""
        cells = max(1, PIECE // len(self._offsets))
        pieces = [self._at(coordinates[i : i + cells]) for i in range(0, max(1, len(coordinates)), cells)]
        return np.concatenate(pieces)

    def _at(self, coordinates: Positions) -> Values:
        points: Coordinates = coordinates.astype(np.float32)[:, None] + self._offsets
        return _means(self._field(points.reshape(-1, len(self._parts))), len(self._offsets))

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `Field`; the parts of the cells of a grid are a grid."""
        shape = [len(x) for x in axes]
        if math.prod(shape) > max(1, PIECE // len(self._offsets)):
            axis = max(range(len(shape)), key=lambda a: shape[a])
            middle = shape[axis] // 2
            cut = axes[axis][:middle], axes[axis][middle:]
            halves = [[*axes[:axis], half, *axes[axis + 1 :]] for half in cut]
            values = [self.grid(half).reshape(*[len(x) for x in half], -1) for half in halves]
            return np.concatenate(values, axis=axis).reshape(math.prod(shape), -1)
        finer = [(x.astype(np.float32)[:, None] + p).reshape(-1) for x, p in zip(axes, self._parts, strict=True)]
        return cell_means(self._field.grid(finer), tuple(shape), tuple(len(p) for p in self._parts))


def _means(values: Values, parts: int) -> Values:
    means: Values = values.reshape(-1, parts, values.shape[1]).mean(axis=1)
    return means
