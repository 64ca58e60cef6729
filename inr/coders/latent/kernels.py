"""The compiled engine of a training, and which engine there is."""

from typing import Any

import numpy as np

from inr import native
from inr.coders.latent.engine import (
    EPSILON,
    LATENT_EPSILON,
    Engine,
    Floats,
    Index,
    Measured,
    Moments,
    Optimiser,
    Softness,
)
from inr.coders.latent.soap import SoapSpec
from inr.coders.latent.spec import LatentSpec


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

    name = "native"

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
        adam = (pixels / (lmbda * softness.gain), rate, *moments.betas, moments.correction, LATENT_EPSILON)
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

    def features(self, symbols: Floats, networks: Floats, rows: Index, columns: Index) -> Floats:
        """See `Engine`."""
        found = np.empty((self.spec.levels, rows.size), dtype=np.float32)
        places = {"rows": np.ascontiguousarray(rows.ravel()), "columns": np.ascontiguousarray(columns.ravel())}
        self._trainer.features(symbols, networks, **places, out=found, threads=native.threads(self._threads))
        return found.reshape(-1, *rows.shape)

    def costs(self, symbols: Floats, networks: Floats, lmbda: float, level: int) -> Floats:
        """See `Engine`."""
        found = np.empty((self.height, self.width), dtype=np.float32)
        threads = native.threads(self._threads)
        self._trainer.costs(symbols, networks, lmbda=lmbda, level=level, out=found, threads=threads)
        return found

    def optimiser(self, every: int, anchor: Floats | None = None) -> Optimiser:
        """See `Engine`."""
        return _CompiledSoap(self._module, self.spec, SoapSpec(every=every), anchor)

    def _hard(self, latents: Floats, networks: Floats, gain: float, **settings: Any) -> tuple[float, float]:
        threads = native.threads(self._threads)
        found: tuple[float, float] = self._trainer.run(
            latents, networks, rounding="hard", gain=gain, threads=threads, **settings
        )
        return found


class _CompiledSoap:
    """See `Optimiser`."""

    def __init__(self, module: Any, spec: LatentSpec, settings: SoapSpec, anchor: Floats | None) -> None:
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
