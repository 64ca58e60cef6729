"""Networks by torch in float64 and by the compiled kernels, and how far apart the two may be."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr import native
from inr.backends.lowering import Lowered as Operation
from inr.backends.lowering import Parameters, lower
from inr.backends.torch import TorchNetwork
from inr.layers import Layer
from inr.layers.network import Network
from tests.support.torch_layers import TorchLayer, module_of

Floats = npt.NDArray[np.float32]
Exact = npt.NDArray[np.float64]

KERNELS: Any = native.load()
SETS: list[str] = list(KERNELS.instruction_sets()) if KERNELS is not None else []
CORES: int = KERNELS.available_cores() if KERNELS is not None else 1

needs_kernels = pytest.mark.skipif(KERNELS is None, reason=f"no compiled kernels: {native.reason()}")
each_set = pytest.mark.parametrize("isa", SETS)
BF16_SETS = ["amx_emulated", *[isa for isa in SETS if isa == "amx"]] if "avx512" in SETS else []
"""With products of 16-bit operands: in ordinary code that does what AMX does, and with AMX where there is any."""
each_bf16_set = pytest.mark.parametrize("isa", BF16_SETS)
each_thread_count = pytest.mark.parametrize(
    "threads", [1, pytest.param(2, marks=pytest.mark.skipif(CORES < 2, reason="one core: two threads are refused"))]
)

VALUES = 1e-5
"""Of outputs and residuals, as a share of the largest output or of 1.

Rounding to 24 bits is 6e-8 and a sum of n products collects about sqrt(n) of it; a sine multiplies what came before it
by omega, and three layers with omega = 30 make 1e-6 of that. Measured: at most 2e-6 over the layers and the models.
"""
GRADIENTS = 2e-5
"""Of gradients, as a share of the largest one: a sum over points of products of what has the error above.

Measured: at most 1.2e-5.
"""
SMALL_GRADIENTS = 2e-3
"""Of the gradients of one tensor, as a share of its own largest one: they may all be sums of numbers that cancel.

Its scale is at least a thousandth of the largest gradient of all. Measured: at most 3e-4.
"""
COORDINATES = 3e-4
"""Of gradients by coordinates, as a share of the largest one or of 1e-2: sums over features that may cancel.

Measured: at most 6e-5, behind a normalisation of one feature; 2e-5 elsewhere.
"""
BF16 = 5e-2
"""Of everything where operands of products are rounded to 8 bits (2e-3 each)."""


@dataclass(frozen=True, eq=False)
class Found:
    """What one batch gives: loss, values of all points, gradients of the loss by parameters and by coordinates."""

    loss: float
    values: Exact | Floats
    residuals: Exact | Floats
    gradients: Exact | Floats
    input_gradients: Exact | Floats
    """Of each point's own loss."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Points, targets and weights."""

    x: Floats
    targets: Floats
    weights: Floats | None = None


def randomised_layers(network: Network, seed: int = 1) -> TorchNetwork:
    """With normal numbers that keep features about as large as they are."""
    generator = torch.Generator().manual_seed(seed)
    module = module_of(network)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter.shape[-1] if parameter.ndim > 1 else 6
            parameter.normal_(generator=generator).mul_(0.7 / fan_in**0.5)
    return module


def batch_of(n: int, d_in: int, d_out: int, seed: int = 0, weighted: bool = False) -> Batch:
    """Random points within [-0.99, 0.99] and random targets."""
    rng = np.random.Generator(np.random.PCG64(seed))
    x = rng.uniform(-0.99, 0.99, (n, d_in)).astype(np.float32)
    targets = rng.uniform(-1, 1, (n, d_out)).astype(np.float32)
    return Batch(x, targets, rng.uniform(0, 2, n).astype(np.float32) if weighted else None)


