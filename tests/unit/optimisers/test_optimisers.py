"""What each optimiser does to which parameters."""

import itertools
import math

import numpy as np
import pytest
import torch

from inr.backends.base import PointBatch
from inr.backends.torch import TorchBackend
from inr.errors import SpecError
from inr.fitting.schedules.exponential import ExponentialSchedule
from inr.fitting.spec import FitSpec
from inr.losses.mse import MeanSquaredError
from inr.models.bandpair import BandPair
from inr.models.base import ModelSpec
from inr.models.cafe import Cafe
from inr.models.finr import FInr
from inr.models.hashgrid import HashGridMlp
from inr.models.iterative import IterativeInr
from inr.models.relu_pe import ReluPe
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from inr.optimisers.adam import Adam
from inr.optimisers.adamw import AdamW
from inr.optimisers.base import OptimiserSpec
from inr.optimisers.lbfgs import Lbfgs
from inr.optimisers.muon import Muon
from tests.support.domains import plain
from tests.support.model_checks import coordinates, initialised
from tests.support.small_fits import Array
from tests.support.torch_layers import told

MODEL = Siren(width=24, depth=2, omega_0=8.0, omega=8.0)
HIDDEN = ("2.weight", "4.weight")


def change(
    model: ModelSpec, optimiser: OptimiserSpec, rate: float, noise: float = 1.0
) -> dict[str, tuple[Array, Array]]:
    """Tensors before and after one step towards the network's own output plus `noise`."""
    network = initialised(model)
    x = coordinates(200).float()
    with torch.no_grad():
        targets = network(x).numpy() + noise * np.sin(9 * x.numpy() @ np.ones((2, 3), dtype=np.float32))
    trainer = TorchBackend().trainer(*told(network), MeanSquaredError(), optimiser, "cpu")
    before = trainer.tensors()
    trainer.step(PointBatch(x.numpy(), targets.astype(np.float32)), rate)
    return {name: (before[name], tensor) for name, tensor in trainer.tensors().items()}


@pytest.mark.parametrize("model", [MODEL, HashGridMlp.EXAMPLES[0]], ids=["siren", "hashgrid"])
def test_weight_decay_shrinks_matrices_only(model: ModelSpec) -> None:
    """Where the gradient is zero, decay is all that happens; epsilon keeps rounding errors from becoming steps."""
    for name, (before, after) in change(model, AdamW(weight_decay=0.5, epsilon=1.0), 0.1, noise=0.0).items():
        decayed = name.endswith("weight")
        np.testing.assert_allclose(after, before * (0.95 if decayed else 1.0), rtol=1e-4, atol=1e-6)
        assert np.abs(before).max() > 0 or not decayed


def test_adamw_without_decay_is_adam() -> None:
    plain, decoupled = change(MODEL, Adam(), 1e-3), change(MODEL, AdamW(weight_decay=0.0), 1e-3)
    for name, (_, after) in plain.items():
        np.testing.assert_allclose(decoupled[name][1], after, rtol=0, atol=1e-7)


def test_muon_moves_hidden_matrices_by_orthogonal_steps() -> None:
    """All singular values of the step are about equal, which five iterations bring about."""
    muon, adam = change(MODEL, Muon(muon_ratio=10.0), 1e-3), change(MODEL, Adam(), 1e-3)
    for name, (before, after) in muon.items():
        if name in HIDDEN:
            values = np.linalg.svd(after - before, compute_uv=False)
            usual = np.linalg.svd(adam[name][1] - adam[name][0], compute_uv=False)
            assert values[: len(values) // 2].min() > 0.6 * values.max()
            assert usual[: len(usual) // 2].min() < 0.4 * usual.max()
            assert 0.5 * 1e-2 < values.max() < 1.5 * 1e-2
        else:
            np.testing.assert_allclose(after, adam[name][1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("model", [FInr.EXAMPLES[0], WireMlp.EXAMPLES[0]], ids=["finr", "wire"])
def test_muon_refuses_a_network_without_hidden_real_matrices(model: ModelSpec) -> None:
    with pytest.raises(SpecError, match="optimiser muon: the network has no hidden real matrix to train; use adam"):
        change(model, Muon(), 1e-3)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (MODEL, {"2.weight", "4.weight"}),
        (ReluPe(n_features=4, width=8, depth=3), {"3.weight", "5.weight"}),
        (HashGridMlp(log2_hashmap_size=5, finest_resolution=16, n_levels=3, width=8, depth=2), {"3.weight"}),
        (IterativeInr(backbone=MODEL), {"2.weight", "4.weight"}),
        (BandPair(low=Siren(width=6, depth=2), band=Siren(width=5, depth=1)), {"2.weight", "4.weight", "9.weight"}),
        (FInr(rank=4, axis_model=Siren(width=6, depth=1)), {"3.weight", "9.weight"}),
        (Cafe(n_features=3, n_polynomials=2, width=5, depth=2), {"7.weight", "9.weight"}),
    ],
    ids=lambda value: value.kind if isinstance(value, ModelSpec) else "",
)
def test_hidden_matrices_are_neither_the_first_nor_the_last_of_their_network(
    model: ModelSpec, expected: set[str]
) -> None:
    network = model.build(plain(2), 3)
    hidden = {id(layer) for layer in network.hidden_linear()}
    assert {f"{i}.weight" for i, layer in enumerate(network.layers) if id(layer) in hidden} == expected


def test_lbfgs_gets_further_on_a_full_batch_in_as_many_evaluations() -> None:
    x = coordinates(300).float().numpy()
    batch = PointBatch(x, np.sin(5 * x @ np.array([[1, 0, 2], [0, 1, -1]], dtype=np.float32)))
    losses = {}
    for name, optimiser, rate, steps in (("lbfgs", Lbfgs(), 1.0, 20), ("adam", Adam(), 5e-3, 250)):
        trainer = TorchBackend().trainer(*told(initialised(MODEL)), MeanSquaredError(), optimiser, "cpu")
        for _ in range(steps):
            losses[name] = trainer.step(batch, rate).loss
    assert losses["lbfgs"] < 0.5 * losses["adam"]


def test_learning_rate_is_the_given_or_the_usual_or_the_models() -> None:
    assert FitSpec(model=MODEL, optimiser=Adam(learning_rate=0.5)).learning_rate == 0.5
    assert FitSpec(model=MODEL, optimiser=Muon()).learning_rate == MODEL.learning_rate
    assert FitSpec(model=MODEL, optimiser=Lbfgs()).learning_rate == 1.0
    assert FitSpec(model=MODEL, optimiser=Lbfgs(learning_rate=0.1)).learning_rate == 0.1


def test_exponential_schedule_falls_by_equal_shares() -> None:
    schedule = ExponentialSchedule(final=0.01)
    factors = [schedule.factor(t) for t in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0.01)
    assert [b / a for a, b in itertools.pairwise(factors)] == pytest.approx([math.sqrt(0.1)] * 4)
