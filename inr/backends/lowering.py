"""Networks as lists of operations of the compiled kernels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inr import layers as vocabulary
from inr import native
from inr.errors import SpecError
from inr.layers import Layer
from inr.layers.denoising import PHASE
from inr.layers.hashing import HASH_PRIMES
from inr.layers.layout import FloatTensor
from inr.layers.network import Network

Flat = npt.NDArray[np.float32]
Operation = Any
"""``inr.native._kernels.Operation``; the compiled module may be missing."""


@dataclass(frozen=True)
class Settings:
    """What an operation needs beside its inputs; `params` names stored tensors, or None for one that is not there."""

    kind: str
    ints: Sequence[int] = ()
    reals: Sequence[float] = ()
    constants: Sequence[float] = ()
    params: Sequence[str | None] = ()


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
        for name, tensor in network.tensors().items():
            offsets[name], shapes[name] = size, tuple(tensor.shape)
            size += tensor.numel()
        return Parameters(offsets, shapes, size)

    def flat(self, network: Network) -> Flat:
        """A copy of all tensors in one array."""
        parts = [tensor.detach().cpu().numpy().reshape(-1) for tensor in network.tensors().values()]
        return np.concatenate(parts).astype(np.float32)

    def views(self, flat: Flat) -> dict[str, FloatTensor]:
        """The tensors inside a flat array, by name."""
        return {
            name: flat[offset : offset + int(np.prod(self.shapes[name]))].reshape(self.shapes[name])
            for name, offset in self.offsets.items()
        }


def refusal(network: Network) -> str | None:
    """None if the kernels have every layer, else which one they lack."""
    for graph in (network, network.training_graph):
        for i, layer in enumerate(graph.layer_list() if graph is not None else ()):
            if _settings_of(layer) is None:
                return f"layer {i} ({type(layer).__name__}) has no compiled kernel"
            if isinstance(layer, vocabulary.HashGrid | vocabulary.DenseGrid) and _uses(network, layer) > 1:
                return f"layer {i} ({type(layer).__name__}): a table that is read at several places has none"
    return None


def lower(network: Network, parameters: Parameters, names: dict[int, int], d_in: int) -> list[Operation]:
    """The operations of a network, as the compiled module takes them.

    Args:
        network: all of whose layers the kernels have.
        parameters: where the tensors lie.
        names: number under which each layer's tensors are stored, by the layer's `id`.
        d_in: width of its input.
    """
    module: Any = native.load()
    widths = _widths(network, d_in)
    operations = []
    for i, layer in enumerate(network.layer_list()):
        sources = list(network.sources[i])
        settings_of = _settings_of(layer)
        if settings_of is None:
            raise SpecError(f"layer {i} ({type(layer).__name__}) has no compiled kernel")
        settings = settings_of(layer, [widths[s] for s in sources])
        operation = module.Operation(
            settings.kind,
            sources,
            ints=list(settings.ints),
            reals=list(settings.reals),
            constants=list(settings.constants),
            params=[-1 if n is None else parameters.offsets[f"{names[id(layer)]}.{n}"] for n in settings.params],
        )
        operations.append(operation)
    return operations


def stored_numbers(network: Network) -> dict[int, int]:
    """Number of the first place of each layer, which names its tensors, by the layer's `id`."""
    numbers: dict[int, int] = {}
    for i, layer in enumerate(network.layer_list()):
        numbers.setdefault(id(layer), i)
    return numbers


def _settings_of(layer: Layer) -> Callable[[Any, "Widths"], Settings] | None:
    """What describes a layer of its type; a reparameterised layer has a type of its own, derived from the layer's."""
    return next((_TABLE[base] for base in type(layer).__mro__ if base in _TABLE), None)


def _uses(network: Network, layer: Layer) -> int:
    return sum(other is layer for other in network.layer_list())


def _widths(network: Network, d_in: int) -> list[int]:
    """Features of each value, found by evaluating one row."""
    parameter = next(network.parameters())
    values = [torch.zeros(1, d_in, device=parameter.device, dtype=parameter.dtype)]
    with torch.no_grad():
        for layer, sources in zip(network.layer_list(), network.sources, strict=True):
            values.append(layer(*[values[s] for s in sources]))
    return [value.shape[1] for value in values]


Widths = list[int]


def _linear(layer: Any, widths: Widths) -> Settings:
    del widths
    d_out, d_in = layer.weight.shape
    return Settings("linear", (d_out, d_in, 0), params=("weight", "bias"))


def _matrix(layer: Any, widths: Widths) -> Settings:
    del widths
    d_out, d_in = layer.weight.shape
    return Settings("linear", (d_out, d_in, 0), params=("weight", None))


