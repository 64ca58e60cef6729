"""The samples themselves: the field is what was measured."""

from typing import Any, ClassVar, Literal, final

from inr.backends.base import Field, GridBatch, PulledBatch, SampleBatch, Values
from inr.errors import SpecError
from inr.losses.base import LossSpec, SignalLoss
from inr.samplers.base import Moment, Points, Selection
from inr.signals.signal import Signal
from inr.tasks.base import TASKS, AbstractTask, TaskSpec


@final
@TASKS.register
class FitSamples(TaskSpec):
    """No settings: the loss compares the field at the samples with the samples; backends compute it themselves.

    Unless it sees samples beside their neighbours, as `cross_frequency` does: then steps have a pull-back.
    """

    kind: Literal["fit"] = "fit"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "what all fields are fitted for"

    def start(self, signal: Signal, loss: LossSpec) -> AbstractTask:
        """See the base class."""
        return _FitBesideOthers(signal, loss.over(signal)) if loss.neighbours else _Fit(signal)


@final
class _Fit(AbstractTask):
    """Coordinates and targets of the whole grid are made once."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._whole: GridBatch | None = None

    def batch(self, selection: Selection, moment: Moment) -> SampleBatch | GridBatch:
        """See the base class."""
        del moment
        signal, domain = self._signal, self._signal.domain
        if isinstance(selection, Points):
            return SampleBatch(signal, selection.index, selection.offsets, selection.weights)
        whole = tuple(len(axis) for axis in selection.axes) == domain.shape
        if whole and self._whole is not None:
            return self._whole
        batch = GridBatch(domain.block_coordinates(selection.axes), signal.block_targets(selection.axes))
        self._whole = batch if whole else None
        return batch

    def seen(self, field: Field) -> Field:
        """The field itself."""
        return field


@final
class _FitBesideOthers(AbstractTask):
    """The loss is one of the whole signal, of which a step asks for a part."""

    def __init__(self, signal: Signal, loss: SignalLoss) -> None:
        self._signal, self._loss = signal, loss

    def batch(self, selection: Selection, moment: Moment) -> PulledBatch:
        """See the base class; raises `SpecError` for samples with weights."""
        signal = self._signal
        if isinstance(selection, Points) and selection.weights is not None:
            raise SpecError("fit: a loss that sees neighbours takes all samples of a step alike; this sampler does not")
        index = selection.index if isinstance(selection, Points) else selection.flat_index(signal.domain.shape)

        def pull_back(values: Values) -> tuple[float, Values]:
            return self._loss.evaluate(index, values, moment.progress)

        return PulledBatch(signal.domain.coordinates(index), pull_back, signal.targets(index))

    def seen(self, field: Field) -> Field:
        """The field itself."""
        return field

    def state(self) -> dict[str, Any]:
        """What the loss remembers."""
        return self._loss.state()

    def restore(self, state: dict[str, Any]) -> None:
        """See the base class."""
        self._loss.restore(state)
