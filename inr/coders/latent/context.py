"""The context model in fixed point: indices of the mean and the scale of every symbol, the same on every machine.

Numbers are integers over powers of two: parameters over 2^16, activations over 2^12, sums of products over 2^28. After
every layer sums are rounded to activations, halves upwards, and cut to +-2^23. `checked` admits parameters of at most
+-2^23 (+-128 as numbers), so with at most 30 inputs a sum is at most

    30 * 2^23 * 2^23 (products) + 2^23 * 2^12 (bias) + 2^23 * 2^16 (residual) < 2^51,

and the map of at most 24 parents, 24 * 2^23 * 64 < 2^34. All of them are exact as 64-bit floats, in any order of
summation, which is what carries them here because that is faster than integers; nothing ever overflows.

What can be decoded at once: all symbols of equal column + 3 row, as no neighbour lies further right than two columns a
row above.
"""

from collections.abc import Iterator, Mapping
from typing import Final, final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.compiled import compiled_context
from inr.coders.latent.spec import (
    LOG_SCALE_LIMIT,
    LOG_SCALE_OFFSET,
    NEIGHBOURS,
    SYMBOL_MAX,
    SYMBOL_MIN,
    Grid,
    LatentSpec,
)
from inr.coders.latent.tables import MEAN_BITS, SCALE_BITS, SCALES
from inr.errors import CorruptStreamError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Symbols = Mapping[str, Integers]
"""Grids by their names, `(height, width)`."""

PARAMETER_BITS: Final = 16
ACTIVATION_BITS: Final = 12
LARGEST: Final = 1 << 23
"""Of parameters and of activations, in their units."""
MAX_INPUTS: Final = 30
MAX_PARENTS: Final = 24

_SUM_BITS: Final = PARAMETER_BITS + ACTIVATION_BITS
_ROW_STEP: Final = 3
"""A row is decoded so many columns behind the one above."""
_ABOVE, _LEFT, _RIGHT = 3, 3, 2
"""How far neighbours reach."""
_BATCH: Final = 1 << 15
"""Symbols that are predicted at once where all are known."""


def checked(parameters: Mapping[str, Integers], spec: LatentSpec) -> Mapping[str, Integers]:
    """The parameters of the context model and of the parents' maps, over 2^16, if they keep within the bounds.

    Raises:
        CorruptStreamError: they do not.
    """
    if spec.inputs > MAX_INPUTS or spec.levels + len(spec.hyper_levels) > MAX_PARENTS:
        raise CorruptStreamError(f"context model: at most {MAX_INPUTS} inputs and {MAX_PARENTS} parents are allowed")
    for tensor in spec.layout():
        if tensor.module in ("context", "parents"):
            values = parameters[tensor.name]
            if values.size and not -LARGEST <= int(values.min()) <= int(values.max()) <= LARGEST:
                raise CorruptStreamError(
                    f"context model: {tensor.name} has values beyond +-{LARGEST >> PARAMETER_BITS}"
                )
    return parameters


