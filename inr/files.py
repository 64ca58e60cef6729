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
    try:
        if special:
            yield Path(path)
            return
        with temporary(beside(target)) as made:
            yield made
            os.replace(made, target)
    except InrError:  # some are an OSError too
        raise
    except OSError as error:
        raise FileAccessError(f"cannot write {path}: {reason(error)}") from None


_temporary: dict[Path, int] = {}
"""What is removed when a signal ends the process, and the process that made it: a fork of it must leave it alone."""


def beside(target: Path) -> Path:
    """A path for what will be renamed to `target`."""
    return target.with_name(f".inr-{secrets.token_hex(8)}.tmp")


@contextlib.contextmanager
def temporary(path: Path) -> Iterator[Path]:
    """Remove a file or a folder in the end, whoever makes it, and also if `remove_temporary` is called before that."""
    _temporary[path] = os.getpid()
    try:
        yield path
    finally:
        _remove(path)
        _temporary.pop(path, None)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder where the system has such, that only this user can read; removed in the end."""
    import tempfile

    with temporary(Path(tempfile.gettempdir()) / f"inr-{secrets.token_hex(8)}") as folder:
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise FileAccessError(f"cannot make {folder}: {reason(error)}") from None
        yield folder


def remove_temporary() -> None:
    """Remove all temporary files and folders of this process, which is about to end."""
    for path, process in list(_temporary.items()):
        if process == os.getpid():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        import shutil

        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def first_bytes(path: str | Path, count: int = 64) -> bytes:
    """The first bytes of the file that would be replaced; none where there is none.

    Nothing of a device, a pipe or a socket, which is not replaced. Raises `FileAccessError`.
    """
    target = Path(path)
    if str(path) == "-" or not target.is_file():
        return b""
    try:
        with target.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise FileAccessError(f"cannot read {path}, which would be replaced: {reason(error)}") from None


def check_nothing_there(path: str | Path) -> None:
    """Raise `FileAccessError` if there is a file, with anything in it, that would be replaced."""
    if first_bytes(path, 1):
        raise FileAccessError(f"cannot write {path}: it is there already; name another file, or --force to replace it")


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
    if not streams and is_same(source, destination):
        raise FileAccessError(f"cannot write {destination}: it is the input; name another file")


def is_same(one: str | Path, other: str | Path) -> bool:
    """True for two names of one file, by way of links of either sort; what is no file is never lost."""
    if is_special(Path(one)):
        return False
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there yet
        return os.path.realpath(one) == os.path.realpath(other)


def reason(error: OSError) -> str:
    """The system's words for an error, without number and path."""
    return (error.strerror or type(error).__name__).lower()
