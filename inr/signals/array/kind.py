"""Arrays as a kind of signal."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np

from inr.container.attributes import FileAttributes
from inr.errors import SpecError
from inr.files import names_no_format, write_bytes
from inr.meta import Attributes, SignalMeta, with_ones
from inr.signals.array.attributes import ArrayAttributes, ones_of
from inr.signals.array.read import axis_names, grid_of, signal_of
from inr.signals.kind import KINDS, Kind
from inr.signals.limits import MAX_SAMPLES
from inr.signals.npy import MAGIC, read_npy
from inr.signals.parts import PartRule
from inr.signals.preview import eight_bits
from inr.signals.signal import Array as Values
from inr.signals.signal import Samples, Signal
from inr.signals.source import Reading, Source
from inr.signals.target import Shape, Target, joined
from inr.signals.uncompressed import StoredSignal, npy_file


@final
@KINDS.register
class Array(Kind):
    """Numbers on a grid of 1 to 4 axes, beside any of one sample, that mean whatever they mean; in ``.npy`` files."""

    kind: Literal["array"] = "array"
    wire_id: ClassVar[int] = 2
    noun: ClassVar[str] = "an array"
    formats: ClassVar[str] = ".npy"
    attributes: ClassVar[type[Attributes]] = ArrayAttributes
    parts_are: ClassVar[PartRule] = PartRule("samples of a slab along the first axis")
    reading: ClassVar[frozenset[str]] = frozenset({"axes"})
    suffix: ClassVar[str] = ".npy"

    def examples(self) -> tuple[Signal, ...]:
        """As `Kind.examples`: a volume of floats, a line of integers, and a sheet with axes of one sample."""
        z, y, x = np.mgrid[0:9, 0:10, 0:11] / 3
        line = np.rint(1000 * np.sin(np.arange(200) / 9)).astype(np.int16)
        volume = (np.sin(x + z) * np.cos(y)).astype(np.float32)
        return signal_of(volume), signal_of(line), signal_of(volume[np.newaxis, 4, :, np.newaxis])

    def sniff(self, source: Source) -> bool:
        """As `Kind.sniff`: any array; those with the shape of a picture are one unless `axes` are asked for."""
        return source.array is not None or source.head.startswith(MAGIC)

    def load(self, source: Source, reading: Reading) -> Signal:
        """As `Kind.load`."""
        array: Values = read_npy(source.read(), source.name) if source.array is None else source.array
        return signal_of(array, reading.axes, source.name)

    def stored(self, source: Source, reading: Reading) -> StoredSignal | None:
        """As `Kind.stored`, for ``.npy`` files."""
        path, layout = source.path, npy_file(source)
        if path is None or layout is None:
            return None
        shape, channels, ones = grid_of(layout.shape, layout.dtype, reading.axes, source.name)
        if ones:
            layout = replace(layout, shape=tuple(n for n in layout.shape if n != 1))
        axes, most = self.axes(len(shape)), MAX_SAMPLES // channels
        return StoredSignal(path, layout, shape, channels, axes, ArrayAttributes(ones), most)

    def check_format(self, path: str | Path, shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.check_format`."""
        if not names_no_format(path):
            raise SpecError(f"{path}: an array is written as .npy; got the suffix {Path(path).suffix!r}")

    def write(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.write`: ``.npy`` to standard output."""
        write_bytes(path, self.npy(blocks, shape, channels, meta))

    def axes(self, count: int) -> tuple[str, ...]:
        """As `Kind.axes`."""
        return axis_names(count)

    def to_file(self, meta: SignalMeta) -> FileAttributes:
        """As `Kind.to_file`: no colours are known."""
        return FileAttributes(colour_space=2, own=meta.attributes.to_wire())

    def inward(self, target: Target, meta: SignalMeta, count: int) -> Target:
        """As `Kind.inward`: an axis of one sample stays one."""
        ones, region, size = ones_of(meta), target.region, target.size
        n = count + len(ones)
        if region is not None and ones:
            if len(region) != 2 * n:
                raise SpecError(f"region: needs {n} starts and {n} counts; got {joined(region, ',')}")
            for place in ones:
                first, samples = region[place], region[n + place]
                if (first, samples) != (0, 1):
                    raise SpecError(f"region: axis {place} has the sample 0 alone; got {samples} from {first}")
            region = tuple(x for place, x in enumerate(region) if place % n not in ones)
        if size is not None and ones:
            if len(size) != n or any(size[place] != 1 for place in ones):
                wanted = "x".join("1" if place in ones else "N" for place in range(n))
                raise SpecError(f"size: needs {n} numbers of samples, {wanted}; got {joined(size)}")
            size = tuple(x for place, x in enumerate(size) if place not in ones)
        return replace(target, region=region, size=size)

    def outward(self, numbers: Shape, meta: SignalMeta, fill: int = 1) -> Shape:
        """As `Kind.outward`: with the axes of one sample."""
        return with_ones(numbers, ones_of(meta), fill)

    def preview(self, samples: Samples, meta: SignalMeta) -> Values | None:
        """As `Kind.preview`: two axes as a picture, of three the middle slice."""
        slice_ = samples[len(samples) // 2] if samples.ndim == 4 else samples
        return eight_bits(slice_) if slice_.ndim == 3 else None

    def reading_of(self, shape: Shape) -> Reading:
        """As `Kind.reading_of`."""
        return Reading(axes=len(shape))
