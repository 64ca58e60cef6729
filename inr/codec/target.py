"""What a decoder is asked for: which part of a signal, and how many samples of it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from inr.domain import Domain
from inr.errors import LimitExceededError, SpecError
from inr.meta import SignalMeta

MAX_OUTPUT_SAMPLES = 2**30
"""Channels times samples of one decoded signal."""
MAX_EVALUATIONS = 2**34
"""Points that the samples of one decoded signal may be means of."""
MAX_FRAME_RATE = 1_000_000
"""Frames a second."""

Region = tuple[int, ...]
Seconds = tuple[float, float]


@dataclass(frozen=True)
class Target:
    """Part and size; see `DecodedField.decode`."""

    scale: float | None = None
    size: tuple[int, ...] | None = None
    region: Region | None = None
    time: Seconds | None = None
    frame_rate: Fraction | float | None = None

    def grid(self, domain: Domain, meta: SignalMeta, channels: int) -> Domain:
        """The grid to evaluate; raises `SpecError` or `LimitExceededError` before any work is done."""
        part = self._cropped(domain, meta)
        shape = self._shape(part, meta)
        if math.prod(shape) * channels > MAX_OUTPUT_SAMPLES:
            raise LimitExceededError(
                f"{_shown(shape, meta)} of {channels} channels are too many samples; at most {MAX_OUTPUT_SAMPLES} are "
                "decoded at once: choose a smaller scale, size or region"
            )
        return part.resized(shape)

    def supersample(self, domain: Domain, meta: SignalMeta, grid: Domain) -> tuple[int, ...]:
        """Points of a cell of the grid to average over along each axis: about one for each original sample."""
        part = self._cropped(domain, meta)
        ratios = [old / new for old, new in zip(part.shape, grid.shape, strict=True)]
        if meta.kind == "video":
            ratios[0] = 1.0
        if meta.kind == "image":
            ratios = [max(ratios)] * 2
        fineness = tuple(max(1, math.ceil(ratio - 1e-9)) for ratio in ratios)
        if math.prod(grid.shape) * math.prod(fineness) > MAX_EVALUATIONS:
            points = math.prod(grid.shape) * math.prod(fineness)
            raise LimitExceededError(
                f"a size so small is the mean over {points} points; at most {MAX_EVALUATIONS} are evaluated: "
                "choose a larger size, or a region"
            )
        return fineness

    def decoded_rate(self, meta: SignalMeta) -> Fraction | None:
        """Frames a second of what is decoded; None for anything but a video."""
        if meta.frame_rate is None or self.frame_rate is None:
            return meta.frame_rate
        if not (math.isfinite(self.frame_rate) and 0 < self.frame_rate <= MAX_FRAME_RATE):
            raise SpecError(f"frame rate: must be more than 0 and at most {MAX_FRAME_RATE}; got {self.frame_rate:g}")
        return Fraction(self.frame_rate).limit_denominator(100_000)

    def _cropped(self, domain: Domain, meta: SignalMeta) -> Domain:
        """The chosen part of the original grid; along time, as many cells as there are frames to make."""
        part = domain
        if self.region is not None:
            part = _of_region(domain, meta, self.region)
        if meta.kind != "video":
            if self.time is not None or self.frame_rate is not None:
                raise SpecError(f"time and frame rate: only a video has them; this is an {meta.kind}")
            return part
        return self._of_time(part, meta)

    def _of_time(self, domain: Domain, meta: SignalMeta) -> Domain:
        original, wanted = meta.frame_rate, self.decoded_rate(meta)
        if original is None or wanted is None:
            return domain
        if self.time is None and wanted == original:
            return domain
        frames = domain.shape[0]
        duration = frames / original
        start, end = (0.0, float(duration)) if self.time is None else self.time
        if not 0 <= start < end or start >= duration or (math.isfinite(end) and end > float(duration) + 0.5 / original):
            raise SpecError(f"time: needs 0 <= start < end <= {float(duration):.6g} seconds; got {start:g} to {end:g}")
        end = min(end, float(duration))
        count = max(1, round((end - start) * float(wanted)))
        if count > MAX_OUTPUT_SAMPLES:
            raise LimitExceededError(f"frame rate: {count} frames are too many to decode")
        return domain.window(0, start * float(original), end * float(original), count)

    def _shape(self, part: Domain, meta: SignalMeta) -> tuple[int, ...]:
        """Samples along each axis."""
        if self.scale is not None and self.size is not None:
            raise SpecError("give a scale or a size, not both")
        kept = part.shape[:1] if meta.kind == "video" else ()
        sides = part.shape[len(kept) :]
        if self.size is not None:
            wanted = self.size if meta.kind == "array" else self.size[::-1]
            if len(wanted) != len(sides) or min(wanted) < 1:
                allowed = f"{len(sides)} numbers of samples" if meta.kind == "array" else "width and height"
                raise SpecError(f"size: needs {allowed}, at least 1 each; got {_joined(self.size)}")
            return (*kept, *wanted)
        factor = 1.0 if self.scale is None else self.scale
        if not (math.isfinite(factor) and factor > 0):
            raise SpecError(f"scale: must be more than 0; got {factor}")
        scaled = [n * factor for n in sides]
        if max(scaled) > MAX_OUTPUT_SAMPLES:
            raise LimitExceededError(f"scale {factor:g} gives a side of {max(scaled):.3g} samples; that is too large")
        return (*kept, *[max(1, round(n)) for n in scaled])


def _of_region(domain: Domain, meta: SignalMeta, region: Region) -> Domain:
    if meta.kind == "array":
        if len(region) != 2 * domain.ndim:
            raise SpecError(f"region: needs {domain.ndim} starts and {domain.ndim} counts; got {_joined(region, ',')}")
        return domain.cropped(region[: domain.ndim], region[domain.ndim :])
    if len(region) != 4:
        raise SpecError(f"region: needs x, y, width and height; got {_joined(region, ',')}")
    x, y, width, height = region
    if meta.kind == "video":
        return domain.cropped((0, y, x), (domain.shape[0], height, width))
    return domain.cropped((y, x), (height, width))


def _shown(shape: tuple[int, ...], meta: SignalMeta) -> str:
    if meta.kind == "array":
        return _joined(shape)
    frames = f"{shape[0]} frames of " if meta.kind == "video" else ""
    return f"{frames}{shape[-1]}x{shape[-2]} pixels"


def _joined(numbers: Iterable[int], separator: str = "x") -> str:
    return separator.join(str(n) for n in numbers)
