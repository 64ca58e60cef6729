"""The client of the service: `Client`, and `AsyncClient` with the same surface.

Importing it loads neither torch nor any other decoder; `open` does, when it is called.
"""

from inr.errors import MissingDependencyError

try:
    from inr.client.aio import AsyncClient
    from inr.client.events import (
        Event,
        JobInfo,
        JobResult,
        LayerInfo,
        LayerReady,
        PreviewReady,
        ProgressInfo,
        ProgressMade,
        StateChanged,
    )
    from inr.client.job import AsyncJob
    from inr.client.sync import Client, Job
except ModuleNotFoundError as error:
    raise MissingDependencyError(f"the client needs {error.name}: pip install 'inr[client]'") from None

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Event",
    "Job",
    "JobInfo",
    "JobResult",
    "LayerInfo",
    "LayerReady",
    "PreviewReady",
    "ProgressInfo",
    "ProgressMade",
    "StateChanged",
]
