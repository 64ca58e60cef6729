"""The coder `latent` from a picture to a file and back."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import inr
from inr.codec.encode import Compressed
from inr.coders.latent.plan import arrangement, lmbda_of
from inr.coders.latent.spec import LatentSpec
from inr.errors import SpecError, TargetError
from tests.support.small_fits import photo, psnr_of


@pytest.fixture(scope="module")
def result() -> Compressed:
    return inr.compress(photo(32).copy(), coder="latent", size=900, steps=240)


def _decoded(data: bytes, **target: Any) -> npt.NDArray[Any]:
    return inr.open(io.BytesIO(data)).decode(**target)


def test_a_size_is_met(result: Compressed) -> None:
    """Never over, and nearly used; the picture is recognisable."""
    assert 0.8 * 900 <= len(result.data) <= 900
    assert psnr_of(photo(32), _decoded(result.data)) > 22


def test_a_region_is_part_of_the_whole(result: Compressed) -> None:
    """To one step of the samples."""
    whole = _decoded(result.data)
    part = _decoded(result.data, region=(4, 7, 12, 9))
    assert part.shape[:2] != whole.shape[:2]
    rows, columns = part.shape[:2]
    same = [
        np.abs(whole[r : r + rows, c : c + columns].astype(int) - part).max()
        for r in range(33 - rows)
        for c in range(33 - columns)
    ]
    assert min(same) <= 1


def test_three_times_the_size_keeps_the_pixels(result: Compressed) -> None:
    """The middle of three by three is the pixel itself."""
    large = _decoded(result.data, scale=3)
    assert np.abs(large[1::3, 1::3].astype(int) - _decoded(result.data)).max() <= 1


@pytest.mark.parametrize("shape", [(2, 2, 3), (2, 9), (7, 2, 4)])
def test_small_and_odd_pictures(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Gray, colour and alpha."""
    picture = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    data = inr.compress(tmp_path / "picture.png", coder="latent", steps=8).data
    assert _decoded(data).shape == (*shape, 1)[:3]


def test_what_makes_no_sense_is_refused() -> None:
    """By name."""
    with pytest.raises(SpecError, match="only pictures"):
        inr.compress(np.zeros((3, 4, 4, 4), np.float32), coder="latent", steps=2)
    with pytest.raises(TargetError, match="too few"):
        inr.compress(photo(32).copy(), coder="latent", size=100, steps=2)


def test_lambda_falls_as_the_rate_rises() -> None:
    """Through the two published ends."""
    assert lmbda_of(1.36) == pytest.approx(1e-4)
    assert lmbda_of(0.084) == pytest.approx(2e-2)
    assert lmbda_of(0.5) > lmbda_of(0.6)


def test_networks_grow_with_the_file() -> None:
    """Small files have small ones."""
    sizes = [LatentSpec(**arrangement(3, size)).parameters for size in (300, 3000, 30_000)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 200
    assert sizes[-1] > 1500
