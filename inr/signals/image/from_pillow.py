"""Pictures of Pillow, in memory, as signals."""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from inr.errors import SignalError
from inr.signals.image.picture import Picture, check_size
from inr.signals.image.pillow import array_of, quiet
from inr.signals.image.read import image_from_array, signal_of_picture
from inr.signals.image.tiff_tags import exif_orientation
from inr.signals.numbers import array_given
from inr.signals.refusal import Refusal, damage_reported
from inr.signals.signal import Signal

if TYPE_CHECKING:
    from PIL.Image import Image


def signal_given(source: Any) -> Signal | None:
    """A signal, or that of a picture of Pillow; None for anything else; raises `SignalError`."""
    if isinstance(source, Signal):
        return source
    image = getattr(sys.modules.get("PIL.Image"), "Image", None)  # another thread may be importing it
    return signal_of_pillow(source) if image is not None and isinstance(source, image) else None


def signal_of_pillow(image: "Image") -> Signal:
    """A picture of Pillow as the file it may have come from is read: upright, with its profile; the current frame.

    Raises:
        SignalError: a mode that no signal has, no pixels, too many, or a file behind it that is damaged.
    """
    try:
        with quiet(), damage_reported():
            check_size(image.height, image.width)
            image.load()
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                return image_from_array(array_given(np.asarray(image)), "picture")
            profile = None if image.mode == "CMYK" else image.info.get("icc_profile")
            orientation = exif_orientation(image.info.get("exif"))
            return signal_of_picture(Picture(array_of(image), "srgb", orientation, profile or None))
    except Refusal as refusal:
        raise SignalError(f"picture {refusal}") from refusal.__cause__
