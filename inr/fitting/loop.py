"""The fit loop: it knows samples, steps and time, and leaves the arithmetic to a backend."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inr.backends.base import AbstractTrainer, Field, GridBatch, Resources, SampleBatch, Values
from inr.backends.render import render
from inr.backends.select import select
from inr.container.limits import MAX_PARAMETERS
from inr.errors import DivergenceError, FitCancelledError, SpecError
from inr.files import check_writable
from inr.fitted import CurvePoint, FitReport, FittedField
from inr.fitting import checkpoint as checkpoints
from inr.fitting.checkpoint import Checkpoint, CheckpointPolicy
from inr.fitting.events import CheckpointSaved, Event, Preview, Progress
from inr.fitting.spec import FitSpec
from inr.metrics.psnr import psnr, reported
from inr.models.base import ModelSpec
from inr.rng import derive_seed, generator
from inr.samplers.base import Block, FlatIndex, Moment, Points, Selection
from inr.samplers.block import random_block
from inr.signals.signal import Samples, Signal, denormalise

POINTS = 40
"""Points of the curve over a budget in steps."""
GROWTH, LONGEST = 1.25, 0.05
"""A budget in seconds gets a point whenever the time has grown by this factor, or by this share of the budget."""
SUBSET = 32_768
"""Samples that a point of the curve looks at."""
GRID_SUBSET = 2**19
"""The same for a separable network, to which whole grids are cheap and scattered points are not."""
PREVIEW_SIDES = (32, 64, 128, 256)
"""Samples a side of the first previews, at most; all later ones are like the last."""
PREVIEW_SECONDS = (0.5, 1.0, 2.0, 5.0)
"""Between a preview and the next, at least."""
PREVIEW_SHARE = 0.01
"""Of the time of a fit that its previews may take."""
NEWS_SUBSET = 4_096
"""Samples that the quality between two points of the curve is told from."""
LONGEST_PAUSE = 10.0
"""Seconds without a preview or news, at most."""
NEWS_SECONDS, NEWS_SHARE = 0.5, 0.01
"""Between two pieces of such news, at least; and of the time of a fit that they may take."""


@dataclass(frozen=True)
class Hooks:
    """What a caller wants of a running fit.

    Attributes:
        on_event: called with every event, in the fit's thread.
        cancelled: asked after every step; True ends the fit with `FitCancelledError`.
        checkpoint: where to save the state, or None.
        previews: True to send `Preview` events.
    """

    on_event: Callable[[Event], None] | None = None
    cancelled: Callable[[], bool] | None = None
    checkpoint: CheckpointPolicy | None = None
    previews: bool = False


def fit(signal: Signal, spec: FitSpec, hooks: Hooks | None = None) -> FittedField:
    """Fit a field to a signal.

    Args:
        signal: what to fit.
        spec: all settings.
        hooks: events, cancellation, checkpoints.

    Returns:
        The parameters after the last step and the report.

    Raises:
        SpecError: settings that contradict each other or the signal.
        BackendUnavailableError: the backend cannot run here, or not this model.
        DivergenceError: the loss became infinite or not a number.
        FitCancelledError: `hooks.cancelled` said so; a checkpoint was written if wanted.
        CheckpointError: the checkpoint to resume from belongs to another fit.
    """
    return _Run(signal, spec, hooks or Hooks()).run()


class _Run:
    """One fit: its state between steps."""

    def __init__(self, signal: Signal, spec: FitSpec, hooks: Hooks) -> None:
        begun = time.perf_counter()
        self._signal, self._spec, self._hooks = signal, spec, hooks
        spec.model.check(signal.domain, signal.channels)
        _check_parameters(spec.model, signal)
        self._model, self._search = spec.init.prepare(spec.model, signal, derive_seed(spec.seed, "search"))
        network = self._model.build(signal.domain.ndim, signal.channels)
        generator = torch.Generator().manual_seed(derive_seed(spec.seed, "init"))
        spec.init.apply(self._model, network, signal, generator)
        spec.reparam.apply(self._model, network, generator)
        self._backend = select(spec.backend, network, spec.device)
        self._trainer: AbstractTrainer = self._backend.trainer(
            network,
            spec.loss,
            spec.optimiser,
            spec.device,
            derive_seed(spec.seed, "training"),
            Resources(spec.threads, spec.half),
        )
        self._sampler = spec.sampler.start(signal, derive_seed(spec.seed, "sampler"), self._residuals)
        self._subset = _subset(signal, spec.seed, separable=network.contraction is not None)
        self._news_subset = _few(self._subset)
        self._digest = _digest(signal) if hooks.checkpoint else ""
        self._whole: GridBatch | None = None
        self._step = 0
        self._curve: list[CurvePoint] = []
        self._losses: list[float] = []
        elapsed = self._resume()
        self._resumed_at = self._step
        self._began = begun - elapsed
        self._saved = time.perf_counter()
        self._previews, self._preview_at = 0, 0.0
        self._news_at = time.perf_counter() + NEWS_SECONDS

    def run(self) -> FittedField:
        budget = self._spec.budget
        reached = bool(self._curve) and self._curve[-1].step == self._step and self._target_reached()  # when resumed
        while not reached and (self._step == 0 or budget.progress(self._step, self._seconds()) < 1):
            self._train()
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
        if not self._curve or self._curve[-1].step != self._step:
            self._observe()
        self._save()
        report = FitReport(
            self._step, self._seconds(), self._backend.kind, self._spec.seed, tuple(self._curve), self._search
        )
        signal = self._signal
        return FittedField(self._model, self._trainer.tensors(), signal.channels, signal.domain, signal.meta, report)

    def _train(self) -> None:
        spec = self._spec
        progress = spec.budget.progress(self._step, self._seconds() if spec.budget.seconds else 0.0)
        moment = Moment(self._step, progress, spec.budget.steps)
        selection = self._sampler.select(moment)
        rate = spec.learning_rate * spec.schedule.factor(progress)
        result = self._trainer.step(self._batch(selection), rate, self._sampler.wants)
        if result.residuals is not None:
            self._sampler.observe(moment, selection, result.residuals, result.gradients)
        self._step += 1
        if not math.isfinite(result.loss):
            raise DivergenceError(
                f"fit diverged at step {self._step}: the loss is {result.loss}; "
                f"use a learning rate below {spec.learning_rate:g}"
            )
        self._losses.append(result.loss)

    def _batch(self, selection: Selection) -> SampleBatch | GridBatch:
        """What the sampler chose; coordinates and targets of the whole grid are made once."""
        signal, domain = self._signal, self._signal.domain
        if isinstance(selection, Points):
            return SampleBatch(signal, selection.index, selection.offsets, selection.weights)
        whole = tuple(len(axis) for axis in selection.axes) == domain.shape
        if whole and self._whole is not None:
            return self._whole
        batch = GridBatch(domain.block_coordinates(selection.axes), signal.block_targets(selection.axes))
        self._whole = batch if whole else None
        return batch

    def _residuals(self, index: FlatIndex) -> Values:
        """Output minus target at samples, by a forward pass over them."""
        values = self._trainer.field()(self._signal.domain.coordinates(index))
        return values - self._signal.targets(index)

    def _point_due(self) -> bool:
        budget = self._spec.budget
        if budget.steps is not None or budget.seconds is None:
            return self._step % max(1, (budget.steps or 0) // POINTS) == 0
        last = self._curve[-1].seconds if self._curve else 0.0
        return self._seconds() >= min(last * GROWTH, last + budget.seconds * LONGEST)

    def _observe(self) -> None:
        """Add a point to the curve and tell about it."""
        with self._clock_stopped() as seconds:
            field = self._trainer.field()
            loss = float(np.mean(self._losses)) if self._losses else math.inf
            self._losses.clear()
            quality = reported(_subset_psnr(field, self._signal, self._subset))
            point = CurvePoint(self._step, seconds, loss, quality)
            self._curve.append(point)
            self._tell(point)

    def _tell(self, point: CurvePoint) -> None:
        share = self._spec.budget.progress(point.step, point.seconds)
        if self._hooks.on_event is not None:
            self._hooks.on_event(Progress(point, share, point.seconds * (1 / max(share, 1e-9) - 1)))
        self._news_at = time.perf_counter() + NEWS_SECONDS

    def _tell_if_due(self) -> None:
        """Tell how far the fit is between two points of the curve, which may lie minutes apart."""
        began = time.perf_counter()
        if self._hooks.on_event is None or began < self._news_at:
            return
        with self._clock_stopped() as seconds:
            quality = reported(_subset_psnr(self._trainer.field(), self._signal, self._news_subset))
            loss = float(np.mean(self._losses)) if self._losses else math.inf
            self._tell(CurvePoint(self._step, seconds, loss, quality))
        now = time.perf_counter()
        self._news_at = now + _pause(NEWS_SECONDS, (now - began) / NEWS_SHARE)

    def _preview_if_due(self) -> None:
        """Show the first step at once, and then more and more, as long as it costs next to nothing."""
        began = time.perf_counter()
        if not self._hooks.previews or self._hooks.on_event is None or began < self._preview_at:
            return
        stage = min(self._previews, len(PREVIEW_SIDES) - 1)
        with self._clock_stopped():
            samples = _preview(self._trainer.field(), self._signal, PREVIEW_SIDES[stage])
            self._hooks.on_event(Preview(self._step, samples, self._signal.meta))
        now = time.perf_counter()
        self._previews += 1
        self._preview_at = now + _pause(PREVIEW_SECONDS[stage], (now - began) / PREVIEW_SHARE)

    def _target_reached(self) -> bool:
        """The subset says yes, and so does the whole signal."""
        target = self._spec.budget.psnr
        if target is None or self._curve[-1].psnr < target:
            return False
        signal = self._signal
        with self._clock_stopped():
            samples = render(self._trainer.field(), signal.domain, signal.meta, signal.channels)
        return psnr(signal.samples, samples, signal.meta.peak) >= target

    def _resume(self) -> float:
        """Go on from a checkpoint if there is one; returns the seconds it took to get there."""
        policy = self._hooks.checkpoint
        if policy is None:
            return 0.0
        check_writable(policy.path)
        if not policy.resume or not policy.path.exists():
            return 0.0
        saved = checkpoints.load(policy.path)
        checkpoints.check_belongs(saved, self._spec, self._digest, policy.path)
        self._trainer.restore(saved.state["trainer"])
        self._step = saved.step
        self._curve = list(saved.curve)
        self._losses = list(saved.state["losses"])
        self._sampler.restore(_arrays(saved.state["sampler"]))
        return saved.seconds

    def _save_if_due(self) -> None:
        policy = self._hooks.checkpoint
        if policy is not None and self._due(self._saved, policy.every_seconds):
            self._save()

    def _save(self) -> None:
        policy = self._hooks.checkpoint
        if policy is None:
            return
        with self._clock_stopped() as seconds:
            sampler = {
                name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
                for name, value in self._sampler.state().items()
            }
            state = {"trainer": self._trainer.state(), "losses": list(self._losses), "sampler": sampler}
            saved = Checkpoint(self._spec, self._digest, self._step, seconds, tuple(self._curve), state)
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


def _check_parameters(model: ModelSpec, signal: Signal) -> None:
    """Raise `SpecError` for a network that no file could hold, before it is allocated."""
    parameters = model.parameters(signal.domain.ndim, signal.channels)
    if parameters > MAX_PARAMETERS:
        raise SpecError(
            f"{model.kind}: these settings give {parameters} parameters; a file holds at most {MAX_PARAMETERS}"
        )


def _arrays(state: dict[str, Any]) -> dict[str, Any]:
    """Tensors of a checkpoint as the arrays they were made of."""
    return {name: value.numpy() if isinstance(value, torch.Tensor) else value for name, value in state.items()}


def _subset(signal: Signal, seed: int, separable: bool) -> Selection:
    """A fixed random subset of the samples for the curve."""
    n_samples = signal.domain.size
    if separable:
        return random_block(signal.domain.shape, GRID_SUBSET, generator(seed, "curve"))
    if n_samples <= SUBSET:
        return Points(np.arange(n_samples, dtype=np.int64))
    return Points(np.sort(generator(seed, "curve").integers(0, n_samples, SUBSET)))


def _pause(shortest: float, fair: float) -> float:
    """Seconds until the next news: a fair share of time, but one that was held up must not silence a fit."""
    return max(shortest, min(fair, LONGEST_PAUSE))


def _few(subset: Selection) -> Selection:
    """Some of a subset's points; a block, which is cheap, stays whole."""
    if isinstance(subset, Points) and len(subset.index) > NEWS_SUBSET:
        return Points(subset.index[:: -(-len(subset.index) // NEWS_SUBSET)])
    return subset


def _subset_psnr(field: Field, signal: Signal, subset: Selection) -> float:
    if isinstance(subset, Block):
        index = subset.flat_index(signal.domain.shape)
        values = field.grid(signal.domain.block_coordinates(subset.axes))
    else:
        index = subset.index
        values = field(signal.domain.coordinates(index))
    reference = signal.samples.reshape(-1, signal.channels)[index]
    return psnr(reference[None], denormalise(values, signal.meta)[None], signal.meta.peak)


def _preview(field: Field, signal: Signal, side: int) -> Samples:
    shrink = max(1, math.ceil(max(signal.domain.shape) / side))
    domain = signal.domain.resized(tuple(max(1, n // shrink) for n in signal.domain.shape))
    return render(field, domain, signal.meta, signal.channels)


def _digest(signal: Signal) -> str:
    """SHA-256 of the samples with their shape, type and transform, to tell whose checkpoint this is."""
    meta = signal.meta
    digest = hashlib.sha256(repr((signal.samples.shape, meta.dtype, meta.value_range, meta.power)).encode())
    digest.update(np.ascontiguousarray(signal.samples).tobytes())
    return digest.hexdigest()
