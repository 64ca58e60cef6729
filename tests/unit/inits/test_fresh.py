"""FreSh: spectra and distances against known ones, and searches whose answer is known."""

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, final

import numpy as np
import pytest
import torch
from pydantic import Field
from scipy.stats import wasserstein_distance  # type: ignore[import-untyped]

from inr.domain import Domain
from inr.errors import SpecError
from inr.inits.fresh import FreshInit, _Trials
from inr.inits.scaled import ScaledInit
from inr.inits.spectrum import Array, distance, shrinking, shrunk, spectrum
from inr.inits.vi3nr import Vi3nrInit
from inr.meta import SignalMeta
from inr.models.base import FrequencySearch, ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.image.attributes import ImageAttributes
from inr.signals.signal import Signal
from inr.spec import Wire
from tests.conformance.test_samplers import noise
from tests.support.small_fits import photo, signal_of

if TYPE_CHECKING:
    from inr.layers.network import Network

SMALL = Siren(width=32, depth=1)
SIDE = 66
STEP = 4
"""Cycles between the candidates of `Waves`."""


@final
class Waves(ModelSpec):
    """``sum of sin(omega x + phase)`` along either axis: its spectrum is one line at omega / pi cycles."""

    kind: Literal["waves"] = "waves"
    wire_id: ClassVar[int] = 2_000_000_001
    paper: ClassVar[str] = "none"
    learning_rate: ClassVar[float] = 1e-3
    bpp: ClassVar[float] = 1.0
    weight_bits: ClassVar[float] = 6.0
    frequency_search: ClassVar[FrequencySearch | None] = FrequencySearch(
        "omega", tuple(math.pi * k for k in range(STEP, 31, STEP))
    )
    omega: Annotated[float, Field(gt=0), Wire(0)] = 30.0

    def build(self, d_in: int, d_out: int) -> "Network":
        from inr.layers import Linear, Sine
        from inr.layers.network import Network

        return Network([Linear(d_in, 8), Sine(self.omega), Linear(8, d_out)])

    def initialise(self, network: "Network", generator: "torch.Generator") -> None:
        from inr.layers import normal_, uniform_

        tensors = network.tensors()
        d_in = tensors["0.weight"].shape[1]
        with torch.no_grad():
            tensors["0.weight"].copy_(torch.eye(d_in).repeat(8, 1)[:8])
        uniform_(tensors["0.bias"], math.pi / self.omega, generator)
        normal_(tensors["2.weight"], 0.1, generator)
        normal_(tensors["2.bias"], 1.0, generator)

    def sized(self, parameters: int, d_in: int, d_out: int) -> Self:
        return self


def grating(u: int, v: int, side: int = SIDE, contrast: float = 0.45) -> Signal:
    """8 bits, cos(2 pi (u y + v x)/side + 1)."""
    y, x = np.mgrid[:side, :side]
    values = 0.5 + contrast * np.cos(2 * np.pi * (u * y + v * x) / side + 1)
    return signal_of(np.rint(255 * values).astype(np.uint8)[..., None])


def target(signal: Signal, size: int, side: int = SIDE) -> Array:
    return spectrum(shrunk(signal.samples, signal.meta, side), size)


@pytest.mark.parametrize(("u", "v"), [(1, 0), (0, 7), (31, 0), (5, 9), (3, 3)])
def test_spectrum_of_a_grating_is_a_line_at_the_sum_of_its_frequencies(u: int, v: int) -> None:
    found = target(grating(u, v), 32)
    assert found.shape == (32,)
    assert int(found.argmax()) + 1 == u + v
    # What else there is comes from rounding to 8 bits: 0.3 levels of 115 at each of about 30 k of 4,356 places.
    assert found.max() > 20 * np.delete(found, found.argmax()).max()


def test_spectrum_leaves_out_the_mean_and_adds_channels() -> None:
    values = np.random.default_rng(0).standard_normal((33, 33, 2))
    both = spectrum(values, 16)
    np.testing.assert_allclose(both, spectrum(values[..., :1], 16) + spectrum(values[..., 1:], 16))
    np.testing.assert_allclose(both, spectrum(values + 5, 16), rtol=1e-9)


