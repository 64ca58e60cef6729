"""Blobs: immutable bytes under their SHA-256, in any file system that fsspec knows, with a list of who may see them."""

import contextlib
import errno
import hashlib
import os
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from inr.errors import InrError, NotFoundError, QuotaExceededError, SpecError, StorageError
from service.store.database import RETRY_SECONDS, Database, batched, blobs, references

SWEPT_AT_ONCE = 200
"""Blobs, between two looks at the database."""


class BlobStore:
    """Blobs of all tenants; equal ones are stored once.

    Every method raises `StorageError` if database or file system fail.

    Args:
        database: has who may see what.
        url: fsspec URL of a folder, or its path, in which no character means anything.

    Raises:
        SpecError: a URL that fsspec does not know.
    """

    def __init__(self, database: Database, url: str) -> None:
        self._db = database
        self._fs, self._root = _file_system(url)
        self._local = "file" in (self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,))
        with storage("make the folder of the blobs"):
            self._fs.makedirs(self._root, exist_ok=True)

    def size(self, tenant: str, sha256: str) -> int | None:
        """Bytes of a blob, or None if the tenant has none like that, or its file is gone."""
        query = sa.select(blobs.c.size).where(blobs.c.tenant == tenant, blobs.c.sha256 == sha256)
        with self._db.read() as connection:
            size = connection.execute(query).scalar_one_or_none()
        return size if size is not None and self._is_there(sha256, size) else None

    def demand(self, tenant: str, sha256: str) -> int:
        """Bytes of a blob of the tenant; raises `NotFoundError`."""
        size = self.size(tenant, sha256)
        if size is None:
            raise NotFoundError(f"there is no blob {sha256!r:.80}")
        return size

    def check_all(self, tenant: str, hashes: Collection[str]) -> None:
        """Raise `NotFoundError` unless the tenant has all these blobs."""
        missing = set(hashes)
        with self._db.read() as connection:
            for some in batched(hashes):
                query = sa.select(blobs.c.sha256).where(blobs.c.tenant == tenant, blobs.c.sha256.in_(some))
                missing -= set(connection.execute(query).scalars())
        if missing:
            raise NotFoundError(f"there is no blob {min(missing)!r}")

    def check_room(self, tenant: str, size: int, limit: int) -> None:
        """Raise `QuotaExceededError` if a tenant would have more bytes than it may."""
        query = sa.select(sa.func.coalesce(sa.func.sum(blobs.c.size), 0)).where(blobs.c.tenant == tenant)
        with self._db.read() as connection:
            used = int(connection.execute(query).scalar_one())
        if used + size > limit:
            raise QuotaExceededError(f"blobs: {used} bytes are stored and {size} more asked; {limit} are allowed")

    def add(self, tenant: str, path: Path) -> str:
        """Store a file, which is moved or removed, for a tenant; returns its SHA-256."""
        with storage("read a blob"):
            sha256, size = digest(path), path.stat().st_size
        self.add_checked(tenant, path, sha256, size)
        return sha256

    def add_checked(self, tenant: str, path: Path, sha256: str, size: int) -> None:
        """As `add`, of a file whose SHA-256 and size are known to be right."""
        self._put_missing(path, sha256, size)
        self._grant(tenant, sha256, size)
        self._put_missing(path, sha256, size)  # if a sweep took an old one before it was granted
        with storage("store a blob"):
            path.unlink(missing_ok=True)

    def file_size(self, sha256: str) -> int:
        """Bytes of the file of a blob; raises `NotFoundError` if it is gone."""
        with storage("look for a blob"):
            if not self._fs.exists(self._path(sha256)):
                raise NotFoundError(f"there is no blob {sha256}")
            return int(self._fs.size(self._path(sha256)))

    def read(self, sha256: str, offset: int, length: int) -> bytes:
        """So many bytes of a blob; raises `StorageError` if it has fewer."""
        with storage("read a blob"), self._fs.open(self._path(sha256), "rb", cache_type="none") as file:
            file.seek(offset)
            data: bytes = file.read(length)
        if len(data) != length:
            raise StorageError(f"cannot read a blob: {sha256} has only {offset + len(data)} bytes")
        return data

    @contextmanager
    def fetched(self, sha256: str, folder: Path, name: str) -> Iterator[Path]:
        """A path with the bytes of a blob: its own where that is a local file, else a copy."""
        source = self._path(sha256)
        path = folder / name
        with storage("fetch a blob"):
            if not self._fs.exists(source):
                if not self._fs.exists(self._root):
                    raise StorageError("cannot fetch a blob: the folder of the blobs is gone")
                raise NotFoundError(f"the source is gone: there is no blob {sha256}")
            if self._local:
                with contextlib.suppress(FileExistsError):
                    os.symlink(source, path)
            else:
                self._fs.get_file(source, str(path))
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def local_path(self, sha256: str) -> Path | None:
        """Where a blob lies, if that is a local file."""
        return Path(self._path(sha256)) if self._local else None

    def sweep(self, age_seconds: float) -> int:
        """Remove blobs that no job refers to and that nobody has used for a while; returns how many.

        First nobody may see a blob any more, then its file goes: whatever happens in between, no file is missing that
        somebody may see.
        """
        horizon = time.time() - age_seconds
        unused = sa.and_(blobs.c.used < horizon, blobs.c.sha256.not_in(sa.select(references.c.sha256)))
        count = 0
        while True:
            with self._db.read() as connection:
                found = connection.execute(sa.select(blobs.c.sha256).where(unused).distinct().limit(SWEPT_AT_ONCE))
                stale = [row.sha256 for row in found]
            for sha256 in stale:
                with self._db.write() as connection:
                    self._lock(connection, sha256)
                    gone = connection.execute(blobs.delete().where(unused, blobs.c.sha256 == sha256))
                    count += gone.rowcount
                self._remove_unseen(sha256)
            if len(stale) < SWEPT_AT_ONCE:
                return count

    def _remove_unseen(self, sha256: str) -> None:
        """Remove the file of a blob unless somebody may see it."""
        with self._db.write() as connection:
            self._lock(connection, sha256)  # nobody gets it granted meanwhile
            if connection.execute(sa.select(blobs.c.tenant).where(blobs.c.sha256 == sha256)).first() is None:
                with storage("remove a blob"):
                    if self._fs.exists(self._path(sha256)):
                        self._fs.rm_file(self._path(sha256))

    def _lock(self, connection: Connection, sha256: str) -> None:
        """Keep others from granting or removing a blob until the end of the transaction; SQLite does so by itself."""
        if not self._db.is_sqlite:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(int(sha256[:15], 16))))

    def touch(self, tenant: str, hashes: Collection[str]) -> None:
        """Note that blobs are in use."""
        mine = blobs.update().where(blobs.c.tenant == tenant, blobs.c.sha256.in_(list(hashes)))
        with self._db.write() as connection:
            connection.execute(mine.values(used=time.time()))

    def _grant(self, tenant: str, sha256: str, size: int) -> None:
        insert: Any = sqlite.insert if self._db.is_sqlite else postgresql.insert
        row = insert(blobs).values(tenant=tenant, sha256=sha256, size=size, used=time.time())
        with self._db.write() as connection:
            self._lock(connection, sha256)
            connection.execute(
                row.on_conflict_do_update(index_elements=["tenant", "sha256"], set_={"used": time.time()})
            )

    def _put_missing(self, path: Path, sha256: str, size: int) -> None:
        if not self._is_there(sha256, size):
            with storage("store a blob"):
                self._put(path, self._path(sha256))

    def _is_there(self, sha256: str, size: int) -> bool:
        with storage("look for a blob"):
            return bool(self._fs.exists(self._path(sha256)) and self._fs.size(self._path(sha256)) == size)

    def _put(self, path: Path, target: str) -> None:
        """Whole or not at all."""
        self._fs.makedirs(os.path.dirname(target), exist_ok=True)
        if self._local:
            try:
                os.replace(path, target)
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        temporary = f"{target}.{secrets.token_hex(6)}.tmp"
        try:
            self._fs.put_file(str(path), temporary)
            self._fs.mv(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                self._fs.rm_file(temporary)
            raise

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"


def _file_system(url: str) -> tuple[Any, str]:
    """A file system, and the folder in it; raises `SpecError`."""
    if "://" not in url:
        return LocalFileSystem(), os.path.abspath(os.path.expanduser(url))
    scheme = url.rpartition("::")[2].partition("://")[0]
    if scheme not in fsspec.available_protocols():
        known = ", ".join(sorted(fsspec.available_protocols()))
        raise SpecError(f"blobs: the scheme {scheme!r:.60} is not known; known: {known}")
    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except (ValueError, ImportError) as error:
        raise SpecError(f"blobs: {url!r} cannot be used: {error}") from None


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def storage(doing: str) -> Iterator[None]:
    """Name failures of a file system: `StorageError`."""
    try:
        yield
    except InrError:  # some of them are OSErrors as well
        raise
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise StorageError(f"cannot {doing}: {reason}", retry_after=RETRY_SECONDS) from error
