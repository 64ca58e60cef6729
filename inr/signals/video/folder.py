"""Folders of images as videos, one file a frame."""

import re
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from inr.errors import FileAccessError, SignalError, SpecError
from inr.files import reason
from inr.signals.image.read import is_image, load_image
from inr.signals.signal import Array, Signal
from inr.signals.video.frame_source import DEFAULT_RATE, Size, VideoInfo, VideoType, reported, require_av
from inr.signals.video.frames import resampled

_SIGNATURE_BYTES = 128
_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".ppm", ".pgm"),
    *(".exr", ".hdr", ".npy"),
}


@dataclass(frozen=True, eq=False)
class Folder:
    """Images of one size and type in the order of their names; a `FrameSource`."""

    name: str
    info: VideoInfo
    times: npt.NDArray[np.float64]
    tick: float
    _paths: tuple[Path, ...]

    def read(self, first: int, count: int, size: Size | None) -> Generator[Array, None, None]:
        """As `FrameSource.read`."""
        info = self.info
        if size == (info.width, info.height):
            size = None
        if size is not None:
            require_av()
        for path in self._paths[first : first + count]:
            samples = load_image(path).samples
            if samples.shape != (info.height, info.width, info.channels) or samples.dtype.name != info.dtype:
                first_shape = (info.height, info.width, info.channels)
                raise SignalError(
                    f"{path} is {_described(samples.shape, samples.dtype.name)}, but {self._paths[0].name} is "
                    f"{_described(first_shape, info.dtype)}; all frames need to be alike"
                )
            with reported(str(path)):
                frame = samples if size is None else resampled(samples, size)
            yield frame


def frame_files(folder: Path) -> tuple[Path, ...]:
    """The image files of a folder, with frame2 before frame10; raises `FileAccessError`.

    They are told by their content, or by their suffix: a damaged one is not left out.
    """
    try:
        names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    except OSError as error:
        raise FileAccessError(f"cannot read {folder}: {reason(error)}") from None
    images = [name for name in names if not name.startswith(".") and _is_frame(folder / name)]
    return tuple(folder / name for name in sorted(images, key=_natural))


def _is_frame(path: Path) -> bool:
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return is_image(file.read(_SIGNATURE_BYTES))
    except OSError:
        return False


def frames_in(folder: Path) -> tuple[Path, ...]:
    """As `frame_files`, of which a video needs at least 2; raises `SignalError`."""
    paths = frame_files(folder)
    if not paths:
        raise SignalError(f"{folder} has no pictures to take for frames, which are told by their content")
    if len(paths) == 1:
        raise SignalError(f"{folder} has one picture, {paths[0].name}, and a video needs 2 frames: name the picture")
    return paths


def open_folder(folder: Path, frame_rate: Fraction | None) -> Folder:
    """Take the images of a folder for the frames of a video.

    Args:
        folder: where they lie.
        frame_rate: frames a second, None for 25.

    Raises:
        FileAccessError: the folder or its first image cannot be read.
        SignalError: it has fewer than 2 images, or the first is damaged or has float samples.
        SpecError: the frame rate is not above 0.
    """
    rate = DEFAULT_RATE if frame_rate is None else frame_rate
    if rate <= 0:
        raise SpecError(f"frame rate: must be above 0; got {rate}")
    paths = frames_in(folder)
    signal = load_image(paths[0])
    height, width, channels = signal.samples.shape
    info = VideoInfo(len(paths), width, height, channels, rate, float(len(paths) / rate), _frame_type(paths[0], signal))
    return Folder(str(folder), info, np.arange(len(paths)) / float(rate), 0.0, paths)


def _frame_type(path: Path, signal: Signal) -> VideoType:
    """The type of a frame's samples; raises `SignalError` for floats."""
    match signal.meta.dtype:
        case "uint8" | "uint16" as dtype:
            return dtype
        case other:
            raise SignalError(f"{path} has samples of type {other}; frames of a video are uint8 or uint16")


def _described(shape: tuple[int, ...], dtype: str) -> str:
    height, width, channels = shape
    return f"{width} × {height} with {channels} channel{'s' if channels > 1 else ''} of {dtype}"


def _natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts the numbers within names by value."""
    parts = re.split(r"([0-9]+)", name.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
