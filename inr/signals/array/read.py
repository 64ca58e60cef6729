"""Plain arrays of any number of axes as signals."""

from typing import Any

import numpy as np
import numpy.typing as npt

from inr.domain import Domain
from inr.errors import SignalError, SpecError
from inr.meta import SampleType, SignalMeta
from inr.signals.array.attributes import MAX_ALL_AXES, ArrayAttributes
from inr.signals.limits import MAX_SAMPLES
from inr.signals.ranges import check_finite, check_missing, value_range
from inr.signals.refusal import Refusal
from inr.signals.signal import Samples, Signal

MAX_AXES = 4
MAX_CHANNELS = 64
TYPES = ("uint8", "uint16", "int8", "int16", "float16", "float32", "float64")


def signal_of(array: npt.NDArray[Any], axes: int | None = None, name: str = "array") -> Signal:
    """Make a signal of an array, with every axis a coordinate unless told otherwise.

    Args:
        array: 1 to 4 axes of coordinates of more than one sample, among them any of one, of which the attributes keep
            the places alone; then perhaps an axis of channels (1 to 64). Integers of 8 or 16 bits, or floats (64 bits
            are kept as 32).
        axes: how many axes are coordinates; None for all.
        name: what messages call it.

    Raises:
        SignalError: another shape or type, too few or too many samples, or one that is not finite or marked as none.
    """
    shape, channels, ones = grid_of(array.shape, array.dtype, axes, name)
    if array.size > MAX_SAMPLES:
        raise SignalError(f"{name} has {array.size} values; at most {MAX_SAMPLES} are read")
    dtype = "float32" if array.dtype.name == "float64" else array.dtype.name
    try:
        check_finite(array)
        with np.errstate(over="ignore"):  # reported below
            # Writeable, since PyTorch warns about arrays that are not.
            samples: Samples = np.require(array.reshape(*shape, channels), np.dtype(dtype), ["C", "W"])
        if array.dtype.name == "float64":
            check_finite(samples)
        check_missing(samples)
    except Refusal as refusal:
        raise SignalError(f"{name} {refusal}") from None
    kind: SampleType = dtype  # type: ignore[assignment]
    meta = SignalMeta(kind, value_range(samples), ArrayAttributes(ones))
    return Signal(samples, Domain.of_shape(shape, axis_names(len(shape))), meta)


def axis_names(count: int) -> tuple[str, ...]:
    """What the axes of an array are called."""
    return tuple(f"axis{i}" for i in range(count))


def grid_of(
    array_shape: tuple[int, ...], dtype: np.dtype[Any], axes: int | None, name: str
) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Samples along each axis of coordinates, channels, and the places of axes of one sample, which are no coordinates.

    An axis of one channel is among the latter.

    Arguments and errors as for `signal_of`.
    """
    count = len(array_shape) if axes is None else axes
    ones = tuple(place for place, n in enumerate(array_shape[: max(count, 0)]) if n == 1)
    wide = count - len(ones)
    if axes is not None and not (axes >= 1 and wide <= MAX_AXES):
        raise SpecError(f"axes: 1 to {MAX_AXES} may be coordinates; got {axes}")
    if (
        wide > MAX_AXES
        or not 1 <= count <= len(array_shape) <= MAX_ALL_AXES
        or len(array_shape) not in (count, count + 1)
    ):
        allowed = f"1 to {MAX_AXES} axes of coordinates, beside any of one sample, and perhaps one of channels behind"
        raise SignalError(f"{name} has shape {array_shape} with {count} axes of coordinates; allowed are {allowed}")
    if dtype.name not in TYPES:
        raise SignalError(f"{name} has samples of type {dtype}; allowed are {', '.join(TYPES)}")
    shape = tuple(n for n in array_shape[:count] if n != 1)
    channels = 1 if len(array_shape) == count else array_shape[count]
    if not shape or min(shape) < 2 or not 1 <= channels <= MAX_CHANNELS:
        raise SignalError(
            f"{name} has shape {array_shape}; an axis needs 2 samples or more, none may be empty, and channels are "
            f"1 to {MAX_CHANNELS}"
        )
    return shape, channels, (*ones, count) if len(array_shape) > count and channels == 1 else ones
