"""Blobs in a local folder and in another file system, shared by tenants, swept; and uploads on their way."""

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inr.errors import BusyError, NotFoundError, OffsetError, QuotaExceededError, RequestError, SpecError, StorageError
from service.config import Quota
from service.store.blobs import BlobStore
from service.store.database import Database
from service.store.jobs import JobStore
from service.store.uploads import Uploads

ROOM = 2**62
ALICE, BOB = "alice", "bob"
DATA = np.random.default_rng(0).bytes(100_000)
HASH = hashlib.sha256(DATA).hexdigest()
OLD = 1000.0


@pytest.fixture
def store(database: Database, tmp_path: Path, kind: str) -> BlobStore:
    """An empty store of each kind, beside each kind of database."""
    return BlobStore(database, str(tmp_path / "blobs") if kind == "local" else f"memory://{secrets.token_hex(8)}")


@pytest.fixture(params=["local", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    """Of file system."""
    return str(request.param)


@pytest.fixture
def uploads(tmp_path: Path, store: BlobStore) -> Uploads:
    return Uploads(tmp_path / "uploads", store)


def new_file(folder: Path, data: bytes = DATA) -> Path:
    path = folder / secrets.token_hex(4)
    path.write_bytes(data)
    return path


def age(database: Database, tenant: str, sha256: str, seconds: float = 2 * OLD) -> None:
    """As if nobody had used a blob for a while."""
    from service.store.database import blobs

    with database.write() as connection:
        mine = blobs.update().where(blobs.c.tenant == tenant, blobs.c.sha256 == sha256)
        connection.execute(mine.values(used=time.time() - seconds))


def test_a_blob_comes_back(store: BlobStore, tmp_path: Path) -> None:
    path = new_file(tmp_path)
    assert store.add(ALICE, path) == HASH
    assert not path.exists()
    assert store.demand(ALICE, HASH) == len(DATA)
    for offset, length in ((0, len(DATA)), (0, 1), (99_999, 1), (12_345, 6_789), (100_000, 0)):
        assert store.read(HASH, offset, length) == DATA[offset : offset + length]
    with pytest.raises(StorageError, match="has only 100000 bytes"):
        store.read(HASH, 99_999, 2)
    with store.fetched(HASH, tmp_path, "scan.png") as fetched:
        assert (fetched.name, fetched.read_bytes()) == ("scan.png", DATA)
    assert not fetched.exists()
    assert store.read(HASH, 0, 10) == DATA[:10]


def test_what_is_not_there_is_named(store: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no blob"):
        store.demand(ALICE, HASH)
    with pytest.raises(StorageError, match="cannot read a blob"):
        store.read(HASH, 0, 1)
    with pytest.raises(StorageError, match="cannot read a blob"):
        store.add(ALICE, tmp_path / "nothing")


def test_a_file_system_that_nobody_knows_is_refused(database: Database) -> None:
    with pytest.raises(SpecError, match="blobs: 'nonsense://a' cannot be used"):
        BlobStore(database, "nonsense://a")


def test_equal_blobs_are_stored_once_and_each_tenant_sees_its_own(store: BlobStore, tmp_path: Path) -> None:
    store.add(ALICE, new_file(tmp_path))
    assert store.size(BOB, HASH) is None
    store.add(BOB, new_file(tmp_path))
    mine = store.add(BOB, new_file(tmp_path, b"of bob"))
    assert store.size(BOB, HASH) == store.size(ALICE, HASH) == len(DATA)
    assert store.size(ALICE, mine) is None
    assert files(store) == {HASH, mine}
    store.check_room(ALICE, 10, len(DATA) + 10)
    with pytest.raises(QuotaExceededError, match="100000 bytes are stored and 11 more asked; 100010 are allowed"):
        store.check_room(ALICE, 11, len(DATA) + 10)


def files(store: BlobStore) -> set[str]:
    """Names of all files of a store."""
    return {path.rsplit("/", 1)[-1] for path in store._fs.find(store._root)}


def test_a_sweep_takes_only_what_is_old_and_of_no_job(store: BlobStore, database: Database, tmp_path: Path) -> None:
    stale, used, young = (store.add(ALICE, new_file(tmp_path, name)) for name in (b"stale", b"used", b"young"))
    job = JobStore(database).create(ALICE, b"", [used], None, Quota())
    age(database, ALICE, stale)
    age(database, ALICE, used)
    assert store.sweep(OLD) == 1
    assert files(store) == {used, young}
    assert store.size(ALICE, stale) is None
    assert store.size(ALICE, used) == 4
    JobStore(database).cancel(ALICE, job.id)
    JobStore(database).delete(ALICE, job.id)
    assert store.sweep(OLD) == 1
    assert files(store) == {young}
    age(database, ALICE, young)
    store.touch(ALICE, [young])
    assert store.sweep(OLD) == 0


def test_a_sweep_never_takes_what_another_tenant_has(store: BlobStore, database: Database, tmp_path: Path) -> None:
    store.add(ALICE, new_file(tmp_path))
    store.add(BOB, new_file(tmp_path))
    age(database, ALICE, HASH)
    store.sweep(OLD)
    assert store.size(ALICE, HASH) is None
    assert store.read(HASH, 0, len(DATA)) == DATA
    age(database, BOB, HASH)
    assert store.sweep(OLD) == 1
    assert files(store) == set()


class SweptBefore(BlobStore):
    """A sweep comes in between just before a blob is granted."""

    def _grant(self, tenant: str, sha256: str, size: int) -> None:
        self.sweep(OLD)
        super()._grant(tenant, sha256, size)


def test_a_sweep_during_an_upload_of_the_same_blob_loses_nothing(
    store: BlobStore, database: Database, tmp_path: Path, kind: str
) -> None:
    store.add(ALICE, new_file(tmp_path))
    age(database, ALICE, HASH)
    url = store._root if kind == "local" else f"memory:/{store._root}"
    SweptBefore(database, url).add(BOB, new_file(tmp_path))
    assert store.size(ALICE, HASH) is None
    assert store.read(HASH, 0, len(DATA)) == DATA


@pytest.fixture
def other_device(tmp_path: Path) -> Iterator[Path]:
    """A folder on another device than the temporary files."""
    memory = Path("/dev/shm")  # noqa: S108
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second device to write to: /dev/shm cannot be used")
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)


def test_a_file_of_another_device_is_moved(store: BlobStore, other_device: Path, tmp_path: Path) -> None:
    path = new_file(other_device)
    with pytest.raises(OSError, match="cross-device") as caught:
        path.rename(tmp_path / "renamed")
    assert caught.value.errno == errno.EXDEV
    assert store.add(ALICE, path) == HASH
    assert not path.exists()
    assert files(store) == {HASH}
    assert store.read(HASH, 0, len(DATA)) == DATA


def send(uploads: Uploads, data: bytes, size: int, offset: int = 0, sha256: str = HASH) -> None:
    upload = uploads.begin(ALICE, sha256, size, offset, ROOM)
    upload.append(data)
    upload.release()


def finish(uploads: Uploads) -> None:
    uploads.begin(ALICE, HASH, len(DATA), len(DATA), ROOM).complete()


def test_an_upload_in_two_parts(uploads: Uploads, store: BlobStore) -> None:
    assert uploads.committed(ALICE, HASH) == 0
    send(uploads, DATA[:60_000], len(DATA))
    assert uploads.committed(ALICE, HASH) == 60_000
    assert uploads.committed(BOB, HASH) == 0  # not even that somebody sends it
    for wrong in (0, 59_999, 60_001):
        with pytest.raises(OffsetError, match=f"the server has 60000 bytes of 100000; got {wrong}"):
            send(uploads, b"", len(DATA), wrong)
    send(uploads, DATA[60_000:], len(DATA), 60_000)
    finish(uploads)
    assert store.read(HASH, 0, len(DATA)) == DATA
    assert uploads.committed(ALICE, HASH) == 0


def test_two_at_a_time_are_one_too_many(uploads: Uploads, store: BlobStore) -> None:
    upload = uploads.begin(ALICE, HASH, len(DATA), 0, ROOM)
    with pytest.raises(BusyError, match="another call sends the same blob") as caught:
        send(uploads, b"", len(DATA))
    assert caught.value.retry_after
    other = uploads.begin(BOB, HASH, len(DATA), 0, ROOM)  # has one of its own
    other.append(b"x")
    upload.append(DATA)
    upload.complete()
    assert store.size(ALICE, HASH) == len(DATA)


def test_a_call_that_sends_nothing_gives_way_and_cannot_come_back(
    uploads: Uploads, store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.uploads.IDLE_SECONDS", 0.0)
    dead = uploads.begin(ALICE, HASH, len(DATA), 0, ROOM)
    dead.append(DATA[:10])
    alive = uploads.begin(ALICE, HASH, len(DATA), 10, ROOM)
    with pytest.raises(BusyError, match="another call goes on with it"):
        dead.append(DATA[10:])
    dead.release()
    alive.append(DATA[10:])
    alive.complete()
    assert store.read(HASH, 0, len(DATA)) == DATA


def test_nobody_writes_into_what_has_become_a_blob(uploads: Uploads, store: BlobStore, tmp_path: Path) -> None:
    """Another server's call, of which this one knows nothing, with a larger size announced."""
    upload = uploads.begin(ALICE, HASH, len(DATA), 0, ROOM)
    upload.append(DATA)
    elsewhere = Uploads(tmp_path / "uploads", store).begin(ALICE, HASH, 2 * len(DATA), len(DATA), ROOM)
    upload.complete()
    with pytest.raises(OffsetError, match="the server has 0 bytes of 200000"):
        elsewhere.append(b"more")
    assert store.read(HASH, 0, len(DATA)) == DATA
    assert store.size(ALICE, HASH) == len(DATA)
    assert store.file_size(HASH) == len(DATA)


def test_unfinished_uploads_count_towards_the_quota(uploads: Uploads) -> None:
    limit = 2 * len(DATA)
    send(uploads, DATA[:30_000], len(DATA), sha256="1" * 64)
    under_way = uploads.begin(ALICE, "2" * 64, 100_000, 0, limit)
    with pytest.raises(QuotaExceededError, match="200000 are allowed"):
        uploads.begin(ALICE, HASH, len(DATA), 0, limit)
    under_way.release()
    uploads.begin(ALICE, HASH, len(DATA), 0, limit).release()
    uploads.begin(ALICE, "1" * 64, 200_000 - 1, 30_000, limit).release()  # its own bytes count once


def test_a_blob_whose_file_is_lost_can_be_sent_again(uploads: Uploads, store: BlobStore) -> None:
    send(uploads, DATA, len(DATA))
    finish(uploads)
    store._fs.rm_file(store._path(HASH))
    assert store.size(ALICE, HASH) is None
    with pytest.raises(NotFoundError, match="the source is gone"), store.fetched(HASH, Path(), "a"):
        pass
    send(uploads, DATA, len(DATA))
    finish(uploads)
    assert store.size(ALICE, HASH) == len(DATA)


def test_an_upload_with_another_hash_is_removed(uploads: Uploads, store: BlobStore) -> None:
    send(uploads, DATA[::-1], len(DATA))
    with pytest.raises(RequestError, match="have another hash"):
        finish(uploads)
    assert store.size(ALICE, HASH) is None
    assert uploads.committed(ALICE, HASH) == 0
    send(uploads, DATA, len(DATA))
    finish(uploads)


def test_an_upload_that_was_announced_as_longer_begins_anew(uploads: Uploads) -> None:
    send(uploads, DATA, 2 * len(DATA))
    with pytest.raises(OffsetError, match="the server has 0 bytes of 10"):
        send(uploads, b"", 10, len(DATA))
    send(uploads, DATA[:10], 10)


def test_an_upload_that_cannot_fit_is_refused_before_it_fills_the_disk(uploads: Uploads) -> None:
    with pytest.raises(StorageError, match="the disk has room for"):
        send(uploads, b"", 2**60)
    assert uploads.committed(ALICE, HASH) == 0


def test_a_sweep_takes_uploads_that_nobody_goes_on_with(uploads: Uploads, tmp_path: Path) -> None:
    send(uploads, b"some", len(DATA))
    held = uploads.begin(BOB, HASH, len(DATA), 0, ROOM)
    held.append(b"some")
    for path in (tmp_path / "uploads").iterdir():
        os.utime(path, (0, 0))
    uploads.sweep(OLD)
    assert (uploads.committed(ALICE, HASH), uploads.committed(BOB, HASH)) == (0, 4)
    held.release()
    uploads.sweep(OLD)
    assert uploads.committed(BOB, HASH) == 0
