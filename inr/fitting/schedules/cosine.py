"""Half a cosine, after a short warm-up."""

import math
from typing import Annotated, ClassVar, Literal, final

from pydantic import Field

from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec


@final
@SCHEDULES.register
class CosineSchedule(ScheduleSpec):
    """Linear warm-up to 1, then ``floor + (1 - floor) (1 + cos(pi t)) / 2`` (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"] = "cosine"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Loshchilov and Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts"

    floor: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Factor at the end."""
    warm_up: Annotated[float, Field(ge=0, le=0.5)] = 0.02
    """Share of the budget spent on the warm-up."""

    def factor(self, progress: float) -> float:
        """See the base class."""
        if progress < self.warm_up:
            return max(progress / self.warm_up, 0.01)
        t = min(1.0, (progress - self.warm_up) / (1 - self.warm_up))
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * t)) / 2
