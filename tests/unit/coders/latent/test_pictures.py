"""The coder `latent` takes pictures of all sizes, channels and sample types; pictures get it unless told otherwise."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.codec.candidates import Candidates
from inr.codec.encode import Compressed
from inr.coders.base import chosen
from inr.coders.latent.stream import MAX_PIXELS, MAX_SIDE
from inr.coders.request import CompressSpec
from inr.container.file import parse
from inr.domain import Domain
from inr.errors import SpecError
from inr.signals.image.attributes import ImageAttributes
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from tests.support.image_files import png_bytes
from tests.support.small_fits import photo

Array = npt.NDArray[Any]


def waves(height: int, width: int, channels: int = 3) -> Array:
    """A smooth picture with values in [0, 1]."""
    y, x = np.mgrid[0:height, 0:width] / 6
    return np.stack([0.5 + 0.25 * np.sin(x + c) + 0.24 * np.cos(y - c * x / 3) for c in range(channels)], axis=-1)


def of_type(values: Array, dtype: str) -> Array:
    kind = np.dtype(dtype)
    return (values * np.iinfo(kind).max).round().astype(kind) if kind.kind == "u" else values.astype(kind)


def shown(picture: Array, **request: Any) -> tuple[Compressed, Array]:
    result = inr.compress(picture, **{"steps": 150, **request})
    decoded = inr.open(result.data).decode()
    assert result.report.model == "latent"
    assert decoded.dtype == picture.dtype
    assert decoded.size == picture.size
    return result, decoded.reshape(picture.shape)


@pytest.mark.parametrize("sides", [(2, 37), (37, 2), (5, 7), (33, 31)])
def test_any_size(sides: tuple[int, int]) -> None:
    result, _ = shown(of_type(waves(*sides), "uint8"))
    assert result.report.psnr > 20
    assert result.report.bytes < 600


@pytest.mark.parametrize("sides", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_points_and_lines(sides: tuple[int, int]) -> None:
    picture = of_type(waves(*sides), "uint8")
    result = inr.compress(png_bytes(picture), steps=150)
    field = inr.open(result.data)
    assert (result.report.model, field.decode().shape) == ("latent", picture.shape)
    assert result.report.psnr > 15
    assert field.decode(scale=3.0).shape == (3 * sides[0], 3 * sides[1], 3)


@pytest.mark.parametrize(
    ("channels", "dtype"),
    [(1, "uint8"), (1, "uint16"), (2, "float32"), (3, "uint16"), (3, "float16"), (4, "uint8"), (4, "float32")],
)
def test_any_channels_and_samples(channels: int, dtype: str) -> None:
    picture = of_type(waves(24, 32, channels), dtype)
    result, decoded = shown(picture, steps=120)
    assert result.report.psnr > 26
    span = float(picture.max()) - float(picture.min())
    error = np.abs(decoded.astype(np.float64) - picture.astype(np.float64)).mean() / span
    assert error < 0.05  # of channels in the right order


def test_floats_have_a_range_of_their_own() -> None:
    picture = (1e6 * waves(24, 32, 1) - 3e5).astype(np.float32)
    result, decoded = shown(picture)
    assert result.report.psnr > 26
    assert decoded.min() < -1e5
    assert decoded.max() > 4e5


def test_light_is_learnt_on_its_curve() -> None:
    picture = waves(24, 32).astype(np.float32)
    picture[4:7, 5:8] = 20_000.0
    result, decoded = shown(picture, steps=250)
    assert parse(result.data).header.light is not None
    assert result.report.metrics["pu21_psnr"] > 20
    assert decoded[5, 6].min() > 1_000  # the sun
    assert np.median(decoded) == pytest.approx(np.median(picture), rel=0.1)  # and what it shines on


def test_the_power_transform_is_heeded() -> None:
    result, _ = shown(of_type(waves(24, 32), "uint8"), transform="power")
    assert parse(result.data).header.power is not None
    assert result.report.psnr > 24


def test_colours_nobody_sees_and_one_colour() -> None:
    picture = of_type(waves(24, 32, 4), "uint8")
    picture[:, :16, 3] = 0
    _, decoded = shown(picture)
    assert decoded[:, :12, 3].mean() < 32
    _, plain = shown(np.full((16, 16, 3), 7, np.uint8))
    assert np.abs(plain.astype(int) - 7).max() <= 3


def test_channels_of_another_meaning() -> None:
    """More channels than colours and alpha, as TIFF files have them."""
    picture, usual = of_type(waves(24, 32, 7), "uint8"), inr.load(photo(24).copy())
    meta = replace(usual.meta, attributes=ImageAttributes(channels=(3, 1)))
    result = inr.compress(Signal(picture, Domain.of_shape((24, 32)), meta), steps=150)
    assert (result.report.model, inr.open(result.data).decode().shape) == ("latent", picture.shape)
    assert result.report.psnr > 24


def test_bands_share_their_networks_arrangement() -> None:
    result, decoded = shown(of_type(waves(48, 64), "uint8"), segment=20, steps=100)
    assert result.report.segments == 3
    assert result.report.psnr > 24
    assert decoded.shape == (48, 64, 3)


def info(height: int, width: int) -> SignalInfo:
    samples = np.broadcast_to(np.zeros(1, np.uint8), (height, width, 3))
    small = inr.load(photo(8).copy())
    return SignalInfo.of(Signal(samples, Domain.of_shape((height, width)), small.meta))


def test_pictures_that_are_too_large_are_refused_with_a_remedy() -> None:
    coder, request = chosen(CompressSpec(), inr.load(photo(8).copy()).meta), CompressSpec()
    files = Candidates(inr.load(photo(8).copy()))
    side = 1 << 12
    with pytest.raises(SpecError, match=rf"{MAX_PIXELS + side} pixels; at most {MAX_PIXELS} .*: choose a smaller seg"):
        coder.plan(info(side + 1, MAX_PIXELS // side), request, files)
    with pytest.raises(SpecError, match=f"a side of {MAX_SIDE + 1} pixels; at most {MAX_SIDE} .*: choose the coder we"):
        coder.plan(info(2, MAX_SIDE + 1), request, files)
    assert coder.plan(info(2848, 4256), request, files).parameters > 2848 * 4256


@pytest.mark.parametrize(
    "own",
    [
        {"model": "siren"},
        {"bits": 6},
        {"learning_rate": 0.01},
        {"batch": 64},
        {"sampler": "uniform"},
        {"loss": "l1"},
        {"optimiser": "muon"},
        {"init": "vi3nr"},
        {"device": "cuda"},
        {"backend": "torch"},
    ],
)
def test_whoever_names_what_only_weights_have_gets_weights(own: dict[str, Any]) -> None:
    meta = inr.load(photo(8).copy()).meta
    assert chosen(CompressSpec(size=900, steps=10), meta).kind == "latent"
    assert chosen(CompressSpec(size=900, device="cpu"), meta).kind == "latent"
    assert chosen(CompressSpec(size=900, **own), meta).kind == "weights"
    with pytest.raises(SpecError, match=f"{next(iter(own))}: the coder latent has none"):
        chosen(CompressSpec(coder="latent", **own), meta)
