"""Uploads on their way: a file each that only grows, so that a broken one goes on where it ended."""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inr.errors import BusyError, OffsetError, RequestError, StorageError
from service.store.blobs import BlobStore, digest, storage
from service.store.database import RETRY_SECONDS

OPEN_PER_TENANT = 64
"""Uploads that a tenant may have under way at the same time."""
IDLE_SECONDS = 5.0
"""A call that has sent nothing for so long gives its upload to another one: its connection may be dead."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_sha256(text: str, field: str) -> str:
    """The hash, or `RequestError`: 64 lower-case hexadecimal digits."""
    if not _SHA256.fullmatch(text):
        raise RequestError(f"{field}: must be 64 lower-case hexadecimal digits; got {text!r:.80}", field=field)
    return text


class OpenUpload:
    """A call's hold on the file of an upload.

    The file is opened anew for every piece, locked against other servers, and must be as long as this call left it: so
    no two calls ever mix their bytes, and none writes into what has become a blob.

    Attributes:
        tenant: whose it is.
        sha256: that it must have in the end.
        size: that it must have in the end.
        committed: bytes that are there.
    """

    def __init__(self, uploads: "Uploads", path: Path, tenant: str, sha256: str, size: int, committed: int) -> None:
        self.tenant, self.sha256, self.size, self.committed = tenant, sha256, size, committed
        self._uploads, self._path = uploads, path
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._finishing = False
        self.taken = False

    @property
    def is_idle(self) -> bool:
        """True if another call may take over."""
        return not self._finishing and time.monotonic() - self._last > IDLE_SECONDS

    def append(self, data: bytes | bytearray) -> None:
        """Write a piece.

        Raises:
            BusyError: another call has taken over.
            OffsetError: the file is not as this call left it.
            StorageError: it cannot be written; what came is removed if the disk is full, since others need the room.
        """
        with self._lock, self._opened() as descriptor:
            with storage("write an upload"), _given_up_if_full(self._path):
                view = memoryview(data)
                while view:
                    count = os.write(descriptor, view)
                    self.committed += count
                    view = view[count:]
            self._last = time.monotonic()

    def complete(self) -> None:
        """Check the upload, make it a blob, and let it go; raises `RequestError` if it is not what was announced."""
        try:
            with self._lock, self._opened() as descriptor:
                self._finishing = True
                with storage("read an upload"):
                    right = digest(self._path) == self.sha256
                if not right:
                    self._path.unlink(missing_ok=True)
                    raise RequestError(
                        f"sha256: the {self.size} bytes have another hash than {self.sha256}; send them anew",
                        field="header.sha256",
                    )
                with storage("write an upload"):
                    os.fsync(descriptor)
                self._uploads.store.add_checked(self.tenant, self._path, self.sha256, self.size)
        finally:
            self.release()

    def release(self) -> None:
        """Let others go on with it."""
        self._uploads.released(self._path, self)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, if it is still this call's to write to."""
        if self.taken:
            raise BusyError("upload: another call goes on with it", retry_after=0.5)
        with storage("write an upload"):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with storage("write an upload"):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise BusyError("upload: another server writes it just now", retry_after=0.5) from None
                mine, there = os.fstat(descriptor), self._path.stat()
            if mine.st_size != self.committed or mine.st_ino != there.st_ino:
                raise OffsetError(f"offset: the server has {there.st_size} bytes of {self.size}", field="header.offset")
            yield descriptor
        finally:
            os.close(descriptor)


