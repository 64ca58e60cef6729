"""The ``.npy`` format: where its numbers lie, reading without ever unpickling, and writing."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from inr.errors import SignalError
from inr.signals.refusal import Refusal, damaged, shown
from inr.signals.signal import Array, Samples

MAGIC = b"\x93NUMPY"
NPY_HEADER = 2**14
"""Bytes that the header of a ``.npy`` file fits into; NumPy refuses longer ones."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Where the samples of an uncompressed file are.

    Attributes:
        offset: of the first one in bytes.
        dtype: type of each, in the byte order of the file.
        shape: of the array.
        fortran: that the first index changes fastest.
    """

    offset: int
    dtype: np.dtype[Any]
    shape: Shape
    fortran: bool = False


def npy_header(data: bytes) -> Layout:
    """What the header of a ``.npy`` file says, which may be a lie; refuses one that cannot be read.

    Args:
        data: the file, or its first `NPY_HEADER` bytes.
    """
    readers = {b"\1\0": np.lib.format.read_array_header_1_0, b"\2\0": np.lib.format.read_array_header_2_0}
    version, stream = data[6:8], io.BytesIO(data)
    if len(version) == 2 and version not in readers:
        raise Refusal(f"is of .npy version {version[0]}.{version[1]}; 1.0 and 2.0 are read")
    stream.seek(8)
    try:
        shape, fortran, dtype = readers[version](stream)
    except Exception:  # damaged text makes NumPy's parser of Python literals fail in any way
        raise damaged("its header cannot be read") from None
    return Layout(stream.tell(), dtype, shape, fortran)


def npy_layout(data: bytes, length: int, check: Callable[[Shape, np.dtype[Any]], None] | None = None) -> Layout:
    """Where the samples of a ``.npy`` file are; refuses it if they are not all there.

    Args:
        data: the file, or its first `NPY_HEADER` bytes.
        length: of the file.
        check: refuses shapes and types, before anything else is looked at.
    """
    layout = npy_header(data)
    shape, dtype, start = layout.shape, layout.dtype, layout.offset
    if check is not None:
        check(shape, dtype)
    if dtype.hasobject:
        raise Refusal("holds Python objects; numbers are read")
    if dtype.kind not in "biufc" or dtype.itemsize == 0 or len(shape) > 32 or any(n < 0 for n in shape):
        raise damaged(f"it has shape {shown(str(shape))} and type {shown(str(dtype))}")
    expected = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if expected != length:
        raise damaged(f"its array ends at byte {expected}, the file at byte {length}")
    if expected == start:
        raise Refusal("holds no samples")
    return layout


def npy_array(data: bytes, check: Callable[[Shape, np.dtype[Any]], None] | None = None) -> Array:
    """The array of a whole ``.npy`` file, without ever unpickling; `check` as for `npy_layout`."""
    layout = npy_layout(data, len(data), check)
    samples: Array = np.frombuffer(data, layout.dtype, offset=layout.offset)
    return samples.reshape(layout.shape, order="F" if layout.fortran else "C")


def read_npy(data: bytes, name: str) -> Array:
    """The array of a ``.npy`` file, without ever unpickling; raises `SignalError`."""
    try:
        return npy_array(data)
    except Refusal as refusal:
        raise SignalError(f"{name} {refusal}") from None


def npy_bytes(samples: Samples, channel_axis: bool = False) -> bytes:
    """A ``.npy`` file of samples `(*grid, channels)`; a single channel has no axis of its own unless asked for."""
    stream = io.BytesIO()
    np.save(stream, samples[..., 0] if samples.shape[-1] == 1 and not channel_axis else samples, allow_pickle=False)
    return stream.getvalue()
