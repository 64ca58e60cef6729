"""Backends: how they are chosen, and what they say when they cannot. Values are compared in `checks.py`."""

from importlib.metadata import EntryPoint
from typing import ClassVar, final

import numpy as np
import pytest
import torch

from inr import plugins
from inr.backends import select as backends
from inr.backends.base import (
    DEFAULT_RESOURCES,
    AbstractBackend,
    AbstractTrainer,
    Field,
    GridBatch,
    PointBatch,
    Resources,
    Tensors,
)
from inr.backends.render import mesh
from inr.backends.torch import CHUNK, TorchBackend
from inr.errors import BackendUnavailableError, SpecError, UnknownComponentError
from inr.layers import Linear, Matrix
from inr.layers.network import Network
from inr.losses.base import LossSpec
from inr.losses.mse import MeanSquaredError
from inr.models.base import MODELS, ModelSpec
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS, OptimiserSpec
from inr.optimisers.muon import Muon
from inr.reparams.base import ReparamSpec
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised, randomised
from tests.support.states import plain_copy
from tests.support.torch_layers import told

EXAMPLES = [cls.EXAMPLES[0] for cls in MODELS]

each_backend = pytest.mark.parametrize("backend", backends.BACKENDS.values(), ids=backends.BACKENDS)
RUNNING = [backend for backend in backends.BACKENDS.values() if backend.unavailable("cpu") is None]
each_running = pytest.mark.parametrize("backend", RUNNING, ids=[backend.kind for backend in RUNNING])
each_model = pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: str(model.kind))


class Stub(AbstractBackend):
    """Runs nothing, for one reason or another."""

    kind: ClassVar[str] = "stub"
    summary: ClassVar[str] = "made up"

    def __init__(self, absent: str | None = None, refusal: str | None = None) -> None:
        self.absent, self.refusal = absent, refusal

    def unavailable(self, device: str) -> str | None:
        return self.absent

    def refuses(self, network: Network, loss: LossSpec | None = None, pulled: bool = False) -> str | None:
        return self.refusal

    def trainer(
        self,
        network: Network,
        tensors: Tensors,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
        reparam: ReparamSpec | None = None,
    ) -> AbstractTrainer:
        raise NotImplementedError

    def field(self, network: Network, tensors: Tensors, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        raise NotImplementedError


STUBS = {"absent": Stub(absent="needs a machine that does not exist"), "picky": Stub(refusal="no layer Linear")}


@each_backend
def test_backend_describes_itself(backend: AbstractBackend) -> None:
    assert backends.get(backend.kind) is backend
    assert backend.summary
    row = next(row for row in backends.describe() if row.kind == backend.kind)
    assert row.summary == backend.summary
    assert row.available == (row.reason == "")
    for device in ("auto", "cpu", "cuda"):
        reason = backend.unavailable(device)
        assert reason is None or len(reason) > 10


def test_reference_runs_everywhere() -> None:
    assert list(backends.BACKENDS)[-1] == "torch"
    assert backends.get("torch").unavailable("cpu") is None
    assert backends.get("torch").unavailable("auto") is None


def test_unknown_backend_lists_the_known() -> None:
    with pytest.raises(UnknownComponentError, match=r"unknown backend 'abacus'; known: auto, .*torch"):
        backends.select("abacus", Siren.EXAMPLES[0].build(plain(2), 3), "auto")


@each_backend
def test_device_that_is_not_there_is_refused_with_a_reason(
    backend: AbstractBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    network = initialised(Siren.EXAMPLES[0])
    with pytest.raises(BackendUnavailableError, match=f"backend {backend.kind}: .*cuda.*cpu"):
        backends.select(backend.kind, network.network, "cuda")
    with pytest.raises(BackendUnavailableError, match=r"abacus.*auto, cpu or cuda"):
        backends.select(backend.kind, network.network, "abacus")
    with pytest.raises(ImportError, match="cuda"):
        backends.select("auto", network.network, "cuda")


def test_auto_passes_over_what_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "BACKENDS", {**STUBS, "torch": TorchBackend()})
    network = initialised(Siren.EXAMPLES[0])
    assert backends.select("auto", network.network, "auto").kind == "torch"
    with pytest.raises(BackendUnavailableError, match="backend stub: needs a machine that does not exist"):
        backends.select("absent", network.network, "auto")
    with pytest.raises(BackendUnavailableError, match="backend stub: no layer Linear"):
        backends.select("picky", network.network, "auto")
    assert [row.reason for row in backends.describe()] == ["needs a machine that does not exist", "", ""]


def test_auto_says_why_if_nothing_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "BACKENDS", STUBS)
    with pytest.raises(BackendUnavailableError, match="backend stub: no layer Linear"):
        backends.select("auto", initialised(Siren.EXAMPLES[0]).network, "auto")


