"""The interface and the registry of samplers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from inr.registry import Registry
from inr.signals.signal import Signal
from inr.spec import Spec

FlatIndex = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Residuals = Callable[[FlatIndex], Floats]
"""Prediction minus target at samples, `(n,)` -> `(n, channels)`: a fresh forward pass over them."""
Wanted = Literal["nothing", "residuals", "gradients"]


@dataclass(frozen=True)
class Moment:
    """A moment of a fit.

    Attributes:
        step: gradient steps done.
        progress: share of the budget that is used, 0 to 1.
        total: steps of the whole fit, or None if time limits it.
    """

    step: int
    progress: float
    total: int | None = None


@dataclass(frozen=True, eq=False)
class Points:
    """Samples of a step.

    Attributes:
        index: flat indices, `(n,)`.
        offsets: how far each point strays from its sample, `(n, ndim)` in cells; None for not at all.
        weights: factors of the points' losses, `(n,)`; None for 1.
    """

    index: FlatIndex
    offsets: Floats | None = None
    weights: Floats | None = None


@dataclass(frozen=True, eq=False)
class Block:
    """All combinations of some indices along each axis; separable models evaluate each axis once.

    Attributes:
        axes: indices along each axis, `(n_a,)`.
    """

    axes: tuple[FlatIndex, ...]

    def flat_index(self, shape: tuple[int, ...]) -> FlatIndex:
        """Flat indices in C order, `(prod n_a,)`."""
        flat: FlatIndex = np.ravel_multi_index(np.ix_(*self.axes), shape).reshape(-1)
        return flat


Selection = Points | Block


class AbstractSampler(ABC):
    """Chooses the samples of each step. The same seed and the same answers of the fit give the same choices."""

    wants: ClassVar[Wanted] = "nothing"
    """What `observe` is told of each step; "gradients" are those of the loss of a point by its coordinates."""

    @abstractmethod
    def select(self, moment: Moment) -> Selection:
        """The samples of the next step; asked once for each step, in order."""

    def observe(self, moment: Moment, selection: Selection, residuals: Floats, gradients: Floats | None) -> None:
        """What the step found before it changed the parameters; called only if `wants` asks for it.

        Args:
            moment: as it was given to `select`.
            selection: what `select` returned.
            residuals: prediction minus target, `(n, channels)`.
            gradients: derivatives of the loss of each point by its coordinates, `(n, ndim)`, or None.
        """
        del moment, selection, residuals, gradients

    def state(self) -> dict[str, Any]:
        """What a checkpoint has to keep: numbers and arrays by name. Nothing for a function of seed and step."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        del state


class SamplerSpec(Spec):
    """Settings of a sampler."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def start(self, signal: Signal, seed: int, residuals: Residuals) -> AbstractSampler:
        """A sampler over the samples of a signal, for one fit.

        Args:
            signal: what is fitted.
            seed: of all random choices.
            residuals: asks the present state of the field for its errors; costs a forward pass.

        Raises:
            SpecError: it does not fit the signal.
        """


SAMPLERS: Registry[SamplerSpec] = Registry("sampler", "inr.samplers")
