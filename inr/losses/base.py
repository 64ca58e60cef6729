"""The interface and the registry of losses."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from inr.registry import Registry
from inr.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float32]


class LossSpec(Spec):
    """Settings of a loss: what a training step makes small, a mean over points.

    It is stated twice: in torch, and in numpy with its derivative for backends that differentiate the network
    themselves. A loss without the second statement trains where torch does.
    """

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Loss of each point, `(n,)`; both arguments `(n, channels)` in about [-1, 1]. Differentiable."""

    def value(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Mean of `values`, a scalar."""
        return self.values(output, target).mean()

    def derivative(self, output: Floats, target: Floats) -> tuple[Floats, Floats] | None:
        """`values`, and the derivative of each point's own loss by its outputs, without torch; None if not stated.

        Args:
            output: `(n, channels)`.
            target: `(n, channels)`.

        Returns:
            `(n,)` and `(n, channels)`.
        """
        del output, target
        return None

    @property
    def stated(self) -> bool:
        """True if there is a `derivative`."""
        return type(self).derivative is not LossSpec.derivative


LOSSES: Registry[LossSpec] = Registry("loss", "inr.losses")