def test_spectrum_is_what_the_definition_says() -> None:
    values = np.random.default_rng(1).standard_normal((21, 21, 1))
    full = np.abs(np.fft.fft2(values[..., 0]))
    expected = [sum(full[u, k - u] for u in range(k + 1)) for k in range(1, 11)]
    np.testing.assert_allclose(spectrum(values, 10), expected)
    line = values[:, 0]
    np.testing.assert_allclose(spectrum(line, 10), np.abs(np.fft.fft(line[:, 0]))[1:11])


def test_distance_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    k = np.arange(1, 33)
    for _ in range(20):
        one, other = rng.random(32) ** 4, rng.random(32)
        assert distance(one, other) == pytest.approx(wasserstein_distance(k, k, one, other), abs=1e-12)
        assert distance(one, other) == pytest.approx(distance(7 * one, 0.1 * other))
        assert distance(one, 3 * one) == pytest.approx(0, abs=1e-12)
    shifted = np.roll(np.eye(32)[3], 9)
    assert distance(np.eye(32)[3], shifted) == pytest.approx(9)
    assert distance(np.zeros(32), shifted) > 31


@pytest.mark.parametrize(("n", "m"), [(64, 64), (100, 33), (768, 129), (33, 50)])
def test_shrinking_is_that_of_torch(n: int, m: int) -> None:
    rows = np.random.default_rng(3).standard_normal((3, n))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(rows)[None, :, None], size=(1, m), mode="bilinear", antialias=True
    )[0, :, 0]
    np.testing.assert_allclose(rows @ shrinking(n, m).T, expected.numpy(), atol=1e-9)


def test_shrunk_works_on_any_number_of_rows() -> None:
    """More rows than are normalised at once, and not square."""
    samples = np.random.default_rng(4).integers(0, 256, (700, 90, 2), dtype=np.uint8)
    found = shrunk(samples, SignalMeta("uint8", (0.0, 255.0), ImageAttributes()), 40)
    expected = np.einsum("yh,hwc,xw->yxc", shrinking(700, 40), samples / 127.5 - 1, shrinking(90, 40))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("cycles", [4, 12, 20, 28])
@pytest.mark.parametrize("contrast", [0.45, 0.05])
def test_finds_the_frequency_of_a_grating(cycles: int, contrast: float) -> None:
    """A model of one frequency gets that of the signal, whatever its contrast: 2 pi cycles over a box of width 2."""
    model, report = FreshInit(spectrum_size=32, inits=2).prepare(Waves(), grating(0, cycles, contrast=contrast), seed=1)
    assert isinstance(model, Waves)
    assert model.omega == pytest.approx(math.pi * cycles)
    assert report is not None
    assert (report.setting, report.value) == ("omega", model.omega)
    tried = dict(report.candidates)
    assert list(tried) == sorted(tried)
    assert set(tried) <= set(Waves.frequency_search.values)  # type: ignore[union-attr]
    assert min(tried.values()) == tried.pop(model.omega) < 2
    assert all(found > 3 for found in tried.values())
    assert report.seconds > 0


