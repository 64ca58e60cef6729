"""I-INR: noise that is a function of the coordinates, the sampler, and the other graph that is trained."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.backends.base import PointBatch
from inr.backends.torch import TorchBackend, TorchNetwork
from inr.codec.decode import open_field
from inr.codec.pack import pack
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.container.file import to_bytes
from inr.domain import Domain
from inr.errors import FitCancelledError, SpecError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks
from inr.fitting.steps import fit
from inr.inits.base import INITS
from inr.layers import CoordinateNoise, Linear
from inr.layers.coordinate_noise import PHASE, mixed
from inr.losses.mse import MeanSquaredError
from inr.models.bandpair import BandPair
from inr.models.hashgrid import HashGridMlp
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.reparams.fourier import FourierReparam
from inr.rng import generator
from inr.rng import mixed as reference_mixed
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised, randomised
from tests.support.random_fields import random_field
from tests.support.small_fits import course, photo, same_bits, signal_of, spec
from tests.support.torch_layers import TorchLayer, part_of, tensor_of, told
from tests.unit.fitting.test_checkpoint import after

SMALL = IterativeInr(backbone=Siren(width=12, depth=1), steps=3, feedback_width=7, fuse_width=9, cells=48)
CONTROL = SMALL.replace(state="zeros")

Values = npt.NDArray[np.float64]


def noise_by_hand(x: npt.NDArray[np.float32], channels: int, cells: int, seed: int) -> Values:
    """The formula again, in numpy's unsigned integers."""
    cell = np.floor(x.astype(np.float64) * cells / 2 + PHASE).astype(np.int64).view(np.uint64)
    word = reference_mixed(np.full(len(x), seed, dtype=np.uint64))
    for axis in range(cell.shape[1]):
        word = reference_mixed(word + cell[:, axis])
    words = reference_mixed(word[:, None] + np.arange(2 * channels).astype(np.uint64))
    unit = ((words >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    noise: Values = np.sqrt(-2 * np.log(unit[:, :channels])) * np.cos(2 * np.pi * unit[:, channels:])
    return noise


def gate_by_hand(network: TorchNetwork, g: Values, x: Values, t: Values, b: Values) -> Values:
    """Feedback and Fuse from the stored tensors, in numpy."""
    backbone = len(network.network.parts[0].layers)
    linear = list(dict.fromkeys(layer for layer in network.network.layers[backbone:] if isinstance(layer, Linear)))
    (w0, b0), (w1, b1), (w2, b2), (w3, b3) = (
        [tensor_of(network, layer, name).detach().double().numpy() for name in ("weight", "bias")] for layer in linear
    )
    f = np.maximum(np.concatenate([g, x, t], axis=1) @ w0.T + b0, 0) @ w1.T + b1
    gate: Values = np.maximum(np.concatenate([f, b], axis=1) @ w2.T + b2, 0) @ w3.T + b3
    return gate * b


def test_mixing_is_that_of_the_library() -> None:
    words = np.random.Generator(np.random.PCG64(0)).integers(0, 2**64, 10_000, dtype=np.uint64)
    words[:4] = 0, 1, 2**63, 2**64 - 1
    found = mixed(torch.from_numpy(words.view(np.int64))).numpy().view(np.uint64)
    np.testing.assert_array_equal(found, reference_mixed(words))


@pytest.mark.parametrize("d_in", [1, 2, 3])
def test_noise_is_that_of_its_formula(d_in: int) -> None:
    x = coordinates(500, d_in).float()
    found = TorchLayer(CoordinateNoise(3, 100, 17))(x)
    np.testing.assert_allclose(found, noise_by_hand(x.numpy(), 3, 100, 17), rtol=1e-6, atol=1e-7)
    assert found.dtype == torch.float32


def test_noise_of_samples_is_normal_and_independent() -> None:
    """192 x 256 samples: a standard error is 0.0045, so five of them are 0.023."""
    domain = Domain.of_shape((192, 256))
    x = torch.from_numpy(domain.coordinates(np.arange(domain.size)))
    noise = TorchLayer(CoordinateNoise(2, 256, 0))(x).double().reshape(192, 256, 2)
    assert noise.mean().abs() < 0.023
    assert abs(noise.var().item() - 1) < 0.033
    assert abs(noise.pow(4).mean().item() - 3) < 0.25
    pairs = (
        (noise[1:], noise[:-1]),
        (noise[:, 1:], noise[:, :-1]),
        (noise[..., 0], noise[..., 1]),
        (noise, TorchLayer(CoordinateNoise(2, 256, 1))(x).reshape(192, 256, 2)),
    )
    for one, other in pairs:
        assert (one * other).mean().abs() < 0.023


@pytest.mark.parametrize("n", [2, 3, 48, 511, 512, 768, 1000, 4096])
def test_no_usual_zoom_meets_the_border_of_a_cell(n: int) -> None:
    """Rounding of a coordinate cannot change its noise: it is below 1/4000 of a cell, and borders are 1/200 away."""
    for zoom in (*range(1, 17), 32):
        x = Domain.of_shape((1, n)).resized((1, n * zoom)).axis_coordinates(1)
        place = x * n / 2 + PHASE
        assert np.abs(place - np.rint(place)).min() > 0.005
        wrong = np.floor(x.astype(np.float32).astype(np.float64) * n / 2 + PHASE) != np.floor(place)
        assert not wrong.any()


def test_zoom_shows_the_noise_of_the_same_cells() -> None:
    grid = Domain.of_shape((8, 8))
    layer = TorchLayer(CoordinateNoise(1, 8, 0))
    coarse, fine = (
        layer(torch.from_numpy(d.coordinates(np.arange(d.size)))).reshape(d.shape)
        for d in (grid, grid.resized((64, 64)))
    )
    assert set(coarse.flatten().tolist()) <= set(fine.flatten().tolist())
    assert len(fine.unique()) <= 9 * 9


def test_decoding_is_the_sampler() -> None:
    """Three steps written down from the formula."""
    network = randomised(SMALL)
    x = coordinates(40).float()
    with torch.no_grad():
        found = network(x).numpy()
        b = part_of(network, 0)(x).double().numpy()
    wide = x.double().numpy()
    g = noise_by_hand(x.numpy(), 3, SMALL.cells, SMALL.seed)
    for t in (1, 2 / 3, 1 / 3):
        f = gate_by_hand(network, g, wide, np.full((40, 1), t), b)
        g = (1 / 3) / t * f + (1 - (1 / 3) / t) * g
    np.testing.assert_allclose(found, g, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", [SMALL, CONTROL], ids=["refined", "zeros"])
def test_training_graph_is_one_look_at_a_noisy_target(model: IterativeInr) -> None:
    network = randomised(model)
    rows = torch.randn(30, 2 + 3 + 1 + 3, generator=torch.Generator().manual_seed(0))
    x, target, t, n = (part.double().numpy() for part in torch.tensor_split(rows, (2, 5, 6), dim=1))
    z = noise_by_hand(rows[:, :2].numpy(), 3, model.cells, model.seed)
    g = (1 - t) * target + t * z + 0.1 * t * n if model is SMALL else np.zeros((30, 3))
    assert network.network.training_graph is not None
    with torch.no_grad():
        found = network.lesson_outputs(rows)[-1].numpy()
        b = part_of(network, 0)(rows[:, :2]).double().numpy()
    np.testing.assert_allclose(found, gate_by_hand(network, g, x, t, b), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_every_layer_is_stored_once(steps: int) -> None:
    model = IterativeInr(steps=steps)
    assert model.parameters(plain(2), 3) == Siren().parameters(plain(2), 3) + 1306
    network = initialised(SMALL.replace(steps=steps))
    stored = {id(tensor) for tensor in network.tensors().values()}
    assert stored == {id(parameter) for parameter in network.parameters()}
    lesson = network.network.training_graph
    assert lesson is not None
    assert {layer for layer in lesson.layers if layer.layout()} == {
        one for one in network.network.layers if one.layout()
    }


def test_trainer_trains_the_other_graph() -> None:
    """The loss of a step is that of the training graph, of new moments and noise each step, the same in each run."""
    x = coordinates(1024).float().numpy()
    batch = PointBatch(x, np.sin(3 * x @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32)))

    def losses(seed: int) -> list[float]:
        trainer = TorchBackend().trainer(*told(randomised(SMALL)), MeanSquaredError(), Adam(), "cpu", seed)
        return [trainer.step(batch, 1e-12).loss for _ in range(3)]

    found = losses(1)
    assert found == losses(1)
    assert len(set(found + losses(2))) == 6
    lesson = randomised(SMALL)
    draw = torch.Generator().manual_seed(5)
    noise = torch.cat([torch.rand(1024, 1, generator=draw), torch.randn(1024, 3, generator=draw)], dim=1)
    with torch.no_grad():
        rows = torch.cat([torch.from_numpy(x), torch.from_numpy(batch.targets), noise], dim=1)
        (value,) = lesson.lesson_outputs(rows)
    # Other draws of 1,024 moments and noises: the mean differs by a few of its standard errors.
    assert np.mean(found) == pytest.approx(float(np.mean((value.numpy() - batch.targets) ** 2)), rel=0.1)


def test_residuals_of_a_step_are_those_that_a_decoder_sees() -> None:
    """Not those of the training graph, which has seen the targets; samplers go by them."""
    network = randomised(SMALL)
    x = coordinates(50).float()
    targets = np.sin(3 * x.numpy() @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32))
    with torch.no_grad():
        expected = network(x).numpy() - targets
    trainer = TorchBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu")
    result = trainer.step(PointBatch(x.numpy(), targets), 1e-12, "residuals")
    assert result.residuals is not None
    np.testing.assert_allclose(result.residuals, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", [SMALL, CONTROL], ids=["refined", "zeros"])
def test_fit_learns_and_resumes(model: IterativeInr, tmp_path: Path) -> None:
    """Flat at the mean colour the photo has the PSNR below; the sampler is better after 60 steps."""
    signal, wanted = signal_of(photo(24)), spec(model, 60)
    policy = CheckpointPolicy(tmp_path / "fit.ckpt")
    with pytest.raises(FitCancelledError):
        fit(signal, wanted, Hooks(cancelled=after(23), checkpoint=policy))
    resumed, whole = fit(signal, wanted, Hooks(checkpoint=policy)), fit(signal, wanted)
    assert same_bits(whole, resumed)
    assert course(whole) == course(resumed)
    flat = 10 * math.log10(255**2 / photo(24).var(axis=(0, 1)).mean())
    assert whole.report.curve[-1].psnr > flat


def test_decoded_picture_is_the_same_however_it_is_cut() -> None:
    data = to_bytes(pack(quantize(random_field(SMALL.replace(cells=40), (33, 40)), QuantSpec(bits=8))))
    field = open_field(data)
    for size in ((40, 33), (80, 66), (20, 17)):
        whole = field.decode(size=size)
        np.testing.assert_array_equal(open_field(data).decode(size=size), whole)
    whole = field.decode()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        np.testing.assert_array_equal(open_field(data).decode(), whole)
    finally:
        torch.set_num_threads(threads)
    for x, y, width, height in ((0, 0, 40, 10), (3, 7, 11, 5), (39, 32, 1, 1)):
        np.testing.assert_array_equal(field.decode(region=(x, y, width, height)), whole[y : y + height, x : x + width])
        fine = field.decode(region=(x, y, width, height), size=(3 * width, 3 * height))
        everything = field.decode(scale=3)
        np.testing.assert_array_equal(fine, everything[3 * y : 3 * (y + height), 3 * x : 3 * (x + width)])


def test_state_is_noise_that_depends_on_the_seed_and_the_control_has_none() -> None:
    x = coordinates(50).float()
    with torch.no_grad():
        for model, same in ((SMALL, False), (CONTROL, True)):
            one, other = (randomised(model.replace(seed=seed))(x) for seed in (0, 1))
            assert torch.equal(one, other) == same


def test_backbone_is_asked_what_it_wants() -> None:
    domain = Domain.of_shape((100, 150))
    model = IterativeInr(backbone=HashGridMlp()).fitted_to(domain)
    assert model.cells == 150
    assert model.backbone == HashGridMlp().fitted_to(domain)
    with pytest.raises(SpecError, match="works on 1 to 4 axes"):
        model.build(plain(5), 3)


def test_iteration_inside_iteration_is_refused() -> None:
    with pytest.raises(SpecError, match="iterative: backbone: must be a model without iteration; got iterative"):
        IterativeInr(backbone=SMALL)
    with pytest.raises(SpecError, match="iterative: backbone"):
        IterativeInr(backbone="nonsense")
    assert IterativeInr(backbone=BandPair.EXAMPLES[0]).parameters(plain(2), 3) > BandPair.EXAMPLES[0].parameters(
        plain(2), 3
    )


@pytest.mark.parametrize("init", ["scaled", "vi3nr"])
def test_other_initialisers_and_reparameterisations_see_each_layer_once(init: str) -> None:
    fitted = fit(signal_of(photo()), spec(SMALL, 3, init=init, reparam=FourierReparam(n_low=3, n_high=3, phases=2)))
    assert sum(tensor.size for tensor in fitted.tensors.values()) == SMALL.parameters(plain(2), 3)
    assert all(np.isfinite(tensor).all() for tensor in fitted.tensors.values())
    network = SMALL.build(plain(2), 3)
    signal = signal_of(photo())
    found = INITS.make("scaled").apply(SMALL, network, signal, generator(1, "init"))
    own = initialised(SMALL, seed=1).arrays()
    ratios = {name: float((tensor / own[name]).mean()) for name, tensor in found.items()}
    assert {round(ratio, 3) for ratio in ratios.values()} == {1.0, 2.5}
