"""The way into a worker, for a parent that must not load what a worker loads."""

from multiprocessing.connection import Connection


def work(settings: str, pipe: Connection) -> None:
    """See `service.workers.fit.work`."""
    from service.workers import fit

    fit.work(settings, pipe)
