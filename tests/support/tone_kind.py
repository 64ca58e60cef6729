"""A kind of signal of another package, whole in one module: mono or stereo sound in WAV files of 8 or 16 bits.

It needs nothing of the library or of the service but what `inr.signals.kind` says; registering it is all it takes.
"""

import io
import wave
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Literal, cast, final

import numpy as np

from inr.domain import Domain
from inr.errors import SignalError, SpecError
from inr.files import write_bytes
from inr.meta import Attributes, SampleType, SignalMeta
from inr.metrics.base import Array, Metric, Tally
from inr.metrics.psnr import Psnr
from inr.signals.kind import KINDS, Kind
from inr.signals.parts import PartRule, gathered
from inr.signals.ranges import value_range
from inr.signals.signal import Samples, Signal
from inr.signals.source import Reading, Source
from inr.signals.target import Shape, Target

MAX_RATE = 768_000
LEAST = 2
_TYPES = {1: "uint8", 2: "int16"}


@dataclass(frozen=True)
class ToneAttributes(Attributes):
    """Timing of a sound, and where it was cut out.

    Attributes:
        sample_rate: samples a second.
        loop: first and last sample of what is repeated, or nothing.
        gain: what players multiply samples with.
    """

    kind: ClassVar[str] = "tone"
    sample_rate: int = field(metadata={"key": 0})
    loop: tuple[int, ...] = field(default=(), metadata={"key": 1})
    gain: float = field(default=1.0, metadata={"key": 2})

    def __post_init__(self) -> None:
        if not 1 <= self.sample_rate <= MAX_RATE:
            raise SpecError(f"sample rate: must be within 1..{MAX_RATE}; got {self.sample_rate}")
        if len(self.loop) not in (0, 2):
            raise SpecError(f"loop: needs a first and a last sample; got {self.loop}")


class MeanDifference(Metric):
    """Mean absolute difference of the samples, as a share of the peak."""

    name: ClassVar[str] = "difference"

    def tally(self, reference: Array, other: Array, peak: float) -> Tally:
        """The sum of the differences, and of how many."""
        total = np.abs(reference.astype(np.float64) - other.astype(np.float64)).sum() / peak
        return Tally(float(total), reference.size)


@final
class Tone(Kind):
    """Sound: samples over time, with a channel for each loudspeaker."""

    kind: Literal["tone"] = "tone"
    wire_id: ClassVar[int] = 70_000
    noun: ClassVar[str] = "a tone"
    formats: ClassVar[str] = "WAV"
    attributes: ClassVar[type[Attributes]] = ToneAttributes
    parts_are: ClassVar[PartRule] = PartRule("samples of a stretch", LEAST)
    reading: ClassVar[frozenset[str]] = frozenset({"time"})
    targets: ClassVar[frozenset[str]] = frozenset({"scale", "size", "time"})
    metrics: ClassVar[tuple[Metric, ...]] = (MeanDifference(), Psnr())
    default_model: ClassVar[str | None] = "siren"
    suffix: ClassVar[str] = ".wav"

    def examples(self) -> tuple[Signal, ...]:
        """As `Kind.examples`."""
        return tone(), tone(seconds=0.1, channels=1)

    def sniff(self, source: Source) -> bool:
        """As `Kind.sniff`."""
        return source.head[:4] == b"RIFF" and source.head[8:12] == b"WAVE"

    def load(self, source: Source, reading: Reading) -> Signal:
        """As `Kind.load`."""
        try:
            with wave.open(io.BytesIO(source.read())) as file:
                width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
                data, count = file.readframes(file.getnframes()), file.getnframes()
        except (wave.Error, EOFError) as error:
            raise SignalError(f"{source.name} is damaged: {str(error) or 'it ends in its header'}") from None
        if width not in _TYPES:
            raise SignalError(f"{source.name} has samples of {width} bytes; 1 and 2 are read")
        if len(data) != count * channels * width:
            raise SignalError(f"{source.name} is damaged: it ends before its last sample")
        samples = np.frombuffer(data, np.dtype(_TYPES[width]).newbyteorder("<")).reshape(-1, channels)
        first, last = (0.0, float("inf")) if reading.time is None else reading.time
        chosen = samples[round(first * rate) : None if last == float("inf") else round(last * rate)]
        stored: Samples = chosen.astype(_TYPES[width])
        if len(stored) == 0:
            raise SignalError(f"{source.name} has no sample from {first:g} to {last:g} s")
        sample_type = cast(SampleType, _TYPES[width])
        meta = SignalMeta(sample_type, value_range(stored), ToneAttributes(rate))
        return Signal(stored, Domain.of_shape((len(stored),), self.axes(1)), meta)

    def check(self, shape: Shape) -> None:
        """As `Kind.check`."""
        if shape[0] < LEAST:
            raise SignalError(f"a tone needs at least {LEAST} samples; got {shape[0]}")

    def check_format(self, path: str | Path, shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.check_format`."""
        if Path(path).suffix.lower() != ".wav" and str(path) != "-":
            raise SpecError(f"{path}: a tone is written as .wav or .npy; got the suffix {Path(path).suffix!r}")

    def write(self, path: str | Path, blocks: Iterable[Samples], shape: Shape, channels: int, meta: SignalMeta) -> None:
        """As `Kind.write`."""
        samples = gathered(blocks, shape, channels, meta)
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(samples.dtype.itemsize)
            file.setframerate(own(meta).sample_rate)
            file.writeframes(samples.astype(samples.dtype.newbyteorder("<")).tobytes())
        write_bytes(path, stream.getvalue())

    def axes(self, count: int) -> tuple[str, ...]:
        """As `Kind.axes`."""
        if count != 1:
            raise SpecError(f"tone: has 1 axis; got {count}")
        return ("t",)

    def timed(self, target: Target, part: Domain, meta: SignalMeta) -> tuple[Domain, SignalMeta]:
        """As `Kind.timed`."""
        return target.timed(part, Fraction(own(meta).sample_rate))[0], meta

    def rate(self, meta: SignalMeta) -> Fraction | None:
        """As `Kind.rate`."""
        return Fraction(own(meta).sample_rate)


def own(meta: SignalMeta) -> ToneAttributes:
    """The attributes of a tone."""
    if not isinstance(meta.attributes, ToneAttributes):
        raise SpecError(f"needs the attributes of a tone; got those of kind {meta.kind}")
    return meta.attributes


def tone(seconds: float = 0.25, rate: int = 8000, channels: int = 2) -> Signal:
    """A chord that fades away."""
    t = np.arange(round(seconds * rate)) / rate
    values = [np.exp(-3 * t) * np.sin(2 * np.pi * (110 * (c + 1)) * t + c) for c in range(channels)]
    samples: Samples = np.rint(20_000 * np.stack(values, axis=-1)).astype(np.int16)
    meta = SignalMeta("int16", value_range(samples), ToneAttributes(rate))
    return Signal(samples, Domain.of_shape((len(samples),), ("t",)), meta)


def with_attributes(signal: Signal, attributes: ToneAttributes) -> Signal:
    """The same samples with other attributes."""
    return replace(signal, meta=replace(signal.meta, attributes=attributes))


def register() -> None:
    """Make the kind known; what an entry point of a package does by naming the class."""
    KINDS.register(Tone)
