"""The builder of networks: numbering, splicing, sharing."""

import copy

import pytest
import torch

from inr.backends.torch import TorchNetwork
from inr.errors import SpecError
from inr.layers import Add, Axis, Concat, Fixed, Linear, Multiply, Sine
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.siren import Siren
from inr.rng import generator
from tests.support.domains import plain
from tests.support.model_checks import coordinates
from tests.support.torch_layers import module_of, tensor_of

X = coordinates(9).float()


def doubled(d_in: int) -> Network:
    """A graph with a fork: ``sin(W x) + x``, whose last layer reads the coordinates again."""
    linear = Linear(d_in, d_in, Fixed(0.3), Fixed(0.1))
    return Network([linear, Sine(2.0), Add()], [(0,), (1,), (2, 0)])


def test_layers_are_numbered_in_order() -> None:
    graph = Graph()
    first = graph.add(Axis(0), COORDINATES)
    second = graph.add(Axis(1), COORDINATES)
    both = graph.add(Multiply(), first, second)
    assert (first, second, both) == (1, 2, 3)
    network = graph.network()
    assert network.sources == ((0,), (0,), (1, 2))
    assert network.heads == (3,)
    assert network.widths(2) == (2, 1, 1, 1)
    assert torch.equal(module_of(network)(X), X[:, :1] * X[:, 1:])


def test_network_alone_in_a_graph_is_unchanged() -> None:
    for inner in (Siren(width=6, depth=1).build(plain(2), 3), doubled(2)):
        graph = Graph()
        assert graph.splice(inner) == len(inner.layers)
        network = graph.network()
        assert network.sources == inner.sources
        assert torch.equal(module_of(network)(X), module_of(inner)(X))
        assert network.layout() == inner.layout()


def test_spliced_network_reads_what_it_is_given() -> None:
    """The inner coordinates are the value named, wherever the inner network reads them."""
    graph = Graph()
    swapped = graph.add(Concat(), graph.add(Axis(1), COORDINATES), graph.add(Axis(0), COORDINATES))
    inner = doubled(2)
    once = graph.splice(inner, swapped)
    twice = graph.splice(doubled(2), once)
    own = module_of(inner)
    assert torch.equal(module_of(graph.network(once))(X), own(X.flip(1)))
    both = module_of(graph.network(once, twice)).outputs(X)
    assert torch.equal(both[0], own(X.flip(1)))
    assert torch.equal(both[1], own(own(X.flip(1))))


def test_layers_are_shared_and_heads_but_the_last_are_dropped() -> None:
    layers = [Linear(2, 2, Fixed(1.0), Fixed(1.0)), Linear(2, 2, Fixed(1.0), Fixed(1.0))]
    inner = Network(layers, heads=(1, 2))
    graph = Graph()
    network = graph.network(graph.splice(inner))
    assert network.heads == (2,)
    module = module_of(network)
    other = TorchNetwork(inner, {}, module.modules_by_layer())
    assert torch.equal(module(X), other(X))
    with torch.no_grad():
        tensor_of(module, layers[1], "bias").add_(1)
    assert torch.equal(module(X), other(X))
    assert not torch.equal(module(X), module_of(network)(X))
    assert [id(layer) for layer in network.layers] == [id(layer) for layer in layers]


def test_layer_at_several_places_is_stored_once() -> None:
    """In the layout, in the start, and in the JSON form; tensors of a part have the whole's names."""
    shared = Linear(2, 2)
    part = Network([shared])
    network = Network([Sine(1.0), shared, Sine(2.0), shared], parts=(part,))
    assert [tensor.name for tensor in network.layout()] == ["1.weight", "1.bias"]
    assert list(network.initial(generator(0))) == ["1.weight", "1.bias"]
    assert network.renamed(part, {"0.weight": 5, "0.bias": 7}) == {"1.weight": 5, "1.bias": 7}
    again = Network.from_json(network.to_json())
    assert again.layers[1] is again.layers[3] is again.parts[0].layers[0]
    assert copy.deepcopy(network) is network


def test_network_without_layers_is_its_input() -> None:
    graph = Graph()
    axis = graph.add(Axis(1), COORDINATES)
    assert graph.splice(Network([]), axis) == axis


def test_value_that_does_not_exist_yet_is_refused() -> None:
    graph = Graph()
    graph.add(Axis(0), 1)
    with pytest.raises(SpecError, match="numbers of earlier values"):
        graph.network()


@pytest.mark.parametrize("heads", [(), (3,), (-1,)])
def test_output_that_does_not_exist_is_refused(heads: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"outputs must be values 0..2"):
        Network([Sine(1.0), Sine(2.0)], heads=heads)


def test_network_never_changes() -> None:
    network = doubled(2)
    with pytest.raises(AttributeError):
        network.heads = (1,)  # type: ignore[misc]
