"""Mean absolute error."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np

from inr.losses.base import LOSSES, Floats, LossSpec

if TYPE_CHECKING:
    from torch import Tensor


@final
@LOSSES.register
class MeanAbsoluteError(LossSpec):
    """``mean(|y - t|)`` over samples and channels; its minimum is a median, which outliers do not move.

    The derivative where output and target agree counts as zero.
    """

    kind: Literal["l1"] = "l1"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = "Boscovich 1757, De litteraria expeditione per pontificiam ditionem"

    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """See the base class."""
        return (output - target).abs().mean(dim=1)

    def derivative(self, output: Floats, target: Floats) -> tuple[Floats, Floats]:
        """``sign(y - t) / channels``."""
        residual = output - target
        return np.abs(residual).mean(axis=1), np.sign(residual) / np.float32(residual.shape[1])
