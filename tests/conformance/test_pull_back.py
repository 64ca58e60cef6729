"""Steps whose loss is computed outside of the backends, and losses other than the squared error."""

import numpy as np
import pytest

from inr.backends.base import AbstractBackend, AbstractTrainer, PointBatch, PullBack, PulledBatch, Values
from inr.backends.select import BACKENDS
from inr.errors import SpecError
from inr.losses.base import LOSSES, LossSpec
from inr.losses.huber import Huber
from inr.losses.mse import MeanSquaredError
from inr.models.bacon import Bacon
from inr.models.base import MODELS, ModelSpec
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS
from tests.support.model_checks import initialised
from tests.support.native_reference import batch_of, needs_kernels
from tests.support.torch_layers import told

ADAM = Adam(epsilon=1e-3)
EXAMPLES = [cls.EXAMPLES[0] for cls in MODELS]
each_model = pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: str(model.kind))
POINT_LOSSES = [LOSSES.make(kind) for kind in LOSSES.kinds() if not LOSSES.get(kind).neighbours]
"""Those that see neighbours have no other steps than pulled ones."""
each_loss = pytest.mark.parametrize("loss", POINT_LOSSES, ids=lambda loss: str(loss.kind))
RUNNING = [backend for backend in BACKENDS.values() if backend.unavailable("cpu") is None]
each_running = pytest.mark.parametrize("backend", RUNNING, ids=[backend.kind for backend in RUNNING])


def points(seed: int, weighted: bool = False) -> PointBatch:
    batch = batch_of(150, 2, 3, seed, weighted)
    return PointBatch(batch.x, batch.targets, batch.weights)


def squared_error(targets: Values) -> PullBack:
    """The mean squared error as somebody outside would write it."""

    def pull_back(values: Values) -> tuple[float, Values]:
        residual = values - targets
        return float(np.square(residual, dtype=np.float64).mean()), 2 * residual / np.float32(residual.size)

    return pull_back


def trainer_of(backend: AbstractBackend, model: ModelSpec, loss: LossSpec, kind: str = "adam") -> AbstractTrainer:
    optimiser = ADAM if kind == "adam" else OPTIMISERS.make(kind)
    return backend.trainer(*told(initialised(model)), loss, optimiser, "cpu", 3)


@each_running
@each_model
def test_pulled_steps_are_those_of_the_loss_inside(backend: AbstractBackend, model: ModelSpec) -> None:
    """The same gradients but for rounding, so nearly the same parameters after three steps."""
    network = initialised(model).network
    if backend.refuses(network) is not None:
        assert "kernel" in str(backend.refuses(network)) or "separable" in str(backend.refuses(network))
        return
    inside, outside = (trainer_of(backend, model, MeanSquaredError()) for _ in range(2))
    if network.training_graph is not None or (backend.kind == "native" and len(network.heads) > 1):
        with pytest.raises(SpecError, match="needs steps with targets"):
            outside.step(PulledBatch(points(0).coordinates, squared_error(points(0).targets)), 1e-3)
        return
    for seed in range(3):
        batch = points(seed)
        expected = inside.step(batch, 1e-3).loss
        found = outside.step(PulledBatch(batch.coordinates, squared_error(batch.targets)), 1e-3)
        assert found.loss == pytest.approx(expected, rel=1e-4)
        assert found.residuals is None
    for name, tensor in inside.tensors().items():
        np.testing.assert_allclose(outside.tensors()[name], tensor, rtol=0, atol=1e-5)


@each_running
@pytest.mark.parametrize("kind", OPTIMISERS.kinds())
def test_every_optimiser_takes_pulled_steps(backend: AbstractBackend, kind: str) -> None:
    trainer = trainer_of(backend, Siren(width=16, depth=2), MeanSquaredError(), kind)
    batch = points(1)
    pulled = PulledBatch(batch.coordinates, squared_error(batch.targets))
    losses = [trainer.step(pulled, 1.0 if kind == "lbfgs" else 2e-3).loss for _ in range(20)]
    assert losses[-1] < 0.9 * losses[0]


@each_running
def test_steps_without_targets_have_no_residuals(backend: AbstractBackend) -> None:
    trainer = trainer_of(backend, Siren.EXAMPLES[0], MeanSquaredError())
    with pytest.raises(SpecError, match="a step without targets has no residuals"):
        trainer.step(PulledBatch(points(0).coordinates, squared_error(points(0).targets)), 1e-3, "residuals")


@needs_kernels
@each_loss
@each_model
def test_losses_are_trained_alike(loss: LossSpec, model: ModelSpec) -> None:
    """By the kernels and by torch, weighted and not; or refused, and `auto` goes on to torch."""
    native, torches = BACKENDS["native"], BACKENDS["torch"]
    network = initialised(model).network
    if native.refuses(network, loss) is not None:
        several = isinstance(model, Bacon) and not isinstance(loss, MeanSquaredError)
        assert several or network.contraction is not None
        return
    trainers = [trainer_of(backend, model, loss) for backend in (native, torches)]
    for seed in range(4):
        batch = points(seed, weighted=seed % 2 == 1)
        wanted = "gradients" if seed == 3 and not isinstance(model, IterativeInr) else "residuals"
        found, expected = (trainer.step(batch, 1e-3, wanted) for trainer in trainers)  # type: ignore[arg-type]
        assert found.loss == pytest.approx(expected.loss, rel=1e-4)
        assert found.residuals is not None
        assert expected.residuals is not None
        np.testing.assert_allclose(found.residuals, expected.residuals, rtol=0, atol=1e-4)
        if found.gradients is not None and expected.gradients is not None:
            scale = max(1e-3, float(np.abs(expected.gradients).max()))
            # Where a residual is nearly zero, rounding decides the sign that the absolute error pulls with.
            assert np.quantile(np.abs(found.gradients - expected.gradients), 0.99) <= 1e-2 * scale
    tensors = torches_of(trainers)
    for name, tensor in tensors[0].items():
        np.testing.assert_allclose(tensor, tensors[1][name], rtol=0, atol=5e-5)


def torches_of(trainers: list[AbstractTrainer]) -> list[dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
    return [trainer.tensors() for trainer in trainers]


@each_running
def test_pull_back_of_another_shape_is_refused(backend: AbstractBackend) -> None:
    trainer = trainer_of(backend, Siren.EXAMPLES[0], MeanSquaredError())
    with pytest.raises(SpecError, match=r"pull-back: expected derivatives of shape \(150, 3\); got \(150, 1\)"):
        trainer.step(PulledBatch(points(0).coordinates, lambda values: (0.0, values[:, :1])), 1e-3)


def test_outliers_pull_no_harder_than_delta() -> None:
    output, target = np.array([[0.05, 3.0, -0.5]], dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    found = Huber(delta=0.1).derivative(output, target)
    np.testing.assert_allclose(found[1], [[2 * 0.05 / 3, 2 * 0.1 / 3, -2 * 0.1 / 3]], rtol=1e-6)
    np.testing.assert_allclose(found[0], [(0.05**2 + 0.1 * (6 - 0.1) + 0.1 * (1 - 0.1)) / 3], rtol=1e-6)
