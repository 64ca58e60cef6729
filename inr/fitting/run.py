"""Runs a training: clock, curve, events, previews, cancellation, checkpoints. What a step does is left to others."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import numpy as np

from inr.errors import DivergenceError, FitCancelledError
from inr.files import check_writable
from inr.fitting import checkpoint as checkpoints
from inr.fitting import observe
from inr.fitting.checkpoint import Checkpoint, CheckpointPolicy
from inr.fitting.events import CheckpointSaved, Event, Preview, Progress
from inr.fitting.trained import CurvePoint, FitReport
from inr.fitting.training import TrainedT, Training
from inr.samplers.base import Moment, Selection
from inr.signals.signal import Signal

POINTS = 40
"""Points of the curve over a budget in steps."""
GROWTH, LONGEST = 1.25, 0.05
"""A budget in seconds gets a point whenever the time has grown by this factor, or by this share of the budget."""
PREVIEW_SIDES = (32, 64, 128, 256)
"""Samples a side of the first previews, at most; all later ones are like the last."""
PREVIEW_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Between a preview and the next, at least."""
PREVIEW_SHARE = 0.01
"""Of the time of a fit that its previews may take."""
LONGEST_PAUSE = 10.0
"""Seconds without a preview or news, at most."""
NEWS_SECONDS, NEWS_SHARE = 0.5, 0.01
"""Between two pieces of such news, at least; and of the time of a fit that they may take."""

OVERRUN = 1.1
"""A fit that ends with a limit in seconds has taken up to this factor of it: its last step, its first."""


@dataclass(frozen=True)
class Idle:
    """A checkpoint leaves nothing to train.

    Attributes:
        path: of the checkpoint.
        step: steps that it holds.
        seconds: time that they took.
        beyond: limits of the budget that it is beyond, by name: "steps", "seconds".
    """

    path: Path
    step: int
    seconds: float
    beyond: dict[str, float]


@dataclass(frozen=True)
class Hooks:
    """What a caller wants of a running fit.

    Attributes:
        on_event: called with every event, in the fit's thread.
        cancelled: asked after every step; True ends the fit with `FitCancelledError`.
        checkpoint: where to save the state, or None.
        previews: True to send `Preview` events.
        on_idle: told when the checkpoint holds all that the budget allows, or more.
    """

    on_event: Callable[[Event], None] | None = None
    cancelled: Callable[[], bool] | None = None
    checkpoint: CheckpointPolicy | None = None
    previews: bool = False
    on_idle: Callable[[Idle], None] | None = None


def train(start: Callable[[], Training[TrainedT]], hooks: Hooks | None = None) -> TrainedT:
    """Run a training to the end of its budget.

    Args:
        start: makes the training; the time it takes counts.
        hooks: events, cancellation, checkpoints.

    Returns:
        What was learnt after the last step, with the report.

    Raises:
        InrError: what `start` raises.
        DivergenceError: the loss became infinite or not a number.
        FitCancelledError: `hooks.cancelled` said so; a checkpoint was written if wanted.
        CheckpointError: the checkpoint to resume from belongs to another training.
    """
    begun = time.perf_counter()
    return _Run(start(), hooks or Hooks(), begun).run()


