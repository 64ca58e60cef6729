"""Files whose samples lie there as they are: some rows are read without the others, whatever the size of the file."""

import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from inr.domain import Domain
from inr.errors import FileAccessError, SignalError
from inr.files import reason
from inr.meta import AXES, SampleType, SignalMeta
from inr.signals.array import npy as arrays
from inr.signals.image.picture import MAX_PIXELS, Array, Refusal, damage_reported
from inr.signals.image.plain import NPY_HEADER, Layout, check_picture, colours_of, npy_layout
from inr.signals.image.tiff import TIFF_SIGNATURES, tiff_layout
from inr.signals.ranges import value_range_of
from inr.signals.signal import Signal

PIECE = 2**20
"""Samples looked at together when the value range is found out."""


@dataclass(frozen=True)
class StoredSignal:
    """A picture or an array in a file, of which parts are read one by one.

    Attributes:
        path: of the file; also its name in messages.
        layout: where the samples are.
        kind: of signal.
        shape: samples along each axis.
        channels: values a sample.
        icc_profile: colour profile, or None.
    """

    path: Path
    layout: Layout
    kind: Literal["image", "array"]
    shape: tuple[int, ...]
    channels: int
    icc_profile: bytes | None = None

    @property
    def most_samples(self) -> int:
        """Samples of a part that is read at once, at most."""
        return MAX_PIXELS if self.kind == "image" else arrays.MAX_SAMPLES // self.channels

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes."""
        return AXES["image"] if self.kind == "image" else arrays.axis_names(len(self.shape))

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the samples in memory."""
        name = self.layout.dtype.name
        return np.dtype("float32" if name == "float64" else name)

    @cached_property
    def meta(self) -> SignalMeta:
        """Meaning of the samples, the same for all parts: the value range is that of the whole file.

        Raises:
            SignalError: a sample is not finite.
        """
        dtype: SampleType = self.dtype.name  # type: ignore[assignment]
        try:
            values = (0.0, 255.0)
            if dtype != "uint8":  # as `inr.signals.ranges.value_range`
                values = value_range_of(self._pieces(), self.layout.shape, self.layout.fortran)
        except Refusal as refusal:
            raise SignalError(f"{self.path} {refusal}") from None
        space = colours_of(self.layout.dtype) if self.kind == "image" else "unknown"
        return SignalMeta(self.kind, dtype, values, space, self.icc_profile)

    def part(self, first: int, last: int) -> Signal:
        """The samples with such an index along the first axis; only they are read.

        Raises:
            FileAccessError: the file cannot be read.
            SignalError: it has changed, or, when the first part is read, a sample of any part is not finite.
        """
        meta = self.meta
        grid = (last - first, *self.shape[1:])
        samples = self._native(self._rows(first, last)).reshape(*grid, self.channels)
        return Signal(samples, Domain.of_shape(grid, self.axes), meta)

    def _rows(self, first: int, last: int) -> Array:
        layout = self.layout
        if layout.fortran:
            whole = self._read(lambda: np.memmap(self.path, layout.dtype, "r", layout.offset, layout.shape, "F"))
            return np.array(whole[first:last], order="C")
        row = int(np.prod(layout.shape[1:], dtype=np.int64))
        return self._flat(first * row, last * row)

    def _flat(self, first: int, last: int) -> Array:
        """Samples in the order of the file. They are read, not mapped: the file may become shorter meanwhile."""
        layout = self.layout
        offset = layout.offset + first * layout.dtype.itemsize
        samples = self._read(lambda: np.fromfile(self.path, layout.dtype, last - first, offset=offset))
        if samples.size != last - first:
            raise SignalError(f"{self.path} became shorter while it was read")
        return samples

    def _pieces(self) -> Iterator[Array]:
        """All samples in the order of the file."""
        count = int(np.prod(self.layout.shape, dtype=np.int64))
        for first in range(0, count, PIECE):
            yield self._native(self._flat(first, min(first + PIECE, count)))

    def _native(self, samples: Array) -> Array:
        """The type that is kept in memory; an overflow of 32 bits is found as an infinite sample."""
        with np.errstate(over="ignore"):
            return np.require(samples, self.dtype, ["C", "W"])

    def _read(self, reading: Callable[[], Array]) -> Array:
        try:
            return reading()
        except OSError as error:
            raise FileAccessError(f"cannot read {self.path}: {reason(error)}") from None
        except ValueError:
            raise SignalError(f"{self.path} became shorter while it was read") from None


def open_stored(path: Path, axes: int | None = None) -> StoredSignal | None:
    """A ``.npy`` file or an uncompressed TIFF file of any size, to be read in parts; None for any other file.

    Args:
        path: of the file.
        axes: how many axes of an array are coordinates, as for `inr.codec.sources.load`.

    Raises:
        FileAccessError: the file cannot be read.
        SignalError: it is a ``.npy`` or TIFF file, but damaged, or no signal that can be fitted.
    """
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            begin, size = file.read(NPY_HEADER), os.fstat(file.fileno()).st_size
            if begin.startswith(arrays.MAGIC):
                return _of_npy(path, begin, size, axes)
            if begin.startswith(TIFF_SIGNATURES):
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, damage_reported():
                    found = tiff_layout(data)
                if found is not None:
                    layout, profile = found
                    return StoredSignal(path, layout, "image", layout.shape[:2], layout.shape[2], profile)
    except OSError as error:
        if isinstance(error, FileAccessError):
            raise
        raise FileAccessError(f"cannot read {path}: {reason(error)}") from None
    except Refusal as refusal:
        raise SignalError(f"{path} {refusal}") from refusal.__cause__
    return None


def _of_npy(path: Path, begin: bytes, size: int, axes: int | None) -> StoredSignal:
    layout = npy_layout(begin, size)
    shape, dtype = layout.shape, layout.dtype
    if axes is None and arrays.is_picture(shape, dtype):
        check_picture(shape, dtype)
        return StoredSignal(path, layout, "image", shape[:2], 1 if len(shape) == 2 else shape[2])
    return StoredSignal(path, layout, "array", *arrays.grid_of(shape, dtype, axes, str(path)))
