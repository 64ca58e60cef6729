"""Every registered model, with its defaults and its examples, and the one that an example adds."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import inr
from inr.errors import SpecError
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.layers import HashGrid
from inr.models.base import MODELS, ModelSpec, largest_fitting
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.samplers.block import BlockSampler
from inr.samplers.uniform import UniformSampler
from tests.support.domains import plain
from tests.support.model_checks import CHECKS
from tests.support.native_reference import needs_kernels
from tests.support.small_fits import photo

SPECS = [spec for cls in MODELS for spec in (cls(), *cls.EXAMPLES)]
IDS = [f"{spec.kind}-{i}" for cls in MODELS for i, spec in enumerate((cls(), *cls.EXAMPLES))]


EXAMPLE = Path(__file__).parents[2] / "examples" / "04_own_model.py"


@pytest.fixture
def toy() -> Iterator[type[ModelSpec]]:
    """The model that an example adds in one file, registered for one test."""
    specification = importlib.util.spec_from_file_location("own_model", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    cls: type[ModelSpec] = module.SineFeatures
    yield cls
    MODELS.unregister(cls)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_model(spec: ModelSpec, check: Callable[[ModelSpec], None]) -> None:
    check(spec)
    assert MODELS.get(spec.kind) is type(spec)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_model_of_the_example(toy: type[Any], check: Callable[[ModelSpec], None]) -> None:
    check(toy())
    check(toy(width=5, sigma=3.0))
    assert "sine_features" in MODELS.kinds()


GROWING = ("siren", "gauss", "wire", "finer", "finr", "relu_pe", "sl2a", "iterative", "bandpair")
"""Models that are better for being larger from the first steps on; the others take longer than a test has."""


@needs_kernels
@pytest.mark.parametrize("kind", GROWING)
def test_more_parameters_give_no_worse_picture(kind: str) -> None:
    """At four times those of the zoo, after few steps; with the rate of the usual size SIREN would end at 12 dB."""
    signal = inr.load(photo(128).copy())
    reached = []
    for parameters in (200_000, 800_000):
        model = MODELS.get(kind)().fitted_to(signal.domain).sized(parameters, signal.domain, 3)
        sampler = BlockSampler(batch=2048) if model.separable else UniformSampler(batch=2048, jitter=model.jitter)
        spec = FitSpec(model=model, sampler=sampler, budget=Budget(steps=40))
        reached.append(fit(signal, spec).report.curve[-1].psnr)
    assert reached[1] > reached[0] - 0.1


@pytest.mark.parametrize("cls", list(MODELS), ids=lambda cls: str(cls().kind))
def test_no_model_learns_faster_for_being_larger(cls: type[ModelSpec]) -> None:
    usual = cls()
    assert usual.rate() == pytest.approx(usual.learning_rate, rel=1e-3)
    rates = [usual.sized(count, plain(2), 3).rate() for count in (1000, 200_000, 800_000, 3_200_000)]
    assert rates == sorted(rates, reverse=True)
    if cls.usual_width is not None:
        assert cls.usual_width == cls.model_fields["width"].default
        assert rates[-1] < 0.5 * rates[0]


def test_unregistered_model_is_unknown(toy: type[ModelSpec]) -> None:
    assert MODELS.get("sine_features") is toy
    assert MODELS.by_wire_id(toy.wire_id) is toy
    MODELS.unregister(toy)
    with pytest.raises(SpecError, match="unknown model 'sine_features'; known: siren, hashgrid"):
        MODELS.get("sine_features")
    assert MODELS.by_wire_id(toy.wire_id) is None


@pytest.mark.parametrize("cls", list(MODELS), ids=lambda cls: cls.__name__)
def test_model_states_what_the_suite_and_the_planner_need(cls: type[ModelSpec]) -> None:
    assert len(cls.EXAMPLES) >= 2
    assert len(set(map(repr, cls.EXAMPLES))) == len(cls.EXAMPLES)
    for example in cls.EXAMPLES:
        assert isinstance(example, cls)
        assert example.parameters(plain(2), 3) < 2000
    assert 0 < cls.learning_rate <= 0.1
    assert 0.1 <= cls.bpp <= 8
    assert 1 <= cls.weight_bits <= 16


@pytest.mark.parametrize(
    ("model", "d_in", "d_out", "expected"),
    [
        (Siren(), 2, 3, 198_915),
        (Siren(width=28, depth=9), 2, 3, 7_479),
        (Siren(width=1, depth=0), 1, 1, 4),
        (HashGridMlp(log2_hashmap_size=3, n_levels=1, n_features=1, width=1, depth=1), 2, 1, 8 + 2 + 2),
        (HashGridMlp(n_levels=1, width=4, depth=2, base_resolution=10, finest_resolution=10), 2, 3, 208 + 12 + 20 + 15),
    ],
)
def test_number_of_parameters(model: ModelSpec, d_in: int, d_out: int, expected: int) -> None:
    """The first is SIREN's usual network; the second is COIN's of 10 layers of 28, 0.3 bpp on Kodak in 16 bits."""
    assert model.parameters(plain(d_in), d_out) == expected


def test_largest_fitting_is_the_border() -> None:
    for low, high in ((1, 1), (1, 100), (7, 4096)):
        for parameters in (0, 1, 50, 10_000, 10**9):
            found = largest_fitting(low, high, parameters, lambda n: n * n)
            expected = [n for n in range(low, high + 1) if n * n <= parameters] or [low]
            assert found == expected[-1]


@pytest.mark.parametrize("d_in", [0, 5])
def test_hash_grid_refuses_axes_it_has_no_primes_for(d_in: int) -> None:
    with pytest.raises(SpecError, match=f"works on 1 to 4 axes; got {d_in}"):
        HashGrid(d_in, 16, 2, 2**14, 16, 512)
    with pytest.raises(SpecError, match=r"works on 1 to 4 axes; got 5"):
        HashGridMlp().build(plain(5), 3)


def test_hash_grid_refuses_levels_that_get_coarser() -> None:
    with pytest.raises(SpecError, match="finest_resolution must be at least base_resolution 16; got 8"):
        HashGridMlp(finest_resolution=8)
    with pytest.raises(SpecError, match="finest_resolution"):
        HashGridMlp().replace(base_resolution=1000)
