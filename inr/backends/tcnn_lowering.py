"""What of a network tiny-cuda-nn can run, and its parameters in tiny-cuda-nn's order.

tiny-cuda-nn has networks without biases: matrices of a width that is a multiple of 16, one after the other in a flat
vector, row by row. Inputs are filled up with ones. So a bias is a column of weights for something that is one: the
first matrix takes an input that is filled up, and the others the last neuron, which is kept at one. For that its own
row holds one number only: 1 with ReLU, and pi/2 with a sine, which in 16-bit floats gives exactly one again.

Which layers are mapped:

- linear, ReLU, linear, ..., linear: a fully fused network to a width of 127, a layered one (CUTLASS) beyond;
- linear, sine, linear, ..., linear: a layered one; its sine has no factor, so omega is folded into the weights;
- the first linear layer of a run stays outside, in float32, if the run has sines or reads coordinates: 16-bit floats
  hold coordinates to 1/2048 and a phase of 30 radians to 1/64;
- each level of a hash grid as a grid of its own, in float32: tiny-cuda-nn computes the scale of level l as a float32
  power, ours are rounded to 1/1024 and in general differ; but a grid of one level has the scale ``resolution - 1``
  exactly, and the ratio of both scales goes into the coordinates. Rows and tables are then the same;
- each level of a dense grid likewise, its table filled up to a cube if its sides differ.

Everything else, Fourier features among it, runs on torch beside them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inr.layers import (
    Axis,
    Columns,
    ComplexLinear,
    Concat,
    DenseGrid,
    HashGrid,
    Layer,
    Linear,
    Matrix,
    ReLU,
    Sine,
)
from inr.layers.hashing import GridLevel
from inr.layers.network import COORDINATES, Network

ALIGNMENT = 16
"""Widths of matrices are multiples of this."""
FUSED_WIDTHS = (16, 32, 64, 128)
"""Those that the fully fused network exists for."""
GRID_AXES, GRID_FEATURES = (2, 3, 4), (1, 2, 4, 8)
"""Those that grids exist for."""
MAX_GROWTH = 4
"""A dense grid whose tables grow more than this when they are filled up to cubes stays with torch."""

Config = dict[str, str | int | float]


def aligned(count: int, unit: int = ALIGNMENT) -> int:
    """The least multiple of `unit` that is at least `count`."""
    return -(-count // unit) * unit


@dataclass(frozen=True)
class MlpRun:
    """Layers that become one tiny-cuda-nn network.

    Attributes:
        places: of the layers in the network, first to last: linear, activation, linear, ..., linear.
        activation: of all hidden layers, by tiny-cuda-nn's name.
        inputs: of the first linear layer.
        outputs: of the last one.
        width: neurons of a hidden layer in tiny-cuda-nn, with those that are filled up.
    """

    places: tuple[int, ...]
    activation: str
    inputs: int
    outputs: int
    width: int

    @property
    def hidden(self) -> int:
        """Hidden layers."""
        return len(self.places) // 2

    @property
    def fused(self) -> bool:
        """True for the fully fused network: it has no sine, and few widths."""
        return self.activation != "Sine" and self.width in FUSED_WIDTHS

    @property
    def extra_inputs(self) -> int:
        """Ones to add to the inputs: one if tiny-cuda-nn would not fill up any itself."""
        return 1 if self.inputs % ALIGNMENT == 0 else 0

    def config(self) -> Config:
        """The settings of the network."""
        return {
            "otype": "FullyFusedMLP" if self.fused else "CutlassMLP",
            "activation": self.activation,
            "output_activation": "None",
            "n_neurons": self.width,
            "n_hidden_layers": self.hidden,
        }


@dataclass(frozen=True)
class GridRun:
    """A grid whose levels become a tiny-cuda-nn encoding each; `places` holds its one place."""

    places: tuple[int, ...]


def plan(network: Network) -> tuple[MlpRun | GridRun, ...]:
    """The parts of a network that tiny-cuda-nn can run, in order of their last layers; the longest runs there are."""
    layers = network.layers
    readers = _readers(network)
    runs: list[MlpRun | GridRun] = []
    taken: set[int] = set()
    for i, layer in enumerate(layers):
        if isinstance(layer, HashGrid | DenseGrid) and grid_problem(layer) is None:
            runs.append(GridRun((i,)))
        if isinstance(layer, Linear | Matrix) and i not in taken:
            chain = _chain(network, readers, i)
            taken.update(chain)
            run = _mlp_run(network, chain)
            if run is not None:
                runs.append(run)
    return tuple(sorted(runs, key=lambda run: run.places[-1]))


def problem(network: Network) -> str | None:
    """None if something of a network can be mapped, else which layer is in the way."""
    if plan(network):
        return None
    layers = network.layers
    linear = {i for i, layer in enumerate(layers) if isinstance(layer, Linear | Matrix | ComplexLinear)}
    before_linear = set().union(*(network.behind(i + 1) - {i} for i in linear))
    for i, layer in enumerate(layers):
        place = f"layer {i} ({type(layer).__name__})"
        if isinstance(layer, HashGrid | DenseGrid):
            return f"{place}: {grid_problem(layer)}"
        follows_linear = any(source - 1 in linear for source in network.sources[i])
        if follows_linear and i in before_linear - linear and not isinstance(layer, ReLU | Sine):
            return f"{place}: between linear layers tiny-cuda-nn has ReLU and sine only"
    return (
        f"layer {len(layers) - 1} ({type(layers[-1]).__name__}): too few layers before it; "
        "linear, ReLU or sine, linear must follow the first layer, which is computed in float32 outside"
    )


def grid_problem(layer: HashGrid | DenseGrid) -> str | None:
    """None if the levels of a grid can be mapped, else why not."""
    axes = layer.d_in if isinstance(layer, HashGrid) else len(layer.extents)
    if axes not in GRID_AXES:
        return f"tiny-cuda-nn has grids of 2 to 4 axes; got {axes}"
    if layer.n_features not in GRID_FEATURES:
        return f"tiny-cuda-nn has grids of 1, 2, 4 or 8 features a level; got {layer.n_features}"
    if isinstance(layer, DenseGrid):
        cubes = sum(max(nodes) ** axes for nodes in layer.levels)
        if cubes > MAX_GROWTH * sum(layer.entries) or max(map(max, layer.levels)) ** axes >= 2**31:
            return f"its {sum(layer.entries)} nodes would become {cubes} in tiny-cuda-nn, whose grids are cubes"
    elif any(level.resolution < 2 for level in layer.levels):
        return "a level has a single node an axis"
    elif any(level.resolution * level.entries >= 2**32 for level in layer.levels):
        return "the numbers of its nodes need more than 32 bits"
    return None


def _readers(network: Network) -> dict[int, list[int]]:
    """Places of the layers that read each value; a head also counts as being read, from outside."""
    readers: dict[int, list[int]] = {number: [] for number in range(len(network.layers) + 1)}
    for i, numbers in enumerate(network.sources):
        for number in numbers:
            readers[number].append(i)
    for number in network.heads:
        readers[number].append(len(network.layers))
    return readers


def _chain(network: Network, readers: dict[int, list[int]], first: int) -> list[int]:
    """Linear, activation, linear, ..., linear from a linear layer on; nothing else reads what is between them."""
    layers = network.layers

    def following(place: int, *kinds: type[Layer]) -> int | None:
        after = readers[place + 1]
        if len(after) != 1 or after[0] == len(layers) or not isinstance(layers[after[0]], kinds):
            return None
        return after[0] if len(network.sources[after[0]]) == 1 else None

    chain = [first]
    kinds: tuple[type[Layer], ...] = (ReLU, Sine)
    while (activation := following(chain[-1], *kinds)) is not None:
        linear = following(activation, Linear, Matrix)
        if linear is None:
            break
        chain += [activation, linear]
        kinds = (type(layers[activation]),)
    return chain


def _mlp_run(network: Network, chain: list[int]) -> MlpRun | None:
    layers = network.layers
    sines = len(chain) > 1 and isinstance(layers[chain[1]], Sine)
    places = chain[2:] if sines or _raw(network, network.sources[chain[0]][0]) else chain
    if len(places) < 3:
        return None
    linears = [layer for layer in (layers[i] for i in places) if isinstance(layer, Linear | Matrix)]
    width = max(layer.d_out for layer in linears[:-1]) + 1
    fitting = [] if sines else [w for w in FUSED_WIDTHS if w >= width]
    return MlpRun(
        places=tuple(places),
        activation="Sine" if sines else "ReLU",
        inputs=linears[0].d_in,
        outputs=linears[-1].d_out,
        width=fitting[0] if fitting else aligned(width),
    )


def _raw(network: Network, number: int) -> bool:
    """True for a value that holds coordinates."""
    if number == COORDINATES:
        return True
    passes_on = isinstance(network.layers[number - 1], Axis | Columns | Concat)
    return passes_on and any(_raw(network, source) for source in network.sources[number - 1])


def flat_parameters(run: MlpRun, linears: Sequence[Mapping[str, Tensor]], omegas: Sequence[float]) -> Tensor:
    """The parameters of a run in tiny-cuda-nn's order; differentiable in those of the layers.

    With W the width and P(n) the multiple of 16 at or above n: a matrix ``(W, P(inputs + 1))``, then one ``(W, W)``
    for each further hidden layer, then ``(P(outputs), W)``.

    Args:
        run: its sizes.
        linears: weight, and bias if there is one, of its linear layers, first to last.
        omegas: factor of the activation behind each but the last; 1 for ReLU.

    Returns:
        `(W (P(inputs + 1) + (hidden - 1) W + P(outputs)),)`, float32, on the device of the layers.
    """
    one = math.pi / 2 if run.activation == "Sine" else 1.0
    matrices = []
    for number, (layer, omega) in enumerate(zip(linears, (*omegas, 1.0), strict=True)):
        weight = omega * layer["weight"]
        bias = omega * layer["bias"] if "bias" in layer else weight.new_zeros(len(weight))
        if number == 0:  # the ones are the input behind the last: tiny-cuda-nn fills up with ones from there on
            columns, ones = aligned(run.inputs + 1), run.inputs
        else:
            columns, ones = run.width, run.width - 1
        left = nn.functional.pad(weight, (0, ones - weight.shape[1]))
        block = nn.functional.pad(torch.cat([left, bias[:, None]], dim=1), (0, columns - ones - 1))
        if number == len(linears) - 1:
            matrices.append(nn.functional.pad(block, (0, 0, 0, aligned(run.outputs) - len(block))))
        else:
            constant = nn.functional.pad(weight.new_full((1, 1), one), (ones, columns - ones - 1))
            rows = nn.functional.pad(block, (0, 0, 0, run.width - 1 - len(block)))
            matrices.append(torch.cat([rows, constant]))
    return torch.cat([matrix.flatten() for matrix in matrices])


@dataclass(frozen=True)
class LevelCall:
    """One level of a grid as an encoding of its own.

    Attributes:
        config: settings of the encoding.
        first, last: rows of the layer's table that are this level's.
        nodes: along each axis, if the table has to be filled up to a cube, else None.
        rows: of the encoding's table, a multiple of 8.
        gains, offsets: what the encoding reads is ``gain u + offset`` on each axis, with u in [0, 1] the layer's own.
    """

    config: Config
    first: int
    last: int
    nodes: tuple[int, ...] | None
    rows: int
    gains: tuple[float, ...]
    offsets: tuple[float, ...]

    def flat(self, table: Tensor) -> Tensor:
        """The encoding's parameters, `(rows * f,)`, of the layer's table `(m, f)`; differentiable."""
        part, resolution = table[self.first : self.last], self.config["base_resolution"]
        if self.nodes is not None and isinstance(resolution, int):
            sides = [(0, resolution - count) for count in self.nodes]  # of the last axis first, as the rows are
            cube = part.view(*reversed(self.nodes), -1)
            part = nn.functional.pad(cube, (0, 0, *[n for side in sides for n in side])).flatten(0, -2)
        return nn.functional.pad(part, (0, 0, 0, self.rows - len(part))).flatten()


def level_calls(layer: HashGrid | DenseGrid) -> Iterator[LevelCall]:
    """The levels of a grid, coarse to fine.

    An encoding of one level with R nodes an axis has ``p = (R - 1) x + 1/2``, so x is (p - 1/2)/(R - 1) for the p of
    our layer: ``s u + 1/2`` of a hash grid, ``(N_k - 1) u`` of a dense one.
    """
    if isinstance(layer, HashGrid):
        for level in layer.levels:
            gains = (level.scale / (level.resolution - 1),) * layer.d_in
            config = _config(layer.n_features, level.resolution, level)
            last = level.offset + level.entries
            yield LevelCall(config, level.offset, last, None, level.entries, gains, (0.0,) * layer.d_in)
        return
    first = 0
    for nodes, entries in zip(layer.levels, layer.entries, strict=True):
        side = max(nodes)
        gains = tuple((count - 1) / (side - 1) for count in nodes)
        offsets = (-0.5 / (side - 1),) * len(nodes)
        uneven = nodes if min(nodes) < side else None
        rows = aligned(side ** len(nodes), 8)
        yield LevelCall(_config(layer.n_features, side), first, first + entries, uneven, rows, gains, offsets)
        first += entries


def _config(features: int, resolution: int, level: GridLevel | None = None) -> Config:
    config: Config = {
        "otype": "Grid",
        "type": "Dense",
        "n_levels": 1,
        "n_features_per_level": features,
        "base_resolution": resolution,
        "per_level_scale": 2.0,  # of no meaning, but the default of a dense grid divides by zero with one level
        "interpolation": "Linear",
    }
    if level is not None and not level.dense:
        config |= {"type": "Hash", "log2_hashmap_size": level.entries.bit_length() - 1}
    return config
