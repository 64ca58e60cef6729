"""The builder of networks: numbering, splicing, sharing."""

import pytest
import torch

from inr.errors import SpecError
from inr.layers import Add, Axis, Concat, Linear, Multiply, Sine
from inr.layers.graph import Graph
from inr.layers.network import COORDINATES, Network
from inr.models.siren import Siren
from tests.support.model_checks import coordinates, initialised

X = coordinates(9).float()


def doubled(d_in: int) -> Network:
    """A graph with a fork: ``sin(W x) + x``, whose last layer reads the coordinates again."""
    linear = Linear(d_in, d_in)
    torch.nn.init.constant_(linear.weight, 0.3)
    torch.nn.init.constant_(linear.bias, 0.1)
    return Network([linear, Sine(2.0), Add()], [(0,), (1,), (2, 0)])


def test_layers_are_numbered_in_order() -> None:
    graph = Graph()
    first = graph.add(Axis(0), COORDINATES)
    second = graph.add(Axis(1), COORDINATES)
    both = graph.add(Multiply(), first, second)
    assert (first, second, both) == (1, 2, 3)
    network = graph.network()
    assert network.sources == [(0,), (0,), (1, 2)]
    assert network.heads == (3,)
    assert torch.equal(network(X), X[:, :1] * X[:, 1:])


def test_network_alone_in_a_graph_is_unchanged() -> None:
    for inner in (initialised(Siren(width=6, depth=1)), doubled(2)):
        graph = Graph()
        assert graph.splice(inner) == len(inner.layers)
        network = graph.network()
        assert network.sources == inner.sources
        assert torch.equal(network(X), inner(X))
        assert list(network.tensors()) == list(inner.tensors())


def test_spliced_network_reads_what_it_is_given() -> None:
    """The inner coordinates are the value named, wherever the inner network reads them."""
    graph = Graph()
    swapped = graph.add(Concat(), graph.add(Axis(1), COORDINATES), graph.add(Axis(0), COORDINATES))
    inner, again = doubled(2), doubled(2)
    once = graph.splice(inner, swapped)
    twice = graph.splice(again, once)
    assert torch.equal(graph.network(once)(X), inner(X.flip(1)))
    both = graph.network(once, twice).outputs(X)
    assert torch.equal(both[0], inner(X.flip(1)))
    assert torch.equal(both[1], again(inner(X.flip(1))))


def test_layers_are_shared_and_heads_but_the_last_are_dropped() -> None:
    layers = [Linear(2, 2), Linear(2, 2)]
    for layer in layers:
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.ones_(layer.bias)
    inner = Network(layers, heads=(1, 2))
    graph = Graph()
    network = graph.network(graph.splice(inner))
    assert network.heads == (2,)
    assert torch.equal(network(X), inner(X))
    with torch.no_grad():
        layers[1].bias.add_(1)
    assert torch.equal(network(X), inner(X))
    assert [id(layer) for layer in network.layers] == [id(layer) for layer in layers]


def test_network_without_layers_is_its_input() -> None:
    graph = Graph()
    axis = graph.add(Axis(1), COORDINATES)
    assert graph.splice(Network([]), axis) == axis


def test_value_that_does_not_exist_yet_is_refused() -> None:
    graph = Graph()
    graph.add(Axis(0), 1)
    with pytest.raises(SpecError, match="numbers of earlier values"):
        graph.network()
