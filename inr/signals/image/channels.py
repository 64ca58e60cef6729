"""What the channels of a picture are: colours, perhaps others, perhaps alpha; and alpha that is multiplied in.

Colours come first, alpha last. What lies between them, near infrared or depth, is kept and means nothing here.
"""

from dataclasses import dataclass

import numpy as np

from inr.errors import SpecError
from inr.signals.image.attributes import ColourSpace
from inr.signals.light import COLOURS, LINEAR, MEASURED, LightSurvey
from inr.signals.signal import Array

MIN_ALPHA = 1 / 256
"""Alpha below which colours are not divided or multiplied by it: what covers nothing may still glow."""

_USUAL = {1: (1, False), 2: (1, True), 3: (3, False), 4: (3, True)}


@dataclass(frozen=True)
class Channels:
    """Channels of a picture in order.

    Attributes:
        colours: 1 (gray) or 3 (red, green, blue).
        others: channels of another meaning.
        alpha: whether a last one is alpha, straight: the colours are not multiplied by it.
    """

    colours: int
    others: int
    alpha: bool

    def __post_init__(self) -> None:
        if self.colours not in (1, 3) or self.others < 0:
            raise SpecError(f"channels: 1 or 3 colours and others are allowed; got {self.colours} and {self.others}")

    @property
    def count(self) -> int:
        """Of all of them."""
        return self.colours + self.others + self.alpha

    @property
    def stored(self) -> tuple[int, int] | None:
        """Colours and alpha as attributes have them; None where the number of channels tells."""
        usual = _USUAL.get(self.count) == (self.colours, self.alpha)
        return None if usual else (self.colours, int(self.alpha))

    def __str__(self) -> str:
        name = "gray" if self.colours == 1 else "RGB"
        more = "channel that is" if self.others == 1 else "channels that are"
        parts = [f"{self.others} {more} neither colour nor alpha"] * bool(self.others) + ["alpha"] * self.alpha
        return " with ".join([name, " and ".join(parts)]) if parts else name


def channels_of(stored: tuple[int, int] | None, count: int) -> Channels:
    """Channels from how many are colours and whether the last is alpha, 0 or 1; None for what is usual.

    Raises:
        SpecError: they cannot be so many.
    """
    if stored is None and count not in _USUAL:
        raise SpecError(f"channels: a picture of {count} channels needs to say what they are")
    colours, alpha = _USUAL[count] if stored is None else stored
    return Channels(colours, count - colours - int(alpha), bool(alpha))


def light_survey(channels: Channels, colour_space: ColourSpace, plane: int = 0) -> LightSurvey:
    """What finds out whether float samples of such channels are light of high dynamic range; see `LightSurvey`."""
    span = LINEAR if colour_space == "linear" else COLOURS if channels.colours == 3 else MEASURED
    return LightSurvey(channels.count, channels.alpha, span, plane)


def straight(samples: Array, colours: int) -> Array:
    """Samples whose colours were multiplied by alpha, the last channel, as they were before.

    Integers are rounded; what exceeds the type becomes its largest value. Where alpha is below `MIN_ALPHA` the
    colours stay as they are.

    Args:
        samples: `(height, width, channels)`.
        colours: how many first channels are colours.
    """
    top, limit = (1.0, np.finfo(samples.dtype).max) if samples.dtype.kind == "f" else 2 * (np.iinfo(samples.dtype).max,)
    result = samples.copy()
    for row in result:
        alpha = row[:, -1:].astype(np.float64) / top
        values = row[:, :colours] / np.where(alpha < MIN_ALPHA, 1.0, alpha)
        row[:, :colours] = np.clip(values if samples.dtype.kind == "f" else np.rint(values), -limit, limit)
    return result


def multiplied(samples: Array, colours: int) -> Array:
    """The inverse of `straight`, for floats `(height, width, channels)`."""
    result = samples.copy()
    for row in result:
        alpha = row[:, -1:].astype(np.float64)
        row[:, :colours] *= np.where(alpha < MIN_ALPHA, 1.0, alpha).astype(row.dtype)
    return result
