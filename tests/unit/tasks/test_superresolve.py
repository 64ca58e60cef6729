"""Super-resolution: the operator, its pull-back, and what a fit by it learns on either backend."""

from collections.abc import Sequence
from typing import final

import numpy as np
import pytest
import torch

from inr.backends.base import Field, Positions, PulledBatch, Values
from inr.backends.render import mesh, render
from inr.backends.select import BACKENDS
from inr.coders.weights.open import open_tensors
from inr.errors import BackendUnavailableError, SpecError
from inr.fitting import observe
from inr.fitting.spec import Budget
from inr.fitting.steps import fit
from inr.inits.default import DefaultInit
from inr.losses.mse import MeanSquaredError
from inr.models.bacon import Bacon
from inr.models.base import ModelSpec
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.samplers.base import Block, Moment, Points
from inr.signals.signal import Signal
from inr.tasks import superresolve
from inr.tasks.base import TASKS
from inr.tasks.fit import FitSamples
from inr.tasks.superresolve import SuperResolve
from tests.support.model_checks import initialised
from tests.support.small_fits import photo, psnr_of, signal_of, spec
from tests.support.torch_layers import told

SMALL = signal_of(photo(16))
MODEL = Siren(width=32, depth=1, omega_0=15.0)
RUNNING = [kind for kind, backend in BACKENDS.items() if backend.unavailable("cpu") is None]
each_running = pytest.mark.parametrize("backend", RUNNING)


def batch_of(weights: bool = False, signal: Signal = SMALL, factor: int = 2) -> tuple[PulledBatch, Points]:
    rng = np.random.default_rng(0)
    chosen = Points(
        rng.integers(0, signal.domain.size, 20), weights=rng.random(20, dtype=np.float32) if weights else None
    )
    batch = SuperResolve(factor=factor).start(signal, MeanSquaredError()).batch(chosen, Moment(0, 0.0))
    assert isinstance(batch, PulledBatch)
    return batch, chosen


@pytest.mark.parametrize("factor", [2, 3])
def test_points_are_the_parts_of_the_cells(factor: int) -> None:
    """The samples of the finer grid of the same box that lie in the cells, in C order within each."""
    batch, chosen = batch_of(factor=factor)
    fine = SMALL.domain.resized((16 * factor, 16 * factor))
    rows, columns = np.unravel_index(chosen.index, (16, 16))
    parts = [
        fine.coordinates(np.ravel_multi_index((rows * factor + y, columns * factor + x), fine.shape))
        for y in range(factor)
        for x in range(factor)
    ]
    np.testing.assert_allclose(batch.coordinates, np.stack(parts, axis=1).reshape(-1, 2), rtol=0, atol=1e-6)


@pytest.mark.parametrize("weights", [False, True])
def test_pull_back_is_the_derivative_of_its_loss(weights: bool) -> None:
    batch, chosen = batch_of(weights)
    values = np.random.default_rng(1).uniform(-1, 1, (80, 3)).astype(np.float32)
    loss, slopes = batch.pull_back(values)
    given = torch.from_numpy(values).double().requires_grad_()
    targets = torch.from_numpy(SMALL.targets(chosen.index)).double()
    losses = (given.reshape(20, 4, 3).mean(dim=1) - targets).square().mean(dim=1)
    own = losses if chosen.weights is None else losses * torch.from_numpy(chosen.weights)
    own.mean().backward()  # type: ignore[no-untyped-call]
    assert loss == pytest.approx(own.mean().item(), rel=1e-5)
    assert given.grad is not None
    np.testing.assert_allclose(slopes, given.grad.numpy(), rtol=1e-4, atol=1e-8)


def test_steps_of_the_kernels_are_those_of_torch() -> None:
    """Loss and parameters after three steps, on scattered samples and on a block."""
    task = SuperResolve().start(SMALL, MeanSquaredError())
    block = Block((np.arange(3, 9), np.arange(2, 12)))
    trainers = [
        BACKENDS[kind].trainer(*told(initialised(MODEL)), MeanSquaredError(), spec(MODEL, 1).optimiser, "cpu")
        for kind in RUNNING
    ]
    for selection in (Points(np.arange(0, 256, 3)), block, Points(np.arange(5, 256, 2))):
        losses = [trainer.step(task.batch(selection, Moment(0, 0.0)), 1e-3).loss for trainer in trainers]
        assert losses == pytest.approx([losses[0]] * len(losses), rel=1e-4)
    tensors = [trainer.tensors() for trainer in trainers]
    for name, tensor in tensors[0].items():
        for other in tensors[1:]:
            assert np.median(np.abs(tensor - other[name])) < 1e-5


@each_running
def test_a_field_learns_the_finer_picture(backend: str) -> None:
    """From 24 x 24 means of a photo, decoded at 48 x 48: better than from the same numbers taken as points."""
    fine = photo(48)
    coarse = np.rint(fine.reshape(24, 2, 24, 2, 3).mean(axis=(1, 3))).astype(np.uint8)
    signal = signal_of(coarse)
    quality = {}
    for task in (SuperResolve(), FitSamples()):
        fitted = fit(signal, spec(Siren(width=64, depth=2), 400, task=task, backend=backend))
        psnr = [point.psnr for point in fitted.report.curve]
        assert psnr[-1] > psnr[0] + 5
        *_, field = open_tensors(fitted.model, fitted.tensors, fitted.domain, 3, backend)
        quality[task.kind] = psnr_of(fine, render(field, signal.domain.resized((48, 48)), signal.meta, 3))
    assert quality["superresolve"] > quality["fit"] + 0.3
    assert quality["superresolve"] > 20


