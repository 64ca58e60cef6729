"""Which arrays are pictures, in memory and in ``.npy`` files."""

from typing import Any

import numpy as np

from inr.signals.image.attributes import ColourSpace
from inr.signals.image.picture import Picture, check_size
from inr.signals.npy import npy_array
from inr.signals.refusal import Refusal, shown
from inr.signals.signal import Array

NPY_TYPES = ("uint8", "uint16", "float16", "float32", "float64")


def read_npy(data: bytes) -> Picture:
    """Read a ``.npy`` file that holds a picture."""
    return picture_of(npy_array(data, check_array))


def check_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that is not a picture, or too large for one."""
    check_picture(shape, dtype)
    check_size(shape[0], shape[1])


def is_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """True for what counts as a picture unless told otherwise: `(h, w)` and `(h, w, 1..4)` of a type pictures have.

    With a side of one sample it is an array, which can have that.
    """
    sides = len(shape) == 2 or (len(shape) == 3 and 1 <= shape[2] <= 4)
    return sides and min(shape[:2]) != 1 and dtype.name not in ("int8", "int16")


def check_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse an array that is not a picture, of whatever size."""
    if dtype.name not in NPY_TYPES:
        raise Refusal(f"has samples of type {shown(str(dtype))}; allowed are {', '.join(NPY_TYPES)}")
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= 4):
        raise Refusal(
            f"has shape {shown(str(shape))}; allowed are (height, width) and (height, width, channels), 1 to 4 channels"
        )


def picture_of(samples: Array) -> Picture:
    """An array as a picture."""
    return Picture(samples, colours_of(samples.dtype), channel_axis=channel_axis(samples.shape))


def channel_axis(shape: tuple[int, ...]) -> int:
    """1 for an array with an axis of one channel, else 0."""
    return int(len(shape) == 3 and shape[2] == 1)


def colours_of(dtype: np.dtype[Any]) -> ColourSpace:
    """Integers count as sRGB, nothing is known about floats."""
    return "srgb" if dtype.kind == "u" else "unknown"