def test_siren_gets_higher_frequencies_for_finer_gratings() -> None:
    chosen = []
    for cycles in (4, 12, 24):
        model, _ = FreshInit(inits=3).prepare(SMALL, grating(cycles // 2, cycles // 2), seed=0)
        assert isinstance(model, Siren)
        assert model == SMALL.replace(omega_0=model.omega_0)
        chosen.append(model.omega_0)
    assert chosen == sorted(chosen)
    assert chosen[-1] >= 2 * chosen[0]


def test_a_short_search_chooses_what_a_full_one_chooses() -> None:
    """On a photo: of all candidates, the mean over all networks is least at the same one."""
    init, signal = FreshInit(inits=6), signal_of(photo(96).copy())
    model, report = init.prepare(SMALL, signal, seed=3)
    assert report is not None
    assert isinstance(model, Siren)
    trials = _Trials(init, signal, 3)
    values = Siren.frequency_search.values  # type: ignore[union-attr]
    assert len(report.candidates) < len(values)
    means = [np.mean([trials.distance(SMALL.replace(omega_0=value), i) for i in range(init.inits)]) for value in values]
    assert report.value == values[int(np.argmin(means))]
    assert model.omega_0 == report.value


def test_search_depends_on_its_seed_alone() -> None:
    signal = signal_of(photo(48).copy())
    first, again, other = (FreshInit(inits=2).prepare(SMALL, signal, seed)[1] for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.candidates == again.candidates != other.candidates


@pytest.mark.parametrize("shape", [(40,), (3, 12, 17), (2, 2, 8, 9)])
def test_other_numbers_of_axes(shape: tuple[int, ...]) -> None:
    """One axis: its own spectrum; three and four: planes of the last two."""
    samples = np.random.default_rng(5).integers(0, 256, (*shape, 2), dtype=np.uint8)
    domain = Domain.of_shape(shape, tuple(f"axis{i}" for i in range(len(shape))))
    signal = Signal(samples, domain, SignalMeta("uint8", (0.0, 255.0), ArrayAttributes()))
    model, report = FreshInit(inits=2).prepare(SMALL, signal, seed=0)
    assert report is not None
    assert isinstance(model, Siren)
    # Noise has all frequencies alike, and these are the highest that there are.
    assert model.omega_0 >= 50


def test_frames_are_compared_with_the_same_frames_of_the_model() -> None:
    """A video whose frames all have one frequency: the answer is that of one frame; flat frames are passed over."""
    frame = grating(0, 12).samples
    frames = np.stack([frame, np.full_like(frame, 99), frame]).astype(np.uint8)
    meta = SignalMeta("uint8", (0.0, 255.0), ArrayAttributes())
    signal = Signal(frames, Domain.of_shape(frames.shape[:3], ("z", "y", "x")), meta)
    model, _ = FreshInit(spectrum_size=32, inits=3).prepare(Waves(), signal, seed=0)
    assert isinstance(model, Waves)
    assert model.omega == pytest.approx(12 * math.pi)


@pytest.mark.parametrize("shape", [(40, 40), (4, 100), (3,)])
def test_nothing_to_compare_keeps_the_model(shape: tuple[int, ...]) -> None:
    """Flat, or too few samples for two frequencies."""
    signal = noise(shape)
    if min(shape) > 4:
        signal = Signal(np.full_like(signal.samples, 77), signal.domain, signal.meta)
    assert FreshInit().prepare(SMALL, signal, seed=0) == (SMALL, None)


def test_starts_as_it_is_told() -> None:
    """Networks of the search and of the fit; the spectrum of untrained networks moves with them."""
    signal = signal_of(photo(48).copy())
    own, scaled = (
        FreshInit(inits=2, then=then).prepare(SMALL, signal, seed=0)[1] for then in ("default", ScaledInit(alpha=2))
    )
    assert own is not None
    assert scaled is not None
    assert scaled.value < own.value
    then = Vi3nrInit(bias="zero")
    networks = [SMALL.build(2, 3), SMALL.build(2, 3)]
    for init, network in zip((FreshInit(then=then), then), networks, strict=True):
        init.apply(SMALL, network, signal, torch.Generator().manual_seed(2))
    for name, tensor in networks[0].tensors().items():
        assert torch.equal(tensor, networks[1].tensors()[name])


def test_models_without_such_a_setting_are_refused() -> None:
    with pytest.raises(SpecError, match="fresh: model hashgrid has no setting that shifts its spectrum; it fits siren"):
        FreshInit().prepare(HashGridMlp(), noise((40, 40)), seed=0)


def test_settings_out_of_range_are_refused() -> None:
    for name, value in {"spectrum_size": 1, "inits": 0, "side": 4, "then": "nonsense"}.items():
        with pytest.raises(SpecError, match=str(value)):
            FreshInit(**{name: value})
    with pytest.raises(SpecError, match="fresh: then: must be an initialiser other than fresh"):
        FreshInit(then=FreshInit())
    assert FreshInit.from_json(FreshInit(then=ScaledInit()).to_json()) == FreshInit(then=ScaledInit())
