"""The pictures and clips of a benchmark: those that are named, or a usual choice from the folder INR_DATA."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from inr.domain import Domain
from inr.errors import SpecError
from inr.signals.image.read import load_image
from inr.signals.signal import Signal
from inr.signals.video.read import is_video, load_video

Loaded = TypeVar("Loaded")

IMAGES = (
    "images/div2k512/div2k512_test_00.png",
    "images/div2k512/div2k512_test_03.png",
    "images/div2k512/div2k512_test_06.png",
    "images/div2k512/div2k512_test_09.png",
    "images/kodak/kodim08.png",
    "images/kodak/kodim23.png",
)
"""Four pictures of 512 x 512 samples of DIV2K, and two of 768 x 512 of Kodak: architecture, and a smooth one."""

KODAK = tuple(f"images/kodak/kodim{number:02}.png" for number in (2, 3, 5, 8, 13, 15, 20, 23))
"""Eight photos of 768 x 512 samples."""

CLIPS = {
    "carphone": ("video/carphone_pristine_176x144_120f.mp4", (176, 144)),
    "bigbuckbunny": ("video/bigbuckbunny_1280x720_132f.mp4", (320, 180)),
}
"""A filmed and a computed clip, with the width and height that frames are resampled to."""


def images(paths: Sequence[Path], size: int | None, usual: Sequence[str] = IMAGES) -> dict[str, Signal]:
    """Pictures by name.

    Args:
        paths: files; none for the usual ones.
        size: side of the square that is cut from the middle of each; None for all of it.
        usual: what to take from INR_DATA if there are no paths.

    Raises:
        SpecError: neither paths nor INR_DATA, or two files of one name.
        InrError: as `load_image`.
    """
    return _named(image_paths(paths, usual), lambda path: _middle(load_image(path), size))


def image_paths(paths: Sequence[Path], usual: Sequence[str] = IMAGES) -> list[Path]:
    """The paths themselves, or those of the usual pictures; raises `SpecError` if there is no INR_DATA either."""
    return list(paths) or [_data_folder("pictures") / name for name in usual]


def distinct(paths: Sequence[Path]) -> list[Path]:
    """The same paths; raises `SpecError` for two files of one name."""
    return list(_named(paths, lambda path: path).values())


def clip_paths(paths: Sequence[Path]) -> list[Path]:
    """The paths themselves, or those of the usual clips; raises `SpecError` as `clips`."""
    found = list(paths) or [_data_folder("clips") / name for name, _ in CLIPS.values()]
    return distinct(found)


def clips(paths: Sequence[Path], frames: int, size: tuple[int, int] | None) -> dict[str, Signal]:
    """The first frames of clips, by name.

    Args:
        paths: files or folders of frames; none for the usual ones.
        frames: how many of each.
        size: (width, height) to resample to; None for those of the clip, or of the usual choice.

    Raises:
        SpecError: neither paths nor INR_DATA, two clips of one name, or too few frames.
        InrError: as `load_video`.
    """
    if paths:
        return _named(paths, lambda path: load_video(path, frames=(0, frames), size=size))
    folder = _data_folder("clips")
    return {
        name: load_video(folder / file, frames=(0, frames), size=size or usual) for name, (file, usual) in CLIPS.items()
    }


def images_or_clips(paths: Sequence[Path], size: int | None, frames: int, usual: Sequence[str]) -> dict[str, Signal]:
    """As `images`, but files that are clips give their first frames; raises as `images` and `clips`."""
    if not paths:
        return images([], size, usual)
    return _named(
        paths, lambda path: load_video(path, frames=(0, frames)) if is_video(path) else _middle(load_image(path), size)
    )


def _data_folder(what: str) -> Path:
    folder = os.environ.get("INR_DATA", "")
    if not folder:
        raise SpecError(f"no {what}: name some, or set INR_DATA to the folder that holds images/ and video/")
    return Path(folder)


def _named(paths: Sequence[Path], load: Callable[[Path], Loaded]) -> dict[str, Loaded]:
    names = [path.stem for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SpecError(f"two of the files are called {twice}; results are kept by name")
    return {path.stem: load(path) for path in paths}


def _middle(signal: Signal, size: int | None) -> Signal:
    """The square of `size` samples in the middle, or all if a side is no longer than that."""
    if size is None:
        return signal
    height, width = signal.domain.shape
    h, w = min(size, height), min(size, width)
    top, left = (height - h) // 2, (width - w) // 2
    samples = signal.samples[top : top + h, left : left + w].copy()
    return Signal(samples, Domain.of_shape((h, w)), signal.meta)
