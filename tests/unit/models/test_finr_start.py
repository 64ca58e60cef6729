"""F-INR starts its networks as their model has it."""

from typing import ClassVar, Literal, Self

import numpy as np

from inr.domain import Domain
from inr.layers import Linear, Sine
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec
from inr.models.finr import FInr
from inr.rng import generator
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