def test_backends_of_other_packages_come_before_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """By entry points, each a class; one that fails is left out, and nothing is loaded before it is asked for."""
    entries = {"stub": f"{__name__}:Stub", "broken": f"{__name__}:Nothing", "torch": f"{__name__}:Stub"}
    points = [EntryPoint(name, value, "inr.backends") for name, value in entries.items()]
    monkeypatch.setattr(plugins, "points", lambda group: points if group == "inr.backends" else [])
    table = backends.BackendTable(backends.PLACES)
    assert list(table) == ["native", "tcnn", "stub", "torch"]
    assert len(table) == 4
    assert isinstance(table["stub"], Stub)
    assert isinstance(table["torch"], TorchBackend)
    assert "broken" not in table
    monkeypatch.setattr(backends, "BACKENDS", table)
    assert backends.select("stub", initialised(Siren.EXAMPLES[0]).network, "cpu").kind == "stub"


@final
class Torch(Stub):
    """Called like one of ours."""

    kind: ClassVar[str] = "torch"


def test_backends_that_are_left_out_are_named_in_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that takes a name, twice, and what is no backend of the name; once each."""
    entries = [("stub", "Stub"), ("torch", "Torch"), ("stub", "Torch"), ("lines", "Stub"), ("adam", "Adam")]
    points = [EntryPoint(name, f"{__name__}:{what}", "inr.backends") for name, what in entries]
    monkeypatch.setattr(plugins, "points", lambda group: points if group == "inr.backends" else [])
    plugins._warned.clear()
    table = backends.BackendTable(backends.PLACES)
    for _ in range(2):
        assert list(table) == ["native", "tcnn", "stub", "torch"]
    assert type(table["stub"]) is Stub
    said = [record.getMessage().partition("is left out: ")[2] for record in caplog.records]
    assert [text.partition(";")[0] for text in said] == [
        "ValueError: backend 'torch' is already taken",
        "ValueError: backend 'stub' is already taken",
        "ValueError: the entry point must be called like its backend, 'stub'",
        "ValueError: expected a class derived from AbstractBackend",
    ]


@each_running
@each_model
def test_field_does_not_depend_on_how_it_is_cut(backend: AbstractBackend, model: ModelSpec) -> None:
    network = randomised(model)
    field = backend.field(*told(network), "cpu")
    x = coordinates(CHUNK + 100).float().numpy()
    whole = field(x)
    assert whole.dtype == np.float32
    assert whole.shape == (len(x), 3)
    parts = np.concatenate([field(part) for part in np.array_split(x, 7)])
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-5)


@each_running
@each_model
def test_a_network_from_json_runs_as_the_network_itself(backend: AbstractBackend, model: ModelSpec) -> None:
    """The bytes of its values, and of its parameters after steps: the JSON form is all that a backend needs."""
    network, tensors = told(randomised(model))
    read = Network.from_json(network.to_json())
    assert read.to_json() == network.to_json()
    assert backend.refuses(read) == backend.refuses(network)
    batch = wave(64)
    values, again = (backend.field(one, tensors, "cpu")(batch.coordinates) for one in (network, read))
    np.testing.assert_array_equal(values, again)
    trainers = [backend.trainer(one, tensors, MeanSquaredError(), Adam(), "cpu") for one in (network, read)]
    for _ in range(2):
        assert trainers[0].step(batch, 1e-3).loss == trainers[1].step(batch, 1e-3).loss
    for name, tensor in trainers[0].tensors().items():
        np.testing.assert_array_equal(tensor, trainers[1].tensors()[name])


@each_running
@each_model
@pytest.mark.parametrize("optimiser", [OPTIMISERS.make(kind) for kind in OPTIMISERS.kinds()], ids=lambda o: str(o.kind))
def test_training_lowers_the_loss_and_can_go_on_from_its_state(
    backend: AbstractBackend, model: ModelSpec, optimiser: OptimiserSpec
) -> None:
    batch = wave(64)
    rate = optimiser.usual_rate or 5e-3

    def start() -> AbstractTrainer:
        return backend.trainer(*told(initialised(model)), MeanSquaredError(), optimiser, "cpu")

    if isinstance(optimiser, Muon) and not any(
        isinstance(layer, Linear | Matrix) for layer in initialised(model).network.hidden_linear()
    ):
        with pytest.raises(SpecError, match="muon: the network has no hidden real matrix"):
            start()
        return
    trainer = start()
    losses = [trainer.step(batch, rate * falling(step / 60)).loss for step in range(61)]
    assert losses[-1] < 0.7 * losses[0]
    resumed = start()
    resumed.restore(plain_copy(trainer.state()))
    for _ in range(3):
        assert resumed.step(batch, rate / 60).loss == trainer.step(batch, rate / 60).loss
    for name, tensor in trainer.tensors().items():
        assert tensor.dtype == np.float32
        np.testing.assert_array_equal(tensor, resumed.tensors()[name])
    values = trainer.field()(batch.coordinates)
    assert np.mean((values - batch.targets) ** 2) < 0.7 * losses[0]
    field = backend.field(initialised(model).network, trainer.tensors(), "cpu")
    np.testing.assert_allclose(values, field(batch.coordinates), rtol=0, atol=1e-5)


def falling(progress: float) -> float:
    """Factor of the learning rate: 1 for half of the steps, then down to nearly 0.

    At a constant rate the loss of some pairs of model and optimiser (Muon's steps do not become smaller with the
    gradients) goes up and down by a factor of two in the end, and rounding decides where on that way a test looks.
    """
    return min(1.0, 2 - 2 * progress) + 1 / 60


@each_running
@each_model
def test_field_on_a_grid_is_the_field_at_its_points(backend: AbstractBackend, model: ModelSpec) -> None:
    """Also when it is asked for another grid in between, and for one that shares an axis with the one before."""
    field = backend.field(*told(randomised(model)), "cpu")
    rows, columns = (np.linspace(-0.9, 0.8, n, dtype=np.float32) for n in (7, 5))
    for axes in ((rows, columns), (rows[2:], columns), (rows[2:], rows), (rows, columns)):
        values = field.grid(axes)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, field(mesh(axes)), rtol=0, atol=2e-5)


@each_running
@each_model
def test_step_on_a_grid_is_the_step_on_its_points(backend: AbstractBackend, model: ModelSpec) -> None:
    axes = tuple(np.linspace(-0.9, 0.8, n, dtype=np.float32) for n in (6, 9))
    points = mesh(axes)
    targets = np.sin(points @ np.ones((2, 3), dtype=np.float32))
    trainers = [
        backend.trainer(*told(randomised(model)), MeanSquaredError(), Adam(epsilon=1e-3), "cpu") for _ in range(2)
    ]
    batches: list[GridBatch | PointBatch] = [GridBatch(axes, targets), PointBatch(points, targets)]
    results = [trainer.step(batch, 1e-3, "residuals") for trainer, batch in zip(trainers, batches, strict=True)]
    assert results[0].loss == pytest.approx(results[1].loss, rel=1e-4)
    on_grid, on_points = (result.residuals for result in results)
    assert on_grid is not None
    assert on_points is not None
    np.testing.assert_allclose(on_grid, on_points, rtol=0, atol=2e-5)
    first, second = (trainer.tensors() for trainer in trainers)
    for name, tensor in first.items():
        np.testing.assert_allclose(tensor, second[name], rtol=0, atol=2e-5)


@each_running
def test_what_a_step_is_asked_for(backend: AbstractBackend) -> None:
    """Residuals and gradients are those before the step; weights change the loss and the gradients alike."""
    batch = wave(32)
    trainer = backend.trainer(*told(initialised(Siren.EXAMPLES[0])), MeanSquaredError(), Adam(), "cpu")
    before = trainer.field()
    expected = before(batch.coordinates) - batch.targets
    aside = np.array([[1e-2, 0]], dtype=np.float32)
    losses = [np.mean((before(batch.coordinates + d) - batch.targets) ** 2, axis=1) for d in (aside, -aside)]
    slope = (losses[0] - losses[1]) / 2e-2
    nothing = trainer.step(batch, 1e-12)
    assert nothing.residuals is None
    assert nothing.gradients is None
    found = trainer.step(batch, 1e-12, "gradients")
    assert found.residuals is not None
    assert found.gradients is not None
    np.testing.assert_allclose(found.residuals, expected, rtol=0, atol=1e-5)
    assert found.gradients.shape == batch.coordinates.shape
    np.testing.assert_allclose(found.gradients[:, 0], slope, rtol=0.05, atol=0.05)
    weights = np.linspace(0, 2, 32, dtype=np.float32)
    weighted = trainer.step(PointBatch(batch.coordinates, batch.targets, weights), 1e-12)
    assert weighted.loss == pytest.approx(float(np.mean(weights * np.mean(expected**2, axis=1))), rel=1e-4)


def wave(n: int) -> PointBatch:
    """Points with a smooth target."""
    x = coordinates(n).float().numpy()
    return PointBatch(x, np.sin(3 * x @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32)))


@each_running
def test_tensors_of_a_trainer_are_copies(backend: AbstractBackend) -> None:
    trainer = backend.trainer(*told(initialised(Siren.EXAMPLES[0])), MeanSquaredError(), Adam(), "cpu")
    kept = trainer.tensors()
    before = {name: tensor.copy() for name, tensor in kept.items()}
    trainer.step(PointBatch(coordinates(8).float().numpy(), np.ones((8, 3), dtype=np.float32)), 1e-2)
    for name, tensor in kept.items():
        np.testing.assert_array_equal(tensor, before[name])
        assert not np.array_equal(trainer.tensors()[name], tensor)


def test_first_adam_step_has_the_size_of_the_learning_rate() -> None:
    network = initialised(Siren.EXAMPLES[0])
    trainer = TorchBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu")
    before = trainer.tensors()
    trainer.step(PointBatch(coordinates(8).float().numpy(), np.ones((8, 3), dtype=np.float32)), 1e-3)
    for name, tensor in trainer.tensors().items():
        np.testing.assert_allclose(np.abs(tensor - before[name]), 1e-3, rtol=1e-2)


def test_optimiser_that_the_backend_lacks_is_refused() -> None:
    class Newton(OptimiserSpec):
        kind: str = "newton"

    loss: LossSpec = MeanSquaredError()
    with pytest.raises(SpecError, match="no newton"):
        TorchBackend().trainer(*told(initialised(Siren.EXAMPLES[0])), loss, Newton(), "cpu")
