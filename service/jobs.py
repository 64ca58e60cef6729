"""What a job is and which states follow which; nothing here knows a database, a wire or a process."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from inr.errors import PreconditionError


class State(IntEnum):
    """Where a job stands; the numbers are those of the wire."""

    QUEUED = 1
    RUNNING = 2
    DONE = 3
    FAILED = 4
    CANCELLED = 5


ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED})
ACTIVE = frozenset({State.QUEUED, State.RUNNING})

NEXT: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset({State.QUEUED, State.DONE, State.FAILED, State.CANCELLED}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}


def check_move(old: State, new: State) -> None:
    """Raise `PreconditionError` unless a job in one state may go to another."""
    if new not in NEXT[old]:
        raise PreconditionError(f"a job that is {old.name.lower()} cannot become {new.name.lower()}")


@dataclass(frozen=True)
class SourceFile:
    """A file of the source: its name, for messages, and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class FitRequest:
    """What a job has to do.

    Attributes:
        files: one, or the frames of a video in order.
        frames: True if the files are frames, even if there is but one.
        spec: JSON of a `CompressSpec`.
        time: (start, end) in seconds of a video.
        axes: how many axes of an array are coordinates.
        segment: samples of a part along the first axis, at most: frames of a video, rows of a picture.
    """

    files: tuple[SourceFile, ...]
    spec: str = "{}"
    time: tuple[float, float] | None = None
    axes: int | None = None
    segment: int | None = None
    frames: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a job failed: the code of an `InrError`, and its message."""

    code: str
    message: str


@dataclass(frozen=True)
class Job:
    """A job as the store has it.

    Attributes:
        id: its name.
        tenant: whose it is.
        fit: serialised `inr.rpc.v1.Fit`.
        state: where it stands.
        created: seconds since 1970, as all times.
        started: when a worker first took it, or None.
        ended: when it ended, or None.
        attempts: how often a worker took it.
        fence: grows whenever a worker takes it; only the holder of the present number may write.
        progress: serialised `Progress`, or None.
        result: serialised `Result` of a job that is done.
        failure: of a job that failed.
        waiting_for: why a queued job waits longer than for its turn, or empty.
        cancel_requested: somebody asked it to stop.
        sequence: number of its last event.
    """

    id: str
    tenant: str
    fit: bytes
    state: State
    created: float
    started: float | None
    ended: float | None
    attempts: int
    fence: int
    progress: bytes | None
    result: bytes | None
    failure: Failure | None
    waiting_for: str
    cancel_requested: bool
    sequence: int


class EventKind(IntEnum):
    """What an event is about; its payload is the serialised message of that name, or a `StateChange`."""

    STATE = 1
    PROGRESS = 2
    PREVIEW = 3
    LAYER = 4


@dataclass(frozen=True)
class StateChange:
    """A job entered a state; `attempts` is how often a worker had taken it by then."""

    state: State
    attempts: int

    def to_bytes(self) -> bytes:
        """For the payload of an event."""
        return _CHANGE.pack(self.state, self.attempts)

    @staticmethod
    def from_bytes(payload: bytes) -> "StateChange":
        """What `to_bytes` made."""
        state, attempts = _CHANGE.unpack(payload)
        return StateChange(State(state), attempts)


_CHANGE = struct.Struct(">BI")


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job."""

    sequence: int
    time: float
    kind: EventKind
    payload: bytes


class Verdict(IntEnum):
    """What a worker hears when it says that it is alive."""

    KEEP = 1
    CANCEL = 2
    LOST = 3
