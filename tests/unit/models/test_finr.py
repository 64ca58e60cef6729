"""F-INR: contractions, its exact bound in two dimensions, decoding by axes, sizes, refusals."""

import json
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.backends.base import GridBatch
from inr.backends.render import axis_coordinates, mesh
from inr.backends.select import BACKENDS
from inr.backends.torch import TorchBackend
from inr.codec.decode import open_field
from inr.codec.pack import pack
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.container.file import parse, to_bytes
from inr.domain import Domain
from inr.errors import SpecError
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.losses.mse import MeanSquaredError
from inr.meta import SignalMeta
from inr.models.bacon import Bacon
from inr.models.base import MODELS, ModelSpec
from inr.models.finer import FinerMlp
from inr.models.finr import FInr, largest_rank
from inr.models.relu_pe import ReluPe
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from inr.optimisers.adam import Adam
from inr.samplers.block import BlockSampler
from inr.signals.image.attributes import ImageAttributes
from inr.signals.signal import Signal
from tests.support.commands import run
from tests.support.domains import plain
from tests.support.model_checks import initialised, randomised
from tests.support.random_fields import random_field
from tests.support.torch_layers import part_of, tensor_of, told
from tests.support.weights import weights_in

FORMATS = ("cp", "tt", "tucker")
SMALL = Siren(width=12, depth=0, omega_0=10.0)
VIDEO_AXES = ("t", "y", "x")

each_format = pytest.mark.parametrize("form", FORMATS)


def small(form: str, rank: int = 4, axis_model: ModelSpec = SMALL) -> FInr:
    return FInr(format=form, rank=rank, axis_model=axis_model, band=20)


def picture(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Edges, waves and noise in three channels: no low rank suffices."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    rng = np.random.default_rng(seed)
    disc = ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06).astype(float)
    planes = [0.5 + 0.3 * np.sin(9 * x * y + k) + 0.3 * (disc - 0.5) * (k - 1) for k in range(3)]
    noisy = np.stack(planes, -1) + 0.05 * rng.standard_normal((height, width, 3))
    return np.clip(np.rint(255 * noisy), 0, 255).astype(np.uint8)


def signal_of(samples: npt.NDArray[np.uint8]) -> Signal:
    return Signal(samples, Domain.of_shape(samples.shape[:2]), SignalMeta("uint8", (0.0, 255.0), ImageAttributes()))


def formula(
    model: FInr, factors: list[npt.NDArray[np.float64]], core: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64]:
    """The published sums over a whole grid, written out by numpy."""
    r, d = model.rank, len(factors)
    names = "ijkl"[:d]
    if model.format == "cp":
        last = factors[-1].reshape(len(factors[-1]), 3, r)
        terms = [f"{n}r" for n in names[:-1]] + [f"{names[-1]}zr"]
        return _einsum(terms, names, *factors[:-1], last)
    if model.format == "tt":
        last = factors[-1].reshape(len(factors[-1]), 3, r)
        middle = [factor.reshape(len(factor), r, r) for factor in factors[1:-1]]
        bonds = "abc"
        terms = [f"{names[0]}a"] + [f"{names[k]}{bonds[k - 1]}{bonds[k]}" for k in range(1, d - 1)]
        terms.append(f"{names[-1]}z{bonds[d - 2]}")
        return _einsum(terms, names, factors[0], *middle, last)
    assert core is not None
    ranks = "abde"[:d]
    terms = [f"{n}{k}" for n, k in zip(names, ranks, strict=True)] + [f"{ranks}z"]
    return _einsum(terms, names, *factors, core.reshape(*[r] * d, 3))


def _einsum(terms: list[str], names: str, *arrays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum(",".join(terms) + f"->{names}z", *arrays))