def test_seen_field_is_the_mean_over_cells() -> None:
    task = SuperResolve(factor=3).start(SMALL, MeanSquaredError())
    field = BACKENDS["torch"].field(*told(initialised(MODEL)), "cpu")
    seen = task.seen(field)
    fine = SMALL.domain.resized((48, 48))
    values = field.grid([fine.axis_coordinates(axis) for axis in (0, 1)])
    expected = values.reshape(16, 3, 16, 3, 3).mean(axis=(1, 3)).reshape(-1, 3)
    axes = [SMALL.domain.axis_coordinates(axis) for axis in (0, 1)]
    np.testing.assert_allclose(seen.grid(axes), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(seen(SMALL.domain.coordinates(np.arange(256))), expected, rtol=0, atol=1e-5)


def test_a_fit_that_stops_at_a_psnr_measures_what_the_task_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the whole picture as on the curve."""
    measured: list[tuple[str, float]] = []
    whole = observe.whole_psnr

    def noted(field: Field, signal: Signal) -> float:
        measured.append((type(field).__name__, whole(field, signal)))
        return measured[-1][1]

    monkeypatch.setattr(observe, "whole_psnr", noted)
    fitted = fit(SMALL, spec(MODEL, 2000, task="superresolve", budget=Budget(steps=2000, psnr=18.0)))
    assert fitted.report.steps < 2000
    assert measured[-1][0] == "_SeenField"
    assert measured[-1][1] == pytest.approx(fitted.report.curve[-1].psnr, abs=0.01)


@final
class Counting:
    """A field that notes how many points it is asked for at once, along each axis of a grid."""

    def __init__(self) -> None:
        self.points: list[int] = []
        self.grids: list[tuple[int, ...]] = []

    def __call__(self, coordinates: Positions) -> Values:
        self.points.append(len(coordinates))
        values: Values = np.sin(3 * coordinates @ np.array([[1.0], [2.0]])).astype(np.float32)
        return values

    def grid(self, axes: Sequence[Positions]) -> Values:
        self.grids.append(tuple(len(x) for x in axes))
        values = self(mesh([x.astype(np.float32) for x in axes]))
        self.points.pop()
        return values


def test_what_is_seen_is_evaluated_in_pieces_and_on_a_grid_as_a_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same values; a piece has at most so many points, or those of one cell."""
    axes = [SMALL.domain.axis_coordinates(axis) for axis in (0, 1)]
    points = SMALL.domain.coordinates(np.arange(256))
    whole = Counting()
    seen = SuperResolve(factor=3).start(SMALL, MeanSquaredError()).seen(whole)
    expected = seen.grid(axes)
    assert (whole.grids, whole.points) == ([(48, 48)], [])
    np.testing.assert_allclose(seen(points), expected, rtol=0, atol=1e-6)
    assert whole.points == [256 * 9]
    for piece, most in ((200, 200), (5, 9)):
        monkeypatch.setattr(superresolve, "PIECE", piece)
        cut = Counting()
        seen = SuperResolve(factor=3).start(SMALL, MeanSquaredError()).seen(cut)
        np.testing.assert_allclose(seen.grid(axes), expected, rtol=0, atol=1e-6)
        assert cut.points == []
        assert max(rows * columns for rows, columns in cut.grids) <= most
        np.testing.assert_allclose(seen(points), expected, rtol=0, atol=1e-6)
        assert max(cut.points) <= most
        assert seen(points[:0]).shape == (0, 1)


def test_auto_goes_on_to_a_backend_that_runs_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels take a pull-back of one output alone."""
    monkeypatch.delenv("INR_BACKEND", raising=False)
    bacon = Bacon.EXAMPLES[0]
    assert fit(SMALL, spec(bacon, 2, task="superresolve", device="cpu")).report.backend == "torch"
    if "native" in RUNNING:
        assert fit(SMALL, spec(MODEL, 2, task="superresolve", device="cpu")).report.backend == "native"
        with pytest.raises(BackendUnavailableError, match=r"backend native: a network of . outputs needs steps with"):
            fit(SMALL, spec(bacon, 2, task="superresolve", backend="native", device="cpu"))


def test_a_network_that_sees_its_targets_is_refused_before_anything_is_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[ModelSpec] = []

    def prepare(self: DefaultInit, model: ModelSpec, signal: Signal, seed: int) -> tuple[ModelSpec, None]:
        searched.append(model)
        return model, None

    monkeypatch.setattr(DefaultInit, "prepare", prepare)
    iterative = IterativeInr.EXAMPLES[0]
    with pytest.raises(
        SpecError, match=r"task superresolve, model iterative: .* needs steps with targets; use task fit"
    ):
        fit(SMALL, spec(iterative, 2, task="superresolve"))
    assert searched == []
    fit(SMALL, spec(iterative, 2))
    assert searched == [iterative]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SpecError, match="superresolve: factor"):
        SuperResolve(factor=1)
    with pytest.raises(SpecError, match="a step without targets has no residuals"):
        fit(SMALL, spec(MODEL, 5, task="superresolve", sampler="evos"))
    assert TASKS.make("superresolve:factor=3") == SuperResolve(factor=3)
