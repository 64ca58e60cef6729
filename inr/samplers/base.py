"""The interface and the registry of samplers."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from inr.registry import Registry
from inr.spec import Spec

FlatIndex = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.float32]


class AbstractSampler(ABC):
    """Chooses the samples of each step. The choice is a pure function of seed and step, so a resumed fit agrees."""

    @abstractmethod
    def select(self, step: int) -> FlatIndex:
        """Flat indices of the samples of this step, shape `(batch,)`."""

    def offsets(self, step: int, shape: tuple[int, int]) -> Offsets | None:
        """How far the points of this step stray from their samples, `(batch, ndim)` in cells; None for not at all."""
        del step, shape
        return None


class SamplerSpec(Spec):
    """Settings of a sampler."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def start(self, n_samples: int, seed: int) -> AbstractSampler:
        """A sampler over `n_samples` samples."""


SAMPLERS: Registry[SamplerSpec] = Registry("sampler", "inr.samplers")
