"""What computes the losses and gradients of a training: the compiled kernels, or their twin in torch."""

import math
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from inr import native
from inr.coders.latent.spec import LatentSpec

Floats = npt.NDArray[np.float32]

EPSILON: Final = 1e-8
"""Of Adam."""
USUAL_PIXELS: Final = 1 << 16
"""Gradients of latents are those of the mean over so many pixels, however many a picture has: beside the epsilon of
Adam they would else shrink with its size. It is about what published settings were found on."""


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

    def optimiser(self, every: int, anchor: Floats | None = None) -> Optimiser:
        """A new one, which renews its eigenbases after so many steps; weights decay to the anchor, or to 0."""


def engine_of(spec: LatentSpec, picture: Floats, threads: int | None = None) -> Engine:
    """The best engine of this installation; its results do not depend on the number of threads.

    Args:
        spec: the pyramid and its networks.
        picture: ``(channels, height, width)``, values in [0, 1].
        threads: of the compiled kernels; None for what `inr.native.threads` says.
    """
    module = native.load()
    if module is None:
        from inr.coders.latent.twin import TwinEngine

        return TwinEngine(spec, picture)
    return CompiledEngine(module, spec, picture, threads)


class CompiledEngine:
    """See `Engine`."""

    def __init__(self, module: Any, spec: LatentSpec, picture: Floats, threads: int | None) -> None:
        """Take memory for all gradients."""
        self.spec, (self.height, self.width) = spec, picture.shape[1:]
        counts = [spec.channels, spec.levels, spec.contexts, spec.features, spec.parent_levels]
        counts += [spec.hidden, spec.width, spec.residuals]
        self._module = module
        self._trainer = module.LatentTrainer(counts, list(spec.hyper_levels), np.ascontiguousarray(picture, np.float32))
        self.size, self.parameters = int(self._trainer.entries), int(self._trainer.parameters)
        self._threads = threads

    def soft_step(
        self, latents: Floats, networks: Floats, softness: Softness, lmbda: float, moments: Moments, rate: float
    ) -> tuple[Measured, Floats]:
        """See `Engine`."""
        gradients = np.zeros(self.parameters, dtype=np.float32)
        pixels = self.height * self.width
        adam = (pixels / USUAL_PIXELS, rate, *moments.betas, moments.correction, EPSILON)
        bits, mse = self._trainer.run(
            latents,
            networks,
            rounding="soft",
            gain=softness.gain,
            sigma=softness.sigma,
            temperature=softness.temperature,
            key=softness.key,
            bit=lmbda / pixels,
            gradients=gradients,
            moments=(moments.mean, moments.square),
            adam=adam,
            threads=native.threads(self._threads),
        )
        moments.steps += 1
        return Measured(bits / pixels, mse, lmbda), gradients

    def hard_gradients(self, latents: Floats, networks: Floats, gain: float, lmbda: float) -> tuple[Measured, Floats]:
        """See `Engine`."""
        gradients = np.zeros(self.parameters, dtype=np.float32)
        pixels = self.height * self.width
        bits, mse = self._hard(latents, networks, gain, bit=lmbda / pixels, gradients=gradients)
        return Measured(bits / pixels, mse, lmbda), gradients

    def measure(self, latents: Floats, networks: Floats, gain: float, lmbda: float) -> Measured:
        """See `Engine`."""
        bits, mse = self._hard(latents, networks, gain, clamp=True)
        return Measured(bits / (self.height * self.width), mse, lmbda)

    def bits(self, symbols: Floats, networks: Floats) -> float:
        """See `Engine`."""
        return self._hard(symbols, networks, 1.0, distortion=False)[0]

    def mse(self, symbols: Floats, networks: Floats) -> float:
        """See `Engine`."""
        return self._hard(symbols, networks, 1.0, rate=False, clamp=True)[1]

    def optimiser(self, every: int, anchor: Floats | None = None) -> Optimiser:
        """See `Engine`."""
        from inr.coders.latent.soap import SoapSpec

        return _CompiledSoap(self._module, self.spec, SoapSpec(every=every), anchor)

    def _hard(self, latents: Floats, networks: Floats, gain: float, **settings: Any) -> tuple[float, float]:
        threads = native.threads(self._threads)
        found: tuple[float, float] = self._trainer.run(
            latents, networks, rounding="hard", gain=gain, threads=threads, **settings
        )
        return found


class _CompiledSoap:
    """See `Optimiser`."""

    def __init__(self, module: Any, spec: LatentSpec, settings: Any, anchor: Floats | None) -> None:
        self._soap = module.LatentSoap(
            [list(tensor.shape) for tensor in spec.layout()],
            *settings.betas,
            settings.weight_decay,
            EPSILON,
            settings.every,
            settings.largest,
        )
        self.state = np.zeros(self._soap.size, dtype=np.float64)
        self.every, self._anchor = settings.every, anchor

    def step(self, networks: Floats, gradients: Floats, rate: float) -> None:
        """See `Optimiser`."""
        self._soap.step(self.state, networks, gradients, self._anchor, rate)
