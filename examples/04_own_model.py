"""A new model is one class in one file: here, random Fourier features made of a sine layer, and a ReLU network."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, final

import numpy as np
from PIL import Image
from pydantic import Field

import inr
from inr.cli.terminal import say
from inr.domain import Domain
from inr.layers import Linear, ReLU, Sine
from inr.layers.network import Network
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.spec import Wire


@final
@MODELS.register
class SineFeatures(ModelSpec):
    """``y = W_3 relu(W_2 sin(sigma (W_1 x + b_1)) + b_2) + b_3``."""

    kind: Literal["sine_features"] = "sine_features"
    wire_id: ClassVar[int] = 1_000_001
    paper: ClassVar[str] = "after Tancik et al. 2020, Fourier Features Let Networks Learn High Frequency Functions"
    learning_rate: ClassVar[float] = 2e-3
    bpp: ClassVar[float] = 1.0
    weight_bits: ClassVar[float] = 7.0

    width: Annotated[int, Field(ge=1, le=4096), Wire(0)] = 128
    sigma: Annotated[float, Field(gt=0, le=1000), Wire(1)] = 30.0

    def build(self, domain: Domain, channels: int) -> Network:
        """Five layers of the vocabulary, which say how they start: backends, quantiser, coder and file know them."""
        hidden = [Linear(domain.ndim, self.width), Sine(self.sigma), Linear(self.width, self.width), ReLU()]
        return Network([*hidden, Linear(self.width, channels)])

    def sized(self, parameters: int, domain: Domain, channels: int) -> Self:
        """Chooses the width."""
        first, last = domain.ndim + 1, channels
        width = largest_fitting(1, 4096, parameters, lambda w: w * first + w * (w + 1) + last * (w + 1))
        return self.replace(width=width)


if __name__ == "__main__":
    photo = np.asarray(Image.open(Path(__file__).with_name("coffee.png")).reduce(4))
    report = inr.compress(photo, "own.inr", model="sine_features", bpp=4.0, steps=200).report
    say(f"{report.model}: {report.psnr:.2f} dB at {report.bpp:.2f} bpp; decoded {inr.open('own.inr').decode().shape}")
