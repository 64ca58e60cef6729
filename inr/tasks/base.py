"""The interface and the registry of tasks."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from inr.backends.base import Batch, Field
from inr.losses.base import LossSpec
from inr.registry import Registry
from inr.samplers.base import Moment, Selection
from inr.signals.signal import Signal
from inr.spec import Spec


class AbstractTask(ABC):
    """One task over one signal: it says at which points a step wants the field, and what it makes of the values."""

    @abstractmethod
    def batch(self, selection: Selection, moment: Moment) -> Batch:
        """What a step is given for the samples that a sampler chose for it.

        Samples and their targets go to a backend as they are. A task that sees the field through an operator gives
        points and a pull-back instead: values there -> its loss, and the derivative of that by the values.
        """

    @abstractmethod
    def seen(self, field: Field) -> Field:
        """The field as the task sees it, to be compared with the samples; its PSNR is that of the curve."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint has to keep: numbers and arrays by name; nothing if steps do not depend on earlier ones."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        del state


class TaskSpec(Spec):
    """Settings of a task."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    pulls: ClassVar[bool] = False
    """True if the field is not compared with the samples as it is, but through an operator: its steps have a pull-back
    in place of targets."""

    @abstractmethod
    def start(self, signal: Signal, loss: LossSpec) -> AbstractTask:
        """The task for a signal, with a loss of what is seen against the samples.

        Raises:
            SpecError: it does not fit the signal or the loss.
        """


TASKS: Registry[TaskSpec] = Registry("task", "inr.tasks")
