"""What a backend does: it runs a network forwards, and trains it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from inr.domain import Domain
from inr.errors import BackendUnavailableError, SpecError
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.meta import SignalMeta
from inr.rng import generator
from inr.signals.signal import Samples, Signal

if TYPE_CHECKING:  # a network is decoded without knowing how it was trained
    from torch import nn

    from inr.losses.base import LossSpec
    from inr.optimisers.base import OptimiserSpec
    from inr.reparams.base import ReparamSpec
    from inr.samplers.base import Wanted

Coordinates = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Coordinates before they are rounded to 32 bits, which places within a tile of a very long axis cannot afford."""
Values = npt.NDArray[np.float32]
PullBack = Callable[[Values], tuple[float, Values]]
"""A loss that sees the values of all points of a step at once, `(n, d_out)`, and tells it and its derivative by them.

What it computes on the way, such as a blur or a projection, need not be known to what evaluates the network.
"""


class Field(Protocol):
    """A continuous signal: coordinates `(n, d_in)` in, values `(n, d_out)` out, about [-1, 1]."""

    def __call__(self, coordinates: Positions) -> Values:
        """Evaluate; memory is bounded for any n."""
        ...

    def grid(self, axes: Sequence[Positions]) -> Values:
        """All points of a grid given by the coordinates along each axis, `(n_a,)` each.

        A separable network evaluates each axis once.

        Returns:
            `(prod n_a, d_out)` in C order.
        """
        ...


@runtime_checkable
class DifferentiableField(Field, Protocol):
    """A field that knows its derivative; of others it is found by differences."""

    def jacobian(self, coordinates: Positions) -> Values:
        """Derivatives `(n, d_out, d_in)` of all outputs by all coordinates `(n, d_in)`; n at least 1."""
        ...


@runtime_checkable
class ModuleField(Field, Protocol):
    """A field that torch can train."""

    def module(self) -> "nn.Module":
        """A copy that maps tensors as the field maps arrays, `(n, d_in)` to `(n, d_out)`; on the field's device."""
        ...


@runtime_checkable
class SampleField(Field, Protocol):
    """A field that writes samples in their own type."""

    def samples(self, domain: Domain, meta: SignalMeta) -> Samples | None:
        """Samples of a grid `(domain.size, d_out)`, or None where it does not know how to make them."""
        ...


@dataclass(frozen=True, eq=False)
class PointBatch:
    """Points of a step: coordinates `(n, d_in)`, targets `(n, d_out)`, weights of the losses `(n,)` or None for 1."""

    coordinates: Coordinates
    targets: Values
    weights: Values | None = None


@dataclass(frozen=True, eq=False)
class SampleBatch:
    """Samples of a signal by flat index `(n,)`, strayed from by `(n, ndim)` cells, with weights `(n,)` of the losses.

    What a backend makes coordinates and targets of where it needs them.
    """

    signal: Signal
    index: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.float32] | None = None
    weights: Values | None = None

    def points(self) -> PointBatch:
        """The same with coordinates and targets as arrays."""
        coordinates = self.signal.domain.coordinates(self.index, self.offsets)
        return PointBatch(coordinates, self.signal.targets(self.index), self.weights)


@dataclass(frozen=True, eq=False)
class GridBatch:
    """A grid of points: coordinates along each axis `(n_a,)`, targets `(prod n_a, d_out)` in C order."""

    axes: tuple[Coordinates, ...]
    targets: Values


@dataclass(frozen=True, eq=False)
class PulledBatch:
    """Points of a step, coordinates `(n, d_in)`, and what takes the place of targets and of the loss.

    Where the points are samples all the same, `targets` are their values, `(n, d_out)`: what residuals are told by.
    """

    coordinates: Coordinates
    pull_back: PullBack
    targets: Values | None = None

    def pulled(self, values: Values) -> tuple[float, Values]:
        """What the pull-back makes of the values at the points; raises `SpecError` for derivatives of another shape."""
        loss, slopes = self.pull_back(values)
        if slopes.shape != values.shape:
            raise SpecError(f"pull-back: expected derivatives of shape {values.shape}; got {slopes.shape}")
        return loss, slopes

    def check(self, wanted: "Wanted") -> None:
        """Raise `SpecError` if a step cannot tell what is wanted of it."""
        if wanted == "gradients" or (wanted == "residuals" and self.targets is None):
            raise SpecError(f"a step without targets has no {wanted}")

    def residuals(self, values: Values, wanted: "Wanted") -> Values | None:
        """Values minus targets, if wanted."""
        return None if wanted == "nothing" or self.targets is None else values - self.targets


Batch = PointBatch | GridBatch | SampleBatch | PulledBatch


