"""Reading and writing files: whole, or not at all."""

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from inr.errors import FileAccessError


def read_bytes(path: str | Path) -> bytes:
    """The content of a file, or of standard input for ``-``; raises `FileAccessError`."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileAccessError(f"cannot read {path}: {reason(error)}") from None


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file (or standard output for ``-``) whole or not at all; raises `FileAccessError`."""
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with replacing(path) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise FileAccessError(f"cannot write {path}: {reason(error)}") from None


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed over it on success and removed on any failure."""
    target = Path(path)
    check_writable(target)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        if isinstance(error, FileAccessError):
            raise
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Fail early, before minutes of work, if `path` cannot be written; raises `FileAccessError`."""
    if str(path) == "-":
        return
    target = Path(path)
    if target.is_dir():
        raise FileAccessError(f"cannot write {path}: it is a directory")
    if not target.parent.is_dir():
        raise FileAccessError(f"cannot write {path}: the directory {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise FileAccessError(f"cannot write {path}: permission denied")


def reason(error: OSError) -> str:
    """The system's words for an error, without number and path."""
    return (error.strerror or type(error).__name__).lower()
