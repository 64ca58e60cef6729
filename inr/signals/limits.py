"""How much is read at once, whatever the kind of signal."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_SAMPLES = 2**28
"""Samples (pixels of a picture, values of an array) that are read at once; they are kept in memory."""
_allowed: ContextVar[int] = ContextVar("allowed samples", default=MAX_SAMPLES)


def allowed_samples() -> int:
    """Samples that may be read at once here."""
    return _allowed.get()


@contextmanager
def at_most(samples: int) -> Iterator[None]:
    """Inside, refuse what has more samples than this: for a caller that allows less than `MAX_SAMPLES`."""
    token = _allowed.set(min(samples, MAX_SAMPLES))
    try:
        yield
    finally:
        _allowed.reset(token)
