"""Building the graph of a network layer by layer, and networks inside networks."""

from typing import final

from inr.models.layers import Layer
from inr.models.network import COORDINATES, Network


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
        """Append all layers of a network that sees value `source` as its coordinates.

        The layers are shared, not copied. Heads but the last are dropped.

        Returns:
            The number of the network's value.
        """
        shift = len(self._layers)

        def renumbered(number: int) -> int:
            return source if number == COORDINATES else shift + number

        for layer, sources in zip(network.layer_list(), network.sources, strict=True):
            self.add(layer, *map(renumbered, sources))
        return renumbered(network.heads[-1])

    def network(self, *heads: int) -> Network:
        """The network whose outputs are these values, coarse to fine; none named: the last layer's."""
        return Network(self._layers, self._sources, heads or None)
