"""The interface and the registry of losses."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from inr.registry import Registry
from inr.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor


class LossSpec(Spec):
    """Settings of a loss."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def value(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Mean loss of a batch, a scalar; both arguments `(n, channels)` in [-1, 1]. Differentiable."""

    @abstractmethod
    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Loss of each point, `(n,)`, whose mean is `value`. Differentiable."""


LOSSES: Registry[LossSpec] = Registry("loss", "inr.losses")
