"""Mean squared error."""

from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np

from inr.losses.base import LOSSES, Floats, LossSpec

if TYPE_CHECKING:
    from torch import Tensor


@final
@LOSSES.register
class MeanSquaredError(LossSpec):
    """``mean((y - t)^2)`` over samples and channels; its minimum is the maximum of PSNR."""

    kind: Literal["mse"] = "mse"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Gauss 1809, Theoria motus corporum coelestium"

    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """See the base class."""
        return (output - target).square().mean(dim=1)

    def value(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """In one sum over everything."""
        return (output - target).square().mean()

    def derivative(self, output: Floats, target: Floats) -> tuple[Floats, Floats]:
        """``2 (y - t) / channels``."""
        residual = output - target
        return np.square(residual).mean(axis=1), residual * np.float32(2 / residual.shape[1])