@each_format
@pytest.mark.parametrize("d", [2, 3, 4])
def test_grid_and_points_are_the_published_sums(form: str, d: int) -> None:
    """Random parameters in float64, on grids of different lengths, one of them a single sample."""
    model = small(form, rank=3)
    network = randomised(model, d, 3).double()
    for lengths in ((4, 5, 2, 3)[:d], (1, 6, 4, 2)[:d], (7, 1, 1, 5)[:d]):
        axes = [torch.linspace(-0.9, 0.8, n, dtype=torch.float64) for n in lengths]
        with torch.no_grad():
            factors = [network.factor(axis, x).numpy() for axis, x in enumerate(axes)]
            core = network.tensors().get(f"{len(network.network.layers) - 1}.core")
            expected = formula(model, factors, None if core is None else core.detach().numpy())
            on_grid = network.grid(axes).view(*lengths, 3)
            points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, d)
            np.testing.assert_allclose(on_grid.numpy(), expected, rtol=0, atol=1e-12)
            np.testing.assert_allclose(network(points).view(*lengths, 3).numpy(), expected, rtol=0, atol=1e-12)
            for axis, factor in enumerate(factors):
                alone = part_of(network, axis)(axes[axis][:, None]).numpy()
                np.testing.assert_allclose(factor, alone, rtol=0, atol=1e-14)


@each_format
@pytest.mark.parametrize("d", [2, 3, 4])
def test_grid_has_the_gradient_of_the_points(form: str, d: int) -> None:
    network = randomised(small(form, rank=3), d, 2).double()
    axes = [torch.linspace(-0.9, 0.8, n, dtype=torch.float64) for n in (3, 4, 2, 3)[:d]]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, d)
    parameters = list(network.parameters())
    by_grid = torch.autograd.grad(network.grid(axes).square().sum(), parameters)
    by_points = torch.autograd.grad(network(points).square().sum(), parameters)
    for first, second in zip(by_grid, by_points, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-9)


@each_format
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_every_channel_of_a_picture_has_the_rank(form: str, rank: int) -> None:
    """Random parameters: singular values beyond the rank are those of float64 rounding, those up to it are not."""
    network = randomised(small(form, rank), 2, 3).double()
    axes = [torch.linspace(-0.7, 0.7, 20, dtype=torch.float64), torch.linspace(-1, 1, 31, dtype=torch.float64)]
    with torch.no_grad():
        planes = network.grid(axes).view(20, 31, 3).permute(2, 0, 1)
    for plane in planes:
        values = torch.linalg.svdvals(plane)
        assert values[rank] < 1e-12 * values[0]
        assert values[rank - 1] > 1e-9 * values[0]


@each_format
def test_fit_of_a_picture_comes_near_the_singular_value_decomposition_but_never_beats_it(form: str) -> None:
    """Eckart and Young 1936: no matrix of the rank is nearer. Full grid, 300 steps, values before clamping."""
    rank = 6
    samples = picture(40, 56)
    signal = signal_of(samples)
    model = FInr(format=form, rank=rank, axis_model=Siren(width=48, depth=0, omega_0=10.0)).fitted_to(signal.domain)
    trainer = BACKENDS["torch"].trainer(*told(initialised(model)), MeanSquaredError(), Adam(), "cpu")
    targets = signal.targets(np.arange(signal.domain.size))
    axes = axis_coordinates(signal.domain)
    for step in range(300):
        trainer.step(GridBatch(axes, targets), 1e-2 * (1 - step / 300))
    fitted = trainer.field().grid(axes).astype(np.float64).reshape(samples.shape)
    wanted = targets.astype(np.float64).reshape(samples.shape)
    best = np.empty_like(wanted)
    for c in range(3):
        u, s, v = np.linalg.svd(wanted[..., c], full_matrices=False)
        best[..., c] = u[:, :rank] * s[:rank] @ v[:rank]
    reached, bound = (10 * math.log10(4 / np.mean((values - wanted) ** 2)) for values in (fitted, best))
    assert reached <= bound + 1e-3
    assert reached > bound - 3


@each_format
@pytest.mark.parametrize("shape", [(37, 52), (5, 9, 11)])
def test_backends_decode_a_grid_as_they_decode_points(form: str, shape: tuple[int, ...]) -> None:
    """Sums in another order: float32 rounding. A second grid must not see factors of the first."""
    domain = Domain.of_shape(shape, ("y", "x") if len(shape) == 2 else VIDEO_AXES)
    network = randomised(small(form, 3), len(shape), 3)
    for backend in BACKENDS.values():
        if backend.unavailable("cpu") or backend.refuses(network.network):
            continue
        field = backend.field(*told(network), "cpu")
        for grid in (domain, domain.resized(tuple(n + 3 for n in shape)), domain):
            axes = axis_coordinates(grid)
            points = field(mesh(axes))
            np.testing.assert_allclose(field.grid(axes), points, rtol=0, atol=2e-6 * (1 + np.abs(points).max()))


