"""Fields with random weights: small real files without a fit."""

import numpy as np

from inr.domain import Domain
from inr.fitting.trained import FitReport, TrainedNetwork
from inr.layers.layout import FloatTensor
from inr.meta import SignalMeta
from inr.models.base import ModelSpec
from inr.signals.image.attributes import ImageAttributes
from inr.signals.kind import kind_for

RGB8 = SignalMeta("uint8", (0.0, 255.0), ImageAttributes())


def random_tensors(model: ModelSpec, d_in: int, channels: int, seed: int) -> dict[str, FloatTensor]:
    """Normally distributed parameters whose outputs are neither constant nor all out of range."""
    rng = np.random.Generator(np.random.PCG64(seed))
    tensors = {}
    for layout in model.layout(d_in, channels):
        scale = 0.2 if layout.bias else 0.7 / np.sqrt(layout.shape[-1])
        tensors[layout.name] = (scale * rng.standard_normal(layout.shape)).astype(np.float32)
    return tensors


def random_field(
    model: ModelSpec,
    shape: tuple[int, ...] = (6, 8),
    channels: int = 3,
    meta: SignalMeta = RGB8,
    seed: int = 0,
) -> TrainedNetwork:
    """A field that looks fitted."""
    report = FitReport(steps=0, seconds=0.0, backend="none", seed=seed, curve=())
    tensors = random_tensors(model, len(shape), channels, seed)
    domain = Domain.of_shape(shape, kind_for(meta).axes(len(shape)))
    return TrainedNetwork(model=model, tensors=tensors, channels=channels, domain=domain, meta=meta, report=report)
