"""Cross-frequency supervision: the formula by autograd, what it remembers, and fits by it on every backend."""

from typing import Any

import numpy as np
import pytest
import torch

from inr.backends.base import PulledBatch
from inr.backends.select import BACKENDS
from inr.errors import BackendUnavailableError, FitCancelledError, SpecError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks
from inr.fitting.steps import fit
from inr.losses.base import LOSSES
from inr.losses.cross_frequency import CrossFrequency
from inr.losses.mse import MeanSquaredError
from inr.models.bacon import Bacon
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.samplers.base import Block, Moment, Points
from inr.samplers.evos import EvosSampler
from inr.tasks.fit import FitSamples
from inr.tasks.superresolve import SuperResolve
from tests.support.sampler_drive import signal_of_samples
from tests.support.small_fits import photo, same_bits, signal_of, spec

SIDE = 16
SIGNAL = signal_of(photo(SIDE))
ALL = np.arange(SIDE * SIDE)
MODEL = Siren(width=32, depth=1, omega_0=15.0)
RUNNING = [kind for kind, backend in BACKENDS.items() if backend.unavailable("cpu") is None]
each_running = pytest.mark.parametrize("backend", RUNNING)


def values_of(seed: int, n: int = SIDE * SIDE) -> Any:
    """Some beyond the range, where a decoded picture does not follow them."""
    return np.random.default_rng(seed).uniform(-1.3, 1.3, (n, 3)).astype(np.float32)


def reference(index: Any, values: Any, others: Any, detail: float) -> tuple[float, Any]:
    """Loss and derivative in torch, in the steps of the released code.

    The whole picture is decoded to 0..255, with the step's values pasted in, and its Laplacian is compared with that of
    the original, at the samples of the step.
    """
    kernel = torch.tensor([[[[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]]], dtype=torch.float64)
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)

    def laplacian(picture: torch.Tensor) -> torch.Tensor:
        decoded = ((picture + 1) / 2 * 255).clamp(0, 255)
        gray = (decoded @ weights).reshape(1, 1, SIDE, SIDE)
        return torch.nn.functional.conv2d(gray, kernel, padding=1).reshape(-1)

    given = torch.from_numpy(values).double().requires_grad_()
    targets = torch.from_numpy(SIGNAL.targets(ALL)).double()
    chosen = torch.from_numpy(index)
    pasted = torch.from_numpy(others).double().index_put((chosen,), given)
    wrong = (laplacian(pasted) - laplacian(targets)).square()[chosen]
    loss = (given - targets[chosen]).square().mean() + detail * wrong.mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    return loss.item(), given.grad.numpy()


@pytest.mark.parametrize("cache", ["full", "rolling"])
def test_loss_and_derivative_are_those_of_the_decoded_picture(cache: Any) -> None:
    """On all samples, then on parts: with what a full step, or else the last step there, has seen around them."""
    loss = CrossFrequency(cache=cache).over(SIGNAL)
    seen = values_of(0)
    rng = np.random.default_rng(5)
    parts = [ALL, rng.permutation(256)[:100], np.arange(17), rng.permutation(256)[:200]]
    for number, index in enumerate(parts):
        values = seen if number == 0 else values_of(number, len(index))
        found, slopes = loss.evaluate(index, values, 0.1)
        expected, gradient = reference(index, values, seen, 1e-5)
        assert found == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(slopes, gradient, rtol=1e-3, atol=1e-7)
        assert slopes.dtype == np.float32
        if cache == "rolling":
            seen = seen.copy()
            seen[index] = values


def test_second_term_ends_after_a_share_of_the_fit_but_on_all_samples() -> None:
    loss = CrossFrequency(until=0.3).over(SIGNAL)
    part = np.arange(0, 256, 2)
    plain = float(np.square(values_of(1, 128) - SIGNAL.targets(part)).mean())
    loss.evaluate(ALL, values_of(0), 0.0)
    assert loss.evaluate(part, values_of(1, 128), 0.29)[0] > plain + 0.01
    assert loss.evaluate(part, values_of(1, 128), 0.3)[0] == pytest.approx(plain, rel=1e-6)
    whole = float(np.square(values_of(2) - SIGNAL.targets(ALL)).mean())
    assert loss.evaluate(ALL, values_of(2), 0.9)[0] > whole + 0.01


def test_neighbours_that_no_step_has_asked_for_count_nothing() -> None:
    """A full row has no neighbour above; of a block of 6 x 6 samples the inner 4 x 4 have all of theirs."""
    loss = CrossFrequency(cache="rolling").over(SIGNAL)
    block = Block((np.arange(5, 11), np.arange(3, 9))).flat_index((SIDE, SIDE))
    values = values_of(3, 36)
    found, _ = loss.evaluate(block, values, 0.0)
    everywhere = SIGNAL.targets(ALL).copy()
    everywhere[block] = values
    inner = np.zeros((6, 6), dtype=bool)
    inner[1:5, 1:5] = True
    gray = (np.clip(values, -1, 1) - SIGNAL.targets(block)) @ np.array([0.299, 0.587, 0.114]) * 127.5
    padded = np.pad(gray.reshape(6, 6), 1)
    wrong = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * padded[1:-1, 1:-1]
    plain = float(np.square(values - SIGNAL.targets(block)).mean())
    assert found == pytest.approx(plain + 1e-5 * float(np.square(wrong[inner]).mean()), rel=1e-4)
    lone = np.arange(0, 256, 9)
    assert CrossFrequency().over(SIGNAL).evaluate(lone, values_of(4, len(lone)), 0.0)[0] == pytest.approx(
        float(np.square(values_of(4, len(lone)) - SIGNAL.targets(lone)).mean()), rel=1e-6
    )


