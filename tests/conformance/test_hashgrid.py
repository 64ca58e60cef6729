"""The hash grid against a slow twin, written from tiny-cuda-nn's formulas and not from ours."""

import decimal
import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.layers import HashGrid
from inr.layers.hashing import HASH_PRIMES, GridLevel, grid_levels
from tests.support.torch_layers import TorchLayer

decimal.getcontext().prec = 60

PRIMES = (1, 2654435761, 805459861, 3674653429)
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Settings as tiny-cuda-nn names them."""

    n_dims: int
    n_levels: int
    n_features: int
    log2_hashmap_size: int
    base_resolution: int
    finest_resolution: int

    def layer(self) -> TorchLayer:
        grid = HashGrid(
            self.n_dims,
            self.n_levels,
            self.n_features,
            2**self.log2_hashmap_size,
            self.base_resolution,
            self.finest_resolution,
        )
        layer = TorchLayer(grid).double()
        with torch.no_grad():
            layer.tensor("table").normal_(generator=torch.Generator().manual_seed(0))
        return layer


def levels_of(module: TorchLayer) -> tuple[GridLevel, ...]:
    assert isinstance(module.layer, HashGrid)
    return module.layer.levels


def corners(module: TorchLayer, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    assert isinstance(module.layer, HashGrid)
    return module.layer.corners(x)


@dataclass(frozen=True)
class SlowLevel:
    """One level of the twin."""

    scale: float
    resolution: int
    entries: int
    offset: int
    hashed: bool


def slow_levels(grid: Grid) -> list[SlowLevel]:
    """scale_l = 2^(l log2 s) base - 1, rounded down to 1/1024; res_l = ceil(scale_l) + 1; ceil8 of res^D entries."""
    levels, offset = [], 0
    growth = (decimal.Decimal(grid.finest_resolution) / grid.base_resolution).ln() / max(grid.n_levels - 1, 1)
    for level in range(grid.n_levels):
        exact = (growth * level).exp() * grid.base_resolution
        scale = float(int(exact * 1024 + decimal.Decimal(10) ** -40)) / 1024 - 1
        resolution = int(np.ceil(scale)) + 1
        nodes = resolution**grid.n_dims
        entries = min((nodes + 7) // 8 * 8, 2**grid.log2_hashmap_size)
        levels.append(SlowLevel(scale, resolution, entries, offset, hashed=entries < nodes))
        offset += entries
    return levels


def slow_index(level: SlowLevel, node: tuple[int, ...]) -> int:
    """Row of a node within the whole table."""
    if level.hashed:
        value = 0
        for coordinate, prime in zip(node, PRIMES, strict=False):
            value ^= (coordinate * prime) & 0xFFFFFFFF
    else:
        value, stride = 0, 1
        for coordinate in node:
            value += coordinate * stride
            stride *= level.resolution
    return level.offset + value % level.entries


def slow_forward(grid: Grid, table: Array, points: Array) -> Array:
    rows = []
    for point in points:
        features: list[float] = []
        for level in slow_levels(grid):
            position = [level.scale * (x + 1) / 2 + 0.5 for x in point]
            cell = [int(np.floor(p)) for p in position]
            mixed = np.zeros(grid.n_features)
            for corner in itertools.product((0, 1), repeat=grid.n_dims):
                weight = 1.0
                for c, p, bit in zip(cell, position, corner, strict=True):
                    weight *= p - c if bit else 1 - (p - c)
                node = tuple(c + bit for c, bit in zip(cell, corner, strict=True))
                mixed += weight * table[slow_index(level, node)]
            features += mixed.tolist()
        rows.append(features)
    return np.array(rows)


GRIDS = {
    "1-D": Grid(1, 4, 2, 4, 3, 40),
    "2-D dense": Grid(2, 3, 2, 12, 4, 20),
    "2-D hashed": Grid(2, 3, 2, 3, 20, 300),
    "2-D both": Grid(2, 6, 2, 8, 4, 100),
    "3-D both": Grid(3, 4, 1, 7, 2, 30),
    "4-D both": Grid(4, 3, 4, 8, 2, 9),
    "one level": Grid(2, 1, 8, 10, 17, 90),
    "one resolution": Grid(2, 3, 1, 10, 9, 9),
    "large": Grid(2, 2, 1, 14, 16, 2**16),
}

each_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)


def points_of(grid: Grid, count: int = 40) -> Array:
    """Random points, and the corners of the box, where the index of a dense level wraps."""
    rng = np.random.Generator(np.random.PCG64(7))
    corners = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=grid.n_dims)))[:27]
    return np.concatenate([rng.uniform(-1, 1, (count, grid.n_dims)), corners])


@each_grid
def test_levels(grid: Grid) -> None:
    layer = grid.layer()
    expected = slow_levels(grid)
    found = [SlowLevel(v.scale, v.resolution, v.entries, v.offset, not v.dense) for v in levels_of(layer)]
    assert found == expected
    assert layer.tensor("table").shape == (expected[-1].offset + expected[-1].entries, grid.n_features)
    assert expected[0].resolution == grid.base_resolution
    assert expected[-1].resolution == (grid.finest_resolution if grid.n_levels > 1 else grid.base_resolution)


@each_grid
def test_values(grid: Grid) -> None:
    layer, points = grid.layer(), points_of(grid)
    with torch.no_grad():
        values = layer(torch.from_numpy(points)).numpy()
    assert values.shape == (len(points), grid.n_levels * grid.n_features)
    np.testing.assert_allclose(
        values, slow_forward(grid, layer.tensor("table").detach().numpy(), points), rtol=1e-9, atol=1e-9
    )


@each_grid
def test_rows_and_weights_of_the_corners(grid: Grid) -> None:
    layer, points = grid.layer(), points_of(grid)
    index, weight = corners(layer, torch.from_numpy(points))
    assert index.shape == weight.shape == (grid.n_levels, len(points), 2**grid.n_dims)
    np.testing.assert_allclose(weight.sum(dim=-1).numpy(), 1, atol=1e-12)
    for number, level in enumerate(slow_levels(grid)):
        cell = np.floor(level.scale * (points + 1) / 2 + 0.5).astype(int)
        for corner in range(2**grid.n_dims):
            upper = np.array([corner >> axis & 1 for axis in range(grid.n_dims)])
            expected = [slow_index(level, tuple(int(v) for v in row)) for row in cell + upper]
            assert index[number, :, corner].tolist() == expected


def test_dense_index_wraps_into_the_next_row() -> None:
    """At x = 1 the upper corner is node `resolution`: the dense index is that of the next row's first node."""
    layer = HashGrid(2, 1, 1, 2**12, 5, 5)
    index, weight = layer.corners(torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    assert layer.levels[0].entries == 32
    assert index[0, 0].tolist() == [4, 5, 9, 10]
    assert index[0, 1].tolist() == [4 + 20, 5 + 20, 4 + 25, (5 + 25) % 32]
    assert weight[0, 0].tolist() == [0.25, 0.25, 0.25, 0.25]


def test_index_beyond_the_table_wraps_around() -> None:
    layer = HashGrid(2, 1, 1, 2**12, 3, 3)
    assert layer.levels[0].entries == 16
    index, _ = layer.corners(torch.tensor([[9.0, 9.0]]))
    assert index.max() < 16
    assert index[0, 0, 0] == (10 + 10 * 3) % 16


def test_coordinates_far_outside_stay_within_the_table() -> None:
    for grid in GRIDS.values():
        layer = grid.layer()
        far = torch.tensor([-1e6, -3.0, 3.0, 1e6], dtype=torch.float64)[:, None].expand(-1, grid.n_dims)
        index, _ = corners(layer, far)
        assert index.min() >= 0
        assert index.max() < len(layer.tensor("table"))
        for level, rows in zip(levels_of(layer), index, strict=True):
            assert ((rows >= level.offset) & (rows < level.offset + level.entries)).all()


def test_primes_are_those_of_the_published_code() -> None:
    assert HASH_PRIMES == PRIMES


def test_levels_do_not_depend_on_floating_point() -> None:
    """Geometric growth hits its exact values: 16, 32, 64 ... and not 63.999."""
    levels = grid_levels(2, 8, 2**24, 16, 16 * 2**7)
    assert [level.resolution for level in levels] == [16 * 2**k for k in range(8)]
    assert [level.scale for level in levels] == [16 * 2**k - 1 for k in range(8)]


def test_gradient_of_the_table_counts_every_use() -> None:
    """Two corners that fall on the same row add up."""
    layer = Grid(2, 2, 2, 3, 9, 30).layer()
    points = torch.from_numpy(points_of(GRIDS["2-D both"]))
    layer(points).sum().backward()
    index, weight = corners(layer, points)
    expected = torch.zeros(len(layer.tensor("table")), dtype=torch.float64)
    expected.index_add_(0, index.flatten(), weight.flatten())
    gradient = layer.tensor("table").grad
    assert gradient is not None
    for feature in range(2):
        torch.testing.assert_close(gradient[:, feature], expected)
