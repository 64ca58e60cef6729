"""One batch on its way through the engine, and what is asked of it."""

from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np

from inr import native
from inr.backends.base import (
    Coordinates,
    PointBatch,
    PulledBatch,
    Resources,
    SampleBatch,
    StepResult,
    Values,
    lesson_rows,
    lesson_width,
)
from inr.backends.lowering import Flat, Parameters, pulled_refusal
from inr.backends.native.field import INTEGERS, Evaluator, NativeField, engine_of, grid_of
from inr.errors import SpecError
from inr.layers.network import Network
from inr.losses.base import LossSpec
from inr.samplers.base import Wanted
from inr.signals.signal import Signal, normalise


@final
class Engines:
    """The engines of one network in training, and what they read.

    Attributes:
        network: what is trained and decoded.
        decoder: evaluates the network.
        lesson: evaluates what is trained, which is the network if that has no training graph.
    """

    def __init__(self, network: Network, parameters: Parameters, resources: Resources, seed: int) -> None:
        self.network, self._parameters, self._resources, self._seed = network, parameters, resources, seed
        self._graph = network.training_graph or network
        self.decoder = Evaluator(network, network, parameters, resources)
        self.lesson = Evaluator(network, self._graph, parameters, resources)
        self._engines: dict[bool, Any] = {}
        self._signal: tuple[Signal, Any, Any] | None = None

    def engine(self, d_in: int, d_out: int, gradient: bool) -> Any:
        """The engine that trains, with or without gradients of coordinates."""
        if gradient not in self._engines:
            width, parameters, resources = self.width(d_in, d_out), self._parameters, self._resources
            self._engines[gradient] = engine_of(self.network, self._graph, parameters, resources, width, True, gradient)
        return self._engines[gradient]

    @property
    def has_lesson(self) -> bool:
        """True if what is trained is not what is decoded."""
        return self.network.training_graph is not None

    def width(self, d_in: int, d_out: int) -> int:
        """Of the input of what is trained: coordinates alone, or with what a training graph wants."""
        return lesson_width(d_in, d_out) if self.has_lesson else d_in

    def rows(self, batch: PointBatch, step: int) -> Coordinates:
        """What is trained on: coordinates, and for a training graph targets and the random numbers of a step."""
        if not self.has_lesson:
            return np.ascontiguousarray(batch.coordinates, dtype=np.float32)
        return lesson_rows(batch.coordinates, batch.targets, self._seed, step)

    def source(self, signal: Signal) -> tuple[Any, Any] | None:
        """Grid and samples of a signal for the kernels, or None if they do not read such samples."""
        meta = signal.meta
        if meta.dtype not in INTEGERS and (meta.dtype != "float32" or meta.power is not None):
            return None
        if self._signal is None or self._signal[0] is not signal:
            domain = signal.domain
            cells = [(high - low) / n for n, (low, high) in zip(domain.shape, domain.box, strict=True)]
            grid = grid_of([domain.axis_coordinates(axis) for axis in range(domain.ndim)], cells)
            self._signal = (signal, grid, _source(signal))
        return self._signal[1:]


class Call(ABC):
    """A batch and what is asked of it, to be run once or several times."""

    @abstractmethod
    def run(self, flat: Flat, **how: Any) -> float:
        """Evaluate, or evaluate and step, as the keywords of the engine say; returns the loss."""

    @abstractmethod
    def result(self, loss: float) -> StepResult:
        """What the step found."""


@final
class SquaredCall(Call):
    """The squared error, which the kernels compute themselves."""

    def __init__(
        self, engines: Engines, flat: Flat, batch: PointBatch | SampleBatch, wanted: Wanted, step: int
    ) -> None:
        self._engines, self._step = engines, step
        source = engines.source(batch.signal) if isinstance(batch, SampleBatch) else None
        if isinstance(batch, SampleBatch) and (source is None or engines.has_lesson):
            batch, source = batch.points(), None
        self._batch, self._source = batch, source
        if isinstance(batch, SampleBatch):
            count, d_in, d_out = len(batch.index), batch.signal.domain.ndim, batch.signal.channels
        else:
            (count, d_out), d_in = batch.targets.shape, batch.coordinates.shape[1]
        self._engine = engines.engine(d_in, d_out, wanted == "gradients")
        self._residuals: Values | None = None
        self._report: dict[str, Any] = {}
        self._gradients = _gradients(engines, self._report, (count, d_in, d_out), wanted)
        if wanted == "nothing":
            return
        if not isinstance(batch, SampleBatch) and engines.has_lesson:
            # What was trained has seen the targets: ask what decoders see.
            self._residuals = NativeField(engines.decoder, flat)(batch.coordinates) - batch.targets
        else:
            self._residuals = self._report["residuals"] = np.empty((count, d_out), dtype=np.float32)

    def run(self, flat: Flat, **how: Any) -> float:
        """See the base class."""
        batch, report = self._batch, self._report
        if isinstance(batch, SampleBatch):
            index = np.ascontiguousarray(batch.index, dtype=np.int64)
            loss: float = self._engine.train_samples(
                flat, *(self._source or ()), index, batch.offsets, batch.weights, **report, **how
            )
            return loss
        targets = np.ascontiguousarray(batch.targets, dtype=np.float32)
        rows = self._engines.rows(batch, self._step)
        loss = self._engine.train_points(flat, rows, targets, batch.weights, **report, **how)
        return loss

    def result(self, loss: float) -> StepResult:
        """See the base class."""
        return StepResult(loss, self._residuals, self._gradients)


