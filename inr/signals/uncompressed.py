"""Files whose samples lie there as they are: some rows are read without the others, whatever the size of the file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inr.cached import cached
from inr.domain import Domain
from inr.errors import FileAccessError, SignalError
from inr.files import reason
from inr.meta import Attributes, SampleType, SignalMeta
from inr.signals.npy import MAGIC, Layout, npy_layout
from inr.signals.ranges import value_range_of
from inr.signals.refusal import Refusal
from inr.signals.signal import Array, Signal
from inr.signals.source import Source

PIECE = 2**20
"""Samples looked at together when the value range is found out."""


@dataclass(frozen=True)
class StoredSignal:
    """A signal whose samples lie in a file as they are, of which parts are read one by one.

    Attributes:
        path: of the file; also its name in messages.
        layout: where the samples are.
        shape: samples along each axis.
        channels: values a sample.
        axes: names of the axes.
        attributes: of the signal.
        most_samples: of a part that is read at once, at most.
    """

    path: Path
    layout: Layout
    shape: tuple[int, ...]
    channels: int
    axes: tuple[str, ...]
    attributes: Attributes
    most_samples: int

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of the samples in memory."""
        name = self.layout.dtype.name
        return np.dtype("float32" if name == "float64" else name)

    @cached
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
        return SignalMeta(dtype, values, self.attributes)

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


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn refusals, and what the system says against reading, into errors of one line."""
    try:
        yield
    except Refusal as refusal:
        raise SignalError(f"{path} {refusal}") from refusal.__cause__
    except FileAccessError:
        raise
    except OSError as error:
        raise FileAccessError(f"cannot read {path}: {reason(error)}") from None


def npy_file(source: Source) -> Layout | None:
    """Where the samples of a ``.npy`` file lie; None for any other source; refuses a damaged one."""
    if source.path is None or not source.head.startswith(MAGIC):
        return None
    return npy_layout(source.head, source.path.stat().st_size)
