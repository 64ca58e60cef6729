"""The interface and the registry of learning-rate schedules."""

from abc import abstractmethod
from typing import ClassVar

from inr.registry import Registry
from inr.spec import Spec


class ScheduleSpec(Spec):
    """Settings of a schedule."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def factor(self, progress: float) -> float:
        """Factor of the peak learning rate at a progress in [0, 1] of the budget."""


SCHEDULES: Registry[ScheduleSpec] = Registry("schedule", "inr.fitting.schedules", "inr.schedules")
