import numpy as np
import numpy.typing as npt
import pytest

from inr.coders.latent import network_bits
from inr.coders.latent.kernels import engine_of
from inr.coders.latent.network_bits import coded_bits, quantise
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.shipped import shipped
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining, Trained

SPEC = LatentSpec(levels=4, hyper=(2, 3), width=8)


def _picture(height: int, width: int, channels: int = 3) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[:height, :width] / 8
    waves = [np.sin(x + c) * np.cos(0.7 * y - c) for c in range(channels)]
    return (0.5 + 0.4 * np.stack(waves)).astype(np.float32)


def _train(settings: TrainingSpec, spec: LatentSpec = SPEC, size: tuple[int, int] = (24, 20)) -> Trained:
    return LatentTraining(_picture(*size, spec.channels), spec, settings).run()


def test_training_lowers_the_cost() -> None:
    settings = TrainingSpec(iterations=80, warm_up=((1, 10),), validate_every=10)
    costs: list[float] = []
    training = LatentTraining(_picture(24, 20), SPEC, settings)
    trained = training.run(lambda done, measured: costs.append(measured.cost))
    assert trained.measured.cost == min(costs)
    assert trained.measured.cost < 0.6 * costs[0]
    assert trained.measured.psnr > 20
    assert training.done == 80


def test_a_result_is_what_was_measured() -> None:
    settings = TrainingSpec(iterations=40, warm_up=((2, 5),), validate_every=10)
    trained = _train(settings)
    engine = engine_of(SPEC, _picture(24, 20))
    symbols, networks = trained.symbols.astype(np.float32), SPEC.joined(trained.networks)
    assert engine.measure(symbols, networks, 1.0, settings.lmbda) == trained.measured


@pytest.mark.parametrize("warm_up", [(), ((1, 4),), ((2, 2), (2, 1))])
def test_the_same_seed_gives_the_same_bits(warm_up: tuple[tuple[int, int], ...]) -> None:
    settings = TrainingSpec(iterations=14, warm_up=warm_up, validate_every=5)
    first, again, other = _train(settings), _train(settings), _train(settings.replace(seed=1))
    assert np.array_equal(first.symbols, again.symbols)
    assert all(np.array_equal(value, again.networks[name]) for name, value in first.networks.items())
    assert first.measured == again.measured
    assert first.measured != other.measured


@pytest.mark.parametrize("after", [1, 5, 9, 13])
def test_a_restored_state_goes_on_to_the_same_bits(after: int) -> None:
    settings = TrainingSpec(iterations=14, warm_up=((2, 2), (2, 1)), validate_every=3)
    training = LatentTraining(_picture(24, 20), SPEC, settings)
    while training.done < after:
        training.step()
    other = LatentTraining(_picture(24, 20), SPEC, settings)
    other.restore(training.state())
    first, second = training.run(), other.run()
    assert np.array_equal(first.symbols, second.symbols)
    assert all(np.array_equal(value, second.networks[name]) for name, value in first.networks.items())


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 3)])
def test_small_pictures(size: tuple[int, int]) -> None:
    trained = _train(TrainingSpec(iterations=20, warm_up=((1, 4),), validate_every=5), LatentSpec(channels=1), size)
    assert np.isfinite(trained.measured.cost)


def test_the_last_phase_chooses_symbols_while_networks_follow() -> None:
    settings = TrainingSpec(iterations=30, warm_up=((1, 5),), validate_every=1, last_share=0.5)
    training = LatentTraining(_picture(24, 20), SPEC, settings)
    while training.done < 15:
        before = training.step()
    assert before is not None
    _, latents, _ = training.settled()
    symbols, networks = np.rint(latents * np.float32(settings.gain)), training.candidates[0].networks.copy()
    trained = training.run()
    changes = np.abs(trained.symbols - symbols)
    assert 0 < np.count_nonzero(changes) < 0.3 * changes.size
    assert changes.max() == 1
    assert (networks != training.candidates[0].networks).mean() > 0.5
    assert trained.measured.cost < 0.99 * before.cost


