"""Files are written whole or not at all, and only files are replaced."""

import os
import stat
import threading
from pathlib import Path

import pytest

from inr.errors import FileAccessError
from inr.files import check_other, check_writable, read_bytes, replacing, write_bytes


def test_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.inr"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert read_bytes(path) == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["x.inr"]


class FailedHalfwayError(Exception):
    """What goes wrong in the test below."""


def test_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.inr"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise FailedHalfwayError

    with pytest.raises(FailedHalfwayError):
        fail()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.inr"]


def test_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 251 + ".inr")
    write_bytes(path, b"data")
    assert path.read_bytes() == b"data"
    with pytest.raises(FileAccessError, match="name too long"):
        check_writable(tmp_path / ("n" * 256))


def test_symbolic_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.inr"
    link.symlink_to(Path("real") / "x.inr")
    for content in (b"one", b"two"):
        write_bytes(link, content)
        assert (tmp_path / "real" / "x.inr").read_bytes() == content
    assert link.is_symlink()
    assert len(list((tmp_path / "real").iterdir())) == 1


def test_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()), daemon=True)
    reader.start()
    check_writable(path)
    write_bytes(path, b"data")
    reader.join(timeout=60)
    assert received == [b"data"]
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "message"), [("", "it is a directory"), ("missing/x", "does not exist"), ("file/x", "does not exist")]
)
def test_places_that_cannot_be_written(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    for write in (check_writable, lambda path: write_bytes(path, b"")):
        with pytest.raises(FileAccessError, match=message):
            write(tmp_path / name)


@pytest.mark.parametrize(("name", "message"), [("", "is a directory"), ("missing", "no such file")])
def test_places_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(FileAccessError, match=message):
        read_bytes(tmp_path / name)
    with pytest.raises(OSError, match="cannot read"):
        read_bytes(tmp_path / name)


def test_input_is_never_the_output(tmp_path: Path) -> None:
    photo, link = tmp_path / "photo.png", tmp_path / "link.png"
    photo.write_bytes(b"pixels")
    link.symlink_to(photo)
    with pytest.raises(FileAccessError, match="it is the input"):
        check_other(photo, link)
    with pytest.raises(FileAccessError, match="it is the input"):
        check_other(str(photo), tmp_path / "." / "photo.png")
    check_other("-", "-")
    check_other(photo, tmp_path / "photo.inr")
    assert photo.read_bytes() == b"pixels"
