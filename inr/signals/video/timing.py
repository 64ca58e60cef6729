"""When the frames of a video file are shown: by the time stamps of its frames, and by what is said of the whole."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inr.signals.video.frame_source import DEFAULT_RATE
from inr.signals.video.times import MAX_TERM, FrameTimes, rate_of

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_CLOCK = re.compile(r"([0-9]{1,4}):([0-5][0-9]):([0-5][0-9](?:\.[0-9]{1,9})?)")


@dataclass(frozen=True, eq=False)
class Index:
    """The frames of a stream in the order they are shown.

    Attributes:
        frames: how many.
        pts: the tick at which each is shown, increasing; None if the file has none that can be relied on.
        last: ticks that the last one is shown; 0 if the file does not say.
        seekable: whether decoding may start at a key frame in the middle, as decoded frames have these time stamps.
    """

    frames: int
    pts: npt.NDArray[np.int64] | None
    last: int
    seekable: bool


@dataclass(frozen=True)
class End:
    """When the last frame ends by what is said of the stream, as its packet may not know.

    Attributes:
        tick: None if nothing is said.
        sure: true for a tag of Matroska, whose packets never know; else packets are stored out of order at worst.
    """

    tick: int | None
    sure: bool


def stated_end(stream: "VideoStream", tick: Fraction) -> End:
    """When the last frame of a stream ends."""
    tags = (text for name, text in stream.metadata.items() if name.partition("-")[0] == "DURATION")  # -eng
    if match := _CLOCK.fullmatch(next(tags, "")):
        hours, minutes, seconds = match.groups()
        return End(round((3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)) / tick), sure=True)
    return End(None if stream.duration is None else (stream.start_time or 0) + stream.duration, sure=False)


def timing(
    index: Index, stated: list[Fraction], tick: Fraction, end: End, chosen: bool
) -> tuple[Fraction, npt.NDArray[np.float64], FrameTimes | None]:
    """The frame rate, the seconds from the first frame to each, and the times of frames if their rate varies.

    Args:
        index: of the frames.
        stated: rates that the container states, the best first; they are exact (30000/1001) where the rounded times
            are not.
        tick: in seconds.
        end: of the last frame.
        chosen: the times of the frames are what an author chose, not rounded ones of a constant rate.
    """
    frames, pts = index.frames, index.pts
    if pts is None:
        rate = next(iter(stated), DEFAULT_RATE)
        return rate, np.arange(frames) / float(rate), None
    begins, span = (pts - pts[0]) * float(tick), int(pts[-1] - pts[0])
    length = Fraction(index.last) if index.last > 0 or frames == 1 else Fraction(span, frames - 1)
    if length <= 0:
        return next(iter(stated), DEFAULT_RATE), begins, None
    usual = index.last if index.last > 0 or frames == 1 else int(np.median(np.diff(pts)))
    edges = np.append(pts, pts[-1] + usual)
    constant = (frames / ((span + length) * tick)).limit_denominator(MAX_TERM)
    rates = [] if chosen else [*stated, constant]
    rate, times = rate_of(edges, tick, *rates)
    known = times is not None or (end.sure and pts[0] == 0)
    if end.tick is not None and end.tick > pts[-1] and known and not chosen:
        rate, times = rate_of(np.append(pts, end.tick), tick, *rates)
    return rate, begins, times