@each_format
def test_file_decodes_by_region_as_it_decodes_whole(form: str) -> None:
    fitted = random_field(small(form, axis_model=FinerMlp(width=8, depth=1)), shape=(30, 44))
    field = open_field(to_bytes(pack(quantize(fitted, QuantSpec(bits=7)))))
    whole = field.decode()
    assert whole.std() > 1
    for x, y, width, height in ((0, 0, 44, 30), (3, 5, 20, 9), (43, 0, 1, 30), (17, 29, 1, 1)):
        part = field.decode(region=(x, y, width, height)).astype(int)
        assert np.abs(part - whole[y : y + height, x : x + width]).max() <= 1  # a value may lie on a half
        assert np.mean(part != whole[y : y + height, x : x + width]) < 0.01


@pytest.mark.parametrize(
    "model",
    [
        FInr(format="tucker", rank=3, axis_model=WireMlp(width=6, depth=1, omega=4.0), band=0),
        FInr(format="tt", rank=2, axis_model=FinerMlp(width=5, depth=0), first_band=9),
        FInr(rank=2, axis_model=Siren(width=6, depth=1, omega_0=7.5)),
    ],
    ids=lambda model: f"{model.format}-{model.axis_model.kind}",
)
def test_file_keeps_a_network_of_another_kind(tmp_path: Path, model: FInr) -> None:
    """The model comes back from real bytes, and `inr info` names its parts in words."""
    fitted = random_field(model)
    data = to_bytes(pack(quantize(fitted, QuantSpec(bits=6))))
    path = tmp_path / "field.inr"
    path.write_bytes(data)
    assert weights_in(parse(data)).model == model
    told = json.loads(run("info", path.name, "--json", cwd=tmp_path).stdout)
    assert told["model"] == "finr"
    assert told["settings"].get("format", "cp") == model.format
    assert told["settings"]["rank"] == model.rank
    assert told["settings"]["axis_model"]["kind"] == model.axis_model.kind
    assert told["settings"]["axis_model"]["width"] == model.axis_model.width  # type: ignore[attr-defined]


def test_every_simple_model_can_be_the_network_of_an_axis() -> None:
    """Built, initialised, and a step of training changes the loss; what cannot take one input says so."""
    x = [torch.linspace(-1, 1, n) for n in (6, 7)]
    tried = []
    for cls in MODELS:
        example = cls.EXAMPLES[0]
        if any(isinstance(getattr(example, name), ModelSpec) for name in type(example).model_fields):
            with pytest.raises(
                SpecError, match=f"finr: axis_model: must not be made of other models; got {cls().kind}"
            ):
                FInr(axis_model=example)
            continue
        model = FInr(rank=3, axis_model=example)
        try:
            example.build(plain(1), 3)
        except SpecError:
            with pytest.raises(SpecError, match="finr: axis_model: must be a model that takes 1 input"):
                model.build(plain(2), 3)
            continue
        values = initialised(model).grid(x)
        assert values.shape == (42, 3), example.kind
        assert torch.isfinite(values).all(), example.kind
        assert 1e-4 < values.std() < 1, example.kind
        tried.append(example.kind)
    assert {"siren", "hashgrid", "finer", "wire", "relu_pe", "gauss", "fkan", "poly", "sl2a"} <= set(tried)


@each_format
@pytest.mark.parametrize("axis_model", [SMALL, Siren(width=24, depth=2), ReluPe.EXAMPLES[0], Bacon.EXAMPLES[0]])
def test_field_starts_small_but_not_at_zero(form: str, axis_model: ModelSpec) -> None:
    """About 0.03, over five seeds; no factor is much larger than another, so none runs ahead in training."""
    for d in (2, 3):
        for seed in range(5):
            network = initialised(small(form, 8, axis_model), d, 3, seed)
            axes = [torch.linspace(-0.9, 0.9, n) for n in (16, 20, 24)[:d]]
            with torch.no_grad():
                assert 0.01 < network.grid(axes).square().mean().sqrt() < 0.1
                sizes = [float(network.factor(axis, x).square().mean().sqrt()) for axis, x in enumerate(axes)]
            assert max(sizes) < 2 * min(sizes)


