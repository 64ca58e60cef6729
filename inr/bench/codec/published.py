"""Points that others have published, from a CSV file with a line for each picture and rate."""

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inr.errors import FileAccessError, SpecError
from inr.files import read_bytes

NEEDED = ("codec", "image_or_mean", "bpp", "psnr_rgb")
"""Columns; also "lambda" if there is one."""


@dataclass(frozen=True)
class Published:
    """A point that was not measured here.

    Attributes:
        picture: its name.
        value: what set the rate, or empty.
        bpp: bits a pixel, as its authors count them.
        psnr: dB, RGB, likewise.
    """

    picture: str
    value: str
    bpp: float
    psnr: float


@dataclass(frozen=True)
class Table:
    """The points of one codec in a file, by picture."""

    codec: str
    points: Mapping[str, Sequence[Published]]

    def means(self, pictures: Sequence[str]) -> list[tuple[float, float]]:
        """Mean bpp and PSNR over pictures by rising rate; empty unless all have as many points."""
        ordered = [sorted(self.points.get(name, ()), key=lambda point: point.bpp) for name in pictures]
        if len({len(points) for points in ordered}) != 1:
            return []
        ranks = zip(*ordered, strict=True)
        return [(statistics.fmean(p.bpp for p in rank), statistics.fmean(p.psnr for p in rank)) for rank in ranks]


def load_table(path: Path, codec: str) -> Table:
    """Read the points of a codec.

    Raises:
        FileAccessError: the file cannot be read, or is something else.
        SpecError: it does not have the codec.
    """
    rows = csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8", "replace")))
    missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise FileAccessError(f"cannot read {path}: it has no column {missing[0]}; needed: {', '.join(NEEDED)}")
    points: dict[str, list[Published]] = {}
    known: dict[str, None] = {}
    for row in rows:
        known[row["codec"]] = None
        if row["codec"] == codec:
            point = _parsed(path, rows.line_num, row)
            points.setdefault(point.picture, []).append(point)
    if not points:
        raise SpecError(f"--published-codec: {path} has no {codec!r}; it has {', '.join(known)}")
    return Table(codec, points)


def _parsed(path: Path, number: int, row: Mapping[str, str]) -> Published:
    try:
        bpp, psnr = float(row["bpp"]), float(row["psnr_rgb"])
    except (TypeError, ValueError):
        bpp = psnr = math.nan
    if not (0 < bpp < math.inf and math.isfinite(psnr)):
        raise FileAccessError(f"cannot read {path}: line {number} has no bpp and PSNR")
    return Published(row["image_or_mean"], row.get("lambda") or "", bpp, psnr)
