"""The tiny-cuda-nn backend without a GPU: how it finds the package, and a stand-in for it from end to end.

`tcnn_standin.py` says what the stand-in is; the real package is tested in `test_tcnn_gpu.py`.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from inr.backends import tcnn_probe
from inr.backends.base import AbstractTrainer, GridBatch, PointBatch, check
from inr.backends.tcnn import TcnnBackend, TcnnGrid, TcnnMlp, lowered
from inr.backends.tcnn_lowering import plan
from inr.backends.torch import TorchBackend
from inr.errors import BackendUnavailableError
from inr.losses.mse import MeanSquaredError
from inr.models.base import MODELS, ModelSpec
from inr.models.finr import FInr
from inr.models.hashgrid import HashGridMlp
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS
from inr.reparams.fourier import FourierReparam
from inr.samplers.base import Wanted
from tests.support.model_checks import AllOutputs, coordinates, initialised, randomised
from tests.support.tcnn_standin import StandInNetwork, stand_in
from tests.support.torch_layers import told

CPU = torch.device("cpu")
SIREN = Siren(width=16, depth=2, omega=12.0)
GRID = HashGridMlp(log2_hashmap_size=7, finest_resolution=48, n_levels=5, base_resolution=4, width=12, depth=2)
MODELS_HERE = [
    SIREN,
    GRID,
    FInr(axis_model=SIREN, rank=4),
    IterativeInr(backbone=SIREN, steps=3, cells=32, feedback_width=6, fuse_width=9),
]
EXAMPLES = [example for cls in MODELS for example in cls.EXAMPLES]

each_model = pytest.mark.parametrize("spec", MODELS_HERE, ids=lambda spec: str(spec.kind))


def forget() -> None:
    tcnn_probe.found.cache_clear()
    tcnn_probe.jit_trains.cache_clear()


@pytest.fixture
def fresh() -> Iterator[None]:
    """The package is looked for again, before and after."""
    forget()
    yield
    forget()


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch, fresh: None) -> ModuleType:
    """The stand-in, as if it had been installed and imported."""
    package = ModuleType(tcnn_probe.PACKAGE)
    package.__spec__ = ModuleSpec(tcnn_probe.PACKAGE, None)
    vars(package).update(vars(stand_in()))
    monkeypatch.setitem(sys.modules, tcnn_probe.PACKAGE, package)
    return package


# Finding it


def test_import_is_free() -> None:
    """No CUDA is asked for and no package looked for before the backend is asked."""
    code = (
        "import sys, torch, importlib.util\n"
        "def forbidden(*a, **k): raise AssertionError('asked')\n"
        "torch.cuda.is_available = torch.cuda.device_count = torch.cuda.get_device_capability = forbidden\n"
        "find, importlib.util.find_spec = importlib.util.find_spec, forbidden\n"
        "import inr.backends.tcnn as tcnn\n"
        "tcnn.TcnnBackend()\n"
        "assert 'tinycudann' not in sys.modules\n"
        "sys.stdout.write(str(tcnn.tcnn_probe.found.cache_info().currsize))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout) == (0, "0"), run.stderr


@pytest.mark.usefixtures("fresh")
def test_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcnn_probe, "PACKAGE", "tinycudann_that_nobody_has")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for device in ("auto", "cuda"):
        reason = TcnnBackend().unavailable(device)
        assert reason is not None
        assert reason.startswith("package tinycudann_that_nobody_has is not installed; install it with: pip install")
        assert "--no-build-isolation" in reason
        assert "tiny-cuda-nn/#subdirectory=bindings/torch" in reason
        assert "\n" not in reason
    with pytest.raises(BackendUnavailableError, match=r"backend tcnn: package .* not installed; .*pip install"):
        TcnnBackend().field(*told(initialised(SIREN)), "cpu")(np.zeros((1, 2), dtype=np.float32))


BROKEN = [
    ("raise OSError('Unknown compute capability.\\nTry another')", "cannot be imported: Unknown compute capability."),
    ("raise ImportError('undefined symbol: _ZN2at')", "cannot be imported: undefined symbol: _ZN2at"),
    ("raise RuntimeError('CUDA driver is too old')", "cannot be imported: CUDA driver is too old"),
    ("raise EnvironmentError()", "cannot be imported: OSError"),
    ("import tinycudann_bindings_that_nobody_has", "cannot be imported: No module named"),
]


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(("source", "told"), BROKEN)
def test_package_that_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str) -> None:
    (tmp_path / "tinycudann").mkdir()
    (tmp_path / "tinycudann" / "__init__.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    reason = TcnnBackend().unavailable("auto")
    assert reason is not None
    assert told in reason
    assert "pip install" in reason
    assert "\n" not in reason
    with pytest.raises(BackendUnavailableError, match="backend tcnn: package tinycudann cannot be imported"):
        check(TcnnBackend(), initialised(SIREN).network, "cuda")
    (tmp_path / "tinycudann" / "__init__.py").write_text("", encoding="utf-8")
    assert TcnnBackend().unavailable("auto") == reason  # asked once


@pytest.mark.usefixtures("standing_in")
def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TcnnBackend()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert backend.unavailable("auto") is None
    assert backend.unavailable("cuda") is None
    assert "CUDA GPU only" in (backend.unavailable("cpu") or "")
    assert "unknown; choose auto, cpu or cuda" in (backend.unavailable("abacus") or "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("auto", "cuda"):
        assert "torch finds no CUDA GPU; use --device cpu" in (backend.unavailable(device) or "")


# Compiled derivatives


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("activation", "right"), [("ReLU", True), ("Sine", False)])
def test_derivatives_are_measured(activation: str, right: bool, half: bool) -> None:
    """The stand-in's compiled derivatives are wrong for a sine, as those of the package are said to be."""
    assert tcnn_probe.derivatives_hold(stand_in(half), activation, CPU) == right