def test_first_frequencies_are_even_up_to_the_band() -> None:
    """One in each of as many equal parts; the first axis has its own band; no more than the width can tell apart."""
    network = initialised(FInr(rank=2, axis_model=Siren(width=100, depth=0, omega_0=10.0), band=90, first_band=30))
    for axis, band in enumerate((30, 90)):
        first = part_of(network, axis).tensors()
        places = (first["0.weight"][:, 0] * 10 / band * 100).floor().tolist()
        assert places == list(range(100))
        assert 0.9 * math.pi / 10 < first["0.bias"].abs().max() <= math.pi / 10
    narrow = part_of(initialised(FInr(rank=2, axis_model=SMALL, band=10_000)), 0).tensors()["0.weight"]
    assert 11 / 12 * 6 * math.pi < 10 * narrow.max() <= 6 * math.pi
    own = part_of(initialised(FInr(rank=2, axis_model=SMALL, band=0)), 0).tensors()["0.weight"]
    assert own.min() < 0


def test_grid_tells_bands_and_rank() -> None:
    """Nyquist: n samples in a length of 2 hold pi n / 2 radians a unit."""
    model = FInr().fitted_to(Domain.of_shape((16, 144, 176), VIDEO_AXES))
    assert (model.rank, model.band, model.first_band) == (192, math.ceil(math.pi * 88), math.ceil(math.pi * 8))
    assert FInr().fitted_to(Domain.of_shape((30, 20))).rank == 20
    assert FInr().fitted_to(Domain.of_shape((30, 20))).band == math.ceil(math.pi * 15)
    hash_grid = FInr(axis_model=MODELS.make("hashgrid")).fitted_to(Domain.of_shape((300, 200))).axis_model
    assert hash_grid.finest_resolution == 300  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("form", "shape", "limit"),
    [
        ("cp", (40, 56), 40),
        ("tt", (40, 56), 40),
        ("tucker", (40, 56), 40),
        ("cp", (4, 30, 20), 80),
        ("tt", (4, 30, 20), 20),
        ("tucker", (4, 30, 20), 4),
        ("tt", (3, 4, 5, 6), 12),
    ],
)
def test_rank_beyond_the_grid_is_refused_before_anything_is_built(
    form: str, shape: tuple[int, ...], limit: int
) -> None:
    domain = Domain.of_shape(shape, tuple("abcd"[: len(shape)]))
    assert largest_rank(form, shape) == limit
    small(form, limit).check(domain, 3)
    message = rf"finr: rank: {form} can use at most {limit} on {'x'.join(map(str, shape))} samples; got {limit + 1}"
    with pytest.raises(SpecError, match=message):
        small(form, limit + 1).check(domain, 3)


def test_fit_refuses_a_rank_beyond_the_grid() -> None:
    with pytest.raises(SpecError, match="finr: rank: cp can use at most 12 on 12x16 samples; got 13"):
        fit(signal_of(picture(12, 16)), FitSpec(model=small("cp", 13), budget=Budget(steps=1)))


@pytest.mark.parametrize("d_in", [1, 5])
@each_format
def test_number_of_axes_out_of_range_is_refused(form: str, d_in: int) -> None:
    with pytest.raises(SpecError, match=f"finr: works on 2 to 4 axes; got {d_in}"):
        small(form).build(plain(d_in), 3)
    with pytest.raises(SpecError, match=f"finr: works on 2 to 4 axes; got {d_in}"):
        small(form).check(Domain.of_shape((9,) * d_in, tuple("abcde"[:d_in])), 3)


def test_core_of_terabytes_is_refused() -> None:
    with pytest.raises(SpecError, match=r"finr: rank: a core of 3 x rank\^4 has at most 16777216 entries; got 1024"):
        FInr(format="tucker", rank=1024).build(plain(4), 3)
    with pytest.raises(SpecError, match=r"finr: rank: .*less than or equal to 1024; got 1025"):
        FInr(rank=1025)


