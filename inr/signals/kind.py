"""What a kind of signal is: pictures, videos, arrays, and whatever a package adds.

A kind is a package in this folder whose module ``kind`` registers one class, or a module of another package. All that
the kind means is in it: nothing else of the library or of the service knows kinds by name.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, final

from inr.container import ids, limits
from inr.container.attributes import FileAttributes
from inr.domain import Domain
from inr.errors import SignalError, SpecError
from inr.files import write_bytes
from inr.meta import Attributes, SignalMeta
from inr.metrics.base import Metric
from inr.metrics.psnr import Psnr
from inr.registry import Registry
from inr.signals.foreign import not_read, plural
from inr.signals.npy import npy_bytes
from inr.signals.parts import Cut, PartRule, Parts, gathered
from inr.signals.signal import Array, Samples, Signal
from inr.signals.source import Reading, Source
from inr.signals.target import Sampling, Shape, Target, check_evaluations, check_output, joined, ratios
from inr.signals.uncompressed import StoredSignal, reported
from inr.spec import Spec

Pngs = Callable[[Samples], Iterator[tuple[int, bytes]]]


class Kind(Spec):
    """A kind of signal. A concrete class adds ``kind``, ``wire_id`` and the class attributes below; it has no settings.

    The wire id of a kind of another package is `inr.container.ids.FIRST_FOREIGN_KIND` or more.

    What is not abstract suits signals that are read whole, have axes of their own names, and are written by the kind's
    `write` or as ``.npy``; sizes and regions are in array order.
    """

    kind: str = ""
    wire_id: ClassVar[int]
    noun: ClassVar[str]
    """With its article, for messages: "a picture"."""
    formats: ClassVar[str]
    """Names of the formats that are read, for messages: "PNG, JPEG and GIF"."""
    folders: ClassVar[str | None] = None
    """What is read of a folder, for messages: "two pictures"; None if nothing is."""
    attributes: ClassVar[type[Attributes]]
    """What signals of this kind have beside their samples."""
    parts_are: ClassVar[PartRule] = PartRule("samples along the first axis")
    """Where signals are cut that are too large to be fitted at once."""
    reading: ClassVar[frozenset[str]] = frozenset()
    """Which fields of a `Reading` it takes."""
    targets: ClassVar[frozenset[str]] = frozenset({"scale", "size", "region"})
    """Which fields of a `Target` it takes."""
    metrics: ClassVar[tuple[Metric, ...]] = (Psnr(),)
    """Measures of quality; the first is the one that is named where there is room for one. See `metrics_of`."""
    default_coder: ClassVar[str | None] = None
    """What compresses it if it heeds all that is asked; else, or if None, the usual one does, a network's weights."""
    default_model: ClassVar[str | None] = None
    """Model if none is asked for; None takes the preset's."""
    large_model: ClassVar[tuple[int, str] | None] = None
    """Samples, and the model of parts that have more than these, instead of the default one."""
    default_bpp: ClassVar[float | None] = None
    """Bits a sample if no size is asked for, whatever the model; None takes what suits the model on a photo."""
    suffix: ClassVar[str]
    """Of a file in which a signal comes back as it was; not ".npy" unless that is all there is."""

    @abstractmethod
    def examples(self) -> tuple[Signal, ...]:
        """Small signals that the conformance suite saves, compresses and compares: at least 8 samples on each axis."""

    @abstractmethod
    def sniff(self, source: Source) -> bool:
        """True for a source that is of this kind, told by its first bytes, and by its name only where bytes cannot.

        Raises:
            FileAccessError: it cannot be read.
        """

    @abstractmethod
    def load(self, source: Source, reading: Reading) -> Signal:
        """Read a whole signal.

        Raises:
            FileAccessError: it cannot be read.
            SignalError: it is damaged, or too large to be read at once.
            SpecError: `reading` makes no sense.
        """

    def stored(self, source: Source, reading: Reading) -> StoredSignal | None:
        """The source if its samples lie in a file as they are, so that some are read without the others; else None."""
        del source, reading
        return None

    def parts(self, source: Source, reading: Reading, segment: int | None) -> Parts:
        """Read a signal in parts along its first axis, each when it is asked for if `stored` allows it.

        Args:
            source: what to read.
            reading: how.
            segment: samples of a part along that axis, at most; None for what suits.

        Raises:
            InrError: as `load`.
        """
        stored = None
        if source.path is not None:
            with reported(source.path):
                stored = self.stored(source, reading)
        if stored is not None:
            lengths = self.parts_are.lengths(stored.shape, segment, stored.most_samples)
            self._check_limits(stored, max(lengths))
            if len(lengths) > 1:
                return Parts(lengths, Cut(lengths, stored.part), stored.shape)
        return self.parts_are.cut(self.load(source, reading), segment)

    def check(self, shape: Shape) -> None:
        """Raise `SignalError` for a signal of which no field can be made, whose samples along each axis are these."""
        del shape

    @final
    def _check_limits(self, stored: StoredSignal, longest: int) -> None:
        """Raise `SignalError` for what a file cannot hold, or a part that is not read at once, before it is read."""
        name, shape, most = stored.path, stored.shape, stored.most_samples
        if max(shape) > limits.MAX_AXIS_SAMPLES or math.prod(shape) > limits.MAX_SAMPLES:
            raise SignalError(
                f"{name} has {joined(shape)} samples; a file holds at most {limits.MAX_AXIS_SAMPLES} along an axis, "
                f"{limits.MAX_SAMPLES} in all"
            )
        samples = longest * math.prod(shape[1:])
        if samples > most:
            raise SignalError(
                f"{name}: {longest} {self.parts_are.noun} are {samples} samples; at most {most} are read at once: "
                "choose a smaller segment"
            )

    def reading_of(self, shape: Shape) -> Reading:
        """How an original is read so that it has this grid."""
        del shape
        return Reading()

    @abstractmethod
    def check_format(self, path: str | Path, shape: Shape, channels: int, meta: SignalMeta) -> None:
        """Raise `SpecError` if the suffix of a path (``-``: standard output) names no format for such samples.

        ``.npy`` is not asked for: every kind is written so.
        """

    @abstractmethod
    def write(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """Write samples in the format that a path names, whole or not at all.

        Args:
            path: where to; `check_format` has passed it.
            blocks: consecutive, `(rows, *shape[1:], channels)` each.
            shape: of the whole.
            channels: values a sample.
            meta: meaning of the samples.

        Raises:
            FileAccessError: it cannot be written.
        """

    @final
    def save(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `write`, for any path; raises `SpecError` for one whose format cannot hold the samples."""
        if Path(path).suffix.lower() == ".npy":
            self.check_npy(channels, meta)
            write_bytes(path, self.npy(blocks, shape, channels, meta))
            return
        self.check_format(path, shape, channels, meta)
        self.write(path, blocks, shape, channels, meta)

    @final
    def npy(self, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> bytes:
        """Samples as a ``.npy`` file; arguments as for `write`."""
        whole = gathered(blocks, shape, channels, meta).reshape(*self.outward(shape, meta), channels)
        return npy_bytes(whole, self.has_channel_axis(meta))

    def has_channel_axis(self, meta: SignalMeta) -> bool:
        """True if ``.npy`` files of one channel have an axis for it."""
        del meta
        return False

    def check_npy(self, channels: int, meta: SignalMeta) -> None:
        """Raise `SpecError` for samples that are not written as ``.npy``."""
        del channels, meta

    def suffix_for(self, meta: SignalMeta) -> str:
        """Suffix of a file that loses nothing of samples of this type."""
        del meta
        return self.suffix

    @abstractmethod
    def axes(self, count: int) -> tuple[str, ...]:
        """Names of the axes of a signal with so many; raises `SpecError` for a number that it cannot have."""

    def to_file(self, meta: SignalMeta) -> FileAttributes:
        """The attributes as a file holds them."""
        return FileAttributes(own=meta.attributes.to_wire())

    def from_file(self, found: FileAttributes) -> Attributes:
        """The inverse of `to_file`.

        Raises:
            SpecError: values that make no sense.
            UnsupportedFeatureError: an attribute that this version does not know.
        """
        return self.attributes.from_wire(found.own)

    @final
    def sampling(self, target: Target, domain: Domain, meta: SignalMeta, channels: int) -> Sampling:
        """What a target comes to, before any work is done.

        Args:
            target: what is asked for.
            domain: of the original.
            meta: of the original.
            channels: values a sample.

        Raises:
            SpecError: an option out of range, or one that does not go with this kind of signal.
            LimitExceededError: more than `MAX_OUTPUT_SAMPLES` samples, or means over too many points.
        """
        target = self.inward(target, meta, domain.ndim)
        part = self.region(target, domain)
        self._check_target(target)
        part, meta = self.timed(target, part, meta)
        shape = self.grid_shape(target, part.shape)
        check_output(shape, channels, self.size_text(shape))
        means = self.means(part.shape, shape)
        check_evaluations(shape, means)
        return Sampling(part.resized(shape), means, meta)

    @final
    def _check_target(self, target: Target) -> None:
        for name in sorted(target.given() - self.targets):
            if name in ("time", "frame_rate"):
                who = _who_takes("targets", name)
                raise SpecError(f"time and frame rate: only {who} has them; this is {self.noun}")
            raise SpecError(f"{name}: {self.noun} has none")

    def inward(self, target: Target, meta: SignalMeta, count: int) -> Target:
        """A target about the axes that users see as one about the `count` axes of the field; raises `SpecError`."""
        del meta, count
        return target

    def outward(self, numbers: Shape, meta: SignalMeta, fill: int = 1) -> Shape:
        """A number for each axis of the field, as one for each axis that users see; `fill` for those it has not."""
        del meta, fill
        return numbers

    def region(self, target: Target, domain: Domain) -> Domain:
        """The chosen region of a grid; raises `SpecError`."""
        region, n = target.region, domain.ndim
        if region is None:
            return domain
        if len(region) != 2 * n:
            raise SpecError(f"region: needs {n} starts and {n} counts; got {joined(region, ',')}")
        return domain.cropped(region[:n], region[n:])

    def timed(self, target: Target, part: Domain, meta: SignalMeta) -> tuple[Domain, SignalMeta]:
        """The chosen time of a grid, and what its samples mean then; raises `SpecError`."""
        del target
        return part, meta

    def grid_shape(self, target: Target, part: Shape) -> Shape:
        """Samples to make of a part of the original along each axis; raises `SpecError`."""
        return target.scaled(part, target.size, f"{len(part)} numbers of samples")

    def means(self, part: Shape, grid: Shape) -> Shape:
        """Points of a cell to average over along each axis: about one for each original sample."""
        return tuple(map(whole, ratios(part, grid)))

    def metrics_of(self, meta: SignalMeta) -> tuple[Metric, ...]:
        """Measures of the quality of one signal, the one that matters most first."""
        del meta
        return self.metrics

    def check_alike(self, meta: SignalMeta, other: SignalMeta, channels: int) -> None:
        """Raise `SignalError` for two signals of one shape whose samples mean something else, so are not compared."""
        del meta, other, channels

    @final
    def decibels(self, meta: SignalMeta) -> Metric:
        """What decibels are, as targets of a signal and while it is fitted: its first measure in dB, or PSNR."""
        return next((metric for metric in self.metrics_of(meta) if metric.decibels), Psnr())

    def size_text(self, shape: Shape) -> str:
        """A grid as messages call it."""
        return joined(shape)

    def sides(self, shape: Shape) -> tuple[int | None, int | None]:
        """Rows and columns of a picture or a frame; None for what has none."""
        del shape
        return None, None

    def rate(self, meta: SignalMeta) -> Fraction | None:
        """Frames, or samples, a second; None for what has no axis of time."""
        del meta
        return None

    def preview(self, samples: Samples, meta: SignalMeta) -> Array | None:
        """A small signal as an 8-bit picture `(height, width, 1..4)` for whoever watches; None if it has no picture."""
        del samples, meta
        return None

    def pngs(self, meta: SignalMeta) -> Pngs:
        """What makes PNG files of consecutive samples, and says how many along the first axis each of them has.

        Raises:
            SpecError: signals of this kind are no pictures.
        """
        del meta
        raise SpecError(f"format: {self.noun} has no PNG form; ask for raw samples")


KINDS: Registry[Kind] = Registry(
    "kind of signal",
    "inr.signals",
    group="inr.kinds",
    module="kind",
    names=ids.SIGNAL_KINDS,
    first_foreign=ids.FIRST_FOREIGN_KIND,
)


def kind_for(meta: SignalMeta) -> Kind:
    """The kind of a signal; raises `UnknownComponentError` if its package is gone."""
    return KINDS.get(meta.kind)()


def kind_of_source(source: Source, reading: Reading) -> Kind:
    """The kind that a source is of.

    The first kind, in the order of wire ids, that says so and takes what is asked of the reading.

    Raises:
        FileAccessError: the source cannot be read.
        SignalError: it is of no kind.
        SpecError: none of its kinds takes what is asked.
    """
    kinds = [cls() for cls in KINDS]
    found: Kind | None = None
    for kind in kinds:
        if kind.sniff(source):
            if reading.given() <= kind.reading:
                return kind
            found = found or kind
    if found is None:
        _refuse_empty(source, kinds)
        raise SignalError(f"{source.name} {not_read(source.head, all_read())}")
    refuse_reading(reading, found.noun, found.reading)
    return found


def _refuse_empty(source: Source, kinds: list[Kind]) -> None:
    """Raise `SignalError` for an empty file, and a folder without what is read of one."""
    if source.is_folder:
        read = " or ".join(kind.folders for kind in kinds if kind.folders is not None)
        raise SignalError(f"{source.name} is a folder without {read}")
    if source.array is None and not source.head:
        raise SignalError(f"{source.name} is empty (0 bytes)")


def all_read() -> str:
    """What is read, of all kinds of signal, for messages; there is no other list of it."""
    return ", ".join(plural(cls.noun, cls.formats) for cls in KINDS)


def refuse_reading(reading: Reading, noun: str, allowed: frozenset[str] = frozenset()) -> None:
    """Raise `SpecError` if more is asked of a reading than `allowed`; messages call what is read `noun`."""
    words = {"time": "times", "axes": "a number of axes to choose"}
    for name in sorted(reading.given() - allowed, reverse=True):
        raise SpecError(f"{name}: only {_who_takes('reading', name)} has {words[name]}; this is {noun}")


def whole(ratio: float) -> int:
    """Points along an axis that stand for so many original samples."""
    return max(1, math.ceil(ratio - 1e-9))


def _who_takes(options: str, name: str) -> str:
    """Nouns of the kinds that take an option: "a video"."""
    return " or ".join(kind.noun for kind in KINDS if name in getattr(kind, options))