class _Run(Generic[TrainedT]):
    """One training with all that is not a matter of its steps."""

    def __init__(self, training: Training[TrainedT], hooks: Hooks, begun: float) -> None:
        self._training, self._hooks = training, hooks
        self._signal, self._budget = training.signal, training.budget
        self._subset = observe.subset(training.signal, training.seed, training.on_grids)
        self._news_subset = observe.few(self._subset)
        self._digest = _digest(training.signal) if hooks.checkpoint else ""
        self._step = 0
        self._curve: list[CurvePoint] = []
        self._losses: list[float] = []
        elapsed = self._resume()
        self._resumed_at = self._step
        self._began = begun - elapsed
        self._saved = time.perf_counter()
        self._previews, self._preview_at = 0, 0.0
        self._news_at = time.perf_counter() + NEWS_SECONDS

    def run(self) -> TrainedT:
        reached = bool(self._curve) and self._curve[-1].step == self._step and self._target_reached()  # when resumed
        reached = reached or self._training.finished
        self._tell_if_idle(reached)
        while not reached and (self._step == 0 or self._budget.progress(self._step, self._seconds()) < 1):
            self._advance()
            self._preview_if_due()
            if self._point_due():
                self._observe()
                if self._target_reached():
                    break
            self._tell_if_due()
            self._save_if_due()
            if self._hooks.cancelled is not None and self._hooks.cancelled():
                self._save()
                kept = f"; {self._hooks.checkpoint.path} keeps it to go on from" if self._hooks.checkpoint else ""
                raise FitCancelledError(f"fit cancelled after {self._step} steps{kept}")
            reached = self._training.finished
        if not self._curve or self._curve[-1].step != self._step:
            self._observe()
        self._save()
        training = self._training
        report = FitReport(
            self._step, self._seconds(), training.backend, training.seed, tuple(self._curve), training.search
        )
        return training.trained(report)

    def _advance(self) -> None:
        budget = self._budget
        progress = budget.progress(self._step, self._seconds() if budget.seconds else 0.0)
        loss = self._training.step(Moment(self._step, progress, budget.steps))
        self._step += 1
        if not math.isfinite(loss):
            raise DivergenceError(f"fit diverged at step {self._step}: the loss is {loss}; {self._training.remedy}")
        self._losses.append(loss)

    def _point_due(self) -> bool:
        budget = self._budget
        if budget.steps is not None or budget.seconds is None:
            return self._step % max(1, (budget.steps or 0) // POINTS) == 0
        last = self._curve[-1].seconds if self._curve else 0.0
        return self._seconds() >= min(last * GROWTH, last + budget.seconds * LONGEST)

    def _observe(self) -> None:
        """Add a point to the curve and tell about it."""
        with self._clock_stopped() as seconds:
            point = self._measured(seconds, self._subset)
            self._losses.clear()
            self._curve.append(point)
            self._tell(point)

    def _measured(self, seconds: float, chosen: Selection) -> CurvePoint:
        loss = float(np.mean(self._losses)) if self._losses else math.inf
        psnr = self._training.psnr
        if psnr is None:
            psnr = observe.subset_psnr(self._training.seen(), self._signal, chosen)
        return CurvePoint(self._step, seconds, loss, psnr)

    def _tell(self, point: CurvePoint) -> None:
        share, left = self._budget.progress(point.step, point.seconds), self._training.steps_left
        if left is not None:
            share = point.step / max(point.step + left, 1)
        if self._hooks.on_event is not None:
            seconds_left = point.seconds * (1 / max(share, 1e-9) - 1)
            self._hooks.on_event(Progress(point, share, seconds_left, self._training.bits))
        self._news_at = time.perf_counter() + NEWS_SECONDS

    def _tell_if_due(self) -> None:
        """Tell how far the fit is between two points of the curve, which may lie minutes apart."""
        began = time.perf_counter()
        if self._hooks.on_event is None or began < self._news_at:
            return
        with self._clock_stopped() as seconds:
            self._tell(self._measured(seconds, self._news_subset))
        now = time.perf_counter()
        self._news_at = now + _pause(NEWS_SECONDS, (now - began) / NEWS_SHARE)

    def _preview_if_due(self) -> None:
        """Show the first step at once, and then more and more, as long as it costs next to nothing."""
        began = time.perf_counter()
        if not self._hooks.previews or self._hooks.on_event is None or began < self._preview_at:
            return
        stage = min(self._previews, len(PREVIEW_SIDES) - 1)
        with self._clock_stopped():
            samples = observe.preview(self._training.field(), self._signal, PREVIEW_SIDES[stage])
            self._hooks.on_event(Preview(self._step, samples, self._signal.meta))
        now = time.perf_counter()
        self._previews += 1
        self._preview_at = now + _pause(PREVIEW_SECONDS[stage], (now - began) / PREVIEW_SHARE)

    def _target_reached(self) -> bool:
        """The subset says yes, and so does the whole signal."""
        target = self._budget.psnr
        if target is None or self._curve[-1].psnr < target:
            return False
        with self._clock_stopped():
            return observe.whole_psnr(self._training.seen(), self._signal) >= target

    def _resume(self) -> float:
        """Go on from a checkpoint if there is one; returns the seconds it took to get there."""
        policy = self._hooks.checkpoint
        if policy is None:
            return 0.0
        check_writable(policy.path)
        if not policy.resume or not policy.path.exists():
            return 0.0
        saved = checkpoints.load(policy.path)
        checkpoints.check_belongs(saved, self._training.identity, self._digest, policy.path)
        self._training.restore(saved.state)
        self._step = saved.step
        self._curve = list(saved.curve)
        self._losses = saved.losses
        return saved.seconds

    def _tell_if_idle(self, reached: bool) -> None:
        hooks, budget, seconds = self._hooks, self._budget, self._seconds()
        done = reached or budget.progress(self._step, seconds) >= 1
        if self._step == 0 or not done or hooks.on_idle is None or hooks.checkpoint is None:
            return
        most = {"steps": budget.steps, "seconds": budget.seconds}
        spent = {"steps": self._step, "seconds": seconds / OVERRUN}
        beyond = {name: limit for name, limit in most.items() if limit is not None and spent[name] > limit}
        hooks.on_idle(Idle(hooks.checkpoint.path, self._step, seconds, beyond))

    def _save_if_due(self) -> None:
        policy = self._hooks.checkpoint
        if policy is not None and self._due(self._saved, policy.every_seconds):
            self._save()

    def _save(self) -> None:
        policy = self._hooks.checkpoint
        if policy is None:
            return
        with self._clock_stopped() as seconds:
            training, curve = self._training, tuple(self._curve)
            saved = Checkpoint(
                training.identity, self._digest, self._step, seconds, curve, list(self._losses), training.state()
            )
            checkpoints.save(saved, policy.path)
        self._saved = time.perf_counter()
        if self._hooks.on_event is not None:
            self._hooks.on_event(CheckpointSaved(self._step, str(policy.path), self._step > self._resumed_at))

    def _seconds(self) -> float:
        """Time spent on choosing, initialising and training; curve, previews and checkpoints do not count."""
        return time.perf_counter() - self._began

    @contextmanager
    def _clock_stopped(self) -> Iterator[float]:
        """Keep what is done inside out of the time of the fit; yields that time."""
        now = time.perf_counter()
        yield now - self._began
        self._began += time.perf_counter() - now

    @staticmethod
    def _due(last: float, every_seconds: float) -> bool:
        return time.perf_counter() - last >= every_seconds


def _pause(shortest: float, fair: float) -> float:
    """Seconds until the next news: a fair share of time, but one that was held up must not silence a fit."""
    return max(shortest, min(fair, LONGEST_PAUSE))


def _digest(signal: Signal) -> str:
    """SHA-256 of the samples with their shape, type and transform, to tell whose checkpoint this is."""
    meta = signal.meta
    curve = () if meta.curve is None else (meta.curve,)
    digest = hashlib.sha256(repr((signal.samples.shape, meta.dtype, meta.value_range, meta.power, *curve)).encode())
    digest.update(np.ascontiguousarray(signal.samples).tobytes())
    return digest.hexdigest()
