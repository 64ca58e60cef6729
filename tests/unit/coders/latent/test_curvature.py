"""Matrices of curvature against the changes that they stand for."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.coders.latent import curvature
from inr.coders.latent.curvature import of_prediction, of_synthesis
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.start import random_start
from inr.coders.latent.synthesis import Synthesis
from inr.coders.latent.twin import Twin, cumulative
from inr.rng import generator

EVERYTHING = 1 << 20
SPECS = [
    LatentSpec(),
    LatentSpec(levels=4, hyper=(2,), contexts=6, features=3, width=6, residuals=1, hidden=1),
    LatentSpec(channels=1, levels=3, hyper=(0, 1), features=0, residuals=0, hidden=0),
]


def _grids(spec: LatentSpec, height: int, width: int) -> dict[str, npt.NDArray[np.int64]]:
    """Symbols of a Laplace distribution."""
    random = np.random.default_rng(5)
    symbols = {g.name: np.rint(random.laplace(0, 0.7, (g.height, g.width))) for g in spec.grids(height, width)}
    return {name: value.astype(np.int64) for name, value in symbols.items()}


def _networks(spec: LatentSpec, modules: tuple[str, ...]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Some, and a small change of those of some modules."""
    random = np.random.default_rng(3)
    networks = random_start(spec, generator(1, "test")) + random.normal(0, 0.04, spec.parameters).astype(np.float32)
    spec.split(networks)["context.out.bias"][1] = 4
    change = random.normal(0, 3e-4, spec.parameters).astype(np.float32)
    for tensor in spec.layout():
        spec.split(change)[tensor.name][...] *= tensor.module in modules
    return networks, change


@pytest.mark.parametrize("spec", SPECS)
def test_the_matrix_of_the_synthesis_says_how_much_a_picture_changes(
    spec: LatentSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean square of what a small change of all parameters does to it."""
    monkeypatch.setattr(curvature, "SAMPLES", EVERYTHING)
    grids = _grids(spec, 70, 55)
    networks, change = _networks(spec, ("synthesis",))
    shown = [Synthesis(spec, 70, 55, spec.split(some), grids) for some in (networks, networks + change)]
    expected = np.square((shown[1].picture() - shown[0].picture()).astype(np.float64)).mean()
    matrix = of_synthesis(spec, (70, 55), spec.split(networks), lambda *places: shown[0].maps[:, *places])
    d = change[-len(matrix) :].astype(np.float64)
    assert d @ matrix @ d / (70 * 55 * spec.channels) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("spec", SPECS)
def test_the_matrix_of_the_prediction_says_how_much_distributions_change(
    spec: LatentSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times the squared Hellinger distance between those of all symbols before and after.

    About: a symbol of less than the least probability costs the same whatever the parameters are.
    """
    monkeypatch.setattr(curvature, "SAMPLES", EVERYTHING)
    grids = _grids(spec, 70, 55)
    networks, change = _networks(spec, ("context", "parents"))
    matrix = of_prediction(spec, (70, 55), spec.split(networks), grids)
    d = change[: len(matrix)].astype(np.float64)
    assert not change[len(matrix) :].any()
    twin = Twin(spec, 70, 55)
    symbols = torch.from_numpy(np.concatenate([grids[g.name].ravel() for g in twin.grids])).float()
    edges = torch.arange(-150, 152)[:, None] - 0.5
    masses = []
    for some in (networks, networks + change):
        tensors = {name: torch.from_numpy(value.copy()) for name, value in spec.split(some).items()}
        mean, scale = (found.double() for found in twin.laplace(symbols, tensors))
        masses.append(torch.diff(cumulative(edges - mean, scale), dim=0).clamp_min(0))
    distance = (masses[0].sqrt() - masses[1].sqrt()).square().sum(0)
    assert d @ matrix @ d / twin.size == pytest.approx(4 * float(distance.mean()), rel=0.1)


@pytest.mark.parametrize("spec", SPECS)
def test_a_matrix_is_always_the_same(spec: LatentSpec) -> None:
    grids = _grids(spec, 40, 30)
    networks = spec.split(random_start(spec, generator(1, "test")))
    maps = Synthesis(spec, 40, 30, networks, grids).maps
    first, second = (of_synthesis(spec, (40, 30), networks, lambda *at: maps[:, *at]) for _ in range(2))
    assert np.array_equal(first, second)
    first, second = (of_prediction(spec, (40, 30), networks, grids) for _ in range(2))
    assert np.array_equal(first, second)
