"""The compiled twins of the context model and of the synthesis, if this installation has them.

Grids decode to the same integers and are coded as the same decisions, bit for bit; pictures are the same up to the
rounding of sums in 32-bit floats.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, final

import numpy as np
import numpy.typing as npt

from inr import native
from inr.coders.latent.spec import NEIGHBOURS, Grid, LatentSpec
from inr.coders.latent.tables import Integers, Probabilities, tables
from inr.entropy.stream import Decoder

Floats = npt.NDArray[np.float32]
Axis = tuple[Integers, Floats | None, Sequence[Integers]]
"""Along one axis: sources in the maps of every place `(n, 1)`, or `(n, 4)` with their weights; and where the three
arms of each layer's places stand among the places before it, `(3, n)`."""

_PIXELS_A_THREAD = 1 << 16
"""Waking a thread for less does not pay."""


@final
class CompiledContext:
    """Predicts and codes the symbols of all grids of a picture; see `inr.coders.latent.context`."""

    def __init__(self, kernels: ModuleType, spec: LatentSpec, parameters: Mapping[str, Integers]) -> None:
        """Take parameters over 2^16 that are checked."""
        self._kernels, self._spec = kernels, spec
        self._parents = {
            tensor.name: _integers(parameters[tensor.name]) for tensor in spec.layout() if tensor.module == "parents"
        }
        table = tables()
        self._context = kernels.LatentContext(
            NEIGHBOURS[: spec.contexts],
            spec.features,
            [
                tuple(_integers(parameters[f"context.hidden{i}.{kind}"]) for kind in ("weight", "bias"))
                for i in range(spec.hidden)
            ],
            *(_integers(parameters[f"context.{name}"]) for name in ("out.weight", "out.bias", "bypass.weight")),
            (table.away, table.up, table.more, table.tail),
        )

    def reads(self, coder: Decoder) -> bool:
        """Whether it can take decisions from this decoder."""
        return isinstance(coder, self._kernels.RangeDecoder)

    def decode(self, coder: Decoder, grid: Grid, known: Mapping[str, Integers]) -> Integers:
        """The next grid, `(height, width)`; raises `CorruptStreamError`."""
        parents, weights = self._coarser(grid, known)
        found: Integers = self._context.decode(coder, grid.name, grid.height, grid.width, parents, weights)
        return found

    def decisions(self, grid: Grid, known: Mapping[str, Integers]) -> tuple[npt.NDArray[np.uint8], Probabilities]:
        """The decisions about a grid that is known too, in coding order, and the probability that each is 1."""
        parents, weights = self._coarser(grid, known)
        bits, probabilities = self._context.decisions(grid.name, _integers(known[grid.name]), parents, weights)
        return bits, probabilities

    def _coarser(self, grid: Grid, known: Mapping[str, Integers]) -> tuple[list[tuple[Integers, int]], Integers | None]:
        """Grids that tell about this one, how often each is half as large as features are, and the weights of all."""
        if not self._spec.has_parents(grid.level, grid.hyper):
            return [], None
        parents = [
            (_integers(known[f"{'hyper' if hyper else 'latent'}{level}"]), level - grid.level - 1)
            for level, hyper in self._spec.coarser(grid.level)
        ]
        return parents, self._parents[f"parents.level{grid.level}.weight"]


@final
class CompiledSynthesis:
    """Shows feature maps; see `inr.coders.latent.synthesis`."""

    def __init__(
        self, kernels: ModuleType, spec: LatentSpec, parameters: Mapping[str, Floats], threads: int | None
    ) -> None:
        """Take the parameters of all 1x1 and 3x3 layers, in numbers, and how many threads may be used."""
        self._kernels, self._threads = kernels, native.threads(threads)

        def layer(name: str) -> tuple[Floats, Floats]:
            return _floats(parameters[f"synthesis.{name}.weight"]), _floats(parameters[f"synthesis.{name}.bias"])

        self._synthesis = kernels.LatentSynthesis(
            layer("mix0"),
            layer("mix1"),
            [layer(f"residual{i}") for i in range(spec.residuals)],
            _floats(parameters["synthesis.bypass.weight"]),
        )

    def level(self, maps: Floats, up: Floats, symbols: Integers | None, pre: Floats, shape: tuple[int, int]) -> Floats:
        """The maps of a level from those of the one below, `(n, ...)` to `(n + 1, height, width)`.

        Args:
            maps: of the level below.
            up: taps of the filter that doubles them.
            symbols: of this level; None for zeros.
            pre: taps of the filter that smooths these.
            shape: of the level.
        """
        given = None if symbols is None else _integers(symbols)
        found: Floats = self._kernels.latent_level(
            maps, _floats(up), given, _floats(pre), *shape, threads=self._useful(shape[0] * shape[1])
        )
        return found

    def show(self, maps: Floats, rows: Axis, columns: Axis) -> Floats:
        """Values where rows and columns cross, `(m, n, channels)`."""
        found: Floats = self._synthesis.show(maps, rows, columns, threads=self._useful(len(rows[0]) * len(columns[0])))
        return found

    def points(self, maps: Floats, rows: tuple[Integers, Floats], columns: tuple[Integers, Floats]) -> Floats:
        """Values at single places by the sources before them `(n,)` and the weights of four, `(n, channels)`."""
        found: Floats = self._synthesis.show_points(maps, rows, columns, threads=self._useful(16 * len(rows[0])))
        return found

    def _useful(self, pixels: int) -> int:
        return max(1, min(self._threads, pixels // _PIXELS_A_THREAD))


def compiled_context(spec: LatentSpec, parameters: Mapping[str, Integers]) -> CompiledContext | None:
    """The compiled twin of a context model, if there is one."""
    kernels = native.load()
    return None if kernels is None else CompiledContext(kernels, spec, parameters)


def compiled_synthesis(
    spec: LatentSpec, parameters: Mapping[str, Floats], threads: int | None = None
) -> CompiledSynthesis | None:
    """The compiled twin of a synthesis, if there is one."""
    kernels = native.load()
    return None if kernels is None else CompiledSynthesis(kernels, spec, parameters, threads)


def _integers(values: npt.NDArray[Any]) -> Integers:
    return np.ascontiguousarray(values, dtype=np.int64)


def _floats(values: npt.NDArray[Any]) -> Floats:
    return np.ascontiguousarray(values, dtype=np.float32)