def _complex_linear(layer: Any, widths: Widths) -> Settings:
    del widths
    rows, d_in = layer.weight.shape
    return Settings("linear", (rows // 2, d_in, 1), params=("weight", "bias"))


def _plain(kind: str, *reals: str) -> Callable[[Any, Widths], Settings]:
    """An operation with the settings of the layer that have these names."""

    def settings(layer: Any, widths: Widths) -> Settings:
        del widths
        return Settings(kind, reals=[float(getattr(layer, name)) for name in reals])

    return settings


def _columns(layer: Any, widths: Widths) -> Settings:
    if isinstance(layer, vocabulary.Axis):
        return Settings("columns", (layer.axis, layer.axis + 1))
    if isinstance(layer, vocabulary.RealPart):
        return Settings("columns", (0, widths[0] // 2))
    return Settings("columns", (layer.first, layer.last))


def _hash_grid(layer: Any, widths: Widths) -> Settings:
    del widths
    d, ints, reals = layer.d_in, [layer.d_in, layer.n_features, len(layer.levels), 1], [1.0] * layer.d_in
    for level in layer.levels:
        strides = [level.resolution**a if level.dense else HASH_PRIMES[a] for a in range(d)]
        ints += [level.offset, level.entries, int(not level.dense), *strides, *[level.resolution - 1] * d]
        reals += [0.5, *[level.scale] * d]
    return Settings("grid", ints, reals, params=("table",))


def _dense_grid(layer: Any, widths: Widths) -> Settings:
    del widths
    d = len(layer.extents)
    ints, reals, offset = [d, layer.n_features, len(layer.levels), 0], list(layer.extents), 0
    for nodes, entries in zip(layer.levels, layer.entries, strict=True):
        strides = [int(np.prod(nodes[:a])) for a in range(d)]
        ints += [offset, entries, 0, *strides, *[count - 2 for count in nodes]]
        reals += [0.0, *[float(count - 1) for count in nodes]]
        offset += entries
    return Settings("grid", ints, reals, params=("table",))


_TABLE: dict[type[Layer], Callable[[Any, Widths], Settings]] = {
    vocabulary.Linear: _linear,
    vocabulary.Matrix: _matrix,
    vocabulary.ComplexLinear: _complex_linear,
    vocabulary.Sine: _plain("sine", "omega"),
    vocabulary.ReLU: _plain("relu"),
    vocabulary.Gaussian: _plain("gaussian", "sigma"),
    vocabulary.Finer: lambda layer, _: Settings("finer", (int(layer.full_gradient),), (layer.omega,)),
    vocabulary.GatedTanh: _plain("gated tanh", "omega"),
    vocabulary.LeakyReLU: _plain("leaky relu", "slope"),
    vocabulary.Tanh: _plain("tanh"),
    vocabulary.RealGabor: _plain("real gabor", "omega", "sigma"),
    vocabulary.ComplexGabor: _plain("complex gabor", "omega", "sigma"),
    vocabulary.Multiply: _plain("multiply"),
    vocabulary.Add: lambda _, widths: Settings("add", reals=[1.0] * len(widths)),
    vocabulary.Blend: lambda layer, _: Settings("add", reals=(layer.share, 1 - layer.share)),
    vocabulary.Concat: _plain("concat"),
    vocabulary.Columns: _columns,
    vocabulary.Axis: _columns,
    vocabulary.RealPart: _columns,
    vocabulary.Constant: lambda layer, _: Settings("constant", (layer.width,), (layer.value,)),
    vocabulary.NoisyTarget: _plain("noisy target"),
    vocabulary.CoordinateNoise: lambda layer, _: Settings("noise", (layer.channels, layer.cells, layer.seed), (PHASE,)),
    vocabulary.Fourier: lambda layer, _: Settings("fourier", constants=layer.frequencies.flatten().tolist()),
    vocabulary.SineFilter: lambda layer, _: Settings(
        "sine filter", constants=layer.frequencies.flatten().tolist(), params=("phase",)
    ),
    vocabulary.FourierSeries: lambda layer, _: Settings("fourier series", (layer.n_frequencies,)),
    vocabulary.Chebyshev: lambda layer, _: Settings("chebyshev", (layer.n_polynomials,)),
    vocabulary.LayerNorm: lambda _layer, _: Settings("layer norm", params=("weight", "bias")),
    vocabulary.HashGrid: _hash_grid,
    vocabulary.DenseGrid: _dense_grid,
    vocabulary.CpContraction: lambda layer, _: Settings("cp", (layer.rank, layer.channels)),
    vocabulary.TtContraction: lambda layer, _: Settings("tt", (layer.rank, layer.channels)),
    vocabulary.TuckerContraction: lambda layer, _: Settings("tucker", (layer.channels,), params=("core",)),
}
