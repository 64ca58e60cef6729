"""The picture of latents, at its pixels and between them."""

import numpy as np
import numpy.typing as npt
import pytest

from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import Pyramid
from inr.coders.latent.synthesis import LARGEST, Synthesis
from tests.support.random_latents import SIZES, random_pyramid


def _synthesis(pyramid: Pyramid) -> Synthesis:
    values = pyramid.networks.values(pyramid.spec)
    return Synthesis(pyramid.spec, pyramid.height, pyramid.width, values, pyramid.grids)


def _centres(size: int, count: int) -> npt.NDArray[np.float64]:
    centres: npt.NDArray[np.float64] = (np.arange(count, dtype=np.float64) + 0.5) * (size / count) - 0.5
    return centres


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_at_pixels_it_is_the_plain_forward_pass(height: int, width: int) -> None:
    """Of the reference, in convolutions over the picture."""
    torch = pytest.importorskip("torch")
    from inr.coders.latent.twin import Twin

    pyramid = random_pyramid(height, width, 5)
    spec = pyramid.spec
    flat = np.concatenate([pyramid.grids[grid.name].reshape(-1) for grid in spec.grids(height, width)])
    networks = {name: torch.from_numpy(values) for name, values in pyramid.networks.values(spec).items()}
    expected = Twin(spec, height, width).synthesise(torch.from_numpy(flat).float(), networks).numpy()
    found = _synthesis(pyramid).picture()
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, 2), atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_points_are_the_same_as_grids(height: int, width: int) -> None:
    """At pixels, between them, and at the borders."""
    synthesis = _synthesis(random_pyramid(height, width, 6))
    for rows, columns in (
        (np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64)),
        (_centres(height, 13), _centres(width, 11)),
        (np.array([-0.5, height - 0.5]), np.array([-0.5, width - 0.5])),
    ):
        grid = synthesis.grid(rows, columns)
        y, x = np.meshgrid(rows, columns, indexing="ij")
        points = synthesis.points(y.reshape(-1), x.reshape(-1)).reshape(grid.shape)
        np.testing.assert_allclose(points, grid, atol=1e-5 * np.abs(grid).max())


def test_a_region_is_part_of_the_whole() -> None:
    """At any scale: no seams, nothing shifted."""
    synthesis = _synthesis(random_pyramid(41, 29, 7))
    for count in (15, 41, 100):
        rows, columns = _centres(41, count), _centres(29, count)
        whole = synthesis.grid(rows, columns)
        part = synthesis.grid(rows[3:9] + 1e-9, columns[5:] - 1e-9)
        np.testing.assert_allclose(part, whole[3:9, 5:], atol=1e-5 * np.abs(whole).max())


def test_three_times_the_size_passes_through_the_pixels() -> None:
    """The middle one of three by three is the pixel itself."""
    synthesis = _synthesis(random_pyramid(14, 17, 8))
    large = synthesis.grid(_centres(14, 42), _centres(17, 51))
    np.testing.assert_allclose(large[1::3, 1::3], synthesis.picture(), atol=1e-5 * np.abs(large).max())


def test_values_are_continuous() -> None:
    """Where one pixel ends and the next begins, too."""
    synthesis = _synthesis(random_pyramid(12, 12, 9))
    rows = np.linspace(-0.5, 11.5, 4001)
    values = synthesis.grid(rows, np.array([3.3]))
    assert np.abs(np.diff(values, axis=0)).max() < 0.02 * np.ptp(values)


def test_missing_levels_count_as_zeros() -> None:
    """The prefix of a file is a picture."""
    pyramid = random_pyramid(20, 24, 3)
    coarse = {name: grid for name, grid in pyramid.grids.items() if name not in ("latent0", "latent1")}
    zeroed = {**coarse, "latent0": np.zeros((20, 24), np.int64), "latent1": np.zeros((10, 12), np.int64)}
    values = pyramid.networks.values(pyramid.spec)
    found, expected = (Synthesis(pyramid.spec, 20, 24, values, grids).picture() for grids in (coarse, zeroed))
    np.testing.assert_array_equal(found, expected)


def test_hostile_networks_give_finite_values() -> None:
    """Sums overflow 32-bit floats and are cut."""
    spec = LatentSpec()
    pyramid = random_pyramid(9, 9, 1, spec)
    values = {tensor.name: np.full(tensor.shape, 128, dtype=np.float32) for tensor in spec.layout()}
    values["synthesis.mix1.weight"][::2] *= -1
    grids = {name: np.full_like(grid, 63) for name, grid in pyramid.grids.items()}
    picture = Synthesis(spec, 9, 9, values, grids).picture()
    assert np.isfinite(picture).all()
    assert np.abs(picture).max() <= LARGEST
