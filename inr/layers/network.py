"""A network: a directed graph of layers, in the order in which they are evaluated."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import final

from torch import Tensor, nn

from inr.errors import SpecError
from inr.layers import Axis, ComplexLinear, Contraction, Layer, Linear, Matrix
from inr.layers.layout import TensorLayout

COORDINATES = 0
"""Number of the value that holds the coordinates; layer i makes value i + 1."""


@final
class Network(nn.Module):
    """Maps coordinates `(n, d_in)` to values `(n, d_out)` through layers.

    Value 0 is the coordinates and value i the output of layer i - 1, so a graph is the list of the numbers that
    each layer reads. A chain needs no list. A layer that stands at several places is evaluated at each and stored once.

    Attributes:
        parts: networks inside this one whose layers it shares, for what initialises them; set by who builds it.
        training_graph: what is trained in place of this network, over the same parameters, if that differs; set by who
            builds it. Its input are rows `(coordinates, targets, one number uniform in [0, 1], standard normal numbers
            as many as targets)`.

    Args:
        layers: in order of evaluation.
        sources: for each layer the numbers of the values it reads, all earlier ones; None for a chain.
        heads: numbers of the values that are outputs, coarse to fine; the last one is the network's value, the
            others are trained towards the same targets. None: the last layer's.
    """

    def __init__(
        self,
        layers: Iterable[Layer],
        sources: Sequence[tuple[int, ...]] | None = None,
        heads: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.sources = [(i,) for i in range(len(self.layers))] if sources is None else list(sources)
        self.heads = (len(self.layers),) if heads is None else heads
        if len(self.sources) != len(self.layers) or any(
            not 0 <= s <= i for i, numbers in enumerate(self.sources) for s in numbers
        ):
            raise SpecError(f"network: every layer needs the numbers of earlier values; got {self.sources}")
        self.parts: tuple[Network, ...] = ()
        self.training_graph: Network | None = None
        last = {number: i for i, numbers in enumerate(self.sources) for number in numbers}
        self._released = [
            [n for n, i in last.items() if i == at and n not in self.heads] for at in range(len(self.layers))
        ]

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` -> `(n, d_out)`, the finest output."""
        return self.outputs(x)[-1]

    def outputs(self, x: Tensor) -> list[Tensor]:
        """`(n, d_in)` -> one `(n, d_out)` for each head, coarse to fine."""
        return self._run({COORDINATES: x}, range(len(self.layers)), self.heads)

    def cut(self, head: int) -> "Network":
        """The network, of the same layers, whose value is one of the outputs, counted from the coarsest."""
        count = self.heads[head]
        return Network(self.layer_list()[:count], self.sources[:count], self.heads[: head + 1])

    def _run(self, values: dict[int, Tensor], indices: Iterable[int], wanted: Sequence[int]) -> list[Tensor]:
        """Evaluate some layers; values that no later layer reads are let go."""
        for i in indices:
            layer: Layer = self.layers[i]  # type: ignore[assignment]
            values[i + 1] = layer(*[values[s] for s in self.sources[i]])
            for number in self._released[i]:
                values.pop(number, None)
        return [values[number] for number in wanted]

    def layer_list(self) -> list[Layer]:
        """The layers with their static type."""
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def tensors(self) -> dict[str, Tensor]:
        """Stored tensors by the names that files and checkpoints use: ``<layer>.<tensor>``."""
        return {
            f"{i}.{tensor.name}": getattr(layer, tensor.name)
            for i, layer in self._stored()
            for tensor in layer.layout()
        }

    def layout(self) -> tuple[TensorLayout, ...]:
        """Layout of all stored tensors, in file order."""
        return tuple(
            replace(tensor, name=f"{i}.{tensor.name}") for i, layer in self._stored() for tensor in layer.layout()
        )

    def _stored(self) -> Iterator[tuple[int, Layer]]:
        """Every layer at the first of its places."""
        seen: set[int] = set()
        for i, layer in enumerate(self.layer_list()):
            if id(layer) not in seen:
                seen.add(id(layer))
                yield i, layer

    def widest(self, x: Tensor) -> int:
        """Features of the widest value, found by evaluating one row `(1, d_in)`."""
        values, width = {COORDINATES: x}, x.shape[1]
        for i, layer in enumerate(self.layer_list()):
            values[i + 1] = layer(*[values[s] for s in self.sources[i]])
            width = max(width, values[i + 1].shape[1])
        return width

    def behind(self, number: int) -> set[int]:
        """Indices of the layers that a value depends on."""
        needed: set[int] = set()
        stack = [number]
        while stack:
            current = stack.pop()
            if current != COORDINATES and current - 1 not in needed:
                needed.add(current - 1)
                stack += self.sources[current - 1]
        return needed

    def hidden_linear(self) -> list[Layer]:
        """Linear layers with another one before and after them on the way to the outputs, each once.

        Of a network made of parts these are the parts' own; the layers that join parts count as first or last ones.
        """
        if self.parts:
            return list({id(layer): layer for part in self.parts for layer in part.hidden_linear()}.values())
        layers = self.layer_list()
        linear = {i for i, layer in enumerate(layers) if isinstance(layer, Linear | Matrix | ComplexLinear)}
        before = {i: (self.behind(i + 1) - {i}) & linear for i in linear}
        followed = set().union(*before.values())
        return list({id(layers[i]): layers[i] for i in sorted(linear) if before[i] and i in followed}.values())

    # Separable networks: each axis has a network of its own, and a contraction joins them.

    @property
    def contraction(self) -> int | None:
        """Index of the layer that joins one factor for each axis, or None for a network that is not separable."""
        readers = {type(self.layers[i]) for i, numbers in enumerate(self.sources) if COORDINATES in numbers}
        joints = [i for i, layer in enumerate(self.layers) if isinstance(layer, Contraction)]
        return joints[0] if readers == {Axis} and len(joints) == 1 else None

    def factor(self, axis: int, x: Tensor) -> Tensor:
        """The factor of one axis at its coordinates, `(n_axis,)` -> `(n_axis, m)`. Only for a separable network."""
        joint = self._joint()
        number = self.sources[joint][axis]
        values: dict[int, Tensor] = {}
        for i in sorted(self.behind(number)):
            layer: Layer = self.layers[i]  # type: ignore[assignment]
            values[i + 1] = x[:, None] if isinstance(layer, Axis) else layer(*[values[s] for s in self.sources[i]])
        return values[number]

    def join(self, factors: Sequence[Tensor]) -> Tensor:
        """All combinations of the factors `(n_a, m_a)` -> `(prod n_a, d_out)` in C order."""
        joint = self._joint()
        layer = self.layers[joint]
        if not isinstance(layer, Contraction):
            raise SpecError("network: it is not separable")
        values = {joint + 1: layer.grid(*factors)}
        return self._run(values, range(joint + 1, len(self.layers)), self.heads)[-1]

    def grid(self, axes: Sequence[Tensor]) -> Tensor:
        """All points of a grid given by the coordinates along each axis -> `(prod n_a, d_out)` in C order."""
        return self.join([self.factor(axis, x) for axis, x in enumerate(axes)])

    def _joint(self) -> int:
        joint = self.contraction
        if joint is None:
            raise SpecError("network: it is not separable, so it has no factors")
        return joint
