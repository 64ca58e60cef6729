"""What can be made into a signal: a path, the bytes of a file, an array; and how it is to be read."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy import typing as npt

from inr.cached import cached
from inr.errors import FileAccessError, SpecError
from inr.files import is_special, is_standard_input, read_bytes, reason
from inr.signals.given import content_of, name_of
from inr.signals.numbers import array_given

HEAD_BYTES = 2**14
"""First bytes of a file that tell what it is."""

Seconds = tuple[float, float]


@dataclass(frozen=True)
class Reading:
    """What a caller wants of a signal that is read; a kind of signal takes some of it.

    Attributes:
        time: (start, end) in seconds, for what has an axis of time.
        axes: how many axes of an array are coordinates; one more may hold channels.
    """

    time: Seconds | None = None
    axes: int | None = None

    def given(self) -> set[str]:
        """Names of what is asked for."""
        return {name for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True, eq=False)
class Source:
    """Something to be read. Exactly one of path, data and array is there.

    Attributes:
        name: what messages call it.
        path: of a file or a folder.
        data: the bytes of a file.
        array: in memory.
    """

    name: str
    path: Path | None = None
    data: bytes | None = None
    array: npt.NDArray[Any] | None = None

    @staticmethod
    def of(given: Any, axes: int | None = None) -> "Source":
        """The source behind a path (``-``: standard input), bytes, an open file or an array, see `inr.signals.given`.

        Args:
            given: any of these; a source is itself.
            axes: how many axes of an array are coordinates, if that was said.

        Raises:
            FileAccessError: a file that cannot be read.
            SpecError: nothing that is read.
            SignalError: an array that is no signal.
        """
        if isinstance(given, Source):
            return given
        source = content_of(given)
        if source is None:
            return Source("array", array=array_given(given, axes))
        if isinstance(source, bytes):
            return Source("data" if isinstance(given, bytes) else name_of(given), data=source)
        if is_standard_input(source):
            return Source("standard input", data=read_bytes(source))
        if is_special(Path(source)):  # what is read from a pipe is gone
            return Source(str(source), data=read_bytes(source))
        return Source(str(source), path=Path(source))

    @cached
    def head(self) -> bytes:
        """The first `HEAD_BYTES` bytes; none of an array or a folder; raises `FileAccessError`."""
        if self.data is not None:
            return self.data[:HEAD_BYTES]
        if self.path is None or self.is_folder:
            return b""
        with self.open() as file:
            return file.read(HEAD_BYTES)

    @property
    def size(self) -> int | None:
        """Bytes of the file, or of all files in the folder; None for an array, and for what cannot be looked at."""
        if self.data is not None:
            return len(self.data)
        if self.path is None:
            return None
        try:
            files = [p for p in self.path.iterdir() if p.is_file()] if self.path.is_dir() else [self.path]
            return sum(file.stat().st_size for file in files)
        except OSError:
            return None

    @property
    def is_folder(self) -> bool:
        """True for a folder."""
        try:
            return self.path is not None and self.path.is_dir()
        except OSError:  # the name is too long
            return False

    def open(self) -> BinaryIO:
        """A stream over a file; raises `FileAccessError`, and `SpecError` for an array."""
        if self.path is None:
            return io.BytesIO(self.read())
        try:
            return self.path.open("rb")
        except OSError as error:
            raise FileAccessError(f"cannot read {self.path}: {reason(error)}") from None

    def read(self) -> bytes:
        """All bytes of a file; raises `FileAccessError`, and `SpecError` for an array."""
        if self.data is not None:
            return self.data
        if self.path is None:
            raise SpecError(f"{self.name} is no file")
        return read_bytes(self.path)

    def file(self) -> Path | bytes:
        """The path or the bytes of a file; raises `SpecError` for an array."""
        return self.read() if self.path is None else self.path
