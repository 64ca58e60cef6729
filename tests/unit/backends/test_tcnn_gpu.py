"""The real tiny-cuda-nn against torch; only where there are a CUDA GPU and the package."""

import copy

import numpy as np
import pytest
import torch

from inr.backends import tcnn_probe
from inr.backends.base import PointBatch, check
from inr.backends.tcnn import FusedTensors, TcnnBackend, TcnnGrid, TcnnMlp, lowered
from inr.backends.tcnn_lowering import flat_parameters
from inr.backends.torch import TorchBackend, TorchNetwork
from inr.layers import DenseGrid, HashGrid
from inr.layers.network import Network
from inr.losses.mse import MeanSquaredError
from inr.models.base import ModelSpec
from inr.models.densegrid import DenseGridMlp
from inr.models.finr import FInr
from inr.models.hashgrid import HashGridMlp
from inr.models.relu_pe import ReluPe
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised
from tests.support.torch_layers import module_of, tensor_of, told

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("package")]

CUDA = torch.device("cuda")
MODELS_HERE: list[ModelSpec] = [
    Siren(width=63, depth=2),
    Siren(width=128, depth=3),
    HashGridMlp(log2_hashmap_size=10, n_levels=8, finest_resolution=128, width=63),
    HashGridMlp(log2_hashmap_size=10, n_levels=8, finest_resolution=128, width=200),
    DenseGridMlp(nodes_0=24, nodes_1=32, n_levels=3, width=31),
    ReluPe(n_features=16, width=127, depth=3),
    FInr(axis_model=Siren(width=63, depth=2), rank=16),
]

each_model = pytest.mark.parametrize(
    "spec", MODELS_HERE, ids=lambda spec: f"{spec.kind}-{spec.parameters(plain(2), 3)}"
)


@pytest.fixture
def package() -> None:
    """Skips where the package is not there, and says why."""
    module, reason = tcnn_probe.found()
    if module is None:
        pytest.skip(reason)


def on_gpu(spec: ModelSpec) -> TorchNetwork:
    """A network as it starts, and grids large enough to be seen."""
    network = initialised(spec).to(CUDA)
    with torch.no_grad():
        for layer in network.network.layers:
            if isinstance(layer, HashGrid | DenseGrid):
                tensor_of(network, layer, "table").mul_(3000)
    return network


def snr(values: torch.Tensor, exact: torch.Tensor) -> float:
    """Variance over mean square error, in dB."""
    error = (values - exact).double().square().mean()
    return float(10 * torch.log10((exact.double() - exact.double().mean(dim=0)).square().mean() / error))


def wave(n: int) -> PointBatch:
    x = coordinates(n).float().numpy()
    return PointBatch(x, np.sin(3 * x @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32)))


@each_model
def test_values(spec: ModelSpec) -> None:
    """To 16-bit floats, compiled (decoding) and not (training), for any number of rows."""
    check(TcnnBackend(), on_gpu(spec).network, "cuda")
    network = on_gpu(spec)
    fast = lowered(network)
    x = coordinates(1000).float().to(CUDA)
    exact = network(x).detach()
    with torch.inference_mode():
        assert snr(fast(x), exact) > 40
        assert fast(x[:0]).shape == (0, 3)
        torch.testing.assert_close(fast(x[:7]), fast(x)[:7], rtol=0, atol=1e-3 * float(exact.abs().max()))
    assert snr(fast(x).detach(), exact) > 40


@each_model
def test_derivatives(spec: ModelSpec) -> None:
    network = on_gpu(spec)
    parameters = list(network.parameters())
    x = coordinates(4096).float().to(CUDA).requires_grad_()
    target = torch.sin(3 * x.detach() @ torch.ones(2, 3, device=CUDA))

    def slopes(runs: TorchNetwork) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((runs(x) - target).square().mean(), [x, *parameters])

    for exact, found in zip(slopes(network), slopes(lowered(network)), strict=True):
        assert float((found - exact).norm()) <= 0.05 * float(exact.norm())


