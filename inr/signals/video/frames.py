"""Decoded frames to arrays of samples, and arrays to frames.

Colours are converted as FFmpeg's command line does by default: bicubic chroma, and the matrix of BT.601 where a file
names none. Frames that others extracted with it are therefore equal to ours, bit for bit.
"""

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inr.signals.image.picture import oriented
from inr.signals.refusal import Refusal
from inr.signals.signal import Array
from inr.signals.video.frame_source import Size, VideoType

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_PIXEL_FORMATS = {
    (1, "uint8"): "gray",
    (3, "uint8"): "rgb24",
    (4, "uint8"): "rgba",
    (1, "uint16"): "gray16le",
    (3, "uint16"): "rgb48le",
    (4, "uint16"): "rgba64le",
}
# Where x and y of a picture go by its display matrix (a b; c d), to the EXIF orientation that says the same.
_ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}


@dataclass(frozen=True)
class Layout:
    """How the frames of a clip are stored, and what they become.

    Attributes:
        stored: (width, height) of the frames as stored.
        channels: 1, 3 or 4.
        dtype: "uint8" or "uint16".
        orientation: EXIF orientation that makes them upright.
    """

    stored: Size
    channels: int
    dtype: VideoType
    orientation: int

    @property
    def upright(self) -> Size:
        """The (width, height) of the frames when upright."""
        return self.turned(self.stored)

    def turned(self, size: Size) -> Size:
        """Swap width and height if that is what the orientation does."""
        return (size[1], size[0]) if self.orientation >= 5 else size


def has_alpha(frame: "VideoFrame") -> bool:
    """True if the pixel format of a frame has an alpha channel, opaque or not."""
    return any(component.is_alpha for component in frame.format.components)


def is_transparent(frame: "VideoFrame") -> bool:
    """True if any pixel of a frame with an alpha channel is not opaque."""
    from av.video.reformatter import Interpolation, VideoReformatter

    rgba = VideoReformatter().reformat(frame, format="rgba64le", interpolation=Interpolation.BICUBIC)
    # Some conversions of 8 bits give 65280 or 65532 for opaque.
    return bool(rgba.to_ndarray()[:, :, 3].min() < 65280)


def layout_of(frame: "VideoFrame", transparent: bool) -> Layout:
    """The layout of a clip with this frame.

    Args:
        frame: any frame of the clip, as decoded.
        transparent: whether the clip has a pixel that is not opaque.
    """
    components = frame.format.components
    gray = sum(not c.is_alpha for c in components) == 1 and not (frame.format.has_palette or frame.format.is_bayer)
    channels = 4 if transparent else 1 if gray else 3
    deep = max(c.bits for c in components) > 8
    return Layout((frame.width, frame.height), channels, "uint16" if deep else "uint8", _orientation(frame))


def _orientation(frame: "VideoFrame") -> int:
    """EXIF orientation by the display matrix of a frame; 1 if it turns by anything but quarters."""
    side_data: Any = frame.side_data
    matrix = side_data.get("DISPLAYMATRIX")
    if matrix is None or len(bytes(matrix)) < 36:
        return 1
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    largest = max(abs(a), abs(b), abs(c), abs(d), 1)
    return _ORIENTATIONS.get((round(a / largest), round(b / largest), round(c / largest), round(d / largest)), 1)


class Converter:
    """Turns the decoded frames of one clip into arrays."""

    def __init__(self, layout: Layout, size: Size | None) -> None:
        """Prepare for a layout and an upright (width, height), None for that of the clip."""
        from av.video.reformatter import VideoReformatter

        self._layout = layout
        self._target = layout.stored if size is None else layout.turned(size)
        self._reformatter = VideoReformatter()

    def __call__(self, frame: "VideoFrame") -> Array:
        """The samples of a frame, upright, `(height, width, channels)`."""
        layout = self._layout
        if (frame.width, frame.height) != layout.stored:
            stored = f"{layout.stored[0]} × {layout.stored[1]}"
            raise Refusal(f"changes its size from {stored} to {frame.width} × {frame.height}; one size is allowed")
        pixel_format = _PIXEL_FORMATS[layout.channels, layout.dtype]
        return oriented(self._converted(frame, pixel_format, layout.channels), layout.orientation)

    def _converted(self, frame: "VideoFrame", pixel_format: str, channels: int) -> Array:
        from av.video.reformatter import Interpolation

        width, height = self._target
        smaller = width <= frame.width and height <= frame.height and (width, height) != (frame.width, frame.height)
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=pixel_format,
            interpolation=Interpolation.AREA if smaller else Interpolation.BICUBIC,
        )
        samples: Array = converted.to_ndarray()
        return samples.reshape(height, width, channels)


def resampled(samples: Array, size: Size) -> Array:
    """Bring an array to another size the way that the frames of a file are.

    Args:
        samples: `(height, width, channels)` of uint8 or uint16 with 1 to 4 channels.
        size: (width, height).
    """
    if samples.shape[2] == 2:  # FFmpeg's gray with alpha has no 16 bits
        return np.concatenate([resampled(samples[:, :, i : i + 1], size) for i in (0, 1)], axis=2)
    height, width, channels = samples.shape
    dtype: VideoType = "uint8" if samples.dtype == np.uint8 else "uint16"
    return Converter(Layout((width, height), channels, dtype, 1), size)(frame_of(samples))


def frame_of(samples: Array) -> "VideoFrame":
    """An array `(height, width, channels)` of uint8 or uint16 with 1, 3 or 4 channels as a frame."""
    from av.video.frame import VideoFrame

    pixels = samples[:, :, 0] if samples.shape[2] == 1 else samples
    pixel_format = _PIXEL_FORMATS[samples.shape[2], samples.dtype.name]
    return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=pixel_format)
