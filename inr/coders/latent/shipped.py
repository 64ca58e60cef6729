"""Networks that come with the library: trainings start from them, and files store a difference to them.

A training that starts from them ends up cheaper than one from random networks (of a detailed photo by 5 % after 350
iterations), and takes a fifth fewer bits for its networks. They were learned by `inr.coders.latent.learn` from 259
photographs, as its settings say.

A file names them by number, so a number stands for the same integers for ever; new ones get new numbers.
"""

import functools
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import Final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.spec import LatentSpec
from inr.errors import UnsupportedFeatureError

EXPONENT: Final = 12
"""Parameters are integers over 2^12."""
OWN: Final = 0
"""The number of a file whose networks are all its own."""
SHA256: Final = "0a43c6261dde7ec7f32ae8ac685fcaab7a97e86fbdedbfdfa1fbee454cb1d839"
"""Of ``shipped.bin``: of one set of networks after the other all tensors of its layout, 16 bits each, little-endian."""
SPEC: Final = LatentSpec()
"""The shape of all that there are."""
LMBDAS: Final = (1.2e-4, 3.2e-4, 8.5e-4, 2.3e-3, 6e-3, 1.2e-4, 3.2e-4, 8.5e-4, 2.3e-3, 6e-3, 1.6e-2)
"""Weight of a bit, see `inr.coders.latent.schedule.TrainingSpec`, that the numbers 1, 2, ... were learned for."""
RETIRED: Final = range(1, 6)
"""Numbers that files may have but no training starts from: long trainings of whole photos ended up dearer for it."""
WARM_UP: Final = 30
"""Iterations of the warm-up of a training that starts from given networks, after which optimisers start anew: what they
have seen of latents that are all zero would slow them down for long."""


@dataclass(frozen=True, eq=False)
class Shipped:
    """One set of networks.

    Attributes:
        number: in files, 1..255.
        spec: what they are for.
        lmbda: weight of a bit that they were learned for.
        integers: tensors by name, over 2^12.
    """

    number: int
    spec: LatentSpec
    lmbda: float
    integers: Mapping[str, npt.NDArray[np.int64]]

    def values(self) -> npt.NDArray[np.float32]:
        """All parameters, ``(parameters,)``; exact."""
        return self.spec.joined({name: value * 2.0**-EXPONENT for name, value in self.integers.items()})


@functools.cache
def shipped(number: int) -> Shipped:
    """Networks by their number.

    Raises:
        UnsupportedFeatureError: this version has none of that number.
    """
    if not 1 <= number <= len(LMBDAS):
        raise UnsupportedFeatureError(
            f"networks: number {number} of the shipped ones is not in version {version('inr')}, which has "
            f"1..{len(LMBDAS)}; a later version is needed"
        )
    values = stored()[number - 1]
    return Shipped(number, SPEC, LMBDAS[number - 1], SPEC.split(values))


def nearest(spec: LatentSpec, lmbda: float) -> int:
    """The number of the networks of a shape that were learned for about this weight of a bit; 0 if there are none."""
    if spec != SPEC:
        return OWN
    numbers = [number for number in range(1, len(LMBDAS) + 1) if number not in RETIRED]
    return min(numbers, key=lambda number: abs(math.log(LMBDAS[number - 1] / lmbda)))


@functools.cache
def stored() -> npt.NDArray[np.int64]:
    """All parameters, ``(networks, parameters)``."""
    data = resources.files("inr.coders.latent").joinpath("shipped.bin").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise RuntimeError("shipped.bin is not the one of this version: the installation is damaged")
    found: npt.NDArray[np.int64] = np.frombuffer(data, "<i2").astype(np.int64).reshape(len(LMBDAS), -1)
    found.flags.writeable = False
    return found
