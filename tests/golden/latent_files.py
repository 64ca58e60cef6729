"""Golden files of the coder `latent`: all arrangements of networks, layers, channels and sample types."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from inr.codec.pack import assemble, pack
from inr.codec.tiles import Tiling
from inr.coders.base import coder_of
from inr.coders.latent.encoded import EncodedLatents
from inr.coders.latent.shipped import LMBDAS
from inr.coders.latent.spec import UP_TAPS, LatentSpec
from inr.coders.latent.stream import GROUPS, Networks, Pyramid
from inr.container.file import InrFile
from inr.domain import Domain
from inr.meta import LightCurve, SignalMeta
from inr.signals.image.attributes import ImageAttributes

BYTES = SignalMeta("uint8", (0.0, 255.0), ImageAttributes())
EXPONENTS = {"context": 6, "parents": 5, "upsampling": 7, "synthesis": 6}
LARGE: dict[str, int] = {}
MIDDLE = {"contexts": 10, "features": 4, "width": 16}
SMALL = {"contexts": 6, "features": 2, "width": 8, "residuals": 1}
LEAST = {"contexts": 2, "features": 0, "hidden": 0, "width": 4, "residuals": 0}


def latents_rgb() -> InrFile:
    """The largest networks of the library, all settings at their defaults, one layer."""
    return pack(_random(LARGE, (21, 30), 3, BYTES, 41), psnr=(33.25,))


def latents_layers() -> InrFile:
    """Eight layers, the first of which has the networks alone; 16-bit gray over a part of the range."""
    encoded = _random(MIDDLE, (17, 12), 1, SignalMeta("uint16", (100.0, 4095.0), ImageAttributes()), 42, layers=8)
    return pack(encoded, psnr=(10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 25.0, 31.5))


def latents_rgba() -> InrFile:
    """Alpha, and rows that are shorter than the reach of neighbours and filters; three layers."""
    return pack(_random(SMALL, (9, 2), 4, BYTES, 43, layers=3))


def latents_least() -> InrFile:
    """No residual layers and no features; light on its curve."""
    meta = SignalMeta("float32", (0.0, 9000.0), ImageAttributes(colour_space="linear"), light=LightCurve(0.25, 3))
    return pack(_random(LEAST, (2, 25), 3, meta, 44))


def latents_tiles() -> InrFile:
    """Two bands, in two layers."""
    tiling = Tiling(Domain.of_shape((15, 11)), (2, 1))
    tiles = [_random(SMALL, tiling.local(tile).shape, 3, BYTES, 45 + tile, layers=2) for tile in range(2)]
    coder = coder_of(tiles[0])
    return assemble(tiles[0], coder.part(tiles[0]), [coder.payloads(tile) for tile in tiles], tiling, psnr=(9.0, 30.0))


def _shipped(number: int) -> Callable[[], InrFile]:
    """A difference to one of the shipped networks."""

    def case() -> InrFile:
        encoded = _random(LARGE, (12, 15), 3, BYTES, 60 + number)
        rng = np.random.Generator(np.random.PCG64(70 + number))
        integers = {t.name: rng.integers(-1, 2, t.shape) for t in encoded.pyramid.spec.layout()}
        networks = Networks(integers, dict.fromkeys(GROUPS, 8), number)
        return pack(replace(encoded, pyramid=replace(encoded.pyramid, networks=networks)))

    case.__name__ = f"latents_shipped_{number}"
    return case


SHIPPED = tuple(_shipped(number) for number in range(1, len(LMBDAS) + 1))
CASES: tuple[Callable[[], InrFile], ...] = (
    latents_rgb,
    latents_layers,
    latents_rgba,
    latents_least,
    latents_tiles,
    *SHIPPED,
)


def _random(
    settings: dict[str, int], shape: tuple[int, ...], channels: int, meta: SignalMeta, seed: int, layers: int = 1
) -> EncodedLatents:
    """Random symbols, filters that about interpolate, and networks of random weights."""
    spec, (height, width) = LatentSpec(channels=channels, **settings), shape
    rng = np.random.Generator(np.random.PCG64(seed))
    integers = {}
    for tensor in spec.layout():
        unit = 1 << EXPONENTS[tensor.module]
        value = 0.5 / np.sqrt(tensor.shape[-1]) * rng.standard_normal(tensor.shape)
        if tensor.name.startswith("upsampling.up"):
            value = 0.1 * value + np.array([0.87, 0.26, -0.07, -0.06][:UP_TAPS])
        elif tensor.name.startswith("upsampling.pre"):
            value = 0.1 * value + np.eye(1, tensor.size)[0]
        elif tensor.module == "synthesis":
            value = 0.4 * value
        integers[tensor.name] = np.rint(unit * value).astype(np.int64)
    integers["context.out.bias"] = np.array([0, 4 << EXPONENTS["context"]])  # scales about 1
    integers["synthesis.mix1.bias"] += 1 << (EXPONENTS["synthesis"] - 1)  # values about the middle
    grids = {
        grid.name: np.clip(np.rint(rng.laplace(0, 1.0, (grid.height, grid.width))), -64, 63).astype(np.int64)
        for grid in spec.grids(height, width)
    }
    grids["latent0"][0, :2] = -64, 63
    networks = Networks(integers, {group: EXPONENTS[group[0]] for group in GROUPS})
    pyramid = Pyramid(spec, height, width, networks, grids)
    return EncodedLatents(
        pyramid=pyramid, channels=channels, domain=Domain.of_shape((height, width)), meta=meta, layers=layers
    )
