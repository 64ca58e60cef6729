"""The fit loop: it learns, it is deterministic, it stops when told."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

import inr
from inr.backends.base import AbstractBackend
from inr.backends.select import BACKENDS, describe
from inr.backends.torch import TorchBackend
from inr.errors import BackendUnavailableError, DivergenceError, SpecError, UnknownComponentError
from inr.fitting import observe, run
from inr.fitting.events import Event, Preview, Progress
from inr.fitting.run import PREVIEW_SIDES, Hooks
from inr.fitting.schedules.constant import ConstantSchedule
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.models.base import ModelSpec
from inr.models.finr import FInr
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.rng import generator
from inr.samplers.block import BlockSampler, random_block
from inr.samplers.full import FullSampler
from inr.samplers.uniform import UniformSampler
from tests.support.default_backend import AUTO
from tests.support.domains import plain
from tests.support.small_fits import BATCH, GRID, SIREN, course, photo, pixels_of, psnr_of, same_bits, signal_of, spec

both_models = pytest.mark.parametrize("model", [SIREN, GRID], ids=lambda model: model.kind)


class Clock:
    """Stands in for the module `time`: every look at it takes 10 ms."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        self.now += 0.01
        return self.now


@both_models
def test_psnr_rises_and_is_the_one_reported(model: ModelSpec) -> None:
    fitted = fit(signal_of(photo()), spec(model, 120))
    curve = fitted.report.curve
    assert curve[-1].psnr > curve[0].psnr + 3
    assert curve[-1].loss < curve[0].loss / 2
    assert curve[-1].step == fitted.report.steps == 120
    assert curve[-1].psnr == pytest.approx(psnr_of(photo(), pixels_of(fitted)), abs=0.01)
    assert [p.step for p in curve] == sorted({p.step for p in curve})
    assert [p.seconds for p in curve] == sorted(p.seconds for p in curve)


def test_curve_of_a_separable_network_sees_the_whole_grid() -> None:
    model = FInr(rank=8, axis_model=Siren(width=16, depth=0))
    fitted = fit(signal_of(photo()), spec(model, 30, sampler=BlockSampler(batch=BATCH)))
    assert fitted.report.curve[-1].psnr == pytest.approx(psnr_of(photo(), pixels_of(fitted)), abs=0.01)


def test_curve_looks_at_a_block_of_a_large_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "GRID_SUBSET", 24 * 24)
    model = FInr(rank=8, axis_model=Siren(width=16, depth=0))
    fitted = fit(signal_of(photo()), spec(model, 30, sampler=BlockSampler(batch=BATCH)))
    rows, columns = random_block((48, 48), 24 * 24, generator(0, "curve")).axes
    assert (len(rows), len(columns)) == (24, 24)
    block = np.ix_(rows, columns)
    expected = psnr_of(photo()[block], pixels_of(fitted)[block])
    assert fitted.report.curve[-1].psnr == pytest.approx(expected, abs=0.02)


@both_models
def test_seed_decides_everything(model: ModelSpec) -> None:
    signal = signal_of(photo())
    first, again = fit(signal, spec(model, 25, seed=7)), fit(signal, spec(model, 25, seed=7))
    assert same_bits(first, again)
    assert course(first) == course(again)
    other = fit(signal, spec(model, 25, seed=8))
    assert not same_bits(first, other)
    assert all(np.isfinite(tensor).all() for tensor in other.tensors.values())


@both_models
def test_same_bits_with_two_threads(model: ModelSpec) -> None:
    signal, wanted = signal_of(photo()), spec(model, 3, sampler=UniformSampler(batch=2304))
    torch.set_num_threads(2)
    try:
        assert same_bits(fit(signal, wanted), fit(signal, wanted))
    finally:
        torch.set_num_threads(1)


@both_models
def test_spec_through_json_gives_the_same_bits(model: ModelSpec) -> None:
    signal = signal_of(photo())
    wanted = spec(
        model, 12, seed=2**62 + 1, optimiser=Adam(learning_rate=3e-3, beta_2=0.97), schedule=ConstantSchedule()
    )
    read = FitSpec.from_json(wanted.to_json())
    assert read == wanted
    assert same_bits(fit(signal, wanted), fit(signal, read))


def test_every_setting_changes_the_result() -> None:
    signal, plain = signal_of(photo()), spec(SIREN, 12)
    others = [
        plain.replace(optimiser=Adam(learning_rate=2e-3)),
        plain.replace(optimiser=Adam(beta_1=0.5)),
        plain.replace(schedule=ConstantSchedule()),
        plain.replace(sampler=UniformSampler(batch=128)),
        plain.replace(sampler=FullSampler()),
        plain.replace(seed=1),
    ]
    reference = fit(signal, plain)
    assert [same_bits(reference, fit(signal, other)) for other in others] == [False] * len(others)


def test_batch_larger_than_the_picture_is_the_whole_picture() -> None:
    signal = signal_of(photo(16))
    exact = fit(signal, spec(SIREN, 10, sampler=UniformSampler(batch=256)))
    larger = fit(signal, spec(SIREN, 10, sampler=UniformSampler(batch=2**24)))
    assert exact.report.curve[-1].psnr > 5
    assert same_bits(exact, larger)


