"""What the readers of all image formats share: a plain picture, refusals, size limits, EXIF orientation."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.errors import InrError
from inr.meta import ColourSpace

MAX_PIXELS = 2**28
_allowed: ContextVar[int] = ContextVar("allowed pixels", default=MAX_PIXELS)
Array = npt.NDArray[Any]


class Refusal(Exception):  # noqa: N818 - never seen outside `decode_image`, which turns it into a SignalError
    """A picture that is not read; the message completes a sentence that begins with the name of the file."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What a reader found in a file.

    Attributes:
        samples: `(height, width)` or `(height, width, channels)` as stored, orientation not yet applied.
        colour_space: transfer of the colour channels.
        orientation: EXIF orientation 1..8 that the samples still need.
        icc_profile: colour profile that belongs to the samples, or None.
    """

    samples: Array
    colour_space: ColourSpace
    orientation: int = 1
    icc_profile: bytes | None = None


def damaged(reason: str) -> Refusal:
    """The refusal of a file whose bytes contradict its format."""
    return Refusal(f"is damaged: {reason}")


@contextmanager
def damage_reported() -> Iterator[None]:
    """Turn whatever a decoder raises into a `Refusal` of one line.

    Damaged bytes make decoders fail in any way (`struct.error`, `IndexError`, their own classes), so the only
    exceptions let through are those that do not come from the bytes.
    """
    try:
        yield
    except (Refusal, InrError, ImportError):
        raise
    except MemoryError:
        raise Refusal("needs more memory than there is") from None
    except Exception as error:
        if isinstance(error, struct.error) or isinstance(error.__cause__, struct.error):
            raise damaged("it ends in the middle of its header") from error
        raise damaged(first_line(error)) from error


def first_line(error: Exception) -> str:
    """The words of an error on one short line; its class if it has none."""
    lines = str(error).strip().splitlines()
    return shown(lines[0].rstrip("."), 120) if lines else type(error).__name__


def shown(text: str, length: int = 80) -> str:
    """A text from a file, fit for a message: printable and short."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: length + 1])
    return printable if len(printable) <= length else printable[: length - 1] + "…"


def check_size(height: int, width: int) -> None:
    """Refuse a picture without pixels or with more than are allowed, before anything is allocated for it."""
    if height < 1 or width < 1:
        raise Refusal(f"has no pixels: {width} × {height}")
    if height * width > _allowed.get():
        raise Refusal(f"is too large: {width} × {height} pixels; at most {_allowed.get()} pixels are allowed")


@contextmanager
def at_most(pixels: int) -> Iterator[None]:
    """Inside, refuse pictures with more pixels than this: for a caller that allows less than `MAX_PIXELS`."""
    token = _allowed.set(min(pixels, MAX_PIXELS))
    try:
        yield
    finally:
        _allowed.reset(token)


def check_frames(frames: int) -> None:
    """Refuse a file with more than one picture."""
    if frames > 1:
        raise Refusal(f"holds {frames} frames; an image has exactly 1")


def oriented(samples: Array, orientation: int) -> Array:
    """Turn samples the way an EXIF orientation asks for, 1 meaning that they are upright already.

    Args:
        samples: `(height, width, ...)`.
        orientation: 1..8.

    Returns:
        The upright samples, `(width, height, ...)` for orientations 5 to 8.
    """
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def full_range(samples: Array, maximum: int) -> Array:
    """Stretch integers of 0..`maximum` to the whole range of 8 bits, or of 16 if `maximum` is above 255.

    A file of 10 bits a sample would otherwise look almost black wherever it is stored with 16. The map is one
    to one, so nothing is lost.
    """
    dtype, top = (np.uint8, 255) if maximum <= 255 else (np.uint16, 65535)
    if maximum == top:
        return samples.astype(dtype, copy=False)
    table = (np.arange(maximum + 1, dtype=np.int64) * (2 * top) + maximum) // (2 * maximum)
    return table.astype(dtype)[samples]
