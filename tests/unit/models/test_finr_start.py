"""F-INR starts its networks as their model has it, and trains them at a rate that suits their width."""

from typing import ClassVar, Literal, Self

import numpy as np

from inr.domain import Domain
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.layers import Linear, Sine
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.meta import SignalMeta
from inr.models.base import MODELS, ModelSpec
from inr.models.finr import FInr
from inr.models.siren import Siren
from inr.rng import generator
from inr.samplers.block import BlockSampler
from inr.signals.image.attributes import ImageAttributes
from inr.signals.signal import Signal
from tests.support.domains import plain


class Stepped(ModelSpec):
    """A model of one axis with a start that no distribution of its layers gives."""

    kind: Literal["stepped"] = "stepped"
    wire_id: ClassVar[int] = 1_900_011
    paper: ClassVar[str] = "none; a test"

    def build(self, domain: Domain, channels: int) -> Network:
        return Network([Linear(domain.ndim, 8), Sine(1.0), Linear(8, channels)])

    def initial(self, network: Network, generator: np.random.Generator) -> dict[str, FloatTensor]:
        return {**network.initial(generator), "0.bias": np.arange(8, dtype=np.float32)}

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        return self


def test_networks_of_axes_start_as_their_model_has_it() -> None:
    MODELS.register(Stepped)
    try:
        model = FInr(rank=2, axis_model=Stepped(), band=0)
        network = model.build(plain(2), 3)
        tensors = model.initial(network, generator(0, "init"))
    finally:
        MODELS.unregister(Stepped)
    for part in network.parts:
        first = network.numbers[part.layers[0]]
        assert tensors[f"{first}.bias"].tolist() == list(range(8))


def test_a_wider_axis_network_learns_as_well() -> None:
    """At one rate for all widths, this one ends as noise, at 20 dB."""
    t, y, x = np.mgrid[0:8, 0:48, 0:64]
    waves = np.stack([np.sin(x / 5 + t / 3 + c) + np.cos(y / 4 - t / 4 + c) for c in range(3)], axis=-1)
    samples = np.rint(127.5 + 60 * waves).astype(np.uint8)
    signal = Signal(
        samples,
        Domain.of_shape(samples.shape[:3], ("t", "y", "x")),
        SignalMeta("uint8", (0.0, 255.0), ImageAttributes()),
    )
    found = []
    for width in (256, 1024):
        model = FInr(axis_model=Siren(width=width, depth=0, omega_0=10.0)).fitted_to(signal.domain)
        spec = FitSpec(model=model, sampler=BlockSampler(), budget=Budget(steps=100))
        found.append(fit(signal, spec).report.curve[-1].psnr)
    assert found[1] > found[0] - 1
