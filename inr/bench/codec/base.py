"""What the benchmark needs of a codec."""

from abc import ABC, abstractmethod
from pathlib import Path

from inr.signals.signal import Samples, Signal


class Codec(ABC):
    """A way from a picture to a file and back, at several points of rate.

    Attributes:
        name: in tables.
        version: of the program; a file of another version is another file.
        settings: everything else that the files depend on, but the parameter.
        parameter: what sets the rate, "lambda" or "quality".
        values: of the parameter.
        suffix: of its files.
        build: tells builds apart that have one version; empty where nobody need.
    """

    name: str
    version: str
    settings: str
    parameter: str
    values: tuple[float, ...]
    suffix: str
    build: str = ""

    @abstractmethod
    def refusal(self, signal: Signal) -> str | None:
        """Why it cannot hold such a picture at its sample type, or None."""

    @abstractmethod
    def encode(self, signal: Signal, value: float, path: Path) -> None:
        """Write the file; raises `InrError`, OSError or ValueError."""

    def warm_up(self, signal: Signal, value: float, path: Path) -> None:
        """Do once, in short, what the first call of a process does more slowly than others; raises as `encode`."""
        self.encode(signal, value, path)
        self.decode(path)

    @abstractmethod
    def decode(self, path: Path) -> Samples:
        """The picture `(h, w, channels)` in memory, by one thread: what is timed; raises as `encode`."""

    def decoded(self, path: Path, channels: int) -> Samples:
        """The picture with so many channels as a user gets it: what is compared; raises as `encode`."""
        del channels
        return self.decode(path)
