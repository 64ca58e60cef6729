"""What computes the losses and gradients of a training, and what it is asked and answers."""

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from inr.coders.latent.spec import SYMBOL_MAX, SYMBOL_MIN, LatentSpec

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

EPSILON: Final = 1e-8
"""Of SOAP."""
LATENT_EPSILON: Final = 0.05
"""Of Adam for the latents, in bits a symbol: gradients are taken of the cost in bits, ``(MSE / lambda + bpp) pixels``,
so that neither the size of a picture nor lambda changes a step. It is about the 1e-8 of published settings for 256x256
pixels at a lambda of 1e-3. Of 4 photographs (350 iterations) 1 and 2 make a smooth one 8 and 11 % cheaper, and others
up to 3 % dearer."""


@dataclass(frozen=True)
class Measured:
    """What a pyramid costs.

    Attributes:
        bpp: bits of the latents a pixel.
        mse: mean squared error of values in [0, 1].
        lmbda: weight of a bit a pixel against the mean squared error.
    """

    bpp: float
    mse: float
    lmbda: float

    @property
    def cost(self) -> float:
        """``MSE / lambda + bpp``: what training lowers, in bits a pixel."""
        return self.mse / self.lmbda + self.bpp

    @property
    def psnr(self) -> float:
        """In dB of a peak of 1."""
        return -10 * math.log10(max(self.mse, 1e-12))


@dataclass(frozen=True)
class Softness:
    """How latents become a pyramid in a soft step.

    Attributes:
        gain: symbols a unit of latents.
        sigma: standard deviation of the noise.
        temperature: of the soft rounding, before the noise and after it.
        key: of the noise, 64 bits.
    """

    gain: float
    sigma: float
    temperature: float
    key: int


@dataclass(eq=False)
class Moments:
    """Of Adam (Kingma, Ba 2015) for the latents.

    Attributes:
        mean: running mean of gradients, ``(size,)``.
        square: of their squares.
        betas: decay of both.
        steps: that they have seen.
    """

    mean: Floats
    square: Floats
    betas: tuple[float, float]
    steps: int = 0

    @property
    def correction(self) -> float:
        """What makes up for the start at 0, of the next step."""
        first, second = self.betas
        count = self.steps + 1
        return float((1 - second**count) ** 0.5 / (1 - first**count))


class Optimiser(Protocol):
    """SOAP of the networks, see `inr.coders.latent.soap`; its state is one vector."""

    state: npt.NDArray[np.float64]
    every: int
    """Steps between two renewals of the eigenbases."""

    def step(self, networks: Floats, gradients: Floats, rate: float) -> None:
        """Move networks in place, ``(parameters,)`` each."""


class Engine(Protocol):
    """One picture, and a pyramid of latents with networks that come to resemble it.

    Latents, ``(size,)``, are all grids in coding order; networks, ``(parameters,)``, all tensors of
    `LatentSpec.layout` one after the other.
    """

    name: str
    """The backend, as reports call it."""
    spec: LatentSpec
    height: int
    width: int
    size: int
    parameters: int

    def soft_step(
        self, latents: Floats, networks: Floats, softness: Softness, lmbda: float, moments: Moments, rate: float
    ) -> tuple[Measured, Floats]:
        """Move latents in place; what they cost before it, and the gradients of the networks."""

    def hard_gradients(self, latents: Floats, networks: Floats, gain: float, lmbda: float) -> tuple[Measured, Floats]:
        """The gradients of the networks where ``gain * latents`` are rounded."""

    def measure(self, latents: Floats, networks: Floats, gain: float, lmbda: float) -> Measured:
        """What a file would cost: rounded symbols, a picture cut to [0, 1]."""

    def bits(self, symbols: Floats, networks: Floats) -> float:
        """Bits of all symbols."""

    def mse(self, symbols: Floats, networks: Floats) -> float:
        """Of the picture that symbols stand for, cut to [0, 1]."""

    def features(self, symbols: Floats, networks: Floats, rows: Index, columns: Index) -> Floats:
        """All levels at the size of the picture, finest first, at some pixels: ``(levels, *shape of rows)``."""

    def costs(self, symbols: Floats, networks: Floats, lmbda: float, level: int) -> Floats:
        """Where the cost of `measure` comes from, ``(height, width)``, in bits.

        That of a pixel is its squared error, and the bits of all latents that begin at it; without hyper grids, the
        sum over all levels is the cost of the whole.

        Args:
            symbols: ``(size,)``.
            networks: ``(parameters,)``.
            lmbda: weight of a bit.
            level: of the coarsest latents that count.
        """

    def optimiser(self, every: int, anchor: Floats | None = None) -> Optimiser:
        """A new one, which renews its eigenbases after so many steps; weights decay to the anchor, or to 0."""


def hard_round(values: Floats) -> Floats:
    """The nearest symbols."""
    symbols: Floats = np.clip(np.rint(values), SYMBOL_MIN, SYMBOL_MAX)
    return symbols
