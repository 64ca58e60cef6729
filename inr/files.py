"""Reading and writing files: whole, or not at all."""

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from inr.errors import FileAccessError, InrError

_INPUT = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def is_standard_input(path: str | Path) -> bool:
    """True for ``-``, and for the names that the system has for standard input."""
    return str(path) in _INPUT


def is_standard_output(path: str | Path | None) -> bool:
    """True for ``-``, and for the names that the system has for standard output; not for None, which is no output."""
    return str(path) in _OUTPUT


def names_no_format(path: str | Path) -> bool:
    """True for standard output, and for a pipe or a device without a suffix: what is written there has no name."""
    return is_standard_output(path) or (not Path(path).suffix and is_special(Path(path)))


def read_bytes(path: str | Path) -> bytes:
    """The content of a file, or of standard input for ``-``; raises `FileAccessError`."""
    if is_standard_input(path):
        if sys.stdin is None:
            raise FileAccessError("cannot read standard input: it is closed")
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise FileAccessError(f"cannot read {path}: {reason(error)}") from None


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file whole or not at all, or straight to a device, a pipe or standard output (``-``).

    Raises:
        FileAccessError: it cannot be written.
        BrokenPipeError: nobody reads standard output any more.
    """
    if is_standard_output(path):
        _write_stdout(data)
        return
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except FileAccessError:
        raise
    except OSError as error:
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None


def _write_stdout(data: bytes) -> None:
    if sys.stdout is None:
        raise FileAccessError("cannot write standard output: it is closed")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileAccessError(f"cannot write standard output: {reason(error)}") from None


def is_special(target: Path) -> bool:
    """True for a device, a pipe or a socket, which must not be replaced by a file."""
    try:
        return target.exists() and not target.is_file() and not target.is_dir()
    except OSError:  # the name is too long
        return False


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed over it on success and removed on any failure.

    A device, a pipe or a socket is not replaced: it is yielded itself.
    """
    check_writable(path)
    target = Path(os.path.realpath(path))  # a symbolic link stays, what it names is replaced
    special = is_special(Path(path))  # not the target: what /dev/stdout names is no path
    temporary = Path(path) if special else target.with_name(f".inr-{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        if not special:
            os.replace(temporary, target)
    except InrError:  # some are an OSError too
        raise
    except OSError as error:
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None
    finally:
        if not special:
            temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Fail early, before minutes of work, if `path` cannot be written; raises `FileAccessError`."""
    if is_standard_output(path):
        return
    target = Path(path)
    try:
        if target.is_dir():
            raise FileAccessError(f"cannot write {path}: it is a directory")
        if not target.parent.is_dir():
            raise FileAccessError(f"cannot write {path}: the directory {target.parent} does not exist")
        needed = [target] if is_special(target) else [target.parent, *([target] if target.exists() else [])]
    except FileAccessError:
        raise
    except OSError as error:  # the name is too long
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None
    if not all(os.access(place, os.W_OK) for place in needed):
        raise FileAccessError(f"cannot write {path}: permission denied")


def check_other(source: str | Path, destination: str | Path) -> None:
    """Raise `FileAccessError` if the destination is the source itself, which would be lost."""
    streams = is_standard_input(source) or is_standard_output(destination) or is_special(Path(source))
    if not streams and os.path.realpath(source) == os.path.realpath(destination):
        raise FileAccessError(f"cannot write {destination}: it is the input; name another file")


def reason(error: OSError) -> str:
    """The system's words for an error, without number and path."""
    return (error.strerror or type(error).__name__).lower()
