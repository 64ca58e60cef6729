"""Schedules, losses, optimisers, initialisers: what the fit loop relies on."""

import copy

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.errors import SpecError
from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec
from inr.fitting.schedules.constant import ConstantSchedule
from inr.fitting.schedules.cosine import CosineSchedule
from inr.inits.base import INITS, InitSpec
from inr.losses.base import LOSSES, LossSpec
from inr.losses.mse import MeanSquaredError
from inr.models.base import MODELS, ModelSpec
from inr.models.siren import Siren
from inr.rng import generator
from tests.conformance.test_samplers import noise
from tests.support.model_checks import initialised

SCHEDULE_SPECS = [SCHEDULES.make(kind) for kind in SCHEDULES.kinds()] + [
    CosineSchedule(floor=0.0, warm_up=0.0),
    CosineSchedule(floor=0.5, warm_up=0.5),
    CosineSchedule(floor=1.0),
]

FITTING = {("default", cls.EXAMPLES[0].kind) for cls in MODELS} | {
    (kind, "siren") for kind in ("vi3nr", "fresh", "scaled")
}
"""Pairs of initialiser and model that must not be refused."""

each_schedule = pytest.mark.parametrize("schedule", SCHEDULE_SPECS, ids=repr)
ALL_LOSSES = [LOSSES.make(kind) for kind in LOSSES.kinds()]
each_loss = pytest.mark.parametrize(
    "loss", [x for x in ALL_LOSSES if not x.neighbours], ids=lambda loss: str(loss.kind)
)
each_signal_loss = pytest.mark.parametrize(
    "loss", [x for x in ALL_LOSSES if x.neighbours], ids=lambda loss: str(loss.kind)
)


@each_schedule
def test_factors_lie_in_the_unit_interval(schedule: ScheduleSpec) -> None:
    factors = [schedule.factor(progress) for progress in np.linspace(0, 1, 501).tolist()]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) > 0.99
    assert factors[0] > 0 or schedule.factor(1e-9) > 0


@each_schedule
def test_factors_are_pure_and_have_no_jumps(schedule: ScheduleSpec) -> None:
    progress = np.linspace(0, 1, 2001).tolist()
    factors = np.array([schedule.factor(p) for p in progress])
    np.testing.assert_array_equal([schedule.factor(p) for p in reversed(progress)], factors[::-1])
    assert np.abs(np.diff(factors)).max() < 0.05


@pytest.mark.parametrize("floor", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("warm_up", [0.0, 0.02, 0.5])
def test_cosine_rises_then_falls_to_its_floor(floor: float, warm_up: float) -> None:
    schedule = CosineSchedule(floor=floor, warm_up=warm_up)
    assert schedule.factor(warm_up) == pytest.approx(1)
    assert schedule.factor(1.0) == pytest.approx(floor)
    assert schedule.factor((1 + warm_up) / 2) == pytest.approx((1 + floor) / 2)
    rising = [schedule.factor(p) for p in np.linspace(0, warm_up, 50, endpoint=False).tolist()] if warm_up else [1.0]
    falling = [schedule.factor(p) for p in np.linspace(warm_up, 1, 50).tolist()]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


def test_constant_schedule_is_constant() -> None:
    assert {ConstantSchedule().factor(p) for p in (0.0, 0.3, 1.0)} == {1.0}


@pytest.mark.parametrize("settings", [{"floor": -0.1}, {"floor": 1.1}, {"warm_up": 0.6}, {"warm_up": -0.1}])
def test_schedule_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(SpecError, match=next(iter(settings))):
        CosineSchedule(**settings)


@each_loss
def test_loss_is_least_where_output_and_target_agree(loss: LossSpec) -> None:
    target = torch.linspace(-1, 1, 12).reshape(4, 3)
    at_target = loss.value(target, target)
    assert at_target.shape == ()
    assert at_target.item() == 0
    for shift in (-0.5, -0.01, 0.01, 0.5):
        assert loss.value(target + shift, target).item() > 0


@each_loss
def test_loss_without_torch_is_the_loss(loss: LossSpec) -> None:
    """Values and derivatives of both statements, near zero and beyond."""
    output, target = (torch.randn(200, 3, generator=torch.Generator().manual_seed(seed)) / 4 for seed in (0, 1))
    assert loss.stated
    found = loss.derivative(output.numpy(), target.numpy())
    assert found is not None
    values = loss.values(output.requires_grad_(), target)
    (slopes,) = torch.autograd.grad(values.sum(), output)
    np.testing.assert_allclose(found[0], values.detach().numpy(), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found[1], slopes.numpy(), rtol=1e-5, atol=1e-7)
    assert found[0].dtype == found[1].dtype == np.float32
    assert loss.value(output, target).item() == pytest.approx(float(found[0].mean()), rel=1e-5)


@each_loss
def test_loss_has_the_gradient_of_its_value(loss: LossSpec) -> None:
    output = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    target = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda y: loss.value(y, target), (output,))


