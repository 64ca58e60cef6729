"""The interface and the registry of losses."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from inr.errors import SpecError
from inr.registry import Registry
from inr.signals.signal import Signal
from inr.spec import Spec

if TYPE_CHECKING:
    from torch import Tensor

FlatIndex = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class SignalLoss(ABC):
    """A loss over one signal that sees samples beside their neighbours, for one fit."""

    @abstractmethod
    def evaluate(self, index: FlatIndex, values: Floats, progress: float) -> tuple[float, Floats]:
        """The loss of a step, and its derivative by the values.

        Args:
            index: the samples of the step, `(n,)`, none of them twice.
            values: of the field there, `(n, channels)`.
            progress: share of the fit that is done, 0 to 1.

        Returns:
            A mean over the step, and `(n, channels)`.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What a checkpoint has to keep: numbers and arrays by name."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


class LossSpec(Spec):
    """Settings of a loss: what a training step makes small, a mean over points.

    It is stated twice: in torch, and in numpy with its derivative for backends that differentiate the network
    themselves. A loss without the second statement trains where torch does. One that sees samples beside their
    `neighbours` is stated once, over a signal, and trains where steps may have a pull-back.
    """

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    neighbours: ClassVar[bool] = False
    """True if a sample's loss depends on the samples beside it; then `over` says what it is, and `values` does not."""

    @abstractmethod
    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Loss of each point, `(n,)`; both arguments `(n, channels)` in about [-1, 1]. Differentiable."""

    def value(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Mean of `values`, a scalar."""
        return self.values(output, target).mean()

    def over(self, signal: Signal) -> SignalLoss:
        """The loss over a signal, of one that sees `neighbours`.

        Raises:
            SpecError: it does not fit the signal, or it is a loss of points.
        """
        del signal
        raise SpecError(f"loss {self.kind}: is one of points, not of a signal")

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
