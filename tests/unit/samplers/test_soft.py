"""Soft mining: points follow Langevin's equation, are drawn anew as published, and carry the published weights."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage  # type: ignore[import-untyped]

from inr.errors import SpecError
from inr.samplers.base import Points
from inr.samplers.soft import SoftSampler, edges, loss_weights
from tests.support.sampler_drive import Drive, Floats, distinct, gray_signal, signal_of_samples

SIDE = 64


def mined(**settings: Any) -> SoftSampler:
    """Points alone, with their weights, as published."""
    return SoftSampler(**{"random": 0.0, "alpha": 0.6, **settings})


def positions(fit: Drive) -> npt.NDArray[np.float64]:
    return np.array(fit.sampler.state()["positions"])


def bump() -> tuple[Floats, npt.NDArray[np.float64]]:
    """Residuals exp(-d^2/(2 8^2)), d: distance in samples from (20, 40) of a picture of 64 x 64; all positions."""
    place = np.mgrid[:SIDE, :SIDE].reshape(2, -1).T.astype(np.float64)
    return np.exp(-((place - [20, 40]) ** 2).sum(axis=1) / 128).astype(np.float32)[:, None], place


def bump_fit(**settings: Any) -> Drive:
    """The loss is the square of the bump: its slope by coordinates, of which a cell has 2/64, is -2 (p - c)/64 l."""
    residuals, place = bump()

    def slopes(points: Points) -> Floats:
        loss = residuals[points.index] ** 2
        weights = np.ones_like(loss) if points.weights is None else points.weights[:, None]
        slope: Floats = (-(place[points.index] - [20, 40]) / 32 * loss * weights * (SIDE / 2)).astype(np.float32)
        return slope

    return Drive(mined(**settings), gray_signal(SIDE, SIDE), residuals, 100, slopes=slopes)


def test_points_follow_the_slope_of_the_log_loss() -> None:
    """Without noise, those not drawn anew move by a/n d log(l)/dp of 63 samples; log l = -d^2/64."""
    fit = bump_fit(batch=1000, drift=50.0, noise=0.0)
    before = positions(fit)
    index = np.ravel_multi_index(tuple(np.rint(before).astype(np.int64).T), (SIDE, SIDE))
    residuals, place = bump()
    fit.run(1)
    loss = residuals[index, 0] ** 2
    kept = np.argsort(loss)[100:]
    kept = kept[kept < 900]
    eps = np.finfo(np.float32).eps
    step = 63 * 50.0 / 1000 * -(place[index] - [20, 40]) / 32 * (loss / (loss + eps))[:, None]
    expected = before + step
    inside = ((expected >= 0) & (expected <= 63)).all(axis=1)
    kept = kept[inside[kept]]
    assert len(kept) > 700
    np.testing.assert_allclose(positions(fit)[kept], expected[kept], atol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_points_drift_towards_the_loss(noise: float) -> None:
    """The tenth that is drawn uniformly stays away; of the rest the loss rises well above that of uniform points."""
    residuals, _ = bump()
    uniform = float((residuals**2).mean())
    fit = bump_fit(batch=1000, drift=50.0, noise=noise)
    means = [float((residuals[p.index] ** 2).mean()) for p in fit.run(60)]
    assert means[0] == pytest.approx(uniform, rel=0.25)
    assert np.mean(means[-10:]) > 5 * uniform


def test_weights_do_not_change_the_drift() -> None:
    """Gradients are those of the weighted loss; the drift is that of the loss itself."""
    moved = []
    for alpha in (0.0, 1.0):
        fit = bump_fit(batch=500, drift=30.0, noise=0.0, alpha=alpha, cache="full")
        fit.step = 500
        fit.run(1)
        moved.append(positions(fit))
    residuals, _ = bump()
    start = bump_fit(batch=500)
    index = start.run(1)[0].index
    strong = residuals[index, 0] ** 2 > 1e-3
    assert strong[:450].sum() > 100
    np.testing.assert_allclose(moved[0][:450][strong[:450]], moved[1][:450][strong[:450]], rtol=2e-3, atol=2e-2)


def test_noise_is_a_share_of_each_axis() -> None:
    signal = gray_signal(101, 11)
    fit = Drive(mined(batch=1000, noise=0.01), signal, np.ones((1111, 1), dtype=np.float32), 100)
    before = positions(fit)
    fit.run(1)
    moved = (positions(fit) - before)[:900]
    near = (np.abs(moved) < [6, 0.6]).all(axis=1)  # six standard deviations; the others were drawn anew
    assert near.sum() > 750
    assert moved[near].std(axis=0) == pytest.approx([1.0, 0.1], rel=0.1)


def test_tenth_with_the_least_loss_goes_to_the_edges_and_a_tenth_anywhere() -> None:
    samples = np.zeros((40, 60, 1), dtype=np.uint8)
    samples[:, 30:] = 200
    table = distinct(2400)[:, None]
    fit = Drive(mined(batch=1000, drift=0.0, noise=0.0), signal_of_samples(samples), table, 100)
    before = positions(fit)
    index = fit.run(1)[0].index
    after = positions(fit)
    easy = np.argsort(np.abs(table[index, 0]))
    least = easy[:95]  # 100 less some ties of points on the same sample
    least = least[least < 900]
    assert set(after[least, 1]) == {29.0, 30.0}
    assert after[least, 0].std() == pytest.approx(40 / 12**0.5, rel=0.3)
    kept = easy[105:]
    np.testing.assert_array_equal(after[kept[kept < 900]], before[kept[kept < 900]])
    anew = after[900:]
    assert (anew != before[900:]).all()
    assert anew.mean(axis=0) == pytest.approx([19.5, 29.5], rel=0.2)
    assert anew.std(axis=0) == pytest.approx([39 / 12**0.5, 59 / 12**0.5], rel=0.2)


def test_points_that_leave_are_drawn_from_the_edges() -> None:
    samples = np.zeros((50, 1), dtype=np.uint8)
    samples[25:] = 100

    def outwards(points: Points) -> Floats:
        return np.full((len(points.index), 1), 1e6, dtype=np.float32)

    fit = Drive(
        mined(batch=50, noise=0.0, cache="full"), signal_of_samples(samples), distinct(50)[:, None], 10, slopes=outwards
    )
    fit.run(1)
    assert set(positions(fit)[:45, 0]) == {24.0, 25.0}


def test_rolling_residuals_take_the_place_of_the_edges() -> None:
    """Wrong in one row alone: from the second epoch on points are drawn anew there, though the edges lie elsewhere."""
    samples = np.zeros((40, 60, 1), dtype=np.uint8)
    samples[:, 30:] = 200
    table = np.where(np.arange(2400) // 60 == 7, 0.5, 0.0).astype(np.float32)[:, None]
    spec = SoftSampler(batch=600, drift=0.0, noise=0.0, random=0.5)
    fit = Drive(spec, signal_of_samples(samples), table, 100)
    fit.run(40)
    rows = np.rint(positions(fit)[:, 0]).astype(int)
    assert (rows == 7).mean() > 0.6
    published = Drive(spec.replace(cache="full"), signal_of_samples(samples), table, 100)
    published.run(40)
    assert (np.rint(positions(published)[:, 0]).astype(int) == 7).mean() < 0.3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_slopes_that_are_not_finite_do_no_harm(bad: float) -> None:
    def slopes(points: Points) -> Floats:
        return np.full((len(points.index), 2), bad, dtype=np.float32)

    fit = Drive(mined(batch=50), gray_signal(9, 7), distinct(63)[:, None], 10, slopes=slopes)
    assert all(p.index.min() >= 0 and p.index.max() < 63 for p in fit.run(5))
    assert np.isfinite(positions(fit)).all()


@pytest.mark.parametrize("shape", [(9,), (7, 6), (5, 4, 6)], ids=str)
def test_edges_are_those_of_sobel(shape: tuple[int, ...]) -> None:
    samples = np.random.default_rng(2).integers(0, 256, (*shape, 1), dtype=np.uint8)
    gray = samples[..., 0].astype(np.float64) / 127.5 - 1
    slopes = [ndimage.sobel(gray, axis=a, mode="nearest") for a in range(len(shape))]
    expected = np.sqrt(np.sum(np.square(slopes), axis=0))
    np.testing.assert_allclose(edges(signal_of_samples(samples)).reshape(shape), expected, rtol=1e-4, atol=1e-5)


def test_weights_by_hand() -> None:
    loss = np.array([1.0, 0.25, 1.0, 0.015625], dtype=np.float32)
    assert loss_weights(loss, 0.0).tolist() == [1, 1, 1, 1]
    raw = np.array([1.0, 2.0, 1.0, 8.0])
    top = raw.mean() + raw.std()
    assert 5 < top < 7
    assert loss_weights(loss, 0.5).tolist() == pytest.approx([1, 2, 1, top])
    raised = np.array([1e4, 1.0, 1.0], dtype=np.float32)
    assert loss_weights(raised, 1.0).tolist() == pytest.approx([0.2, 1, 1])
    tiny = loss_weights(np.array([0.0, 1e-9], dtype=np.float32), 1.0)
    assert tiny.tolist() == pytest.approx([1024, 1024])


@pytest.mark.parametrize("cache", ["full", "rolling"])
def test_exponent_grows_with_the_steps(cache: Any) -> None:
    table = distinct(300)[:, None]
    fit = Drive(mined(batch=100, cache=cache), gray_signal(300), table, 2000)
    chosen = fit.run(1000)
    assert chosen[0].weights is None
    for step in (500, 600, 999):
        expected = loss_weights(np.abs(table[chosen[step].index, 0]), min(step / 1000, 0.6))
        assert chosen[step].weights == pytest.approx(expected, rel=1e-5)
    assert sum(fit.asked) == (999 * 100 if cache == "full" else 0)


def test_hard_mining_has_no_weights() -> None:
    fit = Drive(mined(batch=50, alpha=0.0), gray_signal(200), distinct(200)[:, None], 100)
    assert all(points.weights is None for points in fit.run(50))


def test_samples_never_seen_weigh_as_the_mean() -> None:
    table = np.full((500, 1), 0.25, dtype=np.float32)
    fit = Drive(mined(batch=20), gray_signal(500), table, 100)
    for points in fit.run(5)[1:]:
        assert points.weights == pytest.approx(loss_weights(table[points.index, 0], (fit.step - 1) / 1000), rel=0.01)


def test_points_are_samples_and_at_most_as_many() -> None:
    fit = Drive(mined(), gray_signal(5, 3), distinct(15)[:, None], 100)
    for points in fit.run(30):
        assert len(points.index) == 15
        assert points.offsets is None


def test_no_sample_starves() -> None:
    """A tenth of the points is uniform: a sample off the border is missed in 1,000 steps with probability e^-33."""
    fit = Drive(mined(batch=100), gray_signal(300), distinct(300)[:, None], 1000)
    assert len(np.unique(np.concatenate([p.index for p in fit.run(1000)]))) == 300


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.5}, "soft: alpha: .*less than or equal to 1; got 1.5"),
        ({"alpha": -0.5}, "soft: alpha: .*greater than or equal to 0; got -0.5"),
        ({"noise": 2}, "soft: noise: .*less than or equal to 1; got 2"),
        ({"drift": -1}, "soft: drift: .*greater than or equal to 0; got -1"),
        ({"cache": "no"}, "soft: cache: .*'full' or 'rolling'; got 'no'"),
        ({"batch": None}, "soft: batch: .*integer; got None"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        SoftSampler(**settings)
