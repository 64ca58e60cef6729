"""Building the graph of a network layer by layer, and networks inside networks."""

from typing import final

from inr.layers.base import Layer
from inr.layers.network import COORDINATES, Network


@final
class Graph:
    """Layers and the values they read, numbered as in `Network`: 0 is the coordinates, each layer makes the next."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []
        self._sources: list[tuple[int, ...]] = []

    def add(self, layer: Layer, *sources: int) -> int:
        """Append a layer that reads these values; returns the number of its output."""
        self._layers.append(layer)
        self._sources.append(sources)
        return len(self._layers)

    def splice(self, network: Network, source: int = COORDINATES) -> int:
        """Append the layers that make the value of a network, which sees value `source` as its coordinates.

        The layers are shared, not copied. Other heads, and layers that only they read, are left out.

        Returns:
            The number of the network's value.
        """
        numbers = {COORDINATES: source}
        layers, value = network.layers, network.heads[-1]
        for i in sorted(network.behind(value)):
            numbers[i + 1] = self.add(layers[i], *[numbers[s] for s in network.sources[i]])
        return numbers[value]

    def network(self, *heads: int, parts: tuple[Network, ...] = (), training_graph: Network | None = None) -> Network:
        """The network whose outputs are these values, coarse to fine; none named: the last layer's.

        Args:
            heads: numbers of the values.
            parts: networks that were spliced into it, for what initialises them.
            training_graph: what is trained in its place.
        """
        return Network(self._layers, self._sources, heads or None, parts, training_graph)
