"""The state of a denoising process."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

from inr.layers.base import LAYERS, Layer
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class NoisyTarget(Layer):
    """``y = (1 - t) I + t Z + t n / 10``: what the state of a denoising process looks like at moment t."""

    kind: ClassVar[str] = "noisy_target"

    def width(self, *inputs: int) -> int:
        """That of the target."""
        return inputs[0]

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("noisy target")

    def forward(
        self, tensors: "Tensors", target: "Tensor", noise: "Tensor", moment: "Tensor", fresh: "Tensor"
    ) -> "Tensor":
        """`(n, c)`, `(n, c)`, `(n, 1)`, `(n, c)` -> `(n, c)`."""
        del tensors
        return (1 - moment) * target + moment * (noise + 0.1 * fresh)


NoisyTarget.EXAMPLES = ((NoisyTarget(), (3, 3, 1, 3)),)
