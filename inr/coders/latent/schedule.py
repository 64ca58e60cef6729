"""The schedule of a training: rates, noise and temperature of each iteration."""

import math

from pydantic import Field

from inr.spec import Spec


class TrainingSpec(Spec):
    """A schedule. With a picture and a `LatentSpec` it fixes every bit of the result on one machine."""

    lmbda: float = Field(default=1e-3, gt=0)
    """Mean squared error (of values in [0, 1]) that a bit a pixel may cost."""
    iterations: int = Field(default=2000, ge=1)
    """All of them: warm-up, main phase and last phase."""
    seed: int = 0
    warm_up: tuple[tuple[int, int], ...] = ((5, 50), (2, 50))
    """Rounds of (starts that go on, iterations of each); after each round the best go on."""
    last_share: float = Field(default=0.2, ge=0, lt=1)
    """Share of the iterations with hard rounding."""
    gain: float = 16.0
    """Symbols a unit of what Adam moves."""
    rate: float = 1e-2
    """Learning rate of latents and networks; a cosine leads to `final_rate` over the main phase."""
    final_rate: float = 1e-5
    last_rate: float = 1e-4
    """Learning rate of the networks in the last phase."""
    sigma: tuple[float, float] = (0.22, 0.15)
    """Standard deviation of the noise, from the begin to the end of the main phase."""
    temperature: tuple[float, float] = (0.35, 0.08)
    """Temperature of the soft rounding, likewise."""
    bend: float = Field(default=1.5, gt=0)
    """Both fall with this power of the main phase's share. Of 2 photographs 1 makes files 1 to 2 % dearer, .7 4 %."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam for the latents in the main phase."""
    warm_betas: tuple[float, float] = (0.725, 0.97)
    """Of Adam for the latents in the warm-up."""
    clip: float = 0.1
    """Largest norm of the networks' gradient."""
    validate_every: int = Field(default=50, ge=1)
    """Iterations between two hard-rounded measurements."""

    @property
    def warm_sigma(self) -> float:
        """Standard deviation of the noise in the warm-up."""
        return max((-0.432 * math.log10(self.lmbda) + 0.747) / 10, 0.0)

    @property
    def warm_iterations(self) -> int:
        """Iterations of the warm-up, all starts together."""
        return sum(starts * count for starts, count in self.warm_up)

    @property
    def last_iterations(self) -> int:
        """Iterations of the last phase."""
        return round(self.last_share * self.iterations)

    def rate_at(self, share: float) -> float:
        """Learning rate after so much of the main phase, 0..1."""
        return self.final_rate + (self.rate - self.final_rate) * 0.5 * (1 + math.cos(math.pi * share))

    def noise_at(self, share: float) -> tuple[float, float]:
        """Standard deviation of the noise and temperature, likewise."""
        bent = share**self.bend
        return _between(self.sigma, bent), _between(self.temperature, bent)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])
