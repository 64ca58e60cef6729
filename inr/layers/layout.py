"""How a stored tensor is quantised and coded."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatTensor = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TensorLayout:
    """How one stored tensor is quantised and coded.

    Attributes:
        name: key of the tensor in `TrainedNetwork.tensors`.
        shape: its shape.
        groups: lengths of the runs of rows (first axis) that share one quantiser step; they sum to `shape[0]`.
        bias: True for an additive vector, which gets finer steps than a matrix.
        separate_models: True if every group has its own entropy model (long groups with different statistics).
    """

    name: str
    shape: tuple[int, ...]
    groups: tuple[int, ...]
    bias: bool = False
    separate_models: bool = False
