"""Weight scaling: which weights grow, and by how much."""

import math

import pytest
import torch

from inr.errors import SpecError
from inr.inits.scaled import ScaledInit
from inr.models.base import MODELS, ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from tests.conformance.test_samplers import noise

SIREN = Siren(width=64, depth=2)
GRID = HashGridMlp(width=16, depth=2, log2_hashmap_size=6, n_levels=3)


@pytest.mark.parametrize("alpha", [1.0, 2.5, 4.0])
@pytest.mark.parametrize(
    ("model", "grown"),
    [(SIREN, {"0.weight", "2.weight", "4.weight"}), (GRID, {"1.weight", "3.weight"})],
    ids=["siren", "hashgrid"],
)
def test_all_weights_but_the_last_grow(model: ModelSpec, grown: set[str], alpha: float) -> None:
    network, own = model.build(2, 3), model.build(2, 3)
    ScaledInit(alpha=alpha).apply(model, network, noise((8, 8)), torch.Generator().manual_seed(3))
    model.initialise(own, torch.Generator().manual_seed(3))
    for name, tensor in network.tensors().items():
        torch.testing.assert_close(tensor, own.tensors()[name] * (alpha if name in grown else 1))


def test_siren_has_the_published_bounds() -> None:
    """U(+-alpha/2), U(+-alpha sqrt(6/width)/omega), and the last layer as ever."""
    network = SIREN.build(2, 3)
    ScaledInit().apply(SIREN, network, noise((8, 8)), torch.Generator().manual_seed(3))
    hidden = math.sqrt(6 / 64) / 30
    for name, bound in {"0.weight": 1.25, "2.weight": 2.5 * hidden, "6.weight": hidden}.items():
        assert 0.95 * bound < network.tensors()[name].abs().max().item() <= bound


def test_models_without_a_real_activation_are_refused() -> None:
    for kind in {"wire", "wire2d", "bacon"} & set(MODELS.kinds()):
        model = MODELS.get(kind).EXAMPLES[0]
        with pytest.raises(SpecError, match=f"scaled: model {kind} has no linear layer .* it fits siren, hashgrid"):
            ScaledInit().apply(model, model.build(2, 3), noise((8, 8)), torch.Generator())


@pytest.mark.parametrize("alpha", [0.0, -1.0, 101.0])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(SpecError, match="scaled: alpha"):
        ScaledInit(alpha=alpha)