@final
class LossCall(Call):
    """Another loss: the kernels are told its derivative, after a way through the network for the values."""

    def __init__(
        self, engines: Engines, flat: Flat, loss: LossSpec, batch: PointBatch, wanted: Wanted, step: int
    ) -> None:
        self._engines, self._loss, self._batch = engines, loss, batch
        self._rows = engines.rows(batch, step)
        (count, d_out), d_in = batch.targets.shape, batch.coordinates.shape[1]
        self._engine = engines.engine(d_in, d_out, wanted == "gradients")
        self._report: dict[str, Any] = {}
        self._residuals: Values | None = None
        if wanted != "nothing":
            self._residuals = NativeField(engines.decoder, flat)(batch.coordinates) - batch.targets
        self._gradients = _gradients(engines, self._report, (count, d_in, d_out), wanted)

    def run(self, flat: Flat, **how: Any) -> float:
        """See the base class."""
        found = self._loss.derivative(NativeField(self._engines.lesson, flat)(self._rows), self._batch.targets)
        if found is None:
            raise SpecError(f"loss {self._loss.kind}: its derivative is not stated")
        losses, slopes = found
        if self._batch.weights is not None:
            losses, slopes = losses * self._batch.weights, slopes * self._batch.weights[:, None]
        slopes = np.ascontiguousarray(slopes / np.float32(len(slopes)), dtype=np.float32)
        self._engine.train_points(flat, self._rows, output_gradients=slopes, **self._report, **how)
        if self._gradients is not None:
            self._gradients *= np.float32(len(slopes))  # of each point's own loss, not of the mean
        return float(losses.mean(dtype=np.float64))

    def result(self, loss: float) -> StepResult:
        """See the base class."""
        return StepResult(loss, self._residuals, self._gradients)


@final
class PulledCall(Call):
    """Values go out, and their derivative comes back from whoever knows the loss."""

    def __init__(self, engines: Engines, batch: PulledBatch, wanted: Wanted) -> None:
        problem = pulled_refusal(engines.network)
        if problem is not None:
            raise SpecError(problem)
        self._engines, self._batch, self._wanted = engines, batch, wanted
        self._rows = np.ascontiguousarray(batch.coordinates, dtype=np.float32)
        self._residuals: Values | None = None

    def run(self, flat: Flat, **how: Any) -> float:
        """See the base class."""
        values = NativeField(self._engines.lesson, flat)(self._rows)
        loss, slopes = self._batch.pulled(values)
        self._residuals = self._batch.residuals(values, self._wanted)
        engine = self._engines.engine(self._rows.shape[1], values.shape[1], False)
        given = np.ascontiguousarray(slopes, dtype=np.float32)
        engine.train_points(flat, self._rows, output_gradients=given, **how)
        return loss

    def result(self, loss: float) -> StepResult:
        """See the base class."""
        return StepResult(loss, self._residuals)


def _gradients(
    engines: Engines, report: dict[str, Any], sizes: tuple[int, int, int], wanted: Wanted
) -> Coordinates | None:
    """Where the engine writes derivatives by coordinates, if they are wanted: points, coordinates and outputs given."""
    if wanted != "gradients":
        return None
    count, d_in, d_out = sizes
    wide = report["input_gradients"] = np.empty((count, engines.width(d_in, d_out)), dtype=np.float32)
    return wide[:, :d_in]


def _source(signal: Signal) -> Any:
    """The samples with the values that integers stand for."""
    module: Any = native.load()
    meta = signal.meta
    rows = np.ascontiguousarray(signal.samples.reshape(-1, signal.channels))
    table: Values | None = None
    if meta.dtype in INTEGERS:
        info = np.iinfo(meta.dtype)
        table = normalise(np.arange(info.min, info.max + 1).astype(meta.dtype), meta)
    low, high = meta.value_range
    return module.Source(rows, meta.dtype, table, low, 2 / (high - low))
