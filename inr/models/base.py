"""What a model is: a spec that arranges layers, and the layout of the tensors it stores."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from inr.container import ids
from inr.domain import Domain
from inr.layers.layout import FloatTensor, TensorLayout
from inr.layers.network import Network
from inr.registry import Registry
from inr.spec import Spec


@dataclass(frozen=True)
class FrequencySearch:
    """The setting that shifts the spectrum of the untrained model, for initialisers that search for it.

    Attributes:
        setting: name of the field.
        values: candidates, in increasing order.
    """

    setting: str
    values: tuple[float, ...]


class ModelSpec(Spec):
    """Settings of a model. A concrete class adds ``kind``, ``wire_id`` and the class attributes below.

    For all models, whatever their releases do: coordinates are those of cell centres with the longest axis on [-1, 1]
    and the others in proportion (see `inr.domain`; most releases put the first and last sample of each axis on -1 and
    1), and targets lie in [-1, 1].
    """

    kind: str = ""
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    """Author, year, title of the source."""
    learning_rate: ClassVar[float]
    """Adam's learning rate that suits mini-batches of 8,192 samples."""
    usual_width: ClassVar[int | None] = None
    """Setting `width` that the learning rate was found for, if wider ones need a lower one."""
    jitter: ClassVar[float] = 0.0
    """Share of a cell that training points stray from the samples, for models that are rough between samples."""
    bpp: ClassVar[float]
    """Bits per pixel that suit a photo, for when no size is asked for."""
    weight_bits: ClassVar[float]
    """Bits of a matrix entry that cost little quality after quantisation."""
    separable: ClassVar[bool] = False
    """True if each axis has a network of its own, so that a grid costs its axes and not its samples."""
    frequency_search: ClassVar[FrequencySearch | None] = None
    """What frequency shifting (FreSh) may choose; None if the model has no such setting."""
    EXAMPLES: ClassVar[tuple["ModelSpec", ...]] = ()
    """Small settings that the conformance suite runs, beside the defaults."""

    @abstractmethod
    def build(self, domain: Domain, channels: int) -> Network:
        """The network for signals on a grid, whose layers say how they start; allocates nothing of its size.

        Raises:
            SpecError: it does not work on so many axes, or a setting does not fit the grid.
        """

    def initial(self, network: Network, generator: "np.random.Generator") -> dict[str, FloatTensor]:
        """The parameters of a network that `build` made as the model's paper starts them, by name.

        What the distributions of the layers say, unless a model has more to say.
        """
        return network.initial(generator)

    @abstractmethod
    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """The same model with about, and at most, this many parameters (the smallest one if even that is larger)."""

    def rate(self) -> float:
        """Adam's learning rate that suits a model of this very size; `learning_rate` is that of the usual one.

        Falls as 1 / width, as a step of every weight moves the sum over them all (Yang et al. 2022, Tensor Programs V).
        On 256 x 256 pixels of a photo, 150 steps end at 22.4 dB with SIREN twice as wide, and at 12.1 dB with the rate
        of the usual one; the same with FINER (22.4, 12.1), CAFE (25.0, 20.5), WIRE (22.5, 21.5) and FKAN (16.2, 15.4).
        """
        if self.usual_width is None:
            return self.learning_rate
        width: int = getattr(self, "width", self.usual_width)
        return self.learning_rate * min(1.0, self.usual_width / width)

    def fitted_to(self, domain: Domain) -> Self:
        """Fill in what the model wants to know of the grid before it is built; most models want nothing."""
        del domain
        return self

    def check(self, domain: Domain, channels: int) -> None:
        """Raise `SpecError` if the model cannot be fitted to signals of this shape; called before anything is built."""
        del domain, channels

    def bands(self) -> tuple[float, ...]:
        """Highest frequency of each of several outputs in cycles per unit, coarse to fine; empty for one output."""
        return ()

    def layout(self, domain: Domain, channels: int) -> tuple[TensorLayout, ...]:
        """Names, shapes and quantiser groups of all stored tensors, in file order; allocates no tensor memory."""
        return self.build(domain, channels).layout()

    def parameters(self, domain: Domain, channels: int) -> int:
        """Number of stored reals (a complex entry counts as two)."""
        return sum(math.prod(tensor.shape) for tensor in self.layout(domain, channels))


MODELS: Registry[ModelSpec] = Registry(
    "model", "inr.models", names={number: name for number, (name, _) in ids.MODELS.items()}
)


def largest_fitting(low: int, high: int, parameters: int, count: Callable[[int], int]) -> int:
    """The largest integer in [low, high] whose `count` is at most `parameters`, or `low`; `count` must grow."""
    while low < high:
        middle = (low + high + 1) // 2
        if count(middle) <= parameters:
            low = middle
        else:
            high = middle - 1
    return low


def chain_width(parameters: int, d_in: int, depth: int, d_out: int) -> int:
    """The largest width, at most 4096, of linear layers d_in -> width, `depth` of width -> width, width -> d_out."""

    def count(width: int) -> int:
        return width * (d_in + 1) + depth * (width * width + width) + d_out * (width + 1)

    return largest_fitting(1, 4096, parameters, count)
