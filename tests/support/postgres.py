"""A private, real PostgreSQL for the tests, on a socket in a folder of its own."""

import getpass
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from pytest_postgresql.janitor import DatabaseJanitor

SUPERUSER = "tester"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path | None:
    """Folder of pg_ctl and initdb."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


class PostgresServer:
    """PostgreSQL refuses to run as root: there it runs as the user that its package made."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="inr-postgres-"))
        self._port = _free_port()
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self._binaries = _binaries() or Path("/")

    @staticmethod
    def why_not() -> str:
        """Why there cannot be one here, or nothing."""
        if _binaries() is None:
            return "PostgreSQL is not installed (on Debian: apt-get install postgresql)"
        if os.geteuid() == 0:
            try:
                pwd.getpwnam("postgres")
            except KeyError:
                return f"PostgreSQL does not run as {getpass.getuser()}, and there is no user postgres"
        return ""

    def __enter__(self) -> "PostgresServer":
        if self._as:
            shutil.chown(self._folder, "postgres")
        data, log = self._folder / "data", self._folder / "log"
        self._run("initdb", "-D", str(data), "-U", SUPERUSER, "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder} -F"
        self._run("pg_ctl", "-D", str(data), "-l", str(log), "-o", options, "-w", "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """URL of an empty database, dropped afterwards."""
        name = f"inr_{secrets.token_hex(6)}"
        with DatabaseJanitor(user=SUPERUSER, host="127.0.0.1", port=self._port, dbname=name):
            yield f"postgresql+psycopg://{SUPERUSER}@127.0.0.1:{self._port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._binaries / program), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder, timeout=60)
