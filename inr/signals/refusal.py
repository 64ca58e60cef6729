"""How readers refuse a file, whatever they read: in one short line, and in the same words."""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from inr.errors import InrError

_LACKS = re.compile(r"unsupported|not supported|not implemented|can ?not handle", re.IGNORECASE)


class Refusal(Exception):  # noqa: N818 - never seen outside the readers, which turn it into a SignalError
    """A file that is not read; the message completes a sentence that begins with the name of the file."""


def damaged(reason: str) -> Refusal:
    """The refusal of a file whose bytes contradict its format."""
    return Refusal(f"is damaged: {reason}")


@contextmanager
def damage_reported() -> Iterator[None]:
    """Turn whatever a decoder raises into a `Refusal` of one line.

    Damaged bytes make decoders fail in any way (`struct.error`, `IndexError`, their own classes), so the only
    exceptions let through are those that do not come from the bytes. What a decoder says that it does not support is
    no damage.
    """
    try:
        yield
    except (Refusal, InrError, ImportError):
        raise
    except MemoryError:
        raise Refusal("needs more memory than there is") from None
    except Exception as error:
        if isinstance(error, struct.error) or isinstance(error.__cause__, struct.error):
            raise damaged("it ends in the middle of its header") from error
        if isinstance(error, NotImplementedError) or _LACKS.search(str(error)):
            raise Refusal(f"is not supported: {first_line(error)}") from error
        raise damaged(first_line(error)) from error


def first_line(error: Exception) -> str:
    """The words of an error on one short line; its class if it has none."""
    lines = str(error).strip().splitlines()
    return shown(lines[0].rstrip("."), 120) if lines else type(error).__name__


def shown(text: str, length: int = 80) -> str:
    """A text from a file, fit for a message: printable and short."""
    printable = "".join(c if c.isprintable() else "?" for c in text[: length + 1])
    return printable if len(printable) <= length else printable[: length - 1] + "…"