class Uploads:
    """The uploads of a server.

    Args:
        folder: for the files.
        store: gets what is complete.
    """

    def __init__(self, folder: Path, store: BlobStore) -> None:
        self._folder, self.store = folder, store
        self._open: dict[Path, OpenUpload] = {}
        self._beginning, self._table = threading.Lock(), threading.Lock()
        self._make_folder()

    def committed(self, tenant: str, sha256: str) -> int:
        """Bytes of an upload that are there."""
        path = self._path(tenant, sha256)
        with storage("look at an upload"):
            return path.stat().st_size if path.exists() else 0

    def begin(self, tenant: str, sha256: str, size: int, offset: int, stored_limit: int) -> OpenUpload:
        """Begin an upload, or go on with one.

        Args:
            tenant: whose it is.
            sha256: of the whole blob.
            size: of the whole blob.
            offset: where the data will begin.
            stored_limit: bytes that the tenant may have, with those of unfinished uploads.

        Raises:
            BusyError: another call is at it, or the tenant has too many under way.
            OffsetError: the upload is not so far, or further.
            QuotaExceededError: the tenant would have more bytes than it may.
            StorageError: there is no room on the disk.
        """
        path = self._path(tenant, sha256)
        with self._beginning:  # one after the other, so that several together stay within the quota
            self._make_folder()
            self._check_free(path, tenant)
            committed = self.committed(tenant, sha256)
            if committed > size:
                path.unlink(missing_ok=True)  # of somebody who announced another size
                committed = 0
            self.store.check_room(tenant, size + self._reserved(tenant, path), stored_limit)
            self._check_disk(size - committed)
            if offset != committed:
                raise OffsetError(
                    f"offset: the server has {committed} bytes of {size}; got {offset}", field="header.offset"
                )
            upload = OpenUpload(self, path, tenant, sha256, size, committed)
            with self._table:
                if path in self._open:
                    self._open[path].taken = True
                self._open[path] = upload
            return upload

    def released(self, path: Path, upload: OpenUpload) -> None:
        """A call has let go; see `OpenUpload.release`."""
        with self._table:
            if self._open.get(path) is upload:
                del self._open[path]

    def sweep(self, age_seconds: float) -> None:
        """Remove uploads that nobody has gone on with for a while."""
        horizon = time.time() - age_seconds
        for path in self._folder.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if path not in self._open and path.stat().st_mtime < horizon:
                    path.unlink()

    def _check_free(self, path: Path, tenant: str) -> None:
        held = self._open.get(path)
        if held is not None and not held.is_idle:
            raise BusyError(
                "upload: another call sends the same blob; ask how far it is, and try again", retry_after=0.5
            )
        if held is None and sum(u.tenant == tenant for u in list(self._open.values())) >= OPEN_PER_TENANT:
            raise BusyError(f"upload: {OPEN_PER_TENANT} are under way; end one of them first", retry_after=2.0)

    def _reserved(self, tenant: str, but: Path) -> int:
        """Bytes of a tenant's other unfinished uploads: those announced if they are under way, else those there."""
        total = 0
        for path in self._folder.glob(f"{_owner(tenant)}-*.part"):
            if path != but and path not in self._open:
                with contextlib.suppress(FileNotFoundError):
                    total += path.stat().st_size
        return total + sum(u.size for path, u in list(self._open.items()) if u.tenant == tenant and path != but)

    def _check_disk(self, missing: int) -> None:
        """Raise `StorageError` if an upload cannot fit: it would fill the disk, and stop all other work."""
        with storage("look for room"):
            free = shutil.disk_usage(self._folder).free
        if missing > free:
            raise StorageError(
                f"cannot write an upload: {missing} bytes are missing, and the disk has room for {free}",
                retry_after=RETRY_SECONDS,
            )

    def _make_folder(self) -> None:
        with storage("make the folder of the uploads"):
            self._folder.mkdir(parents=True, exist_ok=True)

    def _path(self, tenant: str, sha256: str) -> Path:
        return self._folder / f"{_owner(tenant)}-{sha256}.part"


def _owner(tenant: str) -> str:
    """A tenant's name as part of file names."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:16]


@contextmanager
def _given_up_if_full(path: Path) -> Iterator[None]:
    """Remove what came of an upload when the disk is full: others need the room."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            path.unlink(missing_ok=True)
        raise
