"""How the numbers of a stored tensor are distributed before training."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Distribution(ABC):
    """Draws a tensor of any shape; immutable, and the same generator gives the same numbers on every machine."""

    @abstractmethod
    def draw(self, generator: "np.random.Generator", shape: tuple[int, ...]) -> Floats:
        """Independent numbers, float32."""


@final
@dataclass(frozen=True)
class Uniform(Distribution):
    """U(centre - bound, centre + bound)."""

    bound: float
    centre: float = 0.0

    def draw(self, generator: "np.random.Generator", shape: tuple[int, ...]) -> Floats:
        """See the base class."""
        unit: Floats = 2 * generator.random(shape, dtype=np.float32) - 1
        return unit * np.float32(self.bound) + np.float32(self.centre)


@final
@dataclass(frozen=True)
class Normal(Distribution):
    """N(0, deviation^2)."""

    deviation: float

    def draw(self, generator: "np.random.Generator", shape: tuple[int, ...]) -> Floats:
        """See the base class."""
        unit: Floats = generator.standard_normal(shape, dtype=np.float32)
        return unit * np.float32(self.deviation)


@final
@dataclass(frozen=True)
class Fixed(Distribution):
    """The same number everywhere."""

    value: float

    def draw(self, generator: "np.random.Generator", shape: tuple[int, ...]) -> Floats:
        """See the base class."""
        del generator
        return np.full(shape, self.value, dtype=np.float32)


@final
@dataclass(frozen=True)
class Halves(Distribution):
    """The first half of the rows has one distribution, such as real parts, the second half another."""

    first: Distribution
    second: Distribution

    def draw(self, generator: "np.random.Generator", shape: tuple[int, ...]) -> Floats:
        """See the base class."""
        half = shape[0] // 2
        sizes = (half, *shape[1:]), (shape[0] - half, *shape[1:])
        return np.concatenate([self.first.draw(generator, sizes[0]), self.second.draw(generator, sizes[1])])


@final
@dataclass(frozen=True)
class Ladder(Distribution):
    """Row i ~ ``step U(i, i + 1)``: spread evenly from zero to ``step`` times the number of rows."""

    step: float

    def draw(self, generator: "np.random.Generator", shape: tuple[int, ...]) -> Floats:
        """See the base class."""
        rows = np.arange(shape[0], dtype=np.float32).reshape(-1, *[1] * (len(shape) - 1))
        places: Floats = generator.random(shape, dtype=np.float32) + rows
        return places * np.float32(self.step)


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "normal": Normal,
    "fixed": Fixed,
    "halves": Halves,
    "ladder": Ladder,
}
"""By the names that the JSON form of a network uses."""