def test_result_is_what_the_layout_says() -> None:
    signal = signal_of(photo()[:, :30, :1])
    fitted = fit(signal, spec(GRID, 2))
    layout = GRID.layout(plain(2), 1)
    assert {t.name: t.shape for t in layout} == {name: tensor.shape for name, tensor in fitted.tensors.items()}
    assert {tensor.dtype for tensor in fitted.tensors.values()} == {np.dtype(np.float32)}
    assert (fitted.channels, fitted.domain, fitted.meta) == (1, signal.domain, signal.meta)
    assert (fitted.report.backend, fitted.report.seed) == (AUTO, 0)


def test_global_state_is_left_alone() -> None:
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)

    def state() -> tuple[Any, ...]:
        numpy_state: Any = np.random.get_state()  # noqa: NPY002
        return (
            random.getstate(),
            numpy_state[1].tobytes(),
            torch.get_rng_state().numpy().tobytes(),
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_grad_enabled(),
            torch.get_default_device(),
        )

    before = state()
    first = fit(signal_of(photo(16)), spec(SIREN, 5))
    assert state() == before
    torch.rand(3)
    assert same_bits(first, fit(signal_of(photo(16)), spec(SIREN, 5)))


def test_events_arrive_in_order() -> None:
    events: list[Event] = []
    picture = np.tile(photo(), (3, 5, 1))
    fit(signal_of(picture), spec(SIREN, 30), Hooks(on_event=events.append, previews=True))
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.point.step for event in progress] == list(range(1, 31))
    assert [event.share for event in progress] == pytest.approx([step / 30 for step in range(1, 31)])
    assert all(event.seconds_left >= 0 for event in progress)
    assert progress[-1].seconds_left == 0
    previews = [event for event in events if isinstance(event, Preview)]
    assert len(previews) >= 1
    assert previews[0].step == 1
    assert previews[0].samples.shape == (18, 30, 3)
    assert max(previews[0].samples.shape) <= PREVIEW_SIDES[0]
    assert previews[0].samples.dtype == np.uint8


def test_previews_come_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    clock = Clock()
    began = clock.now
    monkeypatch.setattr(run, "time", clock)
    monkeypatch.setattr(run, "PREVIEW_SECONDS", (0.5,) * 4)
    monkeypatch.setattr(run, "PREVIEW_SHARE", 1.0)
    fit(signal_of(photo(16)), spec(SIREN, 60), Hooks(on_event=events.append, previews=True))
    steps = [event.step for event in events if isinstance(event, Preview)]
    assert clock.now - began > 1
    assert 2 <= len(steps) <= (clock.now - began) / 0.5 + 1
    assert steps == sorted(set(steps))


def test_no_previews_unless_wanted() -> None:
    events: list[Event] = []
    fit(signal_of(photo(16)), spec(SIREN, 5), Hooks(on_event=events.append))
    assert len(events) == 5
    assert all(isinstance(event, Progress) for event in events)


def test_budget_in_seconds_stops_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "time", Clock())
    shares: list[float] = []
    hooks = Hooks(on_event=lambda event: shares.append(event.share) if isinstance(event, Progress) else None)
    fitted = fit(signal_of(photo(16)), spec(SIREN, 1, budget=Budget(seconds=3.0)), hooks)
    assert 3.0 <= fitted.report.seconds < 3.2
    assert fitted.report.steps > 20
    assert shares[-1] == 1
    assert all(0 < share <= 1 for share in shares)


def test_measuring_takes_no_time_of_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that takes 5 s a point leaves the budget as it is; the curve gets dense early and even points."""
    clock = Clock()
    monkeypatch.setattr(run, "time", clock)

    def slow(event: Event) -> None:
        clock.now += 5

    fitted = fit(signal_of(photo(16)), spec(SIREN, 1, budget=Budget(seconds=4.0)), Hooks(on_event=slow))
    seconds = [point.seconds for point in fitted.report.curve]
    assert 4.0 <= fitted.report.seconds < 4.2
    assert fitted.report.steps > 60
    assert 20 <= len(seconds) <= 45
    gaps = [(later - earlier) / min(0.25 * earlier, 0.05 * 4) for earlier, later in pairwise(seconds)]
    assert all(gap > 0.999 for gap in gaps[:-1])  # the last point comes with the end
    assert all(later - earlier < 0.25 * earlier + 0.1 for earlier, later in pairwise(seconds))


def test_budget_in_seconds_of_a_real_clock() -> None:
    fitted = fit(signal_of(photo(16)), spec(SIREN, 1, budget=Budget(seconds=0.2)))
    assert fitted.report.seconds >= 0.2
    assert fitted.report.steps >= 1


def test_first_limit_ends_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "time", Clock())
    signal = signal_of(photo(16))
    by_steps = fit(signal, spec(SIREN, 1, budget=Budget(steps=5, seconds=1000)))
    by_time = fit(signal, spec(SIREN, 1, budget=Budget(steps=10**8, seconds=1)))
    assert by_steps.report.steps == 5
    assert 5 < by_time.report.steps < 100


@both_models
def test_target_psnr_ends_the_fit_early(model: ModelSpec) -> None:
    signal = signal_of(photo())
    fitted = fit(signal, spec(model, 4000, budget=Budget(steps=4000, psnr=15.0), schedule=ConstantSchedule()))
    assert fitted.report.steps < 3900
    assert psnr_of(photo(), pixels_of(fitted)) >= 15.0
    assert fitted.report.curve[-1].step == fitted.report.steps


def test_target_psnr_holds_for_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The curve sees a subset of a larger picture, which must not decide alone."""
    monkeypatch.setattr(observe, "subset_psnr", lambda field, signal, index: 99.0)
    signal = signal_of(photo())
    fitted = fit(signal, spec(GRID, 400, budget=Budget(steps=400, psnr=17.0), schedule=ConstantSchedule()))
    assert 10 < fitted.report.steps < 390
    assert psnr_of(photo(), pixels_of(fitted)) >= 17.0


