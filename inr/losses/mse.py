"""Mean squared error."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

from inr.losses.base import LOSSES, LossSpec

if TYPE_CHECKING:
    from torch import Tensor


@final
@LOSSES.register
class MeanSquaredError(LossSpec):
    """``mean((y - t)^2)`` over samples and channels; its minimum is the maximum of PSNR."""

    kind: Literal["mse"] = "mse"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Gauss 1809, Theoria motus corporum coelestium"

    def value(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """See the base class."""
        return (output - target).square().mean()

    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """See the base class."""
        return (output - target).square().mean(dim=1)
