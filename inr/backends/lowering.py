"""Networks as lists of operations of the compiled kernels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inr import native
from inr.backends.base import lesson_refusal, lesson_width
from inr.container.limits import MAX_AXES
from inr.errors import SpecError
from inr.layers import DenseGrid, HashGrid, Layer
from inr.layers.layout import FloatTensor
from inr.layers.network import Network

Flat = npt.NDArray[np.float32]
Lowered = Any
"""``inr.native._kernels.Operation``; the compiled module may be missing."""


@dataclass(frozen=True)
class Parameters:
    """Where stored tensors lie in one flat array of 32-bit floats, one after another in the order of the file."""

    offsets: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    size: int

    @staticmethod
    def of(network: Network) -> "Parameters":
        """The places of a network's tensors."""
        offsets, shapes, size = {}, {}, 0
        for tensor in network.layout():
            offsets[tensor.name], shapes[tensor.name] = size, tensor.shape
            size += math.prod(tensor.shape)
        return Parameters(offsets, shapes, size)

    def flat(self, tensors: Mapping[str, FloatTensor]) -> Flat:
        """A copy of all tensors in one array."""
        flat = np.empty(self.size, dtype=np.float32)
        for name, view in self.views(flat).items():
            view[...] = tensors[name]
        return flat

    def views(self, flat: Flat) -> dict[str, FloatTensor]:
        """The tensors inside a flat array, by name."""
        return {
            name: flat[offset : offset + math.prod(self.shapes[name])].reshape(self.shapes[name])
            for name, offset in self.offsets.items()
        }


def refusal(network: Network) -> str | None:
    """None if the kernels have every layer, else which one they lack.

    A network does not say how many axes it takes: a layer may have its operation at some numbers of them alone.
    """
    for graph in (network, network.training_graph):
        for i, layer in enumerate(graph.layers if graph is not None else ()):
            if type(layer).operation is Layer.operation:
                return _lacks(i, layer)
            if isinstance(layer, HashGrid | DenseGrid) and network.layers.count(layer) > 1:
                return f"layer {i} ({type(layer).__name__}): a table that is read at several places has none"
    problem: str | None = None
    for d_in in range(1, MAX_AXES + 1):
        problem = _unknown(network, d_in)
        if problem is None:
            return None
    return problem


def _unknown(network: Network, d_in: int) -> str | None:
    """Which layer has no operation for coordinates of so many axes, or None."""
    module: Any = native.load()
    known = None if module is None else {kind.name for kind in module.operation_kinds()}
    graphs = [(network, d_in)]
    if network.training_graph is not None:
        graphs.append((network.training_graph, lesson_width(d_in, network.widths(d_in)[network.heads[-1]])))
    for graph, width in graphs:
        widths = graph.widths(width)
        for i, (layer, sources) in enumerate(zip(graph.layers, graph.sources, strict=True)):
            told = layer.operation(*[widths[s] for s in sources])
            if told is None:
                return _lacks(i, layer)
            if known is not None and told.kind not in known:
                return f"{_lacks(i, layer)}: there is no operation {told.kind!r}"
    return None


def _lacks(i: int, layer: Layer) -> str:
    return f"layer {i} ({type(layer).__name__}) has no compiled kernel"


def pulled_refusal(network: Network) -> str | None:
    """None if the kernels train a network by steps with a pull-back, else why not."""
    if len(network.heads) > 1:
        return f"a network of {len(network.heads)} outputs needs steps with targets here; use backend torch"
    return lesson_refusal(network)


def lower(graph: Network, parameters: Parameters, names: Mapping[Layer, int], d_in: int) -> list[Lowered]:
    """The operations of a network, as the compiled module takes them.

    Args:
        graph: all of whose layers the kernels have.
        parameters: where the tensors lie.
        names: number under which each layer's tensors are stored.
        d_in: width of its input.
    """
    module: Any = native.load()
    widths = graph.widths(d_in)
    operations = []
    for i, layer in enumerate(graph.layers):
        sources = list(graph.sources[i])
        told = layer.operation(*[widths[s] for s in sources])
        if told is None:
            raise SpecError(_lacks(i, layer))
        operation = module.Operation(
            told.kind,
            sources,
            ints=list(told.ints),
            reals=list(told.reals),
            constants=list(told.constants),
            params=[-1 if n is None else parameters.offsets[f"{names[layer]}.{n}"] for n in told.params],
        )
        operations.append(operation)
    return operations