@pytest.mark.parametrize("half", [False, True])
def test_right_derivatives_of_a_sine_pass(half: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = StandInNetwork.forward

    def forward(self: StandInNetwork, x: torch.Tensor) -> torch.Tensor:
        self.jit_fusion = False
        value = plain(self, x)
        self.jit_fusion = True
        return value

    monkeypatch.setattr(StandInNetwork, "forward", forward)
    assert tcnn_probe.derivatives_hold(stand_in(half), "Sine", CPU)


@pytest.mark.usefixtures("standing_in")
def test_networks_are_compiled_for_training_only_where_that_is_right() -> None:
    assert tcnn_probe.jit_runs()
    for spec, trains in ((SIREN, False), (GRID, True)):
        network = lowered(initialised(spec))
        (fused,) = [layer for layer in network.network.layers if isinstance(layer, TcnnMlp)]
        network(coordinates(4).float())
        with torch.inference_mode():
            network(coordinates(4).float())
        modules = {mode: fused._module(mode, CPU) for mode in (True, False)}
        assert modules[True] is not modules[False]
        assert getattr(modules[False], "jit_fusion") is True  # noqa: B009 (torch knows no such attribute)
        assert getattr(modules[True], "jit_fusion") is trains  # noqa: B009


def test_old_packages_compile_nothing(standing_in: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_in, "supports_jit_fusion", lambda: False)
    assert not tcnn_probe.jit_runs()
    monkeypatch.delattr(standing_in, "supports_jit_fusion")
    assert not tcnn_probe.jit_runs()
    assert not tcnn_probe.jit_trains("ReLU", CPU)


@pytest.mark.usefixtures("standing_in")
def test_networks_that_do_not_compile_are_trained_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: StandInNetwork, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("Not enough shmem")

    monkeypatch.setattr(StandInNetwork, "forward", fails)
    assert not tcnn_probe.jit_trains("ReLU", CPU)


# From end to end


@pytest.mark.usefixtures("standing_in")
@pytest.mark.parametrize("spec", EXAMPLES, ids=lambda spec: str(spec.kind))
def test_every_model_has_the_values_and_derivatives_of_torch(spec: ModelSpec) -> None:
    network = randomised(spec)
    reason = TcnnBackend().refuses(network.network)
    assert (reason is None) == bool(plan(network.network))
    fast = lowered(network)
    assert any(isinstance(layer, TcnnMlp | TcnnGrid) for layer in fast.network.layers) == (reason is None)
    x = coordinates(33).float()
    parameters = list(network.parameters())
    # Products of several large sines have large derivatives: errors are relative to the largest.
    for a, b in zip(
        (AllOutputs(network)(x), *torch.autograd.grad(AllOutputs(network)(x).square().sum(), parameters)),
        (AllOutputs(fast)(x), *torch.autograd.grad(AllOutputs(fast)(x).square().sum(), parameters)),
        strict=True,
    ):
        torch.testing.assert_close(b, a, rtol=0, atol=2e-4 * max(1.0, float(a.detach().abs().max())))
    assert fast(x[:0]).shape == (0, 3)


@pytest.mark.usefixtures("standing_in")
@each_model
@pytest.mark.parametrize("kind", OPTIMISERS.kinds())
def test_trainer_does_what_torch_does(spec: ModelSpec, kind: str) -> None:
    """Same names, same checkpoints, and after a few steps nearly the same numbers.

    One step of L-BFGS is many evaluations, in which rounding grows: only its start is compared.
    """
    trainers = [
        backend.trainer(*told(initialised(spec)), MeanSquaredError(), OPTIMISERS.make(kind), "cpu", seed=3)
        for backend in (TcnnBackend(), TorchBackend())
    ]
    batch = wave(64)
    steps = 1 if kind == "lbfgs" else 3
    for step in range(steps):
        wanted: Wanted = "gradients" if step == steps - 1 else "residuals"
        ours, theirs = (trainer.step(batch, 1e-4, wanted) for trainer in trainers)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
        assert ours.residuals is not None
        assert theirs.residuals is not None
        np.testing.assert_allclose(ours.residuals, theirs.residuals, rtol=0, atol=2e-3)
    assert ours.gradients is not None
    assert theirs.gradients is not None
    largest = float(np.abs(theirs.gradients).max())
    np.testing.assert_allclose(ours.gradients, theirs.gradients, rtol=0, atol=0.02 * largest)
    fast, slow = (trainer.tensors() for trainer in trainers)
    assert list(fast) == list(slow)
    states = [trainer.state() for trainer in trainers]
    assert names_in(states[0]["parameters"]) == names_in(states[1]["parameters"])
    if kind != "lbfgs":
        assert names_in(states[0]) == names_in(states[1])
        values = [trainer.field()(batch.coordinates) for trainer in trainers]
        np.testing.assert_allclose(values[0], values[1], rtol=0, atol=5e-3)


def names_in(state: object) -> object:
    """The structure of a state without its numbers."""
    if isinstance(state, dict):
        return {key: names_in(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [names_in(value) for value in state]
    return tuple(state.shape) if isinstance(state, np.ndarray) else type(state)


def wave(n: int) -> PointBatch:
    x = coordinates(n).float().numpy()
    return PointBatch(x, np.sin(3 * x @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32)))


@pytest.mark.usefixtures("standing_in")
@each_model
def test_checkpoints_go_on_with_either_backend(spec: ModelSpec) -> None:
    def start(backend: TcnnBackend | TorchBackend) -> AbstractTrainer:
        return backend.trainer(*told(initialised(spec)), MeanSquaredError(), Adam(), "cpu")

    batch = wave(64)
    first = start(TcnnBackend())
    before = first.step(batch, 5e-3).loss
    for _ in range(40):
        after = first.step(batch, 5e-3).loss
    assert after < 0.7 * before
    again, other = start(TcnnBackend()), start(TorchBackend())
    for trainer in (again, other):
        trainer.restore(first.state())
    loss = first.step(batch, 1e-3).loss
    assert again.step(batch, 1e-3).loss == loss
    assert other.step(batch, 1e-3).loss == pytest.approx(loss, rel=1e-3)
    for name, tensor in first.tensors().items():
        np.testing.assert_array_equal(again.tensors()[name], tensor)


@pytest.mark.usefixtures("standing_in")
def test_grids_of_separable_networks() -> None:
    axes = tuple(np.linspace(-0.9, 0.8, n, dtype=np.float32) for n in (6, 9))
    network = randomised(MODELS_HERE[2])
    values = [backend.field(*told(network), "cpu").grid(axes) for backend in (TcnnBackend(), TorchBackend())]
    np.testing.assert_allclose(values[0], values[1], rtol=0, atol=1e-4)
    targets = np.zeros((54, 3), dtype=np.float32)
    losses = [
        backend.trainer(*told(randomised(MODELS_HERE[2])), MeanSquaredError(), Adam(), "cpu").step(
            GridBatch(axes, targets), 1e-3
        )
        for backend in (TcnnBackend(), TorchBackend())
    ]
    assert losses[0].loss == pytest.approx(losses[1].loss, rel=1e-4)


@pytest.mark.usefixtures("standing_in")
def test_reparameterised_layers_are_trained_through_the_flat_vector() -> None:
    def start(backend: TcnnBackend | TorchBackend) -> AbstractTrainer:
        reparam = FourierReparam(n_low=4, n_high=5, phases=3)
        return backend.trainer(*told(initialised(SIREN)), MeanSquaredError(), Adam(), "cpu", reparam=reparam)

    ours, theirs = start(TcnnBackend()), start(TorchBackend())
    before = ours.tensors()
    for _ in range(3):
        losses = [trainer.step(wave(64), 1e-3).loss for trainer in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert list(ours.tensors()) == list(theirs.tensors())
    assert any(not np.array_equal(tensor, before[name]) for name, tensor in ours.tensors().items())
