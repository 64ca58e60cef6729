"""What a server asks of an executor."""

from abc import ABC, abstractmethod


class AbstractExecutor(ABC):
    """Takes jobs from the queue and has them run. The database is the truth; an executor keeps nothing that matters."""

    @abstractmethod
    async def start(self) -> None:
        """Begin to take jobs; raises an `InrError` if that cannot be."""

    @abstractmethod
    async def wake(self) -> None:
        """A job was made."""

    @abstractmethod
    async def drain(self, seconds: float) -> None:
        """Have all jobs put back with a checkpoint, and end; what is not done in time is ended by force."""
