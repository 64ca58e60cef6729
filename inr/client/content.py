"""What a client can send: files, folders of frames, bytes, arrays."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from inr.errors import FileAccessError, SignalError
from inr.files import is_special, is_standard_input, read_bytes, reason
from inr.text import printable

LONGEST_NAME = 255
"""Characters that a server takes."""

Source = str | Path | bytes | npt.NDArray[Any]


@dataclass(frozen=True)
class Content:
    """Bytes to be uploaded, of a file or in memory.

    Attributes:
        name: for messages, with the suffix, see `name_of`.
        size: in bytes.
        sha256: in hexadecimal digits.
        path: of the file, or None.
        data: in memory, or None.
    """

    name: str
    size: int
    sha256: str
    path: Path | None = None
    data: bytes | None = None

    def read(self, offset: int, length: int) -> bytes:
        """A part of it; raises `FileAccessError`."""
        if self.data is not None:
            return self.data[offset : offset + length]
        if self.path is None:
            return b""
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise FileAccessError(f"cannot read {self.path}: {reason(error)}") from None


def contents_of(source: Source) -> list[Content]:
    """What to upload for a source: one content, or one for each frame of a folder.

    Raises:
        FileAccessError: a path that cannot be read.
        SignalError: an array of objects, an empty file, or a folder with fewer than 2 pictures.
    """
    if isinstance(source, bytes):
        return [_in_memory(source, "")]
    if isinstance(source, np.ndarray):
        return [_in_memory(_npy(source), "array.npy")]
    if is_standard_input(source):
        return [_in_memory(read_bytes(source), "")]
    if is_folder(source):
        return [_of_file(path) for path in _frames(Path(source))]
    path = Path(source)
    return [_in_memory(read_bytes(path), name_of(path)) if is_special(path) else _of_file(path)]


def is_folder(source: Source) -> TypeGuard[str | Path]:
    """True for a folder, whose pictures are the frames of a video."""
    try:
        return isinstance(source, str | Path) and not is_standard_input(source) and Path(source).is_dir()
    except OSError:  # the name is too long
        return False


def name_of(path: Path) -> str:
    """The name of a file as it is sent: printable whatever bytes are in it, and shortened in the middle."""
    name = printable(path.name)
    if len(name) <= LONGEST_NAME:
        return name
    end = name[-LONGEST_NAME // 8 :]
    return f"{name[: LONGEST_NAME - len(end) - 1]}…{end}"


def _frames(folder: Path) -> tuple[Path, ...]:
    from inr.signals.video.folder import frames_in  # the same files in the same order as without a server

    return frames_in(folder)


def _in_memory(data: bytes, name: str) -> Content:
    if not data:
        raise SignalError("there are no bytes to send")
    return Content(name, len(data), hashlib.sha256(data).hexdigest(), data=data)


def _of_file(path: Path) -> Content:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise FileAccessError(f"cannot read {path}: {reason(error)}") from None
    if size == 0:
        raise SignalError(f"{path} is empty")
    return Content(name_of(path), size, sha256, path=path)


def _npy(array: npt.NDArray[Any]) -> bytes:
    if array.dtype.hasobject:
        raise SignalError("an array of Python objects cannot be sent")
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()
