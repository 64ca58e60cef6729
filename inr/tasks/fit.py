"""The samples themselves: the field is what was measured."""

from typing import ClassVar, Literal, final

from inr.backends.base import Field, GridBatch, SampleBatch
from inr.losses.base import LossSpec
from inr.samplers.base import Points, Selection
from inr.signals.signal import Signal
from inr.tasks.base import TASKS, AbstractTask, TaskSpec


@final
@TASKS.register
class FitSamples(TaskSpec):
    """No settings: the loss compares the field at the samples with the samples; backends compute it themselves."""

    kind: Literal["fit"] = "fit"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "what all fields are fitted for"

    def start(self, signal: Signal, loss: LossSpec) -> AbstractTask:
        """See the base class."""
        del loss
        return _Fit(signal)


@final
class _Fit(AbstractTask):
    """Coordinates and targets of the whole grid are made once."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._whole: GridBatch | None = None

    def batch(self, selection: Selection) -> SampleBatch | GridBatch:
        """See the base class."""
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