@each_model
def test_number_of_parameters(spec: ModelSpec) -> None:
    """The flat vectors have the lengths that the package asks for."""
    network = on_gpu(spec)
    fast = lowered(network)
    fast(coordinates(256).float().to(CUDA))
    seen = 0
    for layer, holder in fast.modules_by_layer().items():
        assert isinstance(holder, FusedTensors) == isinstance(layer, TcnnMlp | TcnnGrid)
        if isinstance(layer, TcnnMlp) and isinstance(holder, FusedTensors):
            linears = holder.parts_held()
            flat = flat_parameters(layer.run, linears, layer.omegas)
            assert flat.shape == _parameters(layer._module(True, CUDA)).shape
            seen += 1
        if isinstance(layer, TcnnGrid):
            for level, module in zip(layer._levels, layer._modules_of(2), strict=True):
                assert level.flat(holder.held()["0.table"]).shape == _parameters(module).shape
                seen += 1
    assert seen


def _parameters(module: torch.nn.Module) -> torch.Tensor:
    (parameters,) = module.parameters()
    return parameters


@pytest.mark.parametrize(
    "grid",
    [
        HashGrid(2, 8, 2, 2**10, 16, 200),
        HashGrid(3, 4, 4, 2**12, 4, 50),
        HashGrid(4, 2, 1, 2**9, 3, 9),
        DenseGrid(((6, 9), (11, 7)), (1.0, 0.75), 2),
        DenseGrid(((6, 9, 4),), (1.0, 0.75, 0.5), 8),
    ],
    ids=lambda grid: f"{type(grid).__name__}{grid.layout()[0].shape}",
)
def test_grids_are_those_of_torch_in_float32(grid: HashGrid | DenseGrid) -> None:
    exact = module_of(Network([grid]))
    torch.nn.init.normal_(exact.tensors()["0.table"], generator=torch.Generator().manual_seed(0))
    exact.to(CUDA)
    axes = grid.d_in if isinstance(grid, HashGrid) else len(grid.extents)
    x = coordinates(2000, axes).float().to(CUDA)
    copied = copy.deepcopy(exact)
    fast = lowered(copied)
    assert isinstance(fast.network.layers[0], TcnnGrid)
    torch.testing.assert_close(fast(x), exact(x), rtol=0, atol=2e-4)
    weights = torch.linspace(-1, 1, fast(x).numel(), device=CUDA).view(2000, -1)
    for one in (fast, exact):
        (one(x) * weights).sum().backward()
    (ours,), (theirs,) = copied.parameters(), exact.parameters()
    assert ours.grad is not None
    assert theirs.grad is not None
    assert float((ours.grad - theirs.grad).norm()) <= 1e-3 * float(theirs.grad.norm())


def test_compiled_training_is_used_only_with_right_derivatives() -> None:
    """Whatever the installed version does with sines, what is trained agrees with finite differences."""
    if not tcnn_probe.jit_runs():
        pytest.skip("this package compiles no networks on this device")
    assert tcnn_probe.jit_trains("ReLU", CUDA)
    sine = tcnn_probe.jit_trains("Sine", CUDA)
    fast = lowered(on_gpu(MODELS_HERE[0]))
    (mlp,) = [layer for layer in fast.network.layers if isinstance(layer, TcnnMlp)]
    assert bool(getattr(mlp._module(True, CUDA), "jit_fusion")) is sine  # noqa: B009 (torch knows no such attribute)
    assert bool(getattr(mlp._module(False, CUDA), "jit_fusion"))  # noqa: B009


@each_model
def test_training(spec: ModelSpec) -> None:
    """The loss falls as with torch, and a checkpoint goes on with torch."""
    losses = []
    for backend in (TcnnBackend(), TorchBackend()):
        trainer = backend.trainer(*told(initialised(spec)), MeanSquaredError(), Adam(), "cuda")
        losses.append([trainer.step(wave(4096), 1e-3).loss for _ in range(200)])
        if isinstance(backend, TcnnBackend):
            state, values = trainer.state(), trainer.field()(wave(100).coordinates)
            tensors = trainer.tensors()
    assert losses[0][-1] < 0.5 * losses[0][0]
    assert losses[0][-1] < 2 * losses[1][-1] + 1e-4
    other = TorchBackend().trainer(*told(initialised(spec)), MeanSquaredError(), Adam(), "cuda")
    other.restore(state)
    assert list(other.tensors()) == list(tensors)
    np.testing.assert_allclose(other.field()(wave(100).coordinates), values, rtol=0, atol=0.03)
