"""The compiled engine of a training beside its twin."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inr import native
from inr.coders.latent.engine import Moments, Softness
from inr.coders.latent.kernels import CompiledEngine
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.soap import Soap, SoapSpec
from inr.coders.latent.spec import NEIGHBOURS, LatentSpec
from inr.coders.latent.start import random_start
from inr.coders.latent.training import LatentTraining
from inr.coders.latent.twin import TwinEngine, noise_of

SPECS = [
    (LatentSpec(), (64, 96)),
    (LatentSpec(), (67, 129)),
    (LatentSpec(), (1, 1)),
    (LatentSpec(), (5, 3)),
    (LatentSpec(channels=1, contexts=6, features=2, width=8, residuals=1), (130, 70)),
    (LatentSpec(channels=4, contexts=2, features=0, hidden=0, width=4, residuals=0), (33, 40)),
    (LatentSpec(levels=1, hyper=(), residuals=3, hidden=3), (33, 40)),
    (LatentSpec(levels=2, hyper=(0, 1), channels=2, width=17), (18, 300)),
]
SOFT = Softness(16.0, 0.2, 0.3, 0x123456789ABCDEF)


@pytest.fixture
def module() -> Any:
    found = native.load()
    if found is None:
        pytest.skip(f"no compiled kernels: {native.reason()}")
    return found


def _case(spec: LatentSpec, shape: tuple[int, int]) -> tuple[npt.NDArray[np.float32], ...]:
    random = np.random.default_rng(0)
    picture = random.random((spec.channels, *shape)).astype(np.float32)
    networks = random_start(spec, random)
    networks += random.normal(0, 0.1, networks.shape).astype(np.float32)
    size = sum(grid.size for grid in spec.grids(*shape))
    return picture, networks, random.normal(0, 1.5 / 16, size).astype(np.float32)


def _moments(size: int) -> Moments:
    return Moments(np.zeros(size, np.float32), np.zeros(size, np.float32), (0.0, 0.5))


def _close(found: npt.NDArray[Any], wanted: npt.NDArray[Any], tolerance: float = 2e-3) -> None:
    """Within a share of the largest; single numbers may lie on the other side of a kink."""
    apart = np.abs(found - wanted) > tolerance * np.abs(wanted).max()
    assert apart.mean() < 2e-3


@pytest.mark.parametrize("isa", [None, "portable", "avx2", "avx512"])
@pytest.mark.parametrize(("spec", "shape"), SPECS)
def test_steps_are_those_of_the_twin(
    module: Any, monkeypatch: pytest.MonkeyPatch, spec: LatentSpec, shape: tuple[int, int], isa: str | None
) -> None:
    if isa is not None:
        if isa not in module.instruction_sets():
            pytest.skip(f"this machine has no {isa}")
        monkeypatch.setenv("INR_ISA", isa)
    picture, networks, latents = _case(spec, shape)
    engine, twin = CompiledEngine(module, spec, picture, 2), TwinEngine(spec, picture)
    assert (engine.size, engine.parameters) == (twin.size, twin.parameters)
    first, second = _moments(engine.size), _moments(engine.size)
    moved, expected = latents.copy(), latents.copy()
    cost, gradients = engine.soft_step(moved, networks, SOFT, 1e-3, first, 1e-2)
    twin_cost, twin_gradients = twin.soft_step(expected, networks, SOFT, 1e-3, second, 1e-2)
    assert (cost.bpp, cost.mse) == pytest.approx((twin_cost.bpp, twin_cost.mse), rel=1e-4)
    _close(gradients, twin_gradients)
    _close(first.mean, second.mean)
    _close(first.square, second.square)
    _close(moved, expected, 0.02)  # where a gradient is about 0, its sign decides
    cost, gradients = engine.hard_gradients(latents, networks, 16.0, 1e-3)
    twin_cost, twin_gradients = twin.hard_gradients(latents, networks, 16.0, 1e-3)
    assert (cost.bpp, cost.mse) == pytest.approx((twin_cost.bpp, twin_cost.mse), rel=1e-4)
    _close(gradients, twin_gradients)
    measured, twin_measured = (one.measure(latents, networks, 16.0, 1e-3) for one in (engine, twin))
    assert (measured.bpp, measured.mse) == pytest.approx((twin_measured.bpp, twin_measured.mse), rel=1e-4)
    symbols = np.rint(16 * latents)
    assert engine.bits(symbols, networks) == pytest.approx(measured.bpp * picture[0].size, rel=1e-6)
    assert engine.mse(symbols, networks) == pytest.approx(measured.mse, rel=1e-6)
    random = np.random.default_rng(1)
    rows, columns = (random.integers(0, n, (4, 3)) for n in shape)
    features, twin_features = (one.features(symbols, networks, rows, columns) for one in (engine, twin))
    assert features.shape == (spec.levels, 4, 3)
    _close(features, twin_features)
    for level in range(spec.levels):
        costs, twin_costs = (one.costs(symbols, networks, 1e-3, level) for one in (engine, twin))
        assert costs.shape == shape
        _close(costs, twin_costs)


def test_threads_do_not_change_a_bit(module: Any) -> None:
    spec, shape = LatentSpec(), (150, 90)
    picture, networks, latents = _case(spec, shape)
    found = []
    for threads in (1, 2, 5):
        engine, moments, moved = CompiledEngine(module, spec, picture, threads), _moments(latents.size), latents.copy()
        cost, gradients = engine.soft_step(moved, networks, SOFT, 1e-3, moments, 1e-2)
        again, later = engine.soft_step(moved, networks, SOFT, 1e-3, moments, 1e-2)
        found.append((cost, again, gradients.tobytes(), later.tobytes(), moved.tobytes(), moments.square.tobytes()))
    assert found[0] == found[1] == found[2]


def test_noise_is_normal_and_that_of_the_twin(module: Any) -> None:
    out = np.empty(200_001, np.float32)
    module.latent_noise(SOFT.key, 0, out)
    np.testing.assert_allclose(out, noise_of(SOFT.key, out.size), atol=3e-5)
    assert abs(out.mean()) < 0.01
    assert out.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(out) > 3).mean() == pytest.approx(0.0027, abs=5e-4)
    assert abs(np.corrcoef(out[1:], out[:-1])[0, 1]) < 0.01
    other = np.empty_like(out)
    module.latent_noise(0x42F0E1EBA9EA3693, 0, other)
    assert abs(np.corrcoef(out, other)[0, 1]) < 0.01


@pytest.mark.parametrize("decays_to_a_start", [False, True])
def test_soap_is_that_of_the_twin(module: Any, decays_to_a_start: bool) -> None:
    shapes, random = [(6,), (4, 6), (3, 3, 3, 3), (1, 5), (20, 20)], np.random.default_rng(1)
    size = sum(int(np.prod(shape)) for shape in shapes)
    anchor = random.standard_normal(size).astype(np.float32) if decays_to_a_start else None
    settings = SoapSpec(weight_decay=0.3, every=4)
    twin = Soap(settings, shapes, anchor)
    compiled = module.LatentSoap([list(s) for s in shapes], *settings.betas, settings.weight_decay, 1e-8, 4, 256)
    assert compiled.size == twin.state.size
    ours, theirs = (random.standard_normal(size).astype(np.float32) for _ in range(2))
    theirs = ours.copy()
    state = np.zeros(compiled.size)
    for i in range(30):
        gradients = random.standard_normal(size).astype(np.float32)
        twin.step(theirs, gradients, 0.01)
        if i == 0:
            # beyond its one direction any basis fits the first gradient
            compiled.step(state, ours, gradients, anchor, 0.01)
            state, ours = twin.state.copy(), theirs.copy()
            continue
        compiled.step(state, ours, gradients, anchor, 0.01)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("shape", [(6,), (4, 6), (3, 3, 3, 3), (1, 5)])
@pytest.mark.parametrize("compiled", [False, True])
def test_soap_lowers_a_quadratic(shape: tuple[int, ...], compiled: bool) -> None:
    random = np.random.default_rng(0)
    size = int(np.prod(shape))
    mixed = random.standard_normal((size, size))
    x, goal = np.zeros(size, np.float32), random.standard_normal(size)
    settings = SoapSpec(weight_decay=0.0)
    soap = Soap(settings, [shape])
    found = native.load() if compiled else None
    if compiled and found is None:
        pytest.skip(f"no compiled kernels: {native.reason()}")
    other = found.LatentSoap([list(shape)], *settings.betas, 0.0, 1e-8, 10, 256) if found is not None else None
    losses = []
    for i in range(200):
        apart = mixed @ (x - goal)
        losses.append(np.square(apart).mean())
        gradients = (2 * mixed.T @ apart / size).astype(np.float32)
        rate = 0.05 * (1 - i / 200)
        if other is None:
            soap.step(x, gradients, rate)
        else:
            other.step(soap.state, x, gradients, None, rate)
    assert losses[-1] < 0.05 * losses[0]


def test_both_engines_train_to_about_the_same_cost(module: Any) -> None:
    spec = LatentSpec(levels=4, hyper=(2, 3), width=8)
    y, x = np.mgrid[:24, :20] / 8
    picture = (0.5 + 0.4 * np.stack([np.sin(x + c) * np.cos(0.7 * y - c) for c in range(3)])).astype(np.float32)
    settings = TrainingSpec(iterations=120, warm_up=((1, 10),), validate_every=10)
    engines = CompiledEngine(module, spec, picture, 1), TwinEngine(spec, picture)
    costs = [LatentTraining(picture, spec, settings, engine=engine).run().measured.cost for engine in engines]
    assert costs[0] == pytest.approx(costs[1], rel=0.15)


def test_costs_are_those_of_the_whole_by_place(module: Any) -> None:
    spec, shape = LatentSpec(levels=3, hyper=()), (21, 34)
    picture, networks, latents = _case(spec, shape)
    symbols = np.rint(16 * latents)
    found = []
    for threads in (1, 3):
        engine = CompiledEngine(module, spec, picture, threads)
        found.append(engine.costs(symbols, networks, 1e-3, 2))
        assert found[-1].sum(dtype=np.float64) == pytest.approx(
            21 * 34 * engine.measure(symbols, networks, 1.0, 1e-3).cost, rel=1e-5
        )
    assert np.array_equal(found[0], found[1])
    changed = symbols.copy()
    spec.split_grids(changed, *shape)["latent0"][10, 20] += 5
    moved = np.argwhere(engine.costs(changed, networks, 1e-3, 2) != found[0])
    assert moved.min(axis=0).tolist() >= [5, 15]
    assert moved.max(axis=0).tolist() <= [15, 25]


def test_bad_arguments_are_named(module: Any) -> None:
    spec = LatentSpec()
    picture, networks, latents = _case(spec, (8, 8))
    with pytest.raises(ValueError, match="width: expected 1 to 256; got 300"):
        module.LatentTrainer([3, 7, 14, 6, 3, 2, 300, 2], [4, 5, 6], picture)
    engine = CompiledEngine(module, spec, picture, 1)
    with pytest.raises(ValueError, match="latents: expected shape"):
        engine.hard_gradients(latents[1:], networks, 16.0, 1e-3)
    with pytest.raises(TypeError, match="params: expected float32; got float64"):
        engine.hard_gradients(latents, networks.astype(np.float64), 16.0, 1e-3)
    for rows, columns, name in (([0, 8], [0, 0], "rows"), ([0, 0], [-1, 0], "columns")):
        with pytest.raises(ValueError, match=f"{name}: expected 0 to 7; got"):
            engine.features(latents, networks, np.array(rows), np.array(columns))
    with pytest.raises(ValueError, match="columns: expected shape"):
        engine.features(latents, networks, np.array([0, 1]), np.array([0]))
    with pytest.raises(ValueError, match="level: expected 0 to 6; got 7"):
        engine.costs(latents, networks, 1e-3, 7)
    with pytest.raises(ValueError, match="lmbda: expected a positive number"):
        engine.costs(latents, networks, 0.0, 0)


def test_neighbours_are_those_of_the_specification(module: Any) -> None:
    """A symbol of one grid changes the bits of those that it is a neighbour of."""
    spec = LatentSpec(levels=1, hyper=(), features=0, hidden=0, residuals=0)
    picture = np.zeros((3, 9, 9), np.float32)
    twin, engine = TwinEngine(spec, picture), CompiledEngine(module, spec, picture, 1)
    for i in range(len(NEIGHBOURS)):
        named = {tensor.name: np.zeros(tensor.shape, np.float32) for tensor in spec.layout()}
        named["context.bypass.weight"][0, i] = 1
        named["context.out.bias"][1] = 4
        symbols = np.random.default_rng(i).integers(-2, 3, 81).astype(np.float32)
        networks = spec.joined(named)
        assert engine.bits(symbols, networks) == pytest.approx(twin.bits(symbols, networks), rel=1e-5)
