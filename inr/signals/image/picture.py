"""What the readers of all image formats share: a plain picture, size limits, EXIF orientation."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from inr.signals.image.attributes import ColourSpace
from inr.signals.image.channels import Channels
from inr.signals.limits import allowed_samples
from inr.signals.refusal import Refusal
from inr.signals.signal import Array


class Codes(NamedTuple):
    """Colours in numbers, as for `ImageAttributes`."""

    cicp: tuple[int, ...] = ()
    gamma: int = 0
    chromaticities: tuple[int, ...] = ()


NO_CODES = Codes()


@dataclass(frozen=True, eq=False)
class Picture:
    """What a reader found in a file.

    Attributes:
        samples: `(height, width)` or `(height, width, channels)` as stored, orientation not yet applied.
        colour_space: transfer of the colour channels.
        orientation: EXIF orientation 1..8 that the samples still need.
        icc_profile: colour profile that belongs to the samples, or None.
        channels: what they are, alpha not multiplied into the colours; None where their number tells.
        measured: samples are known to be measurements, such as heights, and no light.
        missing: the value of samples that are none, or None.
        codes: what else is said of the colours, as far as it is not what `colour_space` or the profile says.
        channel_axis: as for `ImageAttributes`.
    """

    samples: Array
    colour_space: ColourSpace
    orientation: int = 1
    icc_profile: bytes | None = None
    channels: Channels | None = None
    measured: bool = False
    missing: float | None = None
    codes: Codes = NO_CODES
    channel_axis: int = 0


def check_size(height: int, width: int) -> None:
    """Refuse a picture without pixels or with more than are allowed, before anything is allocated for it."""
    if height < 1 or width < 1:
        raise Refusal(f"has no pixels: {width} × {height}")
    allowed = allowed_samples()
    if height * width > allowed:
        raise Refusal(f"is too large: {width} × {height} pixels; at most {allowed} pixels are allowed")


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