@each_signal_loss
@pytest.mark.parametrize("part", [42, 20])
def test_loss_over_a_signal_has_the_derivative_of_its_value(loss: LossSpec, part: int) -> None:
    """By differences, on all samples and on a part of them after all; least where field and signal agree."""
    signal = noise((7, 6))
    rng = np.random.default_rng(3)
    index = rng.permutation(42)[:part]
    started = loss.over(signal)
    started.evaluate(np.arange(42), signal.targets(np.arange(42)), 0.0)
    state = copy.deepcopy(started.state())
    values = rng.uniform(-0.9, 0.9, (part, 3)).astype(np.float32)

    def at(moved: npt.NDArray[np.float32]) -> float:
        started.restore(copy.deepcopy(state))
        return started.evaluate(index, moved, 0.0)[0]

    found, slopes = started.evaluate(index, values, 0.0)
    assert found == pytest.approx(at(values), rel=1e-6)
    assert found > at(signal.targets(index)) == 0
    assert slopes.shape == values.shape
    direction = rng.standard_normal(values.shape).astype(np.float32)
    step = np.float32(0.01)
    rise = (at(values + step * direction) - at(values - step * direction)) / (2 * float(step))
    assert rise == pytest.approx(float((slopes * direction).sum()), rel=0.02)
    with pytest.raises(SpecError, match=f"loss {loss.kind}: "):
        loss.values(torch.zeros(2, 3), torch.zeros(2, 3))


def test_mean_squared_error_is_the_mean_over_samples_and_channels() -> None:
    output, target = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert MeanSquaredError().value(output, target).item() == pytest.approx((4 + 9) / 4)


@pytest.mark.parametrize("init", [INITS.make(kind) for kind in INITS.kinds()], ids=INITS.kinds())
@pytest.mark.parametrize("model", [cls.EXAMPLES[0] for cls in MODELS], ids=lambda model: model.kind)
def test_initialisers_set_every_parameter_from_the_seed(init: InitSpec, model: ModelSpec) -> None:
    """Or say why they do not fit."""
    signal = noise((12, 16))
    network = model.build(signal.domain, 3)
    refusal = ""
    try:
        init.prepare(model, signal, 0)
        starts = [init.apply(model, network, signal, generator(seed, "init")) for seed in (1, 1, 2)]
    except SpecError as error:
        refusal = str(error)
    if refusal:
        assert len(refusal) > 20
        assert (init.kind, model.kind) not in FITTING
        return
    first, again, other = starts
    assert {name: tensor.shape for name, tensor in first.items()} == {t.name: t.shape for t in network.layout()}
    for name, tensor in first.items():
        assert tensor.dtype == np.float32
        assert np.isfinite(tensor).all()
        np.testing.assert_array_equal(tensor, again[name])
    assert any(not np.array_equal(tensor, other[name]) for name, tensor in first.items())


def test_siren_starts_as_its_paper_says() -> None:
    """Bounds of the uniform distributions, and activations of about the same spread in every layer."""
    tensors = initialised(Siren()).tensors()
    expected = {"0.weight": 1 / 2, "2.weight": (6 / 256) ** 0.5 / 30, "8.weight": (6 / 256) ** 0.5 / 30}
    for name, bound in expected.items():
        assert 0.98 * bound < tensors[name].abs().max().item() <= bound
    assert tensors["2.bias"].abs().max().item() <= 1 / 16
    network = initialised(Siren())
    x = torch.rand(2000, 2, generator=torch.Generator().manual_seed(3)) * 2 - 1
    for layer, held in zip(network.network.layers[:-1], network.held(), strict=False):
        x = layer.forward(held, x)
        if type(layer).__name__ == "Sine":
            assert 0.55 < x.std().item() < 0.8


def test_hash_grid_starts_as_its_paper_says() -> None:
    tensors = initialised(MODELS.get("hashgrid")()).tensors()
    assert 0.99e-4 < tensors["0.table"].abs().max().item() <= 1e-4
    assert 0.95 * (6 / 96) ** 0.5 < tensors["1.weight"].abs().max().item() <= (6 / 96) ** 0.5
    assert torch.count_nonzero(tensors["1.bias"]) == 0
