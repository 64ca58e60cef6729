"""A network: a directed graph of layers, in the order in which they are evaluated."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, final

import numpy as np

from inr.cached import cached
from inr.errors import SpecError
from inr.layers.axis import Axis
from inr.layers.base import Layer
from inr.layers.complex_linear import ComplexLinear
from inr.layers.contraction import Contraction
from inr.layers.document import layer_document, layer_of
from inr.layers.layout import FloatTensor, TensorLayout
from inr.layers.linear import Linear, Matrix

if TYPE_CHECKING:
    from torch import Tensor

    Held = Sequence[Mapping[str, Tensor]]
    """For each place of a network the stored and fixed tensors of its layer, by name."""

COORDINATES = 0
"""Number of the value that holds the coordinates; layer i makes value i + 1."""

T = TypeVar("T")


@final
@dataclass(frozen=True, eq=False, init=False)
class Network:
    """Maps coordinates `(n, d_in)` to values `(n, d_out)` through layers; a specification, without parameters.

    Value 0 is the coordinates and value i the output of layer i - 1, so a graph is the list of the numbers that
    each layer reads. A chain needs no list. A layer that stands at several places is evaluated at each and stored once.
    Parameters are handed beside it, by the names of `layout`.

    Attributes:
        layers: in order of evaluation.
        sources: for each layer the numbers of the values it reads, all earlier ones.
        heads: numbers of the values that are outputs, coarse to fine; the last one is the network's value, the
            others are trained towards the same targets.
        parts: networks inside this one whose layers it shares, for what initialises them.
        training_graph: what is trained in place of this network, over the same parameters, if that differs. Its input
            are rows `(coordinates, targets, one number uniform in [0, 1], standard normal numbers as many as targets)`.
    """

    layers: tuple[Layer, ...]
    sources: tuple[tuple[int, ...], ...]
    heads: tuple[int, ...]
    parts: tuple["Network", ...]
    training_graph: "Network | None"

    def __init__(
        self,
        layers: Iterable[Layer],
        sources: Sequence[tuple[int, ...]] | None = None,
        heads: tuple[int, ...] | None = None,
        parts: tuple["Network", ...] = (),
        training_graph: "Network | None" = None,
    ) -> None:
        """A graph; `sources` is None for a chain, `heads` None for the last layer's value.

        Raises:
            SpecError: a layer reads a value that is not there yet, or an output does not exist.
        """
        own = tuple(layers)
        read = [(i,) for i in range(len(own))] if sources is None else [tuple(numbers) for numbers in sources]
        if len(read) != len(own) or any(not 0 <= s <= i for i, numbers in enumerate(read) for s in numbers):
            raise SpecError(f"network: every layer needs the numbers of earlier values; got {read}")
        outputs = (len(own),) if heads is None else tuple(heads)
        if not outputs or any(not 0 <= head <= len(own) for head in outputs):
            raise SpecError(f"network: outputs must be values 0..{len(own)}; got {list(outputs)}")
        for name, value in (
            ("layers", own),
            ("sources", tuple(read)),
            ("heads", outputs),
            ("parts", tuple(parts)),
            ("training_graph", training_graph),
        ):
            object.__setattr__(self, name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Network":
        """Itself: nothing in it ever changes, and layers are told apart by identity."""
        return self

    # What is stored.

    @cached
    def numbers(self) -> dict[Layer, int]:
        """Every layer with the first of its places, which names its tensors."""
        found: dict[Layer, int] = {}
        for i, layer in enumerate(self.layers):
            found.setdefault(layer, i)
        return found

    def layout(self) -> tuple[TensorLayout, ...]:
        """Layout of all stored tensors, named ``<layer>.<tensor>``, in file order."""
        return tuple(
            replace(tensor, name=f"{i}.{tensor.name}") for layer, i in self.numbers.items() for tensor in layer.layout()
        )

    def initial(self, generator: "np.random.Generator") -> dict[str, FloatTensor]:
        """Parameters drawn from the distributions of the layers, in file order."""
        drawn = {}
        for layer, i in self.numbers.items():
            distributions = layer.initial()
            for tensor in layer.layout():
                drawn[f"{i}.{tensor.name}"] = distributions[tensor.name].draw(generator, tensor.shape)
        return drawn

    def by_layer(self, tensors: Mapping[str, T]) -> dict[Layer, dict[str, T]]:
        """Tensors by name as those of each layer."""
        return {
            layer: {tensor.name: tensors[f"{i}.{tensor.name}"] for tensor in layer.layout()}
            for layer, i in self.numbers.items()
        }

    def renamed(self, part: "Network", tensors: Mapping[str, T]) -> dict[str, T]:
        """Tensors of a network that shares layers with this one, by the names they have here; others are left out."""
        return {
            f"{self.numbers[layer]}.{name}": tensor
            for layer, own in part.by_layer(tensors).items()
            if layer in self.numbers
            for name, tensor in own.items()
        }

    # Its shape.

    def widths(self, d_in: int) -> tuple[int, ...]:
        """Features of each value for coordinates of so many axes."""
        found = [d_in]
        for layer, numbers in zip(self.layers, self.sources, strict=True):
            found.append(layer.width(*[found[s] for s in numbers]))
        return tuple(found)

    def cut(self, head: int) -> "Network":
        """The network, of the same layers, whose value is one of the outputs, counted from the coarsest."""
        count = self.heads[head]
        return Network(self.layers[:count], self.sources[:count], self.heads[: head + 1])

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
            return list(dict.fromkeys(layer for part in self.parts for layer in part.hidden_linear()))
        layers = self.layers
        linear = {i for i, layer in enumerate(layers) if isinstance(layer, Linear | Matrix | ComplexLinear)}
        before = {i: (self.behind(i + 1) - {i}) & linear for i in linear}
        followed = set().union(*before.values())
        return list(dict.fromkeys(layers[i] for i in sorted(linear) if before[i] and i in followed))

    @cached
    def contraction(self) -> int | None:
        """Index of the layer that joins one factor for each axis, or None for a network that is not separable."""
        readers = {type(self.layers[i]) for i, numbers in enumerate(self.sources) if COORDINATES in numbers}
        joints = [i for i, layer in enumerate(self.layers) if isinstance(layer, Contraction)]
        return joints[0] if readers == {Axis} and len(joints) == 1 else None

    # Evaluation by the reference, in torch.

    def as_torch(self, tensors: Mapping[str, FloatTensor]) -> "Held":
        """Copies of parameters, with the fixed arrays of the layers, for the methods below."""
        import torch

        own = self.by_layer(tensors)
        held = {layer: {k: torch.tensor(v) for k, v in {**own[layer], **layer.fixed()}.items()} for layer in own}
        return [held[layer] for layer in self.layers]

    def outputs(self, held: "Held", x: "Tensor") -> "list[Tensor]":
        """`(n, d_in)` -> one `(n, d_out)` for each head, coarse to fine."""
        return self._run(held, {COORDINATES: x}, range(len(self.layers)), self.heads)

    @cached
    def _released(self) -> list[list[int]]:
        """For each layer the values that nobody reads after it."""
        last = {number: i for i, numbers in enumerate(self.sources) for number in numbers}
        return [[n for n, i in last.items() if i == at and n not in self.heads] for at in range(len(self.layers))]

    def _run(
        self, held: "Held", values: "dict[int, Tensor]", indices: Iterable[int], wanted: Sequence[int]
    ) -> "list[Tensor]":
        """Evaluate some layers; values that no later layer reads are let go."""
        for i in indices:
            values[i + 1] = self.layers[i].forward(held[i], *[values[s] for s in self.sources[i]])
            for number in self._released[i]:
                values.pop(number, None)
        return [values[number] for number in wanted]

    # Separable networks: each axis has a network of its own, and a contraction joins them.

    def factor(self, held: "Held", axis: int, x: "Tensor") -> "Tensor":
        """The factor of one axis at its coordinates, `(n_axis,)` -> `(n_axis, m)`. Only for a separable network."""
        number = self.sources[self._joint()[0]][axis]
        values: dict[int, Tensor] = {}
        for i in sorted(self.behind(number)):
            layer = self.layers[i]
            inputs = [values[s] for s in self.sources[i] if s != COORDINATES]
            values[i + 1] = x[:, None] if isinstance(layer, Axis) else layer.forward(held[i], *inputs)
        return values[number]

    def join(self, held: "Held", factors: "Sequence[Tensor]") -> "Tensor":
        """All combinations of the factors `(n_a, m_a)` -> `(prod n_a, d_out)` in C order."""
        joint, layer = self._joint()
        values = {joint + 1: layer.grid(held[joint], *factors)}
        return self._run(held, values, range(joint + 1, len(self.layers)), self.heads)[-1]

    def grid(self, held: "Held", axes: "Sequence[Tensor]") -> "Tensor":
        """All points of a grid given by the coordinates along each axis -> `(prod n_a, d_out)` in C order."""
        return self.join(held, [self.factor(held, axis, x) for axis, x in enumerate(axes)])

    def _joint(self) -> tuple[int, Contraction]:
        layer = None if self.contraction is None else self.layers[self.contraction]
        if self.contraction is None or not isinstance(layer, Contraction):
            raise SpecError("network: it is not separable, so it has no factors")
        return self.contraction, layer

    # Its JSON form.

    def to_json(self) -> str:
        """The layers, each once, and the graphs over them, in one line.

        ``layers`` is the list of layers, each a mapping with its ``kind`` and settings. A graph has ``places`` (for
        each place the number of its layer in that list), ``sources`` (the values each place reads), ``heads``, and if
        there are any ``parts`` and ``training``, which are graphs as well.
        """
        numbers: dict[Layer, int] = {}
        graph = self._graph(numbers)
        return json.dumps({"layers": [layer_document(layer) for layer in numbers], **graph}, separators=(",", ":"))

    def _graph(self, numbers: dict[Layer, int]) -> dict[str, Any]:
        graph: dict[str, Any] = {
            "places": [numbers.setdefault(layer, len(numbers)) for layer in self.layers],
            "sources": [list(read) for read in self.sources],
            "heads": list(self.heads),
        }
        if self.parts:
            graph["parts"] = [part._graph(numbers) for part in self.parts]
        if self.training_graph is not None:
            graph["training"] = self.training_graph._graph(numbers)
        return graph

    @staticmethod
    def from_json(text: str | bytes) -> "Network":
        """The network that `to_json` wrote; raises `SpecError`."""
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or not isinstance(document.get("layers"), list):
                raise SpecError("network: expected an object with 'layers'")
            return _network_of(document, [layer_of(one) for one in document["layers"]])
        except RecursionError:
            raise SpecError("network: objects lie too deep in one another") from None
        except SpecError:
            raise
        except ValueError as error:
            raise SpecError(f"network: no JSON: {error}") from None


def _network_of(document: Any, layers: list[Layer]) -> Network:
    """A graph over layers as `Network` has it."""
    try:
        places = [_place(number, len(layers)) for number in document["places"]]
        sources = [tuple(_whole(number) for number in read) for read in document["sources"]]
        heads = tuple(_whole(number) for number in document["heads"])
        parts = tuple(_network_of(part, layers) for part in document.get("parts", ()))
        training = document.get("training")
    except (TypeError, KeyError, AttributeError) as error:
        raise SpecError(f"network: a graph needs places, sources and heads, lists of numbers; got {error}") from None
    graph = None if training is None else _network_of(training, layers)
    return Network([layers[number] for number in places], sources, heads, parts, graph)


def _place(number: Any, count: int) -> int:
    if not 0 <= _whole(number) < count:
        raise SpecError(f"network: places: layers are 0..{count - 1}; got {number}")
    return _whole(number)


def _whole(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise SpecError(f"network: expected whole numbers; got {number!r}")
    return number
