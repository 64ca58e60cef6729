"""What Python programs hand over in place of a path: files that are open, bytes of other types, pictures of Pillow.

| given | becomes |
|---|---|
| `bytes`, `bytearray`, `memoryview` | the bytes of a file |
| anything with ``read``, opened as binary | the bytes from where it stands to its end |
| any `os.PathLike` | a path |
| `PIL.Image.Image` | its samples as that mode is read from a file: upright, with its ICC profile; the current frame |
| everything else | an array, see `inr.signals.numbers` |
"""

import os
from pathlib import Path
from typing import IO, Any

from inr.errors import FileAccessError, SpecError

File = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes of a file, or a file that is open."""


def content_of(source: Any) -> str | Path | bytes | None:
    """The path or the bytes of a file, or None for what is no file.

    Raises:
        SpecError: a file that was opened as text.
        FileAccessError: an open file that cannot be read, or is at its end already.
    """
    if isinstance(source, str | Path | bytes):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, os.PathLike):
        return Path(os.fsdecode(os.fspath(source)))
    read = getattr(source, "read", None)
    return _read(source, read) if callable(read) else None


def _read(source: Any, read: Any) -> bytes:
    name = name_of(source)
    try:
        data = read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise FileAccessError(f"cannot read {name}: {error}") from None
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SpecError(f"{name} must be opened as binary, with mode 'rb'; reading it gives {type(data).__name__}")
    if not len(data):
        raise FileAccessError(f"cannot read {name}: it is empty, or at its end; go back with seek(0)")
    return bytes(data)


def name_of(source: Any) -> str:
    """What messages call a file that is open."""
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "data"
