"""The tables, and connections to them: SQLite in its WAL mode, or PostgreSQL."""

import itertools
import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from inr.errors import SpecError, StorageError
from service.config import ServerConfig

SCHEMA_VERSION = 1
BUSY_SECONDS = 10
"""How long a writer of SQLite waits for another one; ``?timeout=SECONDS`` in the URL says it otherwise."""
RETRY_SECONDS = 2.0

_metadata = sa.MetaData()

schema = sa.Table("inr_schema", _metadata, sa.Column("version", sa.Integer, primary_key=True))

jobs = sa.Table(
    "inr_jobs",
    _metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("tenant", sa.String(200), nullable=False),
    sa.Column("request_id", sa.String(200)),
    sa.Column("fit", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Integer, nullable=False),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("ended", sa.Double),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("deaths", sa.Integer, nullable=False, default=0),
    sa.Column("fence", sa.Integer, nullable=False, default=0),
    sa.Column("owner", sa.String(200)),
    sa.Column("lease_until", sa.Double),
    sa.Column("not_before", sa.Double, nullable=False, default=0.0),
    sa.Column("waiting_for", sa.String(1000), nullable=False, default=""),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("progress", sa.LargeBinary),
    sa.Column("result", sa.LargeBinary),
    sa.Column("failure_code", sa.String(64)),
    sa.Column("failure_message", sa.Text),
    sa.Column("sequence", sa.BigInteger, nullable=False, default=0),
    sa.UniqueConstraint("tenant", "request_id"),
    sa.Index("inr_jobs_by_tenant", "tenant", "id"),
    sa.Index("inr_jobs_by_state", "state", "created"),
)

events = sa.Table(
    "inr_events",
    _metadata,
    sa.Column("job", sa.String(40), primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("kind", sa.Integer, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)

blobs = sa.Table(
    "inr_blobs",
    _metadata,
    sa.Column("tenant", sa.String(200), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("used", sa.Double, nullable=False),
    sa.Index("inr_blobs_by_hash", "sha256"),
)

references = sa.Table(
    "inr_references",
    _metadata,
    sa.Column("job", sa.String(40), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Index("inr_references_by_hash", "sha256"),
)


class Database:
    """Connections to one database.

    Args:
        url: of SQLAlchemy, ``sqlite:///FILE`` or ``postgresql+psycopg://...``.

    Raises:
        SpecError: a URL that SQLAlchemy does not know.
        StorageError: the database cannot be opened, or is of a newer version.
    """

    def __init__(self, url: str | URL) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    def prepare(self) -> None:
        """Make the tables that are missing; raises `StorageError`."""
        with self.write() as connection:
            _metadata.create_all(connection)
            version = connection.scalar(sa.select(schema.c.version))
            if version is None:
                connection.execute(schema.insert().values(version=SCHEMA_VERSION))
            elif version != SCHEMA_VERSION:
                raise StorageError(
                    f"the database has tables of version {version}; this server needs version {SCHEMA_VERSION}"
                )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write; raises `StorageError` where the database fails."""
        with _named_failures(), self.engine.connect() as connection:
            connection.execution_options(inr_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; raises `StorageError` where the database fails."""
        with _named_failures(), self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def database_of(config: ServerConfig) -> Database:
    """The database of a server; raises as `Database`."""
    # Never as text: in that, a "?" in the name of the folder would begin a query, and "%" be an escape.
    return Database(config.database or URL.create("sqlite", database=str((config.data / "inr.db").absolute())))


def batched(values: Collection[str], size: int = 500) -> Iterator[list[str]]:
    """A collection in pieces: databases limit the parameters of a query."""
    rest = iter(values)
    while piece := list(itertools.islice(rest, size)):
        yield piece


_POSTGRESQL = {
    "connect_timeout": BUSY_SECONDS,
    "tcp_user_timeout": 2 * 1000 * BUSY_SECONDS,
    "options": f"-c lock_timeout={BUSY_SECONDS}s -c statement_timeout={3 * BUSY_SECONDS}s",
}
"""So that a lock or a network that hangs ends in an error, as SQLite's does."""


def _engine(url: str | URL) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        if parsed.get_backend_name() == "postgresql":
            return sa.create_engine(url, pool_pre_ping=True, pool_size=8, connect_args=_POSTGRESQL)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        shown = re.sub(r":[^:/@]*@", ":***@", str(url))
        raise SpecError(f"database: {shown!r} cannot be used: {' '.join(str(error).split())}") from None
    raise SpecError(f"database: SQLite and PostgreSQL are supported; got {parsed.get_backend_name()!r}")


def _sqlite(url: URL) -> Engine:
    path = url.database
    if not path or path == ":memory:":
        raise SpecError("database: SQLite needs a file, since several processes use it")
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder of {path}: {error.strerror}") from None
    engine = sa.create_engine(url, connect_args={} if "timeout" in url.query else {"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not when the driver thinks so
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # an answered request survives a power cut

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that turned from reading to writing could fail however long it waits.
        writes = connection.get_execution_options().get("inr_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        text = " ".join(str(error.orig).split())
        raise StorageError(f"database: {text}", retry_after=RETRY_SECONDS) from error
    except SQLAlchemyError as error:
        raise StorageError(f"database: {type(error).__name__}", retry_after=RETRY_SECONDS) from error
