"""VI3NR: weights that keep the variances of pre-activations and of gradients through any number of layers."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from inr.errors import SpecError
from inr.inits.base import INITS, InitSpec
from inr.inits.moments import Function, fixed_point, is_homogeneous, linear_width, second_moments
from inr.inits.wiring import activated, kinds_that, readers
from inr.layers import Activation, Layer, Linear, Matrix, Normal, Uniform
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.rng import generator as fixed_generator
from inr.signals.signal import Signal

if TYPE_CHECKING:
    import torch


SAMPLES = 1024
"""Coordinates at which second moments are measured."""
BIAS_SHARE = 0.25
"""Share of the variance of a pre-activation that "matched" biases carry."""

Deviation = Annotated[float, Field(gt=0, le=1e4)]


@final
@INITS.register
class Vi3nrInit(InitSpec):
    """Every pre-activation ~ N(0, sigma_p^2): weights of variance ``sigma_p^2 / (M E[x^2])``, x the M inputs.

    With F = E[f(z)^2] and G = E[f'(z)^2] under N(0, sigma_p^2) the variance of gradients changes by C = sigma_p^2 G / F
    a layer; sigma_p solves C = 1. E[x^2] is F of the activation that made x, or, where x is something else or comes
    from the first two layers (few coordinates do not make a value normal, and near the origin it is smaller), it is
    measured at samples of the signal.

    - Solvable: exp(-(s z)^2) has sigma_p = sqrt(1 + sqrt 2) / (s sqrt 2). FINER has a solution for the derivative that
      it is trained with, which counts |z| + 1 as constant.
    - sin(omega z) and all f that are linear around 0 and bend downwards have C > 1 for every sigma_p:
      sigma_p = 1/|f'(0)|, which is 1/omega, where C = 1.31.
    - ReLU and the identity have C = 1 for every sigma_p: the variance is 1/(M F(1)) whatever the input's scale
      (He et al. 2015: 2/M), unless `sigma_p` is given.

    First layers, those with no activation between them and the coordinates, keep the model's own start unless
    `sigma_first` is given: their deviation is the bandwidth of the network (SIREN: 7 rad, against 1 rad in
    hidden layers), and the signal decides it, not the depth; `fresh` can choose it. A linear layer that feeds
    another is treated as one with f(z) = z. An output layer is treated as if the activation before it followed, as in
    the released code. Linear layers that feed anything else (a product, a normalisation) and all other parameters keep
    the model's own start.

    When it helps: in deep networks. Gaussian ones of 64 neurons fitted to 80 x 80 samples of a photo (300 steps of
    1,024) have 13.1 dB from their own start and 28.9 dB from this one with 9 layers (``depth=8``), 12.6 and 21.8 dB
    with 15. With the usual 4 layers it costs 2 dB and more, since sigma_p is narrower than what random weights give,
    and so is the band of the network; the paper, too, searches sigma_p around the solution for shallow networks. For
    SIREN it changes nothing: its own start keeps variances already.

    Deviations: quadrature and bisection instead of a million samples and a grid search.
    """

    kind: Literal["vi3nr"] = "vi3nr"
    wire_id: ClassVar[int] = 2
    paper: ClassVar[str] = (
        "Koneputugodage et al. 2025, VI3NR: Variance Informed Initialization for Implicit Neural Representations"
    )

    sigma_p: Deviation | None = None
    """Deviation of hidden pre-activations, in units of the activation's argument (before omega); None: solved for."""
    sigma_first: Deviation | None = None
    """The same of first layers; None: they keep the model's own weights and biases."""
    bias: Literal["zero", "default", "matched"] = "default"
    """Biases of the layers that are set: zero, as the theory has it, the only mode in which all variances are kept for
    every f; the model's own, on top of sigma_p, as released; or matched: a quarter of sigma_p^2, for which the weights
    get three quarters and sigma_p solves C = 4/3."""
    distribution: Literal["uniform", "normal"] = "uniform"
    """Distribution of the weights (and of matched biases) about zero."""

    def apply(
        self, model: ModelSpec, network: Network, signal: Signal, generator: np.random.Generator
    ) -> dict[str, FloatTensor]:
        """The model's own start, then layer by layer, while a sample of the signal's coordinates passes through.

        Raises:
            SpecError: there is no layer to set, or a layer's inputs are all zero.
        """
        import torch

        if not _settable(network, self.sigma_first is not None):
            raise SpecError(
                f"vi3nr: model {model.kind} has no hidden or last linear layer next to an elementwise real activation, "
                f"whose moments the method needs; it fits {kinds_that(lambda other: bool(_settable(other, False)))}"
            )
        tensors = model.initial(network, generator)
        index = fixed_generator(0, "vi3nr").integers(0, signal.domain.size, SAMPLES)
        with torch.no_grad():
            return _Pass(self, network, tensors, generator).run(torch.from_numpy(signal.domain.coordinates(index)))


class _Pass:
    """One evaluation of a network that sets each layer before it is evaluated."""

    def __init__(
        self, spec: Vi3nrInit, network: Network, tensors: dict[str, FloatTensor], generator: np.random.Generator
    ) -> None:
        self._spec, self._network, self._generator = spec, network, generator
        self._tensors = dict(tensors)
        self._functions = _settable(network, spec.sigma_first is not None)
        self._curved = _curved(network)
        self._deviations: dict[int, float] = {}  # of values that are about normal
        # Values of the first hidden layers: normal at each point, but their deviation goes with the point.
        self._mixed: set[int] = set()

    def run(self, coordinates: "torch.Tensor") -> dict[str, FloatTensor]:
        """The parameters, from what a sample of coordinates becomes on its way."""
        network, values = self._network, {0: coordinates}
        for i, (layer, sources) in enumerate(zip(network.layers, network.sources, strict=True)):
            if isinstance(layer, Linear | Matrix) and i in self._functions:
                self._set(i, layer, values[sources[0]])
            values[i + 1] = layer.forward(self._held(layer), *[values[s] for s in sources])
        return self._tensors

    def _held(self, layer: Layer) -> "dict[str, torch.Tensor]":
        """Stored and fixed tensors of a layer as they are now."""
        import torch

        number = self._network.numbers[layer]
        own = {tensor.name: self._tensors[f"{number}.{tensor.name}"] for tensor in layer.layout()}
        return {name: torch.tensor(array) for name, array in {**own, **layer.fixed()}.items()}

    def _set(self, i: int, layer: Linear | Matrix, inputs: "torch.Tensor") -> None:
        spec, f, source = self._spec, self._functions[i], self._network.sources[i][0]
        hidden = source in self._curved
        sigma = spec.sigma_p if hidden else spec.sigma_first
        share = BIAS_SHARE if spec.bias == "matched" and isinstance(layer, Linear) else 0.0
        moment = self._second_moment(source, inputs)
        if not 0 < moment < math.inf:
            raise SpecError(f"vi3nr: layer {i} reads values with a mean square of {moment}, which no weights can scale")
        if sigma is None and is_homogeneous(f):
            sigma = math.sqrt(moment / second_moments(f, 1.0)[0])
        elif sigma is None:
            sigma = fixed_point(f, 1 / (1 - share)) or linear_width(f)
        self._fill(f"{i}.weight", sigma * math.sqrt((1 - share) / (layer.d_in * moment)))
        if isinstance(layer, Linear) and spec.bias != "default":
            self._fill(f"{i}.bias", sigma * math.sqrt(share))
        if hidden:
            before = self._network.sources[source - 1][0] if source else 0
            known = before in self._deviations or before in self._mixed
            if known:
                self._deviations[i + 1] = sigma
            else:
                self._mixed.add(i + 1)

    def _second_moment(self, number: int, values: "torch.Tensor") -> float:
        """Mean square of a value: by theory if it is an activation of normal numbers, else as it is at the samples."""
        maker = self._network.layers[number - 1] if number else None
        if isinstance(maker, Activation):
            deviation = self._deviations.get(self._network.sources[number - 1][0])
            if deviation is not None:
                return second_moments(maker, deviation)[0]
        return float(values.double().square().mean())

    def _fill(self, name: str, deviation: float) -> None:
        normal = self._spec.distribution == "normal"
        distribution = Normal(deviation) if normal else Uniform(math.sqrt(3) * deviation)
        self._tensors[name] = distribution.draw(self._generator, self._tensors[name].shape)


def _settable(network: Network, first: bool) -> dict[int, Function]:
    """Linear layers that are set, first layers if `first`: index -> the function that follows or counts as following.

    A layer that is evaluated several times is set once.
    """
    layers = network.layers
    found: dict[int, Function] = dict(activated(network))
    for i, layer in enumerate(layers):
        if i in found or not isinstance(layer, Linear | Matrix) or network.numbers[layer] < i:
            continue
        maker: Layer | None = layers[network.sources[i][0] - 1] if network.sources[i][0] else None
        if any(isinstance(reader, Linear | Matrix) for reader in readers(network, i + 1)):
            found[i] = _identity
        elif i + 1 in network.heads and isinstance(maker, Activation):
            found[i] = maker
    curved = _curved(network)
    return {i: f for i, f in found.items() if first or network.sources[i][0] in curved}


def _curved(network: Network) -> set[int]:
    """Numbers of the values with an activation between them and the coordinates."""
    curved: set[int] = set()
    for i, (layer, sources) in enumerate(zip(network.layers, network.sources, strict=True)):
        if isinstance(layer, Activation) or curved.intersection(sources):
            curved.add(i + 1)
    return curved


def _identity(z: "torch.Tensor") -> "torch.Tensor":
    return z