def test_a_start_is_where_networks_begin_and_what_they_decay_to() -> None:
    settings = TrainingSpec(iterations=3, warm_up=(), validate_every=3, rate=1e-6, final_rate=1e-6)
    start = np.random.default_rng(0).normal(0, 0.1, 10_000).astype(np.float32)
    training = LatentTraining(_picture(24, 20), SPEC, settings, start=start[: SPEC.parameters])
    training.step()
    assert np.abs(training.candidates[0].networks - start[: SPEC.parameters]).max() < 1e-5


def test_coded_bits() -> None:
    assert coded_bits(np.zeros(1000, dtype=np.int64)) < 100
    many = np.random.default_rng(0).integers(-500, 501, 2000)
    assert 2000 * np.log2(1001) < coded_bits(many) < 1.05 * 2000 * np.log2(1001)


def test_quantising_networks_costs_little() -> None:
    settings = TrainingSpec(iterations=60, warm_up=((1, 10),), validate_every=20)
    trained = _train(settings, size=(24, 20))
    engine = engine_of(SPEC, _picture(24, 20))
    symbols, networks = trained.symbols.astype(np.float32), SPEC.joined(trained.networks)
    # as if many pixels shared the networks, fine steps are worth their bits
    fine = quantise(engine, symbols, networks, settings.lmbda, pixels=10**7)
    coarse = quantise(engine, symbols, networks, settings.lmbda)
    assert coarse.bits < fine.bits
    assert fine.measured.cost < 1.03 * trained.measured.cost
    values = SPEC.joined(fine.networks.values(SPEC))
    assert engine.measure(symbols, values, 1.0, settings.lmbda) == fine.measured


def test_parameters_that_make_up_for_each_other_take_fewer_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a cost as low as that of rounding each by itself."""
    spec, picture = LatentSpec(), _picture(64, 48)
    training = LatentTraining(picture, spec, TrainingSpec(iterations=60, warm_up=(), betas=(0.9, 0.95)))
    trained = training.run()
    symbols, networks = trained.symbols.astype(np.float32), spec.joined(trained.networks)
    together = quantise(training.engine, symbols, networks, 1e-3, pixels=100_000)
    for name in ("of_prediction", "of_synthesis"):
        monkeypatch.setattr(network_bits, name, lambda *_: np.zeros((1, 1)))
    alone = quantise(training.engine, symbols, networks, 1e-3, pixels=100_000)
    assert together.bits < 0.85 * alone.bits
    assert together.cost(100_000) < alone.cost(100_000)


def test_a_difference_to_shipped_networks_is_stored_where_it_costs_less() -> None:
    spec, picture, number = LatentSpec(), _picture(24, 20), 3
    settings = TrainingSpec(iterations=10, warm_up=(), validate_every=5)
    training = LatentTraining(picture, spec, settings, shipped(number).values())
    trained = training.run()
    symbols, networks = trained.symbols.astype(np.float32), spec.joined(trained.networks)
    own = quantise(training.engine, symbols, networks, settings.lmbda)
    found = quantise(training.engine, symbols, networks, settings.lmbda, number=number)
    assert (own.networks.number, found.networks.number) == (0, number)
    assert found.bits < 0.8 * own.bits
    assert found.cost(480) < own.cost(480)
    values = spec.joined(found.networks.values(spec))
    assert training.engine.measure(symbols, values, 1.0, settings.lmbda) == found.measured
    # nothing at all is cheap to say, and shows black better than shipped networks
    engine, nothing = engine_of(spec, np.zeros((3, 24, 20), dtype=np.float32)), np.zeros_like(networks)
    assert quantise(engine, np.zeros_like(symbols), nothing, settings.lmbda, number=number).networks.number == 0
