"""Random Fourier features."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import numpy.typing as npt

from inr.layers.base import LAYERS, Layer
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class Fourier(Layer):
    """``y = [sin(2 pi B x), cos(2 pi B x)]``, B fixed (Tancik et al. 2020, eq. 5, all amplitudes one).

    Attributes:
        frequencies: B in cycles per unit, `(n, d_in)`; rounded to float32 and not stored.
    """

    kind: ClassVar[str] = "fourier"
    frequencies: npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        object.__setattr__(self, "frequencies", np.asarray(self.frequencies, dtype=np.float32))

    def width(self, *inputs: int) -> int:
        """Two for each frequency."""
        del inputs
        return 2 * len(self.frequencies)

    def fixed(self) -> dict[str, npt.NDArray[np.float32]]:
        """See the base class."""
        return {"frequencies": np.asarray(self.frequencies, dtype=np.float32)}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("fourier", constants=self.frequencies.flatten().tolist())

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, 2 * len(B))`, all sines before all cosines."""
        import torch

        angle = 2 * math.pi * (x @ tensors["frequencies"].t())
        return torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)


Fourier.EXAMPLES = ((Fourier(np.array([[0.5, -1.0], [2.0, 0.25]])), (2,)),)
