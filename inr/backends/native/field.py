"""Networks in the engine, and as functions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np

from inr import native
from inr.backends.base import Positions, Resources, Values
from inr.backends.lowering import Flat, Parameters, lower
from inr.domain import Domain
from inr.errors import SpecError
from inr.layers.network import Network
from inr.meta import SignalMeta
from inr.signals.signal import Samples

TILE = 128
"""Samples that go through the network together: its activations should fit the second level cache."""
CACHE = 7 << 18
"""Bytes that a tile may take in the second level cache of processors with tiles of 16-bit numbers, which have 2 MiB."""
SLOPES = 2**15
"""Points that are differentiated at once; tables of features remember where each of them lies."""
INTEGERS = ("uint8", "uint16", "int8", "int16")
"""Integer samples that the kernels read and write."""


def finite(parameters: Parameters, flat: Flat) -> Flat:
    """The same, if all are finite; raises `SpecError` that names a tensor."""
    if not np.isfinite(flat).all():
        bad = next(name for name, view in parameters.views(flat).items() if not np.isfinite(view).all())
        raise SpecError(f"weights: tensor {bad} holds a number that is not finite")
    return flat


@final
class Evaluator:
    """The engine that evaluates a graph over the layers of a network, made when the width of its input is known."""

    def __init__(self, network: Network, graph: Network, parameters: Parameters, resources: Resources) -> None:
        self._network, self._graph = network, graph
        self._parameters, self._resources = parameters, resources
        self._engine: Any = None
        self._slopes: Any = None

    def slopes(self, d_in: int) -> Any:
        """The engine that differentiates the last output by the coordinates."""
        if self._slopes is None:
            graph = self._graph
            last = Network(graph.layers, graph.sources, graph.heads[-1:])
            exact = replace(self._resources, bf16=False)
            self._slopes = engine_of(self._network, last, self._parameters, exact, d_in, training=True, gradient=True)
        return self._slopes

    def engine(self, d_in: int) -> Any:
        """The engine for coordinates of so many axes."""
        if self._engine is None:
            self._engine = engine_of(self._network, self._graph, self._parameters, self._resources, d_in)
        return self._engine


def engine_of(
    network: Network,
    graph: Network,
    parameters: Parameters,
    resources: Resources,
    d_in: int,
    training: bool = False,
    gradient: bool = False,
) -> Any:
    """An engine for a graph over the layers of a network."""
    module: Any = native.load()
    threads = native.threads(resources.threads)
    heads = list(graph.heads)
    rest = training, gradient, threads, resources.bf16
    try:
        operations = lower(graph, parameters, network.numbers, d_in)
        engine = module.Engine(operations, d_in, heads, parameters.size, TILE, *rest)
        if engine.bf16 and engine.memory <= CACHE // 2:  # reads and writes the sums of gradients bf16 as often
            engine = module.Engine(operations, d_in, heads, parameters.size, 2 * TILE, *rest)
    except ValueError as error:
        raise SpecError(str(error)) from None
    return engine


@final
class NativeField:
    """A network with the parameters of one moment."""

    def __init__(self, evaluator: Evaluator, flat: Flat) -> None:
        self._evaluator, self._flat = evaluator, flat

    def __call__(self, coordinates: Positions) -> Values:
        """See `Field`."""
        rows = np.ascontiguousarray(coordinates, dtype=np.float32)
        engine = self._evaluator.engine(rows.shape[1])
        values: Values = np.empty((len(rows), engine.d_out), dtype=np.float32)
        engine.forward(self._flat, rows, values)
        return values

    def jacobian(self, coordinates: Positions) -> Values:
        """See `DifferentiableField`: one way back for each output, from a gradient of 1."""
        rows = np.ascontiguousarray(coordinates, dtype=np.float32)
        engine = self._evaluator.slopes(rows.shape[1])
        d_out = int(engine.d_out)
        slopes: Values = np.empty((len(rows), d_out, rows.shape[1]), dtype=np.float32)
        unused = np.empty_like(self._flat)
        for first in range(0, len(rows), SLOPES):
            part = rows[first : first + SLOPES]
            found: Values = np.empty_like(part)
            for output in range(d_out):
                ones: Values = np.zeros((len(part), d_out), dtype=np.float32)
                ones[:, output] = 1
                engine.train_points(self._flat, part, output_gradients=ones, input_gradients=found, gradients=unused)
                slopes[first : first + SLOPES, output] = found
        return slopes

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `Field`."""
        engine = self._evaluator.engine(len(axes))
        values: Values = np.empty((int(np.prod([len(x) for x in axes])), engine.d_out), dtype=np.float32)
        engine.forward_grid(self._flat, grid_of(axes), values)
        return values

    def samples(self, domain: Domain, meta: SignalMeta) -> Samples | None:
        """The samples of a grid in their own type, or None where values have to be mapped to it in another way."""
        if meta.power is not None or meta.dtype not in (*INTEGERS, "float32"):
            return None
        axes = [domain.axis_coordinates(axis) for axis in range(domain.ndim)]
        engine = self._evaluator.engine(len(axes))
        samples: Samples = np.empty((domain.size, engine.d_out), dtype=meta.dtype)
        low, high = meta.value_range
        engine.forward_samples(self._flat, grid_of(axes), samples, meta.dtype, low, high)
        return samples


def grid_of(axes: Sequence[Positions], cells: Sequence[float] = ()) -> Any:
    """Coordinates along each axis, and the widths of cells, as the kernels take them."""
    module: Any = native.load()
    return module.Grid([np.ascontiguousarray(x, dtype=np.float32) for x in axes], list(cells))
