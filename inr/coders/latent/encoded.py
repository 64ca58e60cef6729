"""A picture in latents as reports, payloads and functions see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from inr.backends.base import Positions, Values
from inr.coders.base import Encoded
from inr.coders.latent.stream import Pyramid
from inr.coders.latent.synthesis import Synthesis
from inr.domain import Domain


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedLatents(Encoded):
    """A pyramid of integers, as far as its levels are there."""

    coder: ClassVar[str] = "latent"
    pyramid: Pyramid


@final
class LatentField:
    """A synthesised picture as a function of coordinates; see `inr.coders.latent.synthesis`."""

    def __init__(self, domain: Domain, synthesis: Synthesis) -> None:
        """Show a synthesis on the domain of its picture."""
        self._domain, self._synthesis = domain.centred(), synthesis

    def __call__(self, coordinates: Positions) -> Values:
        """See `inr.backends.base.Field`."""
        return _signed(self._synthesis.points(self._places(0, coordinates[:, 0]), self._places(1, coordinates[:, 1])))

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `inr.backends.base.Field`."""
        values = self._synthesis.grid(self._places(0, axes[0]), self._places(1, axes[1]))
        return _signed(values.reshape(-1, values.shape[-1]))

    def _places(self, axis: int, coordinates: Positions) -> npt.NDArray[np.float64]:
        """Coordinates along an axis in pixels."""
        low, high = self._domain.box[axis]
        places: npt.NDArray[np.float64] = coordinates.astype(np.float64) - low
        return places * (self._domain.shape[axis] / (high - low)) - 0.5


def field_of(encoded: EncodedLatents, threads: int | None = None) -> LatentField:
    """The function that a pyramid is, evaluated by at most so many threads."""
    pyramid = encoded.pyramid
    values = pyramid.networks.values(pyramid.spec)
    synthesis = Synthesis(pyramid.spec, pyramid.height, pyramid.width, values, pyramid.grids, threads)
    return LatentField(encoded.domain, synthesis)


def _signed(values: Values) -> Values:
    """From [0, 1] to [-1, 1]."""
    return 2 * values - 1
