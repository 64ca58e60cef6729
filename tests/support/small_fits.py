"""Small pictures, models and fits for the tests of the loop, the codec and the command line."""

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from skimage import data

import inr
from inr.backends.torch import TorchNetwork
from inr.codec.encode import Compressed
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.trained import TrainedNetwork
from inr.models.base import ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.samplers.uniform import UniformSampler
from inr.signals.signal import Signal

Array = npt.NDArray[Any]

SIREN = Siren(width=16, depth=1)
GRID = HashGridMlp(log2_hashmap_size=7, finest_resolution=48, n_levels=5, base_resolution=4, width=12, depth=1)
BATCH = 256
STEPS_OF_AN_EPOCH = 9
"""Of a picture of 48 x 48 samples in batches of `BATCH`."""


@functools.cache
def photo(side: int = 48) -> Array:
    """A real photo, 512 x 512 RGB, box-filtered to `side` x `side`; do not write to it."""
    pixels: Array = data.astronaut()  # type: ignore[no-untyped-call]
    width = side * (pixels.shape[0] // side)
    blocks = pixels[:width, :width].reshape(side, width // side, side, width // side, 3)
    small: Array = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    small.setflags(write=False)
    return small


def signal_of(samples: Array) -> Signal:
    return inr.load(samples.copy())


def spec(model: ModelSpec, steps: int, **changes: Any) -> FitSpec:
    settings = {"sampler": UniformSampler(batch=BATCH), "budget": Budget(steps=steps), **changes}
    return FitSpec(model=model, **settings)


@functools.cache
def compressed(model: str, **request: Any) -> Compressed:
    """The photo compressed, 64 x 64 at 3 bpp in 80 steps unless asked otherwise; done once."""
    targets = {"bpp", "size", "psnr", "quality"}
    defaults = {"steps": 80} if targets & set(request) else {"steps": 80, "bpp": 3.0}
    return inr.compress(photo(64).copy(), model=model, **{**defaults, **request})


def psnr_of(reference: Array, other: Array, peak: float = 255.0) -> float:
    """PSNR in dB, written down independently of the library."""
    difference = reference.astype(np.float64) - other.astype(np.float64)
    mse = float((difference * difference).mean())
    return 10 * math.log10(peak * peak / mse) if mse else math.inf


def one_colour_psnr(reference: Array, peak: float = 255.0) -> float:
    """PSNR of a picture, video or array of the mean colour alone: what is fitted by nothing that learns."""
    samples = reference.astype(np.float64)
    mean = samples.mean(axis=tuple(range(samples.ndim - 1)), keepdims=True)
    return psnr_of(samples, np.broadcast_to(mean, samples.shape), peak)


def pixels_of(fitted: TrainedNetwork) -> Array:
    """The 8-bit picture of a fitted field on its own grid, by formulas written down again here."""
    height, width = fitted.domain.shape
    network = TorchNetwork(fitted.model.build(fitted.domain, fitted.channels), fitted.tensors)
    with torch.no_grad():
        longest = max(height, width)
        y = (2 * np.arange(height) + 1 - height) / longest
        x = (2 * np.arange(width) + 1 - width) / longest
        grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
        values = network(torch.from_numpy(grid)).numpy()
    bytes_ = np.rint((np.clip(values, -1, 1).astype(np.float64) + 1) * 127.5).astype(np.uint8)
    picture: Array = bytes_.reshape(height, width, fitted.channels)
    return picture


def same_bits(one: TrainedNetwork, other: TrainedNetwork) -> bool:
    """True if all tensors agree bit for bit."""
    return one.tensors.keys() == other.tensors.keys() and all(
        tensor.shape == other.tensors[name].shape and tensor.tobytes() == other.tensors[name].tobytes()
        for name, tensor in one.tensors.items()
    )


def course(fitted: TrainedNetwork) -> list[tuple[int, float, float]]:
    """Step, loss and PSNR of the curve: all of it but the time."""
    return [(point.step, point.loss, point.psnr) for point in fitted.report.curve]
