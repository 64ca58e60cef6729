"""Fourier reparameterised training: other parameters while a field is fitted, the same file afterwards."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

from inr.backends.base import PointBatch
from inr.backends.torch import TorchNetwork, TorchTrainer
from inr.codec.pack import pack
from inr.coders.weights.open import open_tensors
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.container.file import to_bytes
from inr.errors import FitCancelledError, SpecError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.run import Hooks
from inr.fitting.spec import FitSpec
from inr.fitting.steps import fit
from inr.fitting.trained import TrainedNetwork
from inr.losses.mse import MeanSquaredError
from inr.models.base import ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS
from inr.reparams.basis import fourier_basis
from inr.reparams.fourier import FourierReparam, hidden_square
from inr.reparams.none import NoReparam
from inr.rng import generator
from tests.support.domains import plain
from tests.support.model_checks import initialised
from tests.support.small_fits import course, photo, same_bits, signal_of, spec
from tests.support.torch_layers import tensor_of
from tests.unit.fitting.test_checkpoint import after

SIREN = Siren(width=12, depth=2)
FOURIER = FourierReparam(n_low=4, n_high=5, phases=3)


def mixing(model: ModelSpec = SIREN, reparam: FourierReparam = FOURIER, seed: int = 0) -> TorchNetwork:
    module = initialised(model, seed=seed)
    reparam.check(model, module.network)
    reparam.apply(module.network, module.modules_by_layer(), generator(seed, "reparam"))
    return module


def coefficients(network: TorchNetwork) -> list[torch.Tensor]:
    """Lambda of each hidden square layer."""
    return [tensor for name, tensor in network.named_parameters() if name.endswith("parametrizations.weight.original")]


def wave(n: int, seed: int = 0) -> PointBatch:
    x = np.random.Generator(np.random.PCG64(seed)).uniform(-1, 1, (n, 2)).astype(np.float32)
    return PointBatch(x, np.sin(3 * x @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32)))


def bases(n: int, reparam: FourierReparam) -> torch.Tensor:
    return fourier_basis(n, reparam.n_low, reparam.n_high, reparam.phases, reparam.alpha)


def test_basis_is_that_of_the_paper() -> None:
    """Every row and column written down again from the formula."""
    basis = fourier_basis(7, 3, 2, 4, 0.1)
    frequencies = [1 / 3, 2 / 3, 1, 1, 2]
    rows = list(itertools.product(frequencies, range(4)))
    points = [-3 * math.pi + j * math.pi for j in range(7)]
    expected = [[0.1 * math.cos(f * u + 2 * math.pi * p / 4) for u in points] for f, p in rows]
    kept = [row for row in expected if max(map(abs, row)) > 1e-7]
    assert len(kept) == 20 - 2 * 3  # sines of frequency 1, 1 and 2 are zero at multiples of pi
    np.testing.assert_allclose(basis.numpy(), kept, atol=1e-7)


@pytest.mark.parametrize(("model", "deviation"), [(Siren(width=256, depth=1), (2 / 256) ** 0.5 / 30)])
def test_start_has_the_spread_of_the_paper(model: Siren, deviation: float) -> None:
    """The paper's bounds of Lambda, and with them the variance 2/n / omega^2 of W; 65,536 entries, so within 2 %."""
    reparam = FourierReparam()
    network = mixing(model, reparam)
    (layer,) = hidden_square(network.network)
    (found,) = coefficients(network)
    basis = bases(256, reparam)
    assert tuple(found.shape) == (256, len(basis))
    bound = math.sqrt(6 / len(basis)) / model.omega / basis.norm(dim=1)
    assert ((found.abs() / bound).amax(dim=0) <= 1.02).all()  # the drawn weight's mean square is not exactly 2/n
    assert ((found.abs() / bound).amax(dim=0) > 0.9).all()
    assert tensor_of(network, layer, "weight").square().mean().sqrt().item() == pytest.approx(deviation, rel=0.02)
    assert torch.count_nonzero(tensor_of(network, layer, "bias")) == 0


def test_start_of_the_weight_does_not_depend_on_alpha() -> None:
    one, other = (mixing(reparam=FOURIER.replace(alpha=alpha)).tensors() for alpha in (0.01, 0.5))
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-7)


def test_first_and_last_layer_and_all_shapes_are_as_they_were() -> None:
    network, unmixed = mixing(), initialised(SIREN)
    assert network.network.layout() == unmixed.network.layout()
    before, now = unmixed.tensors(), network.tensors()
    assert [(t.name, t.shape) for t in unmixed.network.layout()] == [(k, tuple(v.shape)) for k, v in now.items()]
    for name in ("0.weight", "0.bias", "6.weight", "6.bias"):
        assert torch.equal(now[name], before[name])
    for name in ("2.weight", "4.weight"):
        assert now[name].shape == before[name].shape
        assert not torch.allclose(now[name], before[name])