@dataclass(frozen=True, eq=False)
class StepResult:
    """What a step found before it changed the parameters.

    Attributes:
        loss: mean over the batch.
        residuals: output minus target, `(n, d_out)`, if wanted.
        gradients: derivative of each point's own loss by its coordinates, `(n, d_in)`, if wanted.
    """

    loss: float
    residuals: Values | None = None
    gradients: Coordinates | None = None


@dataclass(frozen=True)
class Resources:
    """How a backend may run a network; one that cannot choose does as it always does.

    Attributes:
        threads: at most; None for ``OMP_NUM_THREADS``, or else one for each core.
        bf16: that operands of large matrix products may be rounded to 16 bits (bfloat16) where the machine then
            multiplies faster; sums, weights and angles keep 32 bits.
    """

    threads: int | None = None
    bf16: bool = False


DEFAULT_RESOURCES = Resources()
Tensors = Mapping[str, FloatTensor]
"""Parameters of a network, by the names of its layout."""


def lesson_width(d_in: int, d_out: int) -> int:
    """Of the rows that a training graph reads."""
    return d_in + 2 * d_out + 1


def lesson_rows(coordinates: Coordinates, targets: Values, seed: int, step: int) -> Coordinates:
    """The rows that a training graph reads: coordinates, targets, and the random numbers of a step."""
    source = generator(seed, "training graph", step)
    uniform = source.random((len(targets), 1), dtype=np.float32)
    normal = source.standard_normal(targets.shape, dtype=np.float32)
    return np.concatenate([coordinates, targets, uniform, normal], axis=1).astype(np.float32)


class AbstractTrainer(ABC):
    """A network in training, with its optimiser state."""

    @abstractmethod
    def step(self, batch: Batch, learning_rate: float, wanted: "Wanted" = "nothing") -> StepResult:
        """One gradient step on a batch.

        Raises:
            SpecError: gradients of a grid are wanted, or residuals of points that have no targets.
        """

    @abstractmethod
    def field(self) -> Field:
        """The network in its present state."""

    @abstractmethod
    def tensors(self) -> dict[str, FloatTensor]:
        """Copies of all stored tensors by name."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything needed to go on later: dicts and lists of numpy arrays, numbers, strings and None.

        ``steps`` is their number, ``parameters`` what is trained by name, and ``optimisers`` for each of them what it
        remembers of each parameter, by name. Every backend goes on from the state of every other.
        """

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


class AbstractBackend(ABC):
    """A way to run networks."""

    kind: ClassVar[str]
    summary: ClassVar[str]
    automatic: ClassVar[bool] = True
    """False for one that is used only if it is named, because its results differ by more than rounding."""

    @abstractmethod
    def unavailable(self, device: str) -> str | None:
        """None if this backend runs here on "auto", "cpu" or "cuda", else the reason and what to do."""

    @abstractmethod
    def refuses(self, network: Network, loss: "LossSpec | None" = None, pulled: bool = False) -> str | None:
        """None if it can do what is asked of it, else why not.

        Args:
            network: all of whose layers it should run.
            loss: what it is to be trained towards; None for no training.
            pulled: that it is to be trained by steps that have a pull-back in place of targets.
        """

    @abstractmethod
    def trainer(
        self,
        network: Network,
        tensors: Tensors,
        loss: "LossSpec",
        optimiser: "OptimiserSpec",
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
        reparam: "ReparamSpec | None" = None,
    ) -> AbstractTrainer:
        """Start training.

        Args:
            network: what is trained.
            tensors: its parameters at the start, by name.
            loss: what is made small, by steps that have targets.
            optimiser: how.
            device: "auto", "cpu" or "cuda".
            seed: of all random numbers.
            resources: threads and precision.
            reparam: what is trained in place of the stored tensors; None for these.

        Raises:
            SpecError: the optimiser has nothing to do in this network, or the backend does not have it, or `refuses`
                says so.
        """

    @abstractmethod
    def field(self, network: Network, tensors: Tensors, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """The network with these parameters as a function."""


def lesson_refusal(network: Network) -> str | None:
    """Why no backend trains a network by a pull-back, or None."""
    if network.training_graph is None:
        return None
    return "a network that is trained on its targets needs steps with targets; use task fit"


def check(
    backend: AbstractBackend, network: Network, device: str, loss: "LossSpec | None" = None, pulled: bool = False
) -> None:
    """Raise `BackendUnavailableError` if the backend cannot run this network on this device, or not train it so."""
    problem = backend.unavailable(device) or backend.refuses(network, loss, pulled)
    if problem is not None:
        raise BackendUnavailableError(f"backend {backend.kind}: {problem}")
