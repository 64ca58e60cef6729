"""Exponential decay."""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec


@final
@SCHEDULES.register
class ExponentialSchedule(ScheduleSpec):
    """``final^t`` at progress t: the factor falls to `final` at the end, by the same share in equal times."""

    kind: Literal["exponential"] = "exponential"
    wire_id: ClassVar[int] = 3
    paper: ClassVar[str] = (
        "as in the released code of Saragadam et al. 2023, WIRE: Wavelet Implicit Neural Representations"
    )

    final: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Factor at the end."""

    def factor(self, progress: float) -> float:
        """See the base class."""
        return float(self.final**progress)
