"""Dense grids and band-limited networks, against their formulas in plain float64 numpy."""

import itertools
import math

import numpy as np
import pytest
import torch

from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import DenseGrid
from inr.models.bacon import Bacon
from inr.models.densegrid import DenseGridMlp
from tests.support.domains import plain
from tests.support.model_checks import initialised, randomised
from tests.support.network_values import EXACT, Array, linear, outputs, points, tensors
from tests.support.torch_layers import TorchLayer


def slow_grid(layer: DenseGrid, table: Array, x: Array) -> Array:
    """Nodes of a level lie at -e + 2 e j / (N - 1); every node weighs the product of hat functions."""
    first, features = 0, []
    for nodes in layer.levels:
        mixed = np.zeros((len(x), table.shape[1]))
        for node in itertools.product(*map(range, nodes)):
            weight = np.ones(len(x))
            for k, (j, n, e) in enumerate(zip(node, nodes, layer.extents, strict=True)):
                position = (np.clip(x[:, k], -e, e) + e) / (2 * e) * (n - 1)
                weight = weight * np.maximum(0, 1 - np.abs(position - j))
            row = first + sum(j * math.prod(nodes[:k]) for k, j in enumerate(node))
            mixed += weight[:, None] * table[row]
        features.append(mixed)
        first += math.prod(nodes)
    return np.hstack(features)


@pytest.mark.parametrize(
    ("levels", "extents"),
    [
        (((2,), (7,)), (1.0,)),
        (((2, 3), (4, 6), (7, 12)), (0.6, 1.0)),
        (((2, 2, 2), (3, 5, 4)), (1.0, 0.25, 0.7)),
    ],
)
def test_dense_grid_mixes_hat_functions(levels: tuple[tuple[int, ...], ...], extents: tuple[float, ...]) -> None:
    """Inside, beyond the box, on its corners and on nodes."""
    grid = DenseGrid(levels, extents, 3)
    layer = TorchLayer(grid).double()
    with torch.no_grad():
        layer.tensor("table").normal_(generator=torch.Generator().manual_seed(0))
    corners = np.array(list(itertools.product(*[(-e, e) for e in extents])))
    x = np.concatenate([points(50, len(extents)), corners, np.zeros((1, len(extents)))])
    found = layer(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, slow_grid(grid, layer.tensor("table").detach().numpy(), x), rtol=0, atol=EXACT)


def test_densegrid_formula() -> None:
    model = DenseGridMlp(nodes_0=5, nodes_1=8, extent_0=0.625, n_levels=3, n_features=2, width=6, depth=1)
    network = randomised(model).double()
    named, x = tensors(network), points(30, 2)
    grid = network.network.layers[0]
    assert isinstance(grid, DenseGrid)
    assert grid.levels == ((2, 2), (3, 4), (5, 8))
    h = np.maximum(linear(named, 1, slow_grid(grid, named["0.table"], x)), 0)
    np.testing.assert_allclose(outputs(network, x), linear(named, 3, h), rtol=0, atol=EXACT)


def test_densegrid_spends_no_nodes_beyond_the_picture() -> None:
    domain = Domain.of_shape((512, 768))
    model = DenseGridMlp().fitted_to(domain)
    assert (model.nodes_0, model.nodes_1) == (512, 768)
    assert (model.extent_0, model.extent_1) == (683 / 1024, 1.0)
    small = model.sized(100_000, plain(2), 3)
    assert small.nodes_0 / small.nodes_1 == pytest.approx(512 / 768, rel=0.02)
    assert small.extent_0 == model.extent_0
    video = DenseGridMlp().fitted_to(Domain.of_shape((10, 36, 64), ("t", "y", "x")))
    assert (video.nodes_0, video.nodes_1, video.nodes_2) == (10, 36, 64)
    assert (video.extent_0, video.extent_1, video.extent_2) == (1.0, 0.5625, 1.0)
    line = DenseGridMlp().fitted_to(Domain.of_shape((1, 3)))
    assert line.nodes_0 == 2


