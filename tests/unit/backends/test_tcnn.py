"""What the tiny-cuda-nn backend maps and how, against a numpy model of tiny-cuda-nn and the layers on torch."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from inr.backends.tcnn_lowering import GridRun, MlpRun, flat_parameters, grid_problem, level_calls, plan, problem
from inr.backends.torch import TorchNetwork
from inr.layers import DenseGrid, HashGrid, Layer, Linear, Matrix, Multiply, ReLU, Sine
from inr.layers.hashing import grid_levels
from inr.layers.network import Network
from inr.models.bacon import Bacon
from inr.models.base import ModelSpec
from inr.models.densegrid import DenseGridMlp
from inr.models.finr import FInr
from inr.models.fkan import Fkan
from inr.models.gauss import Gauss
from inr.models.hashgrid import HashGridMlp
from inr.models.iterative import IterativeInr
from inr.models.relu_pe import ReluPe
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from tests.support import tcnn_model as model
from tests.support.domains import plain
from tests.support.model_checks import generator, initialised
from tests.support.torch_layers import module_of

WIDE = Siren(width=20, depth=3, omega_0=50.0, omega=8.0)


def random_(layers: Sequence[Layer], seed: int = 0) -> TorchNetwork:
    """One layer after the other, with parameters of ordinary size."""
    random, module = generator(seed), module_of(Network(layers))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, parameter.shape[-1] ** -0.5, generator=random)
    return module


def chain(sizes: Sequence[int], omegas: Sequence[float | None]) -> list[Layer]:
    """Linear layers of these sizes, a sine for each omega or a ReLU for None between them."""
    layers: list[Layer] = [Linear(sizes[0], sizes[1])]
    for omega, a, b in zip(omegas, sizes[1:-1], sizes[2:], strict=True):
        layers += [ReLU() if omega is None else Sine(omega), Linear(a, b)]
    return layers


def behind_features(layers: list[Layer]) -> tuple[Network, MlpRun]:
    """The layers behind one that tiny-cuda-nn does not know, and their one run; its places begin at 1."""
    first: list[Layer] = [Multiply()]
    if isinstance(layers[1], Sine):
        width = layers[0].d_in if isinstance(layers[0], Linear) else 0
        first += chain((2, width, 1), (9.0,))[:2]
    network = Network([*first, *layers])
    runs = plan(network)
    assert len(runs) == 1
    run = runs[0]
    assert isinstance(run, MlpRun)
    assert run.places == tuple(range(len(first), len(network.layers)))
    return network, run


def linears(module: TorchNetwork, first: int = 0) -> list[dict[str, torch.Tensor]]:
    """The tensors of the linear layers from one place on."""
    pairs = list(zip(module.network.layers, module.held(), strict=True))[first:]
    return [held for layer, held in pairs if isinstance(layer, Linear | Matrix)]


def omegas_of(layers: Sequence[Layer]) -> list[float]:
    return [layer.omega if isinstance(layer, Sine) else 1.0 for layer in layers[1::2]]


CHAINS: list[tuple[tuple[int, ...], tuple[float | None, ...], str, int]] = [
    ((20, 20, 3), (30.0,), "CutlassMLP", 32),
    ((16, 15, 15, 1), (30.0, 10.0), "CutlassMLP", 16),
    ((31, 31, 31, 31, 4), (5.0, 30.0, 1.0), "CutlassMLP", 32),
    ((256, 256, 17), (30.0,), "CutlassMLP", 272),
    ((32, 64, 64, 3), (None, None), "FullyFusedMLP", 128),
    ((10, 15, 3), (None,), "FullyFusedMLP", 16),
    ((16, 16, 12, 16), (None, None), "FullyFusedMLP", 32),
    ((33, 127, 100, 20), (None, None), "FullyFusedMLP", 128),
    ((15, 128, 1), (None,), "CutlassMLP", 144),
    ((5, 200, 31, 2), (None, None), "CutlassMLP", 208),
]


@pytest.mark.parametrize(("sizes", "omegas", "otype", "width"), CHAINS)
def test_flat_vector_is_the_network_of_the_layers(
    sizes: tuple[int, ...], omegas: tuple[float | None, ...], otype: str, width: int
) -> None:
    layers = chain(sizes, omegas)
    _, run = behind_features(layers)
    assert run.config() == {
        "otype": otype,
        "activation": "Sine" if omegas[0] else "ReLU",
        "output_activation": "None",
        "n_neurons": width,
        "n_hidden_layers": len(omegas),
    }
    module = random_(layers).double()
    flat = flat_parameters(run, linears(module), omegas_of(layers)).detach().numpy()
    x = torch.rand(40, sizes[0], dtype=torch.float64, generator=generator(1)) * 2 - 1
    expected = module(x)
    inputs = np.concatenate([x.numpy(), np.ones((40, run.extra_inputs))], axis=1)
    assert inputs.shape[1] % 16 != 0  # tiny-cuda-nn fills up with at least a one
    values = model.mlp(flat, inputs, inputs.shape[1], sizes[-1], width, len(omegas), run.activation)
    np.testing.assert_allclose(values, expected.detach().numpy(), rtol=0, atol=1e-11)


def test_matrices_have_no_bias() -> None:
    layers: list[Layer] = [Matrix(6, 9), ReLU(), Linear(9, 9), ReLU(), Matrix(9, 3)]
    module = random_(layers)
    _, run = behind_features(layers)
    flat = flat_parameters(run, linears(module), [1.0, 1.0]).detach().numpy()
    x = torch.rand(8, 6, generator=generator(1))
    expected = module(x).detach().numpy()
    np.testing.assert_allclose(model.mlp(flat, x.numpy(), 6, 3, 16, 2, "ReLU"), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("omega", [None, 30.0])
def test_derivatives_of_the_flat_vector(omega: float | None) -> None:
    layers = chain((5, 4, 6, 2), (omega, omega))
    _, run = behind_features(layers)
    own = [parameter.detach().double().requires_grad_() for parameter in random_(layers).parameters()]

    def flat(*parameters: torch.Tensor) -> torch.Tensor:
        pairs = zip(parameters[::2], parameters[1::2], strict=True)
        return flat_parameters(run, [{"weight": w, "bias": b} for w, b in pairs], omegas_of(layers))

    assert torch.autograd.gradcheck(flat, tuple(own))


@pytest.mark.parametrize(("one", "activation"), [(math.pi / 2, "Sine"), (1.0, "ReLU")])
def test_constant_neuron_is_exactly_one_in_16_bits(one: float, activation: str) -> None:
    flat = np.zeros(16 * (16 + 16 + 16))
    first, middle, last = model.matrices(flat, 3, 1, 16, 2)
    first[15, 3] = middle[15, 15] = one
    last[0, 15] = 1.0
    values = model.mlp(flat, np.random.default_rng(0).random((9, 3)), 3, 1, 16, 2, activation, half=True)
    np.testing.assert_array_equal(values, np.ones((9, 1)))


def test_first_layer_in_float32_saves_the_picture() -> None:
    """In 16-bit floats all through a SIREN is 13 dB worse than with its first layer outside (45.5 against 58.8)."""
    network = initialised(Siren(width=63, depth=1), seed=1)
    x = torch.rand(500, 2, generator=generator(1)) * 2 - 1
    exact = network(x).detach().numpy()
    whole = MlpRun((0, 1, 2, 3, 4), "Sine", 2, 3, 64)
    flat = flat_parameters(whole, linears(network), [30.0, 30.0]).detach().numpy()
    inside = model.mlp(flat, x.numpy(), 2, 3, 64, 2, "Sine", half=True)
    (run,) = plan(network.network)
    assert run.places == (2, 3, 4)
    assert isinstance(run, MlpRun)
    (inner,) = Network(network.network.layers[:2]).outputs(network.held()[:2], x)
    first = inner.detach().numpy()
    rest = flat_parameters(run, linears(network, 2), [30.0]).detach().numpy()
    outside = model.mlp(rest, first, 63, 3, 64, 1, "Sine", half=True)

    def snr(values: model.Array) -> float:
        return float(10 * np.log10(exact.var(axis=0).mean() / np.mean((values - exact) ** 2)))

    assert snr(outside) > 57
    assert snr(outside) > snr(inside) + 11


HASH_GRIDS = [
    (2, 5, 2, 2**7, 4, 48),
    (2, 16, 2, 2**14, 16, 512),
    (3, 4, 1, 2**9, 3, 31),
    (4, 3, 4, 2**10, 2, 9),
    (2, 2, 8, 2**12, 64, 64),
]


@pytest.mark.parametrize("settings", HASH_GRIDS)
def test_levels_of_a_hash_grid(settings: tuple[int, int, int, int, int, int]) -> None:
    grid = HashGrid(*settings)
    module = random_([grid])
    table = module.tensors()["0.table"]
    x = torch.rand(300, settings[0], generator=generator(3)) * 2 - 1
    x[:2] = torch.tensor([[-1.0], [1.0]])
    values = module(x).detach().numpy()
    for number, (call, level) in enumerate(zip(level_calls(grid), grid.levels, strict=True)):
        config = call.config
        size = config.get("log2_hashmap_size", 19)
        one = model.level(settings[0], 0, int(config["base_resolution"]), 2.0, str(config["type"]), int(size))
        assert (one.resolution, one.entries, one.hashed) == (level.resolution, level.entries, not level.dense)
        assert one.scale == level.resolution - 1
        place = (x.numpy() + 1) / 2 * np.array(call.gains, np.float32) + np.array(call.offsets, np.float32)
        coded = model.encode(call.flat(table).detach().numpy(), place, [one], grid.n_features)
        own = values[:, number * grid.n_features : (number + 1) * grid.n_features]
        np.testing.assert_allclose(coded, own, rtol=0, atol=4e-7 * level.resolution)  # positions in float32


@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("nodes", [((6, 6), (11, 11)), ((5, 9), (9, 5)), ((4, 2, 3), (7, 4, 5))])
def test_levels_of_a_dense_grid(nodes: tuple[tuple[int, ...], ...], n_features: int) -> None:
    axes = len(nodes[0])
    grid = DenseGrid(nodes, (1.0, 0.6875, 0.9)[:axes], n_features)
    module = random_([grid])
    table = module.tensors()["0.table"]
    x = torch.rand(300, axes, generator=generator(3)) * 2 - 1
    x[:2] = torch.tensor([[-1.0], [1.0]])  # the borders, and beyond them on axes that are shorter
    unit = ((x / torch.tensor(grid.extents) + 1) / 2).clamp(0, 1).numpy()
    values = module(x).detach().numpy()
    for number, call in enumerate(level_calls(grid)):
        one = model.level(axes, 0, int(call.config["base_resolution"]), 2.0, "Dense", 0)
        assert call.rows == one.entries
        place = unit * np.array(call.gains, np.float32) + np.array(call.offsets, np.float32)
        coded = model.encode(call.flat(table).detach().numpy(), place, [one], n_features)
        own = values[:, number * n_features : (number + 1) * n_features]
        np.testing.assert_allclose(coded, own, rtol=0, atol=1e-5)


def test_why_levels_are_mapped_one_by_one() -> None:
    """A float32 power gives our scales only where each level is a whole multiple of the one before."""
    for base, finest, same in ((16, 128, True), (16, 512, False)):
        count = 4 if same else 16
        growth = (finest / base) ** (1 / (count - 1))
        theirs = [model.level(2, number, base, growth, "Hash", 14) for number in range(count)]
        ours = grid_levels(2, count, 2**14, base, finest)
        equal = [a.scale == b.scale and a.entries == b.entries for a, b in zip(theirs, ours, strict=True)]
        assert all(equal) == same
        assert not any(equal[1:-1]) or same


ANSWERS: list[tuple[ModelSpec, list[str]]] = [
    (WIDE, ["Sine 2-8"]),
    (Siren(width=16, depth=1), ["Sine 2-4"]),
    (HashGridMlp(width=12, depth=2), ["grid 0", "ReLU 1-5"]),
    (DenseGridMlp(nodes_0=16, nodes_1=12, n_levels=2, width=8, depth=1), ["grid 0", "ReLU 1-3"]),
    (ReluPe(n_features=8, width=32, depth=3), ["ReLU 1-7"]),
    (FInr(axis_model=WIDE, rank=4), ["Sine 3-9", "Sine 13-19"]),
    (IterativeInr(backbone=WIDE, steps=2), ["Sine 2-8", "ReLU 16-18", "ReLU 27-29"]),
]


@pytest.mark.parametrize(("spec", "runs"), ANSWERS, ids=lambda value: getattr(value, "kind", ""))
def test_what_is_mapped(spec: ModelSpec, runs: list[str]) -> None:
    network = spec.build(plain(2), 3)
    named = [
        f"{run.activation} {run.places[0]}-{run.places[-1]}" if isinstance(run, MlpRun) else f"grid {run.places[0]}"
        for run in plan(network)
    ]
    assert named == runs
    assert problem(network) is None


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (Gauss.EXAMPLES[0], r"layer 1 \(Gaussian\): between linear layers tiny-cuda-nn has ReLU and sine only"),
        (Bacon.EXAMPLES[0], r"layer \d+ \(Multiply\): between linear layers"),
        (Fkan.EXAMPLES[0], r"layer \d+ \(LayerNorm\): between linear layers"),
        (WireMlp.EXAMPLES[0], r"layer 1 \(RealGabor\): between linear layers"),
        (Siren(width=5, depth=0), r"layer 2 \(Linear\): too few layers before it"),
        (FInr(rank=4), r"layer \d+ \(CpContraction\): too few layers before it"),
        (DenseGridMlp(nodes_0=64, nodes_1=3, n_levels=1, depth=0), r"layer 0 \(DenseGrid\): its 192 nodes .* 4096"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_is_refused_and_why(spec: ModelSpec, reason: str) -> None:
    told = problem(spec.build(plain(2), 3))
    assert told is not None
    assert "\n" not in told
    assert re.match(reason, told)


def test_values_that_others_read_end_a_run() -> None:
    layers: list[Layer] = [Multiply(), *chain((4, 5, 5, 5, 2), (None, None, None))]
    sources = [(i,) for i in range(len(layers))]
    whole = plan(Network(layers, sources))
    assert [run.places for run in whole] == [tuple(range(1, 8))]
    as_head = plan(Network(layers, sources, heads=(4, 8)))
    assert [run.places for run in as_head] == [(1, 2, 3), (5, 6, 7)]
    joined = plan(Network([*layers, Multiply(), Linear(5, 1)], [*sources, (4, 8), (9,)]))
    assert [run.places for run in joined] == [(1, 2, 3), (5, 6, 7)]


def test_grids_that_stay_with_torch() -> None:
    assert grid_problem(HashGrid(2, 3, 2, 64, 4, 9)) is None
    for grid, reason in (
        (HashGrid(1, 3, 2, 64, 4, 9), "2 to 4 axes; got 1"),
        (HashGrid(2, 3, 3, 64, 4, 9), "8 features a level; got 3"),
        (HashGrid(2, 2, 2, 64, 1, 9), "single node"),
        (HashGrid(2, 1, 1, 2**20, 2**16, 2**16), "32 bits"),
        (DenseGrid(((64, 2),), (1.0, 1.0), 2), "4096 in tiny-cuda-nn"),
        (DenseGrid(((4, 4),), (1.0, 1.0), 5), "got 5"),
    ):
        told = grid_problem(grid)
        assert told is not None
        assert reason in told
    network = HashGridMlp(n_features=3, n_levels=4, width=12, depth=1).build(plain(2), 3)
    assert not any(isinstance(run, GridRun) for run in plan(network))
    assert problem(network) is None


def test_model_takes_every_parameter() -> None:
    with pytest.raises(ValueError, match="512 parameters; got 513"):
        model.matrices(np.zeros(513), 2, 3, 16, 1)