@pytest.mark.parametrize(
    ("form", "d", "expected"),
    [
        ("cp", 2, 2 * 24 + 13 * (4 + 12)),
        ("cp", 4, 4 * 24 + 13 * (4 + 4 + 4 + 12)),
        ("tt", 3, 3 * 24 + 13 * (4 + 16 + 12)),
        ("tucker", 3, 3 * (24 + 13 * 4) + 4**3 * 3),
    ],
)
def test_number_of_parameters(form: str, d: int, expected: int) -> None:
    """Siren(12, 0) has 24 + 13 m of them with m outputs."""
    assert small(form).parameters(plain(d), 3) == expected
    assert FInr().parameters(plain(2), 3) == 198_400


def test_core_may_be_shorter_along_time() -> None:
    """A clip of few frames would else have a core as short along rows and columns, where it needs more."""
    domain = Domain.of_shape((5, 30, 24), VIDEO_AXES)
    model = small("tucker", 40).fitted_to(domain)
    assert (model.first_rank, model.rank) == (5, 24)
    model.check(domain, 3)
    short = small("tucker", 6).replace(first_rank=2)
    assert short.parameters(plain(3), 3) == 3 * 24 + 13 * (2 + 6 + 6) + 2 * 6 * 6 * 3
    network = randomised(short, 3, 3).double()
    axes = [torch.linspace(-1, 1, n, dtype=torch.float64) for n in (5, 4, 3)]
    points = torch.cartesian_prod(*axes)
    torch.testing.assert_close(network.grid(axes), network(points), rtol=0, atol=1e-12)
    factors = [network.factor(axis, x) for axis, x in enumerate(axes)]
    core = tensor_of(network, network.network.layers[-1], "core").view(2, 6, 6, 3)
    expected = torch.einsum("ia,jb,kc,abcz->ijkz", *factors, core).reshape(-1, 3)
    torch.testing.assert_close(network(points), expected, rtol=0, atol=1e-12)
    with pytest.raises(SpecError, match="finr: first_rank: at most the 5 samples of the first axis; got 6"):
        small("tucker", 20).replace(first_rank=6).check(domain, 3)
    with pytest.raises(SpecError, match="finr: first_rank: only tucker has one for the first axis; got 3"):
        FInr(format="tt", first_rank=3)


def test_memory_of_decoding_does_not_go_with_the_width_of_factors() -> None:
    """Few weights can make wide factors: axes and points are then evaluated a few at a time, with the same values."""
    model = FInr(format="tt", rank=100, axis_model=Siren(width=1, depth=0))
    with pytest.raises(SpecError, match="finr: rank: tt on more than two axes has at most 128"):
        model.replace(rank=129).build(plain(3), 3)
    network = randomised(model, 3, 3)
    field = TorchBackend().field(*told(network), "cpu")
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in (2, 9000, 3)]
    whole = field.grid(axes).reshape(2, 9000, 3, 3)
    assert whole.shape == (2, 9000, 3, 3)
    part = network.grid([torch.from_numpy(x) for x in (axes[0], axes[1][6000:6100], axes[2])]).detach().numpy()
    np.testing.assert_allclose(whole[:, 6000:6100].reshape(-1, 3), part, rtol=0, atol=1e-4)
    points = mesh([axes[0], axes[1][::90], axes[2]])
    np.testing.assert_allclose(field(points), whole[:, ::90].reshape(-1, 3), rtol=0, atol=1e-4)


@each_format
def test_size_is_reached_with_a_rank_that_suits_it(form: str) -> None:
    """Within 5 % on three axes too; the rank grows with the budget and stays below the one that was asked for."""
    ranks = []
    for budget in (5_000, 50_000, 400_000):
        model = FInr(format=form).sized(budget, plain(3), 3)
        assert 0.95 * budget <= model.parameters(plain(3), 3) <= budget
        ranks.append(model.rank)
    assert ranks == sorted(set(ranks))
    assert FInr(format=form, rank=4).sized(50_000, plain(3), 3).rank == 4


def test_fit_by_blocks_reaches_the_picture() -> None:
    """The block sampler, the loop, and evaluation by grids together: a waves-and-edges picture in 150 steps."""
    signal = signal_of(picture(32, 48))
    model = FInr(rank=16, axis_model=Siren(width=48, depth=0, omega_0=10.0)).fitted_to(signal.domain)
    report = fit(signal, FitSpec(model=model, sampler=BlockSampler(), budget=Budget(steps=150))).report
    assert report.curve[-1].psnr > 26  # the noise of 0.05 alone allows 26.0; the mean colour gives 17
