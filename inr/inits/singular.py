"""Windowed first layers that start at the edges of the signal."""

from typing import ClassVar, Literal, final

import numpy as np
import numpy.typing as npt

from inr.errors import SpecError
from inr.inits.base import INITS, InitSpec
from inr.inits.wiring import kinds_that
from inr.layers import Gaussian, Linear, RealGabor
from inr.layers.layout import FloatTensor
from inr.layers.network import COORDINATES, Network
from inr.models.base import ModelSpec
from inr.signals.signal import Signal

CANDIDATES = 2**16
"""Samples that the centres are chosen among, so that time and memory do not grow with the signal."""


@final
@INITS.register
class SingularInit(InitSpec):
    """The model's own start, then ``b = -W x_0`` for each neuron of a windowed first layer, whose centre is then x_0.

    The x_0 are samples of the signal, drawn with probabilities proportional to the gradient's magnitude (the root of
    the sum over axes and channels of squared central differences per unit of coordinate); uniformly if it is zero
    everywhere. What a window reads from several linear layers is centred on the same points. A window in one direction,
    as that of WIRE and of Gaussian activations, is a stripe through x_0.

    The paper centres first-layer wavelets on the singularities of the signal; how they are found is our choice. Above
    65,536 samples that many are drawn uniformly first.

    Fits models with a Gaussian or Gabor layer over linear layers that read the coordinates, alone or as a part.
    """

    kind: Literal["singular"] = "singular"
    wire_id: ClassVar[int] = 5
    paper: ClassVar[str] = (
        "Roddenberry et al. 2024, Implicit Neural Representations and the Algebra of Complex Wavelets"
    )

    def apply(
        self, model: ModelSpec, network: Network, signal: Signal, generator: np.random.Generator
    ) -> dict[str, FloatTensor]:
        """The model's own start, then the biases; raises `SpecError` for a model without windowed first layers."""
        windows = windowed(network)
        if not windows:
            raise SpecError(
                f"singular: model {model.kind} has no window over linear layers that read the coordinates, so nothing "
                f"to centre; it fits {kinds_that(lambda other: bool(windowed(other)))}"
            )
        tensors = model.initial(network, generator)
        size = min(signal.domain.size, CANDIDATES)
        index = np.arange(size, dtype=np.int64)
        if size < signal.domain.size:
            index = generator.integers(0, signal.domain.size, size)
        steepness = gradient_magnitude(signal, index)
        if not steepness.any():
            steepness += 1
        for layers in windows:
            drawn = generator.choice(size, layers[0].d_out, p=steepness / steepness.sum())
            centres = signal.domain.coordinates(index[drawn])
            for layer in layers:
                number = network.numbers[layer]
                tensors[f"{number}.bias"] = -(tensors[f"{number}.weight"] * centres).sum(axis=1)
        return tensors


def windowed(network: Network) -> list[list[Linear]]:
    """For each window over the coordinates, the linear layers that it reads."""
    layers = network.layers
    found = []
    for layer, sources in zip(layers, network.sources, strict=True):
        if isinstance(layer, Gaussian | RealGabor):
            read = [
                layers[number - 1] for number in sources if number and network.sources[number - 1] == (COORDINATES,)
            ]
            linear = [maker for maker in read if isinstance(maker, Linear)]
            if len(linear) == len(sources):
                found.append(linear)
    return found


def gradient_magnitude(signal: Signal, index: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Root of the sum over axes and channels of squared differences of the neighbours, per unit of coordinate.

    Args:
        signal: its normalised values count. At a border the sample itself stands for the missing neighbour.
        index: flat indices of samples, `(n,)`.

    Returns:
        `(n,)`.
    """
    domain = signal.domain
    place = np.unravel_index(index, domain.shape)
    total = np.zeros(len(index))
    for axis, n in enumerate(domain.shape):
        at = domain.axis_coordinates(axis)
        ends = [np.clip(place[axis] + step, 0, n - 1) for step in (-1, 1)]
        low, high = (
            signal.targets(np.ravel_multi_index([*place[:axis], end, *place[axis + 1 :]], domain.shape)) for end in ends
        )
        apart = np.maximum(at[ends[1]] - at[ends[0]], np.finfo(np.float64).tiny)
        slope = (high.astype(np.float64) - low) / apart[:, None]
        total += (slope * slope).sum(axis=1)
    magnitude: npt.NDArray[np.float64] = np.sqrt(total)
    return magnitude
