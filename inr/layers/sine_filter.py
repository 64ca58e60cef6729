"""Sine filters of whole frequencies."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import numpy.typing as npt

from inr.layers.base import LAYERS, Layer
from inr.layers.initial import Distribution, Uniform
from inr.layers.layout import TensorLayout
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    from inr.layers.base import Tensors


@final
@LAYERS.register
@dataclass(frozen=True, eq=False)
class SineFilter(Layer):
    """``y = sin(pi K x + phase)``, K fixed and integer, phase stored: periodic in every coordinate, with period 2.

    Lindell et al. 2022, eq. 3, with whole numbers of cycles over [-1, 1]. One quantiser step for all phases, which are
    uniform over the circle before training.

    Attributes:
        frequencies: K in cycles over [-1, 1], `(features, d_in)`; not stored.
    """

    kind: ClassVar[str] = "sine_filter"
    frequencies: npt.NDArray[np.floating] | npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        object.__setattr__(self, "frequencies", np.asarray(self.frequencies, dtype=np.float32))

    def width(self, *inputs: int) -> int:
        """One for each frequency."""
        del inputs
        return len(self.frequencies)

    def layout(self) -> tuple[TensorLayout, ...]:
        """The phases."""
        count = len(self.frequencies)
        return (TensorLayout("phase", (count,), (count,), bias=True),)

    def initial(self) -> dict[str, Distribution]:
        """See the base class."""
        return {"phase": Uniform(math.pi)}

    def fixed(self) -> dict[str, npt.NDArray[np.float32]]:
        """See the base class."""
        return {"frequencies": np.asarray(self.frequencies, dtype=np.float32)}

    def operation(self, *inputs: int) -> Operation:
        """See the base class."""
        del inputs
        return Operation("sine filter", constants=self.frequencies.flatten().tolist(), params=("phase",))

    def forward(self, tensors: "Tensors", x: "Tensor") -> "Tensor":
        """`(n, d_in)` -> `(n, features)`."""
        import torch

        return torch.sin(math.pi * (x @ tensors["frequencies"].t()) + tensors["phase"])


SineFilter.EXAMPLES = ((SineFilter(np.array([[1, -2], [0, 3], [4, 0]])), (2,)),)
