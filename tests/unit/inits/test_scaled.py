"""Weight scaling: which weights grow, and by how much."""

import math

import numpy as np
import pytest

from inr.errors import SpecError
from inr.fitting.steps import fit
from inr.inits.scaled import ScaledInit
from inr.models.base import MODELS, ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.rng import generator
from tests.conformance.test_samplers import noise
from tests.support.domains import plain
from tests.support.small_fits import photo, signal_of, spec

SIREN = Siren(width=64, depth=2)
GRID = HashGridMlp(width=16, depth=2, log2_hashmap_size=6, n_levels=3)


@pytest.mark.parametrize("alpha", [1.0, 2.5, 4.0])
@pytest.mark.parametrize(
    ("model", "grown"),
    [(SIREN, {"0.weight", "2.weight", "4.weight"}), (GRID, {"1.weight", "3.weight"})],
    ids=["siren", "hashgrid"],
)
def test_all_weights_but_the_last_grow(model: ModelSpec, grown: set[str], alpha: float) -> None:
    network = model.build(plain(2), 3)
    found = ScaledInit(alpha=alpha).apply(model, network, noise((8, 8)), generator(3, "init"))
    own = model.initial(network, generator(3, "init"))
    assert found.keys() == own.keys()
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor, own[name] * (alpha if name in grown else 1), rtol=1e-6)


def test_siren_has_the_published_bounds() -> None:
    """U(+-alpha/2), U(+-alpha sqrt(6/width)/omega), and the last layer as ever."""
    network = SIREN.build(plain(2), 3)
    tensors = ScaledInit().apply(SIREN, network, noise((8, 8)), generator(3, "init"))
    hidden = math.sqrt(6 / 64) / 30
    for name, bound in {"0.weight": 1.25, "2.weight": 2.5 * hidden, "6.weight": hidden}.items():
        assert 0.95 * bound < np.abs(tensors[name]).max() <= bound


def test_models_without_a_real_activation_are_refused() -> None:
    for kind in {"wire", "wire2d", "bacon"} & set(MODELS.kinds()):
        model = MODELS.get(kind).EXAMPLES[0]
        with pytest.raises(SpecError, match=f"scaled: model {kind} has no linear layer .* it fits siren, hashgrid"):
            ScaledInit().apply(model, model.build(plain(2), 3), noise((8, 8)), generator(0))


@pytest.mark.parametrize("alpha", [0.0, -1.0, 101.0])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(SpecError, match="scaled: alpha"):
        ScaledInit(alpha=alpha)


def test_it_is_a_start_for_few_steps_at_a_low_rate() -> None:
    """The released setting, 150 full-batch steps at 1e-4, in small; at the usual rate it does not pay."""

    def psnr(init: str, rate: float) -> float:
        wanted = spec(
            Siren(width=128, depth=3),
            150,
            sampler="full",
            init=init,
            schedule="constant",
            optimiser=Adam(learning_rate=rate),
        )
        return fit(signal_of(photo(32)), wanted).report.curve[-1].psnr

    assert psnr("scaled", 1e-4) > psnr("default", 1e-4) + 4
    assert psnr("scaled", 1e-3) < psnr("default", 1e-3) - 4
