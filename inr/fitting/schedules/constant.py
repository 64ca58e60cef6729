"""A constant learning rate."""

from typing import ClassVar, Literal, final

from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec


@final
@SCHEDULES.register
class ConstantSchedule(ScheduleSpec):
    """Factor 1 throughout."""

    kind: Literal["constant"] = "constant"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = "none"

    def factor(self, progress: float) -> float:
        """See the base class."""
        del progress
        return 1.0