def test_muon_has_nothing_left_to_train() -> None:
    with pytest.raises(SpecError, match="optimiser muon: the network has no hidden real matrix"):
        TorchTrainer(mixing(), MeanSquaredError(), OPTIMISERS.make("muon"), 0)


@pytest.mark.parametrize("kind", ["adam", "adamw", "lbfgs"])
def test_training_moves_the_coefficients_and_nothing_else_of_a_hidden_matrix(kind: str) -> None:
    network = mixing()
    basis = bases(12, FOURIER)
    before = [tensor.detach().clone() for tensor in coefficients(network)]
    assert len(before) == 2
    trained = {name for name, _ in network.named_parameters()}
    assert not trained & {"layers.2.weight", "layers.4.weight"}
    trainer = TorchTrainer(network, MeanSquaredError(), OPTIMISERS.make(kind), 0)
    for _ in range(5):
        trainer.step(wave(64), 1e-2)
    tensors = trainer.tensors()
    for name, old, new in zip(("2.weight", "4.weight"), before, coefficients(network), strict=True):
        assert not torch.equal(old, new)
        torch.testing.assert_close(torch.from_numpy(tensors[name]), new.detach() @ basis)
    for layer in hidden_square(network.network):
        module = network.modules_by_layer()[layer]
        assert parametrize.is_parametrized(module, "weight")
        held = dict(module.named_buffers())["parametrizations.weight.0.basis"]
        torch.testing.assert_close(held, basis, rtol=0, atol=0)


def test_first_adam_step_moves_the_weight_by_alpha() -> None:
    """Adam moves every coefficient by the learning rate at first, so W moves in proportion to the waves."""
    moves = []
    for alpha in (0.01, 0.1):
        network = mixing(reparam=FOURIER.replace(alpha=alpha))
        trainer = TorchTrainer(network, MeanSquaredError(), Adam(epsilon=1e-12), 0)
        before = trainer.tensors()["2.weight"]
        trainer.step(wave(64), 1e-3)
        moves.append(float(np.abs(trainer.tensors()["2.weight"] - before).mean()))
    assert moves[1] / moves[0] == pytest.approx(10, rel=0.05)


def fitted(reparam: FourierReparam | NoReparam, steps: int = 60) -> TrainedNetwork:
    return fit(signal_of(photo()), spec(SIREN, steps, reparam=reparam))


def test_folded_is_unfolded_after_a_fit() -> None:
    network = mixing()
    trainer = TorchTrainer(network, MeanSquaredError(), Adam(), 0)
    losses = [trainer.step(wave(256, seed), 5e-3).loss for seed in range(80)]
    assert losses[-1] < 0.3 * losses[0]
    x = wave(500, 7).coordinates
    (folded,) = open_tensors(SIREN, trainer.tensors(), plain(2), 3)
    np.testing.assert_allclose(folded(x), trainer.field()(x), rtol=0, atol=1e-5)


def test_file_is_that_of_the_plain_network() -> None:
    unmixed, mixed = fitted(NoReparam()), fitted(FOURIER)
    assert {name: tensor.shape for name, tensor in mixed.tensors.items()} == {
        layout.name: layout.shape for layout in SIREN.layout(plain(2), 3)
    }
    assert sum(tensor.size for tensor in mixed.tensors.values()) == SIREN.parameters(plain(2), 3)
    assert not same_bits(unmixed, mixed)
    files = [to_bytes(pack(quantize(field, QuantSpec(coding="float32")))) for field in (unmixed, mixed)]
    assert len(files[0]) == len(files[1])


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    signal, wanted = signal_of(photo()), spec(SIREN, 20, reparam=FOURIER)
    policy = CheckpointPolicy(tmp_path / "fit.ckpt")
    with pytest.raises(FitCancelledError):
        fit(signal, wanted, Hooks(cancelled=after(7), checkpoint=policy))
    resumed, whole = fit(signal, wanted, Hooks(checkpoint=policy)), fit(signal, wanted)
    assert same_bits(whole, resumed)
    assert course(whole) == course(resumed)


def test_seed_determines_the_start() -> None:
    first, again, other = (coefficients(mixing(seed=seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("model", [Siren(width=12, depth=0), Siren(width=2, depth=0), HashGridMlp(depth=1)])
def test_model_without_hidden_square_matrices_is_refused(model: ModelSpec) -> None:
    with pytest.raises(SpecError, match=f"reparam fourier: needs a hidden linear layer.*; {model.kind} .* has none"):
        FOURIER.check(model, model.build(plain(2), 3))
    module = initialised(model)
    with pytest.raises(SpecError, match=r"reparam fourier: needs a hidden linear layer.*; this network has none"):
        FOURIER.apply(module.network, module.modules_by_layer(), generator(0))


def test_settings_survive_json() -> None:
    wanted = spec(SIREN, 5, reparam=FOURIER)
    assert FitSpec.from_json(wanted.to_json()) == wanted
    assert FitSpec(model=SIREN, reparam="fourier").reparam == FourierReparam()
    assert FitSpec(model=SIREN).reparam == NoReparam()
