"""The native backend in training: steps of Adam as torch takes them, whatever a step is asked for, and its state."""

from typing import ClassVar, final

import numpy as np
import pytest
import torch

from inr.backends.base import AbstractTrainer, GridBatch, PointBatch, Resources
from inr.backends.native.backend import NativeBackend
from inr.backends.render import mesh
from inr.backends.select import select
from inr.backends.torch import TorchBackend
from inr.errors import BackendUnavailableError, SpecError
from inr.losses.base import LOSSES, LossSpec
from inr.losses.huber import Huber
from inr.losses.mse import MeanSquaredError
from inr.models.bacon import Bacon
from inr.models.base import MODELS, ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from inr.optimisers.adam import Adam
from inr.optimisers.adamw import AdamW
from inr.optimisers.base import OptimiserSpec
from inr.optimisers.lbfgs import Lbfgs
from inr.reparams.base import REPARAMS
from tests.support.model_checks import initialised
from tests.support.native_reference import (
    CORES,
    Lowered,
    batch_of,
    each_set,
    each_thread_count,
    needs_kernels,
)
from tests.support.states import plain_copy
from tests.support.torch_layers import told

pytestmark = needs_kernels

MODEL = Siren.EXAMPLES[0]
EXAMPLES = [cls.EXAMPLES[0] for cls in MODELS]
each_model = pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: str(model.kind))
OPTIMISERS = [Adam(epsilon=1e-3), AdamW(epsilon=1e-3, weight_decay=1.0)]
each_optimiser = pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: str(o.kind))
AdamSettings = tuple[float, tuple[float, float], float, float, list[int], int]
STEPS = 6
RATE = 0.25


def trainer_of(
    kind: str, model: ModelSpec, optimiser: OptimiserSpec, threads: int = 1, seed: int = 3
) -> AbstractTrainer:
    if kind == "torch":
        return TorchBackend().trainer(*told(initialised(model)), MeanSquaredError(), optimiser, "cpu", seed)
    network, resources = initialised(model), Resources(threads=threads)
    return NativeBackend().trainer(*told(network), MeanSquaredError(), optimiser, "cpu", seed, resources)


def points(seed: int, n: int = 150, weighted: bool = False) -> PointBatch:
    batch = batch_of(n, 2, 3, seed, weighted)
    return PointBatch(batch.x, batch.targets, batch.weights)


