"""PEM files of TLS, read and checked: what is wrong with one is said when it is given, not when nobody can connect."""

import ssl
from pathlib import Path

from inr.errors import FileAccessError, SpecError
from inr.files import is_special, reason

Pair = tuple[str, Path]
"""Name of a setting, for messages, and its file."""


def read_pem(name: str, path: str | Path) -> bytes:
    """The bytes of a PEM file; raises `FileAccessError`, and `SpecError` for another kind of file."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FileAccessError(f"{name}: cannot read {path}: {reason(error)}") from None
    if b"-----BEGIN " not in data:
        raise SpecError(f"{name}: {path} is not a PEM file")
    return data


def trusting(name: str, path: str | Path | None, data: bytes | None) -> ssl.SSLContext:
    """Settings of a client that trusts one authority; raises `SpecError`.

    Args:
        name: of the setting.
        path: of the file, for messages.
        data: its bytes; None for the authorities of the system.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    if data is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=data.decode("latin-1"))
    except (ssl.SSLError, ValueError):
        raise SpecError(f"{name}: {path} has no certificate of an authority") from None
    return context


def load_pair(context: ssl.SSLContext, cert: Pair, key: Pair) -> None:
    """Have a certificate and its key in the settings; raises `SpecError` for files that cannot be used together."""
    asked = False

    def password() -> str:
        nonlocal asked
        asked = True
        return ""

    if is_special(cert[1]) or is_special(key[1]):
        return  # a pipe cannot be read twice
    try:
        context.load_cert_chain(cert[1], key[1], password)
    except (ssl.SSLError, OSError) as error:
        if asked:
            raise SpecError(f"{key[0]}: {key[1]} is encrypted with a password; give a file that is not") from None
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise SpecError(f"{key[0]}: {key[1]} is not the key of the certificate in {cert[1]}") from None
        raise SpecError(f"{cert[0]}: {cert[1]} and {key[1]} are no certificate and its key") from None