@final
class Context:
    """Predicts the symbols of all grids of a picture from those that are known already."""

    def __init__(self, spec: LatentSpec, parameters: Mapping[str, Integers]) -> None:
        """Check the parameters.

        Args:
            spec: of the pyramid.
            parameters: of the context model and of the parents' maps, over 2^16.

        Raises:
            CorruptStreamError: they are beyond the bounds.
        """
        checked(parameters, spec)
        self.compiled = compiled_context(spec, parameters)
        """Its faster twin, or None."""
        self._spec = spec
        self._parents = {
            tensor.name: parameters[tensor.name].astype(np.float64).T
            for tensor in spec.layout()
            if tensor.module == "parents"
        }
        self._layers = tuple(
            _layer(parameters[f"context.hidden{i}.weight"], parameters[f"context.hidden{i}.bias"])
            for i in range(spec.hidden)
        )
        self._out = _layer(parameters["context.out.weight"], parameters["context.out.bias"])
        self._bypass = parameters["context.bypass.weight"].astype(np.float64).T.copy()

    def features(self, grid: Grid, known: Symbols) -> Floats | None:
        """What coarser grids tell of a grid, in activations at half its size, `(rows, columns, features)`.

        Args:
            grid: that is to be predicted.
            known: all grids that come before it.

        Returns:
            None where they tell nothing.
        """
        spec = self._spec
        if not spec.has_parents(grid.level, grid.hyper):
            return None
        shape = (-(-grid.height // 2), -(-grid.width // 2))
        inputs = np.empty((*shape, len(spec.coarser(grid.level))))
        for i, (level, hyper) in enumerate(spec.coarser(grid.level)):
            parent, shift = known[f"{'hyper' if hyper else 'latent'}{level}"], level - grid.level - 1
            inputs[:, :, i] = parent[np.arange(shape[0]) >> shift][:, np.arange(shape[1]) >> shift]
        return _rounded(inputs @ self._parents[f"parents.level{grid.level}.weight"], PARAMETER_BITS - ACTIVATION_BITS)

    def indices(self, inputs: Floats) -> tuple[Integers, Integers]:
        """Means in 1/256 and indices of scales, `(n,)` each, from inputs in activations, `(n, inputs)`."""
        hidden = inputs
        for weight, bias in self._layers:
            total = hidden @ weight
            total += bias
            total += hidden * float(1 << PARAMETER_BITS)
            hidden = np.maximum(_rounded(total, PARAMETER_BITS), 0.0)
        weight, bias = self._out
        total = hidden @ weight + bias + inputs @ self._bypass
        step = 1 << SCALE_BITS
        middle = int((LOG_SCALE_LIMIT - LOG_SCALE_OFFSET) * step)
        mean = _shifted(total[:, 0], _SUM_BITS - MEAN_BITS).astype(np.int64)
        scale = _shifted(total[:, 1], _SUM_BITS - SCALE_BITS).astype(np.int64) + middle
        return np.clip(mean, SYMBOL_MIN << MEAN_BITS, SYMBOL_MAX << MEAN_BITS), np.clip(scale, 0, SCALES - 1)

    def whole(self, grid: Grid, symbols: Integers, known: Symbols) -> tuple[Integers, Integers]:
        """Means and indices of scales of a grid whose symbols are known, `(size,)` each, row by row."""
        wave = Wavefront(self, grid, known)
        wave.put_all(symbols)
        mean, scale = np.empty(grid.size, dtype=np.int64), np.empty(grid.size, dtype=np.int64)
        for first in range(0, grid.size, _BATCH):
            some = np.arange(first, min(first + _BATCH, grid.size))
            mean[some], scale[some] = wave.predict(some // grid.width, some % grid.width)
        return mean, scale


@final
class Wavefront:
    """One grid while it is decoded, front after front."""

    def __init__(self, context: Context, grid: Grid, known: Symbols) -> None:
        self._context, self._grid = context, grid
        self._features = context.features(grid, known)
        self._stride = grid.width + _LEFT + _RIGHT
        self._padded = np.zeros((grid.height + _ABOVE) * self._stride)
        spec = context._spec
        self._offsets = np.array([r * self._stride + c for r, c in NEIGHBOURS[: spec.contexts]], dtype=np.int64)
        self._contexts, self._inputs = spec.contexts, spec.inputs

    @staticmethod
    def order(grid: Grid) -> tuple[Integers, Integers]:
        """Flat places of the symbols of a grid in coding order, and the front of each, `(size,)`."""
        front = np.add.outer(_ROW_STEP * np.arange(grid.height), np.arange(grid.width)).reshape(-1)
        order = np.argsort(front, kind="stable")
        return order, front[order]

    def fronts(self) -> Iterator[tuple[Integers, Integers]]:
        """Rows and columns of the symbols that can be decoded at once, upper ones first, in coding order."""
        height, width = self._grid.height, self._grid.width
        for front in range(width + _ROW_STEP * (height - 1)):
            rows = np.arange(max(0, -(-(front - width + 1) // _ROW_STEP)), min(height - 1, front // _ROW_STEP) + 1)
            yield rows, front - _ROW_STEP * rows

    def predict(self, rows: Integers, columns: Integers) -> tuple[Integers, Integers]:
        """Means and indices of scales at places whose neighbours are known, `(n,)` each."""
        inputs = np.zeros((len(rows), self._inputs))
        inputs[:, : self._contexts] = self._padded[self._places(rows, columns)[:, None] + self._offsets]
        if self._features is not None:
            inputs[:, self._contexts :] = self._features[rows >> 1, columns >> 1]
        return self._context.indices(inputs)

    def put(self, rows: Integers, columns: Integers, symbols: Integers) -> None:
        """Make symbols known, `(n,)` each."""
        self._padded[self._places(rows, columns)] = symbols * (1 << ACTIVATION_BITS)

    def put_all(self, symbols: Integers) -> None:
        """Make a whole grid known, `(height, width)`."""
        grid = self._grid
        padded = self._padded.reshape(grid.height + _ABOVE, self._stride)
        padded[_ABOVE:, _LEFT : _LEFT + grid.width] = symbols * (1 << ACTIVATION_BITS)

    def symbols(self) -> Integers:
        """The grid, `(height, width)`; zeros where nothing is known."""
        grid = self._grid
        padded = self._padded.reshape(grid.height + _ABOVE, self._stride)
        return padded[_ABOVE:, _LEFT : _LEFT + grid.width].astype(np.int64) >> ACTIVATION_BITS

    def _places(self, rows: Integers, columns: Integers) -> Integers:
        return (rows + _ABOVE) * self._stride + columns + _LEFT


def _layer(weight: Integers, bias: Integers) -> tuple[Floats, Floats]:
    """Weights `(inputs, outputs)`, and biases in units of sums."""
    return weight.astype(np.float64).T.copy(), bias.astype(np.float64) * (1 << ACTIVATION_BITS)


def _shifted(total: Floats, bits: int) -> Floats:
    """Integers over 2^bits, to the nearest one; exact."""
    return np.floor((total + float(1 << (bits - 1))) * 2.0**-bits)


def _rounded(total: Floats, bits: int) -> Floats:
    """Sums as activations."""
    return np.clip(_shifted(total, bits), -float(LARGEST), float(LARGEST))
