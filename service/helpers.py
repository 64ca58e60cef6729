"""The server's side of its helper processes, see `service.workers.helper`."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from inr.errors import DeadlineError, InternalServiceError, UnavailableError, error_of
from service.config import ServerConfig
from service.workers.channel import PREFIX, frame, lengths

_log = structlog.get_logger(__name__)

Answer = tuple[dict[str, Any], bytes]

STALLED_SECONDS = 60.0
"""A reader that takes nothing for so long gives its helper to others."""


ANSWER_SECONDS = 120.0
"""For a helper to come up with the next piece of its answer."""


@dataclass(eq=False)
class _Work:
    """A helper that answers a request, and how far that is."""

    helper: asyncio.subprocess.Process
    turn: asyncio.Semaphore
    done: bool = False
    stalled: bool = False


class Helpers:
    """A few processes that answer one request each at a time; they start with the first request.

    Args:
        config: of the server.
        count: processes, at most.
        each: of them that a tenant may have at the same time; None for all.
        stalled_seconds: after which a reader that takes nothing has lost its helper.
    """

    def __init__(
        self, config: ServerConfig, count: int, each: int | None = None, stalled_seconds: float = STALLED_SECONDS
    ) -> None:
        self._config, self._stalled, self._each = config, stalled_seconds, each or count
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._free: asyncio.Queue[asyncio.subprocess.Process | None] = asyncio.Queue()
        for _ in range(count):
            self._free.put_nowait(None)
        self._all: set[asyncio.subprocess.Process] = set()
        self._closed = False

    async def ask(self, tenant: str, **request: Any) -> dict[str, Any]:
        """The only answer to a request; raises what the helper raised."""
        found: dict[str, Any] | None = None
        async with self.stream(tenant, **request) as answers:
            async for head, _ in answers:
                found = head
        if found is None:
            raise InternalServiceError("a helper gave no answer")
        return found

    @asynccontextmanager
    async def stream(self, tenant: str, **request: Any) -> AsyncIterator[AsyncIterator[Answer]]:
        """The answers to a request, as they come; the helper waits while nobody takes them.

        A helper whose answers are not wanted to the end is ended itself.

        Raises:
            InrError: what the helper raised, while iterating.
            DeadlineError: nothing was taken, or the helper said nothing, for too long.
            InternalServiceError: the helper died.
        """
        turn = self._turns.setdefault(tenant, asyncio.Semaphore(self._each))
        await turn.acquire()
        try:
            work = _Work(await self._taken(), turn)
        except BaseException:
            turn.release()
            raise
        try:
            yield self._answers(work, request)
        finally:
            if not work.stalled:  # else its place is another's by now
                turn.release()
            if work.done and work.helper.returncode is None and not self._closed:
                self._free.put_nowait(work.helper)
            else:
                if not work.stalled:
                    self._free.put_nowait(None)
                await self._ended(work.helper)

    async def close(self) -> None:
        """End all helpers."""
        self._closed = True
        for helper in list(self._all):
            await self._ended(helper)

    async def _answers(self, work: "_Work", request: dict[str, Any]) -> AsyncIterator[Answer]:
        stdin, stdout = _pipes(work.helper)
        loop = asyncio.get_running_loop()
        try:
            stdin.write(frame(request))
            await stdin.drain()
            while True:
                async with asyncio.timeout(ANSWER_SECONDS):
                    head_length, data_length = lengths(await stdout.readexactly(PREFIX))
                head = json.loads(await stdout.readexactly(head_length))
                data = await stdout.readexactly(data_length)
                if "end" in head:
                    work.done = True
                    return
                if "error" in head:
                    await stdout.readexactly(PREFIX + len(json.dumps({"end": True})))
                    work.done = True
                    raise error_of(head["error"], head["message"])
                waiting = loop.call_later(self._stalled, self._take_away, work)
                try:
                    yield head, data
                finally:
                    waiting.cancel()
        except TimeoutError:
            message = f"a piece of the answer takes longer than {ANSWER_SECONDS:g} s to compute; ask for less at once"
            raise DeadlineError(message) from None
        except (asyncio.IncompleteReadError, ConnectionError, BrokenPipeError):
            if work.stalled:
                raise DeadlineError(f"nothing was read for {self._stalled:g} s; ask again") from None
            _log.error("helper_died", code=work.helper.returncode)
            raise InternalServiceError("a helper process died of this request") from None

    def _take_away(self, work: "_Work") -> None:
        """Let others have the place of a helper whose answers nobody reads."""
        work.stalled = True
        work.turn.release()
        self._free.put_nowait(None)
        with contextlib.suppress(ProcessLookupError):
            work.helper.kill()

    async def _taken(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise UnavailableError("the server is about to stop", retry_after=2.0)
        helper = await self._free.get()
        if helper is not None and helper.returncode is None:
            return helper
        try:
            return await self._started()
        except BaseException:
            self._free.put_nowait(None)
            raise

    async def _started(self) -> asyncio.subprocess.Process:
        helper = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "service.workers.helper",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # ctrl-C is the server's to hear
        )
        self._all.add(helper)
        stdin, _ = _pipes(helper)
        stdin.write(self._config.to_json().encode() + b"\n")
        return helper

    async def _ended(self, helper: asyncio.subprocess.Process) -> None:
        self._all.discard(helper)
        with contextlib.suppress(ProcessLookupError):
            helper.kill()
        with contextlib.suppress(RuntimeError):  # somebody still reads, and comes to the end by himself
            await helper.communicate()  # to the end of the pipe, which closes it
        await helper.wait()


def _pipes(helper: asyncio.subprocess.Process) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    if helper.stdin is None or helper.stdout is None:
        raise InternalServiceError("a helper has no pipes")
    return helper.stdin, helper.stdout