def reference(network: TorchNetwork, batch: Batch) -> Found:
    """By torch in float64; the loss is the mean over all outputs."""
    exact = copy.deepcopy(network).double()
    x = torch.from_numpy(batch.x).double().requires_grad_()
    targets = torch.from_numpy(batch.targets).double()
    weights = torch.ones(len(x)) if batch.weights is None else torch.from_numpy(batch.weights)
    outputs = exact.lesson_outputs(x)
    errors = [((output - targets).square().mean(dim=1) * weights.double()).mean() for output in outputs]
    loss = torch.stack(errors).mean()
    tensors = list(exact.tensors().values())
    whole = torch.autograd.grad(loss, [x, *tensors], materialize_grads=True)
    value = outputs[-1].detach()
    flat = np.concatenate([gradient.numpy().reshape(-1) for gradient in whole[1:]])
    return Found(loss.item(), value.numpy(), (value - targets).numpy(), flat, whole[0].numpy() * len(x))


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network as operations, with its parameters."""

    operations: list[Operation]
    heads: list[int]
    parameters: Parameters
    flat: Floats
    d_in: int

    @staticmethod
    def of(module: TorchNetwork, d_in: int, graph: Network | None = None) -> "Lowered":
        """The network, or another graph over its layers."""
        network = module.network
        parameters, runs = Parameters.of(network), graph or network
        operations = lower(runs, parameters, network.numbers, d_in)
        return Lowered(operations, list(runs.heads), parameters, parameters.flat(module.arrays()), d_in)

    @staticmethod
    def trained(module: TorchNetwork, d_in: int, d_out: int) -> "Lowered":
        """What is trained of a network: rows of a training graph also hold targets and random numbers."""
        return Lowered.of(module, training_width(module, d_in, d_out), module.network.training_graph)

    def engine(
        self, training: bool, gradient: bool = False, threads: int = 1, tile: int = 64, bf16: bool = False
    ) -> Any:
        """An engine on the instruction set that INR_ISA names."""
        size = self.parameters.size
        return KERNELS.Engine(self.operations, self.d_in, self.heads, size, tile, training, gradient, threads, bf16)


def values_of(lowered: Lowered, x: Floats, threads: int = 1, tile: int = 64, bf16: bool = False) -> Floats:
    """What an engine that only evaluates makes of some points."""
    engine = lowered.engine(False, threads=threads, tile=tile, bf16=bf16)
    values: Floats = np.full((len(x), engine.d_out), np.nan, dtype=np.float32)
    engine.forward(lowered.flat, x, values)
    return values


def computed(
    lowered: Lowered, batch: Batch, gradient: bool = True, threads: int = 1, tile: int = 64, bf16: bool = False
) -> Found:
    """By the kernels; everything they should write is filled with NaN before."""
    engine = lowered.engine(True, gradient, threads, tile, bf16)
    gradients, residuals = np.full_like(lowered.flat, np.nan), np.full_like(batch.targets, np.nan)
    inputs = np.full_like(batch.x, np.nan) if gradient else None
    loss = engine.train_points(
        lowered.flat, batch.x, batch.targets, batch.weights, residuals, inputs, gradients=gradients
    )
    return Found(
        loss,
        values_of(lowered, batch.x, threads, tile, bf16),
        residuals,
        gradients,
        np.zeros(0, dtype=np.float32) if inputs is None else inputs,
    )


def assert_near(found: Any, expected: Any, tolerance: float, what: str, least: float = 1.0) -> None:
    """Differ by at most a share of the largest expected number (or of `least`, if that is larger)."""
    assert found.shape == expected.shape, what
    assert np.isfinite(found).all(), f"{what}: not finite"
    if found.size == 0:
        return
    scale = max(least, float(np.abs(expected).max()))
    error = float(np.abs(found - expected).max())
    assert error <= tolerance * scale, f"{what}: differs by {error:.3g} of {scale:.3g}"


def assert_same_results(found: Found, expected: Found, parameters: Parameters, bf16: bool = False) -> None:
    """All that a batch gives agrees with the reference within the tolerances above."""
    rounding = BF16 if bf16 else 0.0
    assert abs(found.loss - expected.loss) <= max(rounding, VALUES) * max(expected.loss, 1e-3)
    assert_near(found.values, expected.values, max(rounding, VALUES), "values")
    assert_near(found.residuals, expected.residuals, max(rounding, VALUES), "residuals")
    assert_near(found.gradients, expected.gradients, max(rounding, GRADIENTS), "gradients", least=1e-6)
    if found.input_gradients.size:
        tolerance = max(rounding, COORDINATES)
        assert_near(found.input_gradients, expected.input_gradients, tolerance, "coordinates", least=1e-2)
    if bf16:
        return
    for name, offset in parameters.offsets.items():
        part = slice(offset, offset + int(np.prod(parameters.shapes[name])))
        # What is zero but for rounding has no own scale.
        least = 1e-3 * float(np.abs(expected.gradients).max()) + 1e-9
        assert_near(found.gradients[part], expected.gradients[part], SMALL_GRADIENTS, f"gradients of {name}", least)


def training_width(module: TorchNetwork, d_in: int, d_out: int) -> int:
    """Numbers of a row that is trained on."""
    return d_in if module.network.training_graph is None else d_in + 2 * d_out + 1


def layer_width(layer: Layer, widths: list[int]) -> int:
    """Features that a layer makes of inputs of these widths."""
    with torch.no_grad():
        return int(TorchLayer(layer)(*[torch.zeros(1, width) for width in widths]).shape[1])