@each_set
@each_thread_count
@pytest.mark.parametrize("epsilon", [1e-15, 1e-8, 1e-2])
@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.0, 0.5), (0.9, 0.999)])
def test_fused_steps_are_those_of_torch(
    betas: tuple[float, float], epsilon: float, threads: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch is told the gradients that the kernels find, so only Adam is compared: 2e-6 of the learning rate a step.

    That is what a few roundings of the moments to 24 bits make of it, and of parameters of about 1.
    """
    monkeypatch.setenv("INR_ISA", isa)
    lowered = Lowered.of(initialised(MODEL), 2)
    flat, gradients = lowered.flat.copy(), np.empty_like(lowered.flat)
    moments = np.zeros_like(flat), np.zeros_like(flat)
    p = torch.nn.Parameter(torch.from_numpy(flat.copy()))
    optimiser = torch.optim.Adam([p], lr=RATE, betas=betas, eps=epsilon)
    engine = lowered.engine(True, threads=threads)
    for step in range(1, STEPS + 1):
        batch = batch_of(150, 2, 3, step)
        loss = engine.train_points(flat, batch.x, batch.targets, batch.weights, gradients=gradients)
        p.grad = torch.from_numpy(gradients)
        optimiser.step()
        adam: AdamSettings = (RATE, betas, epsilon, 0.0, [], step)
        assert engine.train_points(flat, batch.x, batch.targets, batch.weights, moments=moments, adam=adam) == loss
        np.testing.assert_allclose(flat, p.detach().numpy(), rtol=0, atol=RATE * step * 2e-6)
    assert np.abs(flat - lowered.flat).max() > RATE


@each_set
@each_thread_count
def test_moments_do_not_linger_below_the_normal_numbers(
    isa: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There every operation takes a hundred times as long; the numbers of the caller's thread stay what they are."""
    monkeypatch.setenv("INR_ISA", isa)
    network = initialised(Siren.EXAMPLES[0])
    lowered, batch = Lowered.of(network, 2), batch_of(64, 2, 3)
    engine = lowered.engine(True, threads=threads)
    moments = np.full_like(lowered.flat, 1.2e-38), np.full_like(lowered.flat, 1.2e-38)
    adam: AdamSettings = (1e-3, (0.9, 0.9), 1e-8, 0.0, [], 1)
    nothing = np.zeros(64, dtype=np.float32)  # weights without which there are no gradients
    engine.train_points(lowered.flat.copy(), batch.x, batch.targets, nothing, moments=moments, adam=adam)
    for moment in moments:
        np.testing.assert_array_equal(moment, 0)
    assert (np.full(64, 1e-38, dtype=np.float32) * np.float32(0.1) > 0).all()


@each_set
@pytest.mark.skipif(CORES < 2, reason="one core: two threads are refused")
def test_numbers_of_threads_agree(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums over workers have another order; where a gradient is only rounding, epsilon decides what becomes of it."""
    monkeypatch.setenv("INR_ISA", isa)
    lowered = Lowered.of(initialised(MODEL), 2)
    results = []
    for threads in (1, 2):
        flat, moments = lowered.flat.copy(), (np.zeros_like(lowered.flat), np.zeros_like(lowered.flat))
        engine = lowered.engine(True, threads=threads)
        for step in range(1, STEPS + 1):
            batch = batch_of(150, 2, 3, step)
            adam: AdamSettings = (1e-2, (0.9, 0.99), 1e-2, 0.0, [], step)
            engine.train_points(flat, batch.x, batch.targets, batch.weights, moments=moments, adam=adam)
        results.append(flat)
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-5)


@each_optimiser
@each_model
def test_trainers_take_the_same_steps(model: ModelSpec, optimiser: OptimiserSpec) -> None:
    """The same batches, some of them weighted; with epsilon 1e-3 rounding moves a weight by 1e-4 of a step at most.

    Parameters move by about 1e-3 a step; six steps may differ by 2e-5, and losses by 1e-4 of themselves.
    """
    native, torches = (trainer_of(kind, model, optimiser) for kind in ("native", "torch"))
    before = native.tensors()
    for seed in range(STEPS):
        batch = points(seed, weighted=seed % 2 == 1)
        found, expected = native.step(batch, 1e-3), torches.step(batch, 1e-3)
        assert found.loss == pytest.approx(expected.loss, rel=1e-4)
        assert found.residuals is None
        assert found.gradients is None
    tensors = torches.tensors()
    for name, tensor in native.tensors().items():
        np.testing.assert_allclose(tensor, tensors[name], rtol=0, atol=2e-5)
    assert any(not np.array_equal(tensor, before[name]) for name, tensor in tensors.items())


def test_only_matrices_decay() -> None:
    """AdamW with no gradient to speak of: what decays shrinks by rate times decay, nothing else moves."""
    model = WireMlp.EXAMPLES[0]
    optimiser = AdamW(epsilon=1.0, weight_decay=10.0)
    trainer = trainer_of("native", model, optimiser)
    before = trainer.tensors()
    exact = trainer.field()(points(0).coordinates)
    trainer.step(PointBatch(points(0).coordinates, exact), 1e-2)
    for name, tensor in trainer.tensors().items():
        factor = 0.9 if name.endswith(".weight") else 1.0
        np.testing.assert_allclose(tensor, factor * before[name], rtol=0, atol=1e-6)


@each_model
def test_residuals_and_gradients_are_those_of_torch(model: ModelSpec) -> None:
    """Those of the parameters before the step, on points and on a grid."""
    axes = tuple(np.linspace(-0.9, 0.8, n, dtype=np.float32) for n in (6, 9))
    targets = np.sin(mesh(axes) @ np.ones((2, 3), dtype=np.float32))
    for batch in (points(1, weighted=True), GridBatch(axes, targets)):
        trainers = [trainer_of(kind, model, Adam()) for kind in ("native", "torch")]
        found, expected = (trainer.step(batch, 1e-3, "residuals") for trainer in trainers)
        assert found.residuals is not None
        assert expected.residuals is not None
        np.testing.assert_allclose(found.residuals, expected.residuals, rtol=0, atol=2e-5)
        assert found.gradients is None
    trainers = [trainer_of(kind, model, Adam()) for kind in ("native", "torch")]
    found, expected = (trainer.step(points(1), 1e-3, "gradients") for trainer in trainers)
    assert found.gradients is not None
    assert expected.gradients is not None
    scale = max(1e-3, float(np.abs(expected.gradients).max()))
    np.testing.assert_allclose(found.gradients, expected.gradients, rtol=0, atol=1e-4 * scale)


@each_optimiser
@pytest.mark.parametrize("model", [MODEL, HashGridMlp.EXAMPLES[0], IterativeInr.EXAMPLES[0]], ids=lambda m: str(m.kind))
def test_state_goes_from_one_backend_to_the_other_and_back(model: ModelSpec, optimiser: OptimiserSpec) -> None:
    """As files hold it. What follows agrees as far as the backends do."""
    trainers = {kind: trainer_of(kind, model, optimiser) for kind in ("native", "torch")}
    native = trainers["native"]
    for seed in range(3):
        native.step(points(seed), 1e-3)
    state = plain_copy(native.state())
    for kind in ("torch", "native"):
        resumed = trainer_of(kind, model, optimiser)
        resumed.restore(state)
        for name, tensor in native.tensors().items():
            np.testing.assert_array_equal(tensor, resumed.tensors()[name])
        trainers[kind] = resumed
    for seed in range(3, 6):
        results = [trainer.step(points(seed), 1e-3).loss for trainer in (native, *trainers.values())]
        assert results[2] == pytest.approx(results[1], rel=1e-4)
        assert results[0] == results[1]  # the native one that stopped, and the one that did not
    back = trainer_of("native", model, optimiser)
    back.restore(trainers["torch"].state())
    for name, tensor in back.tensors().items():
        np.testing.assert_array_equal(tensor, trainers["torch"].tensors()[name])
        np.testing.assert_allclose(tensor, native.tensors()[name], rtol=0, atol=2e-5)
    batch = points(7)
    assert back.step(batch, 1e-3).loss == pytest.approx(native.step(batch, 1e-3).loss, rel=1e-3)
    for name, tensor in back.tensors().items():
        np.testing.assert_allclose(tensor, native.tensors()[name], rtol=0, atol=3e-5)


@each_thread_count
@each_model
def test_runs_repeat_to_the_bit(model: ModelSpec, threads: int) -> None:
    """The same batches, seed and threads give the same bits; another number of threads, the same but for rounding."""
    finals = []
    for count in (threads, threads, 1):
        trainer = trainer_of("native", model, Adam(epsilon=1e-3), count)
        losses = [trainer.step(points(seed, 200), 1e-3).loss for seed in range(4)]
        finals.append((losses, trainer.tensors()))
    assert finals[0][0] == finals[1][0]
    assert finals[0][0] == pytest.approx(finals[2][0], rel=1e-5)
    for name, tensor in finals[0][1].items():
        assert tensor.tobytes() == finals[1][1][name].tobytes()
        np.testing.assert_allclose(tensor, finals[2][1][name], rtol=0, atol=2e-5)


def test_random_numbers_of_training_graphs_come_from_the_seed() -> None:
    losses = [
        trainer_of("native", IterativeInr.EXAMPLES[0], Adam(), seed=s).step(points(0), 1e-3).loss for s in (1, 1, 2)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_reparameterised_weights_are_left_to_torch_or_trained_alike() -> None:
    """What weights are made of gets its gradients through torch, if the backend takes such a network."""
    for kind in REPARAMS.kinds():
        start, reparam = told(initialised(MODEL)), REPARAMS.make(kind)
        loss, adam = MeanSquaredError(), Adam(epsilon=1e-3)
        native = NativeBackend().trainer(*start, loss, adam, "cpu", 1, reparam=reparam)
        torches = TorchBackend().trainer(*start, loss, adam, "cpu", 1, reparam=reparam)
        for seed in range(3):
            expected = torches.step(points(seed), 1e-3).loss
            assert native.step(points(seed), 1e-3).loss == pytest.approx(expected, rel=1e-4)


def test_fields_keep_the_parameters_of_their_moment() -> None:
    trainer = trainer_of("native", MODEL, Adam())
    x = points(0).coordinates
    field = trainer.field()
    before = field(x)
    trainer.step(points(0), 1e-2)
    np.testing.assert_array_equal(field(x), before)
    assert not np.array_equal(trainer.field()(x), before)


def test_gradients_are_made_only_where_an_engine_is_built_for_them() -> None:
    lowered, batch = Lowered.of(initialised(MODEL), 2), batch_of(5, 2, 3)
    engine = lowered.engine(True, gradient=False)
    with pytest.raises(ValueError, match="built without gradients of coordinates"):
        engine.train_points(
            lowered.flat, batch.x, batch.targets, input_gradients=np.empty_like(batch.x), gradients=lowered.flat.copy()
        )


@final
class Cubic(LossSpec):
    """The mean of ``|y - t|^3``, stated in torch only."""

    kind: str = "cubic"
    wire_id: ClassVar[int] = 0
    paper: ClassVar[str] = "nobody"

    def values(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output - target).abs().pow(3).mean(dim=1)


@pytest.mark.parametrize("loss", [MeanSquaredError(), Huber()], ids=lambda loss: str(loss.kind))
def test_what_a_step_with_several_evaluations_finds_is_of_the_first(loss: LossSpec) -> None:
    """A line search writes to the same arrays again; they are those of the parameters before the step."""
    trainers = [
        backend.trainer(*told(initialised(MODEL)), loss, Lbfgs(), "cpu")
        for backend in (NativeBackend(), TorchBackend())
    ]
    batch = points(0)
    before = trainers[0].field()(batch.coordinates) - batch.targets
    found, expected = (trainer.step(batch, 1.0, "gradients") for trainer in trainers)
    assert np.abs(trainers[0].field()(batch.coordinates) - batch.targets - before).max() > 1e-2
    assert found.residuals is not None
    assert found.gradients is not None
    assert expected.gradients is not None
    np.testing.assert_allclose(found.residuals, before, rtol=0, atol=1e-5)
    scale = float(np.abs(expected.gradients).max())
    np.testing.assert_allclose(found.gradients, expected.gradients, rtol=0, atol=1e-3 * scale)


def test_losses_without_a_derivative_are_refused() -> None:
    network, tensors = told(initialised(MODEL))
    reason = "loss cubic: its derivative is not stated, which the kernels need for every loss but mse"
    assert NativeBackend().refuses(network, Cubic()) == reason
    with pytest.raises(SpecError, match=reason):
        NativeBackend().trainer(network, tensors, Cubic(), Adam(), "cpu")
    with pytest.raises(BackendUnavailableError, match=reason):
        select("native", network, "cpu", Cubic())
    assert select("auto", network, "cpu", Cubic()).kind == "torch"
    assert select("auto", network, "cpu").kind == "native"


def test_losses_of_several_outputs_are_refused() -> None:
    network = initialised(Bacon.EXAMPLES[0]).network
    assert NativeBackend().refuses(network, MeanSquaredError()) is None
    reason = NativeBackend().refuses(network, LOSSES.make("l1"))
    assert reason == "loss l1: a network of 3 outputs is trained by the kernels towards mse only"
    assert select("auto", network, "cpu", LOSSES.make("l1")).kind == "torch"
