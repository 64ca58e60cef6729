"""What a caller gives as points, as arrays."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.errors import SpecError

FARTHEST = 1e6
"""Points lie in about [-1, 1], positions within the samples; what is farther away is a mistake."""


def points_of(
    given: npt.ArrayLike, axes: tuple[str, ...], what: str
) -> tuple[npt.NDArray[np.float64], tuple[int, ...]]:
    """Points as rows.

    Args:
        given: `(..., axes)`, real numbers; anything numpy makes an array of.
        axes: names of the axes.
        what: what messages call the points.

    Returns:
        `(n, axes)`, and the shape before the last axis.

    Raises:
        SpecError: another shape or type, or numbers that are not finite or far too large.
    """
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)  # another thread may be importing it
    if tensor is not None and isinstance(given, tensor) and given.requires_grad:
        raise SpecError(f"{what}: a tensor that needs gradients; differentiate field.module() instead")
    array: npt.NDArray[Any] = _array(given, what)
    if array.ndim == 0 or array.shape[-1] != len(axes):
        raise SpecError(
            f"{what}: the last axis holds {len(axes)} numbers, one for each axis of the signal ({', '.join(axes)}); "
            f"got shape {array.shape}"
        )
    if array.dtype.kind not in "iuf":
        raise SpecError(f"{what}: needs real numbers; got {array.dtype}")
    rows = array.reshape(-1, len(axes)).astype(np.float64)
    good = np.abs(rows) <= FARTHEST
    if not good.all():
        raise SpecError(f"{what}: must be finite and within ±{FARTHEST:g}; got {rows[~good][0]:g}")
    return rows, array.shape[:-1]


def _array(given: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    if np.ma.is_masked(given):
        raise SpecError(f"{what}: some are masked; leave them out")
    try:
        return np.asarray(given)
    except (ValueError, TypeError) as error:
        raise SpecError(f"{what}: needs an array; got {type(given).__name__} ({error})") from None
