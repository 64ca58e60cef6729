"""Who calls: tokens from a file, or the names in certificates."""

import hmac
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from inr.errors import SpecError, UnauthenticatedError
from inr.files import reason

_log = structlog.get_logger(__name__)

EVERYBODY = "default"
"""The tenant where no token is asked for."""
RELOAD_SECONDS = 1.0
_LONGEST_NAME = 200


class Tokens:
    """The tokens of a file, read again when it changes.

    A line is ``TENANT TOKEN``, with any white space around them; empty lines and lines that begin with ``#`` do not
    count. A tenant may have several tokens, so that one can be replaced without a break.

    Args:
        path: the file.

    Raises:
        SpecError: the file cannot be read, or a line is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked = time.monotonic()
        self._stamp = self._stamp_now()
        self._entries = _read(path)

    def tenant(self, token: bytes) -> str | None:
        """Whose token this is; takes as long for a wrong one as for a right one."""
        self._reload()
        found = None
        for name, known in self._entries:
            if hmac.compare_digest(token, known):
                found = name
        return found

    def _reload(self) -> None:
        now = time.monotonic()
        if now - self._looked < RELOAD_SECONDS:
            return
        self._looked = now
        stamp = self._stamp_now()
        if stamp is None or stamp == self._stamp:
            return
        try:
            self._entries, self._stamp = _read(self._path), stamp
        except SpecError as error:  # somebody is at it just now; the old ones count until it is right again
            _log.warning("tokens_not_read", reason=str(error))

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def _read(path: Path) -> list[tuple[str, bytes]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # some editors begin with a mark
    except OSError as error:
        raise SpecError(f"token file: cannot read {path}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise SpecError(f"token file: {path} is not UTF-8 text; save it as that") from None
    entries = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split()
        if len(words) != 2 or len(words[0]) > _LONGEST_NAME:
            raise SpecError(f"token file: line {number} of {path} must be TENANT TOKEN")
        if not (words[1].isascii() and words[1].isprintable()):  # none that a client could send
            raise SpecError(f"token file: the token in line {number} of {path} is not printable ASCII")
        entries.append((words[0], words[1].encode()))
    if not entries:
        raise SpecError(f"token file: {path} has no tokens")
    return entries


def tenant_of(
    tokens: Tokens | None, metadata: Sequence[tuple[str, str | bytes]], certificate: Mapping[str, Sequence[bytes]]
) -> str:
    """Whom a call is from; raises `UnauthenticatedError`.

    Args:
        tokens: the known ones; None if none is asked for.
        metadata: of the call.
        certificate: the authentication context of the connection.
    """
    if tokens is not None:
        given = next((value for key, value in metadata if key == "authorization"), "")
        text = given if isinstance(given, str) else given.decode("latin-1")
        scheme, _, token = text.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("a token is needed: send authorization: Bearer TOKEN")
        tenant = tokens.tenant(token.strip().encode())
        if tenant is None:
            raise UnauthenticatedError("the token is not known")
        return tenant
    names = certificate.get("x509_common_name")
    return names[0].decode("utf-8", "replace")[:_LONGEST_NAME] if names else EVERYBODY