def test_unreachable_psnr_ends_with_the_steps() -> None:
    fitted = fit(signal_of(photo(16)), spec(SIREN, 9, budget=Budget(steps=9, psnr=99.0)))
    assert fitted.report.steps == 9
    assert fitted.report.curve[-1].psnr < 99


def test_divergence_names_step_and_rate() -> None:
    deep = HashGridMlp(log2_hashmap_size=4, n_levels=2, finest_resolution=8, base_resolution=4, width=64, depth=8)
    wanted = spec(deep, 500, optimiser=Adam(learning_rate=10.0), schedule=ConstantSchedule())
    with pytest.raises(DivergenceError, match=r"diverged at step \d+: the loss is (nan|inf); .* rate below 10$"):
        fit(signal_of(photo(16)), wanted)


def test_unknown_backend_lists_the_known() -> None:
    with pytest.raises(UnknownComponentError, match="unknown backend 'abacus'; known: auto, native, tcnn, torch"):
        fit(signal_of(photo(16)), spec(SIREN, 2, backend="abacus"))


def test_missing_gpu_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendUnavailableError, match=r"torch: device cuda: .*no CUDA GPU; use --device cpu"):
        fit(signal_of(photo(16)), spec(SIREN, 2, device="cuda"))
    with pytest.raises(ImportError):
        fit(signal_of(photo(16)), spec(SIREN, 2, device="cuda", backend="torch"))


class PickyBackend(TorchBackend):  # type: ignore[misc]  # final: a stand-in that only refuses
    """Runs nothing, and says why."""

    kind = "picky"

    def unavailable(self, device: str) -> str | None:
        del device
        return "needs a machine that does not exist yet"


def test_unavailable_backend_says_why_and_auto_passes_it_over(monkeypatch: pytest.MonkeyPatch) -> None:
    picky: AbstractBackend = PickyBackend()
    table = {"picky": picky, **BACKENDS}
    monkeypatch.setattr("inr.backends.select.BACKENDS", table)
    with pytest.raises(BackendUnavailableError, match="backend picky: needs a machine that does not exist yet"):
        fit(signal_of(photo(16)), spec(SIREN, 2, backend="picky"))
    assert fit(signal_of(photo(16)), spec(SIREN, 2)).report.backend == AUTO
    rows = [(row.kind, row.available, row.reason) for row in describe()]
    assert rows[0] == ("picky", False, "needs a machine that does not exist yet")
    assert rows[-1] == ("torch", True, "")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Budget, "give steps or seconds"),
        (lambda: Budget(psnr=30.0), "give steps or seconds"),
        (lambda: Budget(steps=0), "steps"),
        (lambda: Budget(seconds=float("nan")), "seconds"),
        (lambda: spec(SIREN, 2, seed=-1), "seed"),
        (lambda: spec(SIREN, 2, device="tpu"), "device"),
        (lambda: FitSpec(model="sirren"), "unknown model 'sirren'; known: siren, hashgrid"),
        (lambda: FitSpec.from_json('{"model": "siren", "epochs": 3}'), "epochs"),
        (lambda: FitSpec.from_json("{}"), "model"),
        (lambda: FitSpec.from_json("{"), "JSON"),
    ],
)
def test_settings_that_make_no_sense(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make()


def test_spec_and_keywords_exclude_each_other() -> None:
    with pytest.raises(SpecError, match="not both"):
        inr.fit(photo(16).copy(), spec(SIREN, 2), steps=3)


def test_fit_of_the_package_takes_either() -> None:
    by_spec = inr.fit(photo(16).copy(), spec(SIREN, 2))
    assert by_spec.report.steps == 2
    by_words = inr.fit(photo(16).copy(), model="siren", steps=3, settings={"width": 4})
    assert (by_words.report.steps, by_words.model.kind) == (3, "siren")
    assert by_words.model.model_dump()["width"] == 4
