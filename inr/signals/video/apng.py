"""Animated PNG: frames are pictures of their own that are laid over each other, as the specification of PNG says."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from inr.signals.image.picture import check_size
from inr.signals.image.png import MAX_SIDE, SIGNATURE, chunk, chunks
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array

_CONTROL = struct.Struct(">IIIIIHHBB")
_BACKGROUND, _PREVIOUS = 1, 2
_OVER = 1


@dataclass
class _Frame:
    """Where a frame lies, how long it is shown, what becomes of it, and the parts of its pixels."""

    width: int
    height: int
    x: int
    y: int
    seconds: Fraction
    disposal: int
    blend: int
    pixels: list[bytes]


def frames_of(data: bytes, instead: Fraction) -> Iterator[tuple[Array, Fraction]]:
    """The frames of an animated PNG file and for how many seconds each is shown.

    Args:
        data: the file.
        instead: seconds that a frame is shown for whose time is 0.

    Yields:
        `(height, width, 2 or 4)` samples, gray or RGB with alpha, of type uint8 or uint16.
    """
    header, shared, frames = _parsed(data)
    width, height = struct.unpack_from(">II", header)
    check_size(height, width)
    if max(height, width) > MAX_SIDE:
        raise Refusal(f"is too large: {width} × {height} pixels; a side of a PNG file may have {MAX_SIDE}")
    canvas: Array | None = None
    for number, frame in enumerate(frames):
        if frame.x + frame.width > width or frame.y + frame.height > height or min(frame.width, frame.height) < 1:
            raise damaged(f"frame {number} is not within its picture")
        samples = _with_alpha(_decoded(frame, header, shared))
        if canvas is None:
            canvas = np.zeros((height, width, samples.shape[2]), samples.dtype)
        before = canvas.copy() if frame.disposal == _PREVIOUS and number > 0 else None
        place = canvas[frame.y : frame.y + frame.height, frame.x : frame.x + frame.width]
        place[...] = _over(samples, place) if frame.blend == _OVER else samples
        yield canvas.copy(), frame.seconds or instead
        if before is not None:
            canvas = before
        elif frame.disposal in (_BACKGROUND, _PREVIOUS):
            place[...] = 0


def _parsed(data: bytes) -> tuple[bytes, list[bytes], list[_Frame]]:
    """The header, the chunks that all frames share, and the frames."""
    header, announced, shared, frames = b"", 0, list[bytes](), list[_Frame]()
    for kind, start, end in chunks(data):
        body = data[start:end]
        if kind == b"IHDR":
            header = body
        elif kind == b"acTL" and len(body) >= 4:
            announced = int.from_bytes(body[:4], "big")
        elif kind in (b"PLTE", b"tRNS"):
            shared.append(data[start - 8 : end + 4])
        elif kind == b"fcTL" and len(body) == _CONTROL.size:
            _, width, height, x, y, delay, parts, disposal, blend = _CONTROL.unpack(body)
            frames.append(_Frame(width, height, x, y, Fraction(delay, parts or 100), disposal, blend, []))
        elif kind == b"IDAT" and frames:  # without a frame before it, it is for those that show no animations
            frames[0].pixels.append(body)
        elif kind == b"fdAT" and frames:
            frames[-1].pixels.append(body[4:])
    if len(header) != 13:
        raise damaged("it does not begin with a header")
    if len(frames) < announced:
        raise damaged(f"it has {len(frames)} of {announced} frames")
    return header, shared, frames


def _decoded(frame: _Frame, header: bytes, shared: list[bytes]) -> Array:
    """The pixels of a frame as a picture of its own."""
    import imagecodecs

    head = chunk(b"IHDR", struct.pack(">II", frame.width, frame.height) + header[8:])
    parts = [SIGNATURE, head, *shared, chunk(b"IDAT", b"".join(frame.pixels)), chunk(b"IEND", b"")]
    samples: Array = imagecodecs.png_decode(b"".join(parts))
    return samples[:, :, np.newaxis] if samples.ndim == 2 else samples


def _with_alpha(samples: Array) -> Array:
    if samples.shape[2] in (2, 4):
        return samples
    opaque = np.full((*samples.shape[:2], 1), np.iinfo(samples.dtype).max, samples.dtype)
    return np.concatenate([samples, opaque], axis=2)


def _over(above: Array, below: Array) -> Array:
    """Lay samples with alpha over others."""
    top = np.iinfo(above.dtype).max
    share, under = above[:, :, -1:] / top, below[:, :, -1:] / top
    rest = under * (1 - share)
    alpha = share + rest
    colours = (above[:, :, :-1] * share + below[:, :, :-1] * rest) / np.where(alpha > 0, alpha, 1)
    samples: Array = np.rint(np.concatenate([colours, alpha * top], axis=2)).astype(above.dtype)
    return samples