def test_without_weight_it_is_the_squared_error() -> None:
    loss = CrossFrequency(detail=0.0).over(SIGNAL)
    found, slopes = loss.evaluate(ALL, values_of(0), 0.0)
    expected = MeanSquaredError().derivative(values_of(0), SIGNAL.targets(ALL))
    assert found == pytest.approx(float(expected[0].mean()), rel=1e-6)
    np.testing.assert_allclose(slopes, expected[1] / 256, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("shape", [(40, 1), (6, 5, 4, 2)], ids=str)
def test_signals_of_other_axes_have_a_derivative_too(shape: tuple[int, ...]) -> None:
    """By differences: a sequence, and a video of two channels."""
    signal = signal_of_samples(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    n = signal.domain.size
    values = np.random.default_rng(1).uniform(-0.9, 0.9, (n, shape[-1])).astype(np.float32)
    loss = CrossFrequency(detail=1e-3).over(signal)
    base, slopes = loss.evaluate(np.arange(n), values, 0.0)
    for place in ((0, 0), (n // 2, shape[-1] - 1), (n - 1, 0)):
        moved = values.copy()
        moved[place] += np.float32(0.05)
        back = values.copy()
        back[place] -= np.float32(0.05)
        rise = loss.evaluate(np.arange(n), moved, 0.0)[0] - loss.evaluate(np.arange(n), back, 0.0)[0]
        assert rise / 0.1 == pytest.approx(float(slopes[place]), rel=1e-2)
    assert base > 0


def test_steps_tell_residuals_where_they_are_wanted() -> None:
    """EVOS needs them; they are those of the values before the step, on every backend."""
    task = FitSamples().start(SIGNAL, CrossFrequency())
    batch = task.batch(Points(ALL[::3]), Moment(0, 0.0))
    assert isinstance(batch, PulledBatch)
    network = MODEL.build(SIGNAL.domain, 3)
    tensors = network.initial(np.random.default_rng(0))
    results = [
        BACKENDS[kind]
        .trainer(network, tensors, CrossFrequency(), spec(MODEL, 1).optimiser, "cpu")
        .step(batch, 1e-3, "residuals")
        for kind in RUNNING
    ]
    expected = BACKENDS["torch"].field(network, tensors, "cpu")(batch.coordinates) - SIGNAL.targets(ALL[::3])
    for result in results:
        assert result.residuals is not None
        np.testing.assert_allclose(result.residuals, expected, atol=1e-4)
        assert result.loss == pytest.approx(results[0].loss, rel=1e-4)


@each_running
def test_published_evos_is_reachable_and_goes_on_from_its_checkpoint(backend: str, tmp_path: Any) -> None:
    wanted = spec(
        MODEL,
        40,
        sampler="evos:cache=full,batch=none,interval=8",
        loss="cross_frequency:cache=full",
        backend=backend,
        device="cpu",
    )
    assert wanted.sampler == EvosSampler(cache="full", batch=None, interval=8)
    assert wanted.loss == CrossFrequency(cache="full")
    whole = fit(SIGNAL, wanted)
    assert whole.report.backend == backend
    assert whole.report.curve[-1].psnr > whole.report.curve[0].psnr + 1
    policy = CheckpointPolicy(tmp_path / "fit.ckpt")
    remaining = iter(range(12))
    with pytest.raises(FitCancelledError):
        fit(SIGNAL, wanted, Hooks(cancelled=lambda: next(remaining, None) is None, checkpoint=policy))
    assert same_bits(whole, fit(SIGNAL, wanted, Hooks(checkpoint=policy)))


def test_auto_goes_on_to_a_backend_that_can_and_others_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INR_BACKEND", raising=False)
    bacon = Bacon.EXAMPLES[0]
    fitted = fit(SIGNAL, spec(bacon, 3, loss="cross_frequency", sampler="evos:batch=64", device="cpu"))
    assert fitted.report.backend == "torch"
    if "native" in RUNNING:
        with pytest.raises(BackendUnavailableError, match=r"backend native: a network of . outputs"):
            fit(SIGNAL, spec(bacon, 3, loss="cross_frequency", backend="native", device="cpu"))


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    with pytest.raises(SpecError, match=r"loss cross_frequency, model iterative: .* use task fit"):
        fit(SIGNAL, spec(IterativeInr.EXAMPLES[0], 2, loss="cross_frequency"))
    with pytest.raises(SpecError, match="sampler soft: loss cross_frequency gives no gradients by coordinates"):
        fit(SIGNAL, spec(MODEL, 2, loss="cross_frequency", sampler="soft"))
    with pytest.raises(SpecError, match=r"superresolve: loss cross_frequency: .*; use task fit"):
        SuperResolve().start(SIGNAL, CrossFrequency())
    with pytest.raises(SpecError, match="loss mse: is one of points"):
        MeanSquaredError().over(SIGNAL)
    with pytest.raises(SpecError, match=r"cross_frequency: until: .*; got 2"):
        LOSSES.make("cross_frequency:until=2")
