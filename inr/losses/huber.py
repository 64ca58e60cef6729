"""Huber's loss: squared near zero, absolute beyond."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from inr.losses.base import LOSSES, Floats, LossSpec

if TYPE_CHECKING:
    from torch import Tensor


@final
@LOSSES.register
class Huber(LossSpec):
    """Mean over samples and channels of ``r^2`` for |r| up to delta, else ``delta (2 |r| - delta)``, r = y - t.

    Near its minimum it is the squared error, so that PSNR is what it makes large; a sample that is wrong by more than
    delta, such as a highlight or a hot pixel, pulls no harder than one that is wrong by delta.
    """

    kind: Literal["huber"] = "huber"
    wire_id: ClassVar[int] = 3
    paper: ClassVar[str] = "Huber 1964, Robust Estimation of a Location Parameter"

    delta: Annotated[float, Field(gt=0, le=2)] = 0.1
    """Where it turns, in units of the normalised values: the whole range is 2."""

    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """See the base class."""
        size = (output - target).abs()
        near = size.clamp(max=self.delta)
        return (near * (2 * size - near)).mean(dim=1)

    def derivative(self, output: Floats, target: Floats) -> tuple[Floats, Floats]:
        """``2 r / channels``, cut off at plus and minus ``2 delta / channels``."""
        residual = output - target
        size, limit = np.abs(residual), np.float32(self.delta)
        near = np.minimum(size, limit)
        slope = np.clip(residual, -limit, limit) * np.float32(2 / residual.shape[1])
        return (near * (2 * size - near)).mean(axis=1), slope