@pytest.mark.parametrize("d_in", [0, 4])
def test_densegrid_refuses_axes_it_has_no_nodes_for(d_in: int) -> None:
    with pytest.raises(SpecError, match=f"densegrid: works on 1 to 3 axes; got {d_in}"):
        DenseGridMlp().levels(d_in)
    if d_in:
        with pytest.raises(SpecError, match=f"densegrid: works on 1 to 3 axes; got {d_in}"):
            DenseGridMlp().build(plain(d_in), 3)
        with pytest.raises(SpecError, match=f"densegrid: works on 1 to 3 axes; got {d_in}"):
            DenseGridMlp().check(Domain.of_shape((2,) * d_in, ("a",) * d_in), 3)


def energies(values: Array, band: float, n: int) -> tuple[float, float]:
    """Shares of the energy of samples `(n, n, c)` of one period: above `band` cycles, and in its last quarter."""
    spectrum = np.abs(np.fft.fft2(values, axes=(0, 1))) ** 2
    cycles = np.abs(np.fft.fftfreq(n, 1 / n))
    highest = np.maximum(cycles[:, None], cycles)
    total = spectrum.sum()
    inside = spectrum[(highest > 0.75 * band) & (highest <= band)].sum()
    return float(spectrum[highest > band].sum() / total), float(inside / total)


@pytest.mark.parametrize("model", [Bacon(width=20, max_band=16), Bacon(width=13, max_band=22, feature_seed=7)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_bacon_has_no_energy_above_its_band(model: Bacon, dtype: torch.dtype) -> None:
    """On 64 x 64 samples of one period, which hold 31 cycles; and the band is used."""
    n = 64
    line = torch.arange(n, dtype=dtype) * 2 / n - 1
    x = torch.cartesian_prod(line, line)
    bands = model.bands()
    assert bands == tuple(model.max_band * share // 8 / 2 for share in (2, 4, 8))
    for seed in range(3):
        with torch.no_grad():
            values = randomised(model, seed=seed).to(dtype).outputs(x)
        assert len(values) == len(bands)
        for value, band in zip(values, bands, strict=True):
            above, near = energies(value.double().numpy().reshape(n, n, 3), 2 * band, n)
            assert above < (1e-20 if dtype == torch.float64 else 1e-6)
            assert near > 1e-6


def test_bacon_formula() -> None:
    model = Bacon(width=8, max_band=16, feature_seed=1)
    network = randomised(model).double()
    named, x = tensors(network), points(30, 2)
    filters = [np.sin(np.pi * x @ k.T + named[f"{i}.phase"]) for i, k in enumerate(model.frequencies(2))]
    z = filters[1] * linear(named, 5, filters[0])
    first = linear(named, 7, z)
    z = filters[2] * linear(named, 8, z)
    second = linear(named, 10, z)
    z = filters[4] * linear(named, 13, filters[3] * linear(named, 11, z))
    expected = (first, second, linear(named, 15, z))
    with torch.no_grad():
        found = network.outputs(torch.from_numpy(x))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=EXACT)


def test_bacon_frequencies_are_whole_and_fill_their_range() -> None:
    model = Bacon(width=4096, max_band=21)
    limits = [2, 3, 5, 5, 6]  # 21/8, 42/8, 84/8, 126/8, 168/8 rounded down, differences
    for frequencies, limit in zip(model.frequencies(2), limits, strict=True):
        assert np.issubdtype(frequencies.dtype, np.integer)
        counts = np.bincount((frequencies + limit).ravel())
        assert len(counts) == 2 * limit + 1
        mean = frequencies.size / len(counts)
        assert np.abs(counts - mean).max() < 5 * math.sqrt(mean)


def test_bacon_band_is_the_nyquist_frequency_of_the_longest_axis() -> None:
    assert Bacon().fitted_to(Domain.of_shape((512, 768))).max_band == 384
    assert Bacon().fitted_to(Domain.of_shape((1, 1))).max_band == 1
    assert Bacon().fitted_to(Domain.of_shape((3, 2**20))).max_band == 2**16
    assert initialised(Bacon(max_band=1)).outputs(torch.zeros(1, 2))[0].shape == (1, 3)
