"""Points of rate and quality, and the CSV file that keeps them."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from inr.errors import FileAccessError, SpecError
from inr.files import read_bytes, reason, write_bytes

Key = tuple[str, str, str, str, str, float]
Outcome = Literal["done", "failed"]


@dataclass(frozen=True)
class Point:
    """One file of one picture. A number that is not known is None.

    Attributes:
        picture: its name.
        hash: the first 16 digits of the SHA-256 of its file.
        width: samples.
        height: samples.
        channels: 1 to 4.
        dtype: of the samples.
        codec: its name.
        version: of the codec.
        settings: of the codec.
        parameter: what sets the rate.
        value: of it.
        threads: that encoding had at most.
        outcome: "failed" if there is no picture to compare.
        reason: why, or empty.
        bytes: of the whole file.
        bpp: 8 times that by pixel.
        psnr: dB, of all channels together; 100 for identical pictures.
        ssim: mean over channels.
        ms_ssim: likewise; None for a picture that is too small.
        encode_s: seconds from samples to the file.
        decode_s: seconds from the file to samples, one thread on one core: the median.
        build: of the codec, where versions do not tell builds apart.
    """

    picture: str
    hash: str
    width: int
    height: int
    channels: int
    dtype: str
    codec: str
    version: str
    settings: str
    parameter: str
    value: float
    threads: int
    outcome: Outcome
    reason: str = ""
    bytes: int | None = None
    bpp: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    build: str = ""

    @property
    def key(self) -> Key:
        """What determines the file."""
        return self.hash, self.codec, self.version, self.settings, self.parameter, self.value


COLUMNS = tuple(item.name for item in fields(Point))
_WHOLE = {"width", "height", "channels", "threads", "bytes"}
_REAL = {"value", "bpp", "psnr", "ssim", "ms_ssim", "encode_s", "decode_s"}
_NEEDED = {"width", "height", "channels", "threads", "value"}
_MEASURED = ("bytes", "bpp", "psnr", "ssim")
"""What every point that is done has."""


class PointFile:
    """A CSV file with a line for each point.

    Args:
        path: the file.
        resume: go on with what it holds.

    Attributes:
        path: the file.

    Raises:
        SpecError: the file exists, and nobody asked to go on with it.
        FileAccessError: it cannot be read or written, or holds something else.
    """

    def __init__(self, path: Path, resume: bool) -> None:
        self.path = path
        self._known: dict[Key, Point] = {}
        if not path.exists():
            write_bytes(path, _line(COLUMNS))
            return
        if not resume:
            raise SpecError(f"{path} has results already; --resume goes on with them, or name another --out")
        text = read_bytes(path).decode("utf-8", "replace")
        whole = text[: text.rfind("\n") + 1]  # the last line may be cut
        for number, row in enumerate(csv.reader(io.StringIO(whole)), start=1):
            if number == 1:
                if tuple(row) != COLUMNS:
                    raise FileAccessError(f"cannot read {path}: it has other columns than a benchmark of codecs")
                continue
            point = _parsed(path, number, row)
            self._known[point.key] = point
        if len(whole) < len(text):
            write_bytes(path, whole.encode() if whole else _line(COLUMNS))

    def find(self, key: Key) -> Point | None:
        """The point of such a file, if it was there at the start and had not failed."""
        known = self._known.get(key)
        return known if known is not None and known.outcome == "done" else None

    def add(self, point: Point) -> None:
        """Keep a point; raises `FileAccessError`."""
        values = [getattr(point, name) for name in COLUMNS]
        try:
            with self.path.open("ab") as file:
                file.write(_line(["" if value is None else value for value in values]))
        except OSError as error:
            raise FileAccessError(f"cannot write {self.path}: {reason(error)}") from None


def _line(values: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _parsed(path: Path, number: int, row: Sequence[str]) -> Point:
    try:
        values = {name: _value(name, text) for name, text in zip(COLUMNS, row, strict=True)}
        if values["outcome"] not in ("done", "failed"):
            raise ValueError(values["outcome"])
        if values["outcome"] == "done" and any(values[name] is None for name in _MEASURED):
            raise ValueError(f"one of {', '.join(_MEASURED)} is missing")
    except ValueError:
        raise FileAccessError(f"cannot read {path}: line {number} is not a point of a benchmark of codecs") from None
    return Point(**values)


def _value(name: str, text: str) -> Any:
    if name not in _WHOLE | _REAL:
        return text
    if not text and name not in _NEEDED:
        return None
    return int(text) if name in _WHOLE else float(text)
