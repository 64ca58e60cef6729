"""Compiled kernels on every model of the zoo: values and gradients against torch in float64, on every instruction set.

Registering a model brings it here; one that the kernels refuse fails, since all layers have kernels.
"""

from functools import cache

import numpy as np
import pytest
import torch

from inr.backends.lowering import refusal
from inr.backends.native.backend import NativeBackend
from inr.backends.torch import TorchNetwork
from inr.errors import SpecError
from inr.models.base import MODELS, ModelSpec
from tests.support.model_checks import initialised
from tests.support.native_reference import (
    GRADIENTS,
    SETS,
    VALUES,
    Batch,
    Exact,
    Found,
    Lowered,
    assert_near,
    assert_same_results,
    batch_of,
    computed,
    each_set,
    each_thread_count,
    needs_kernels,
    reference,
    training_width,
    values_of,
)

pytestmark = needs_kernels

SPECS: dict[str, ModelSpec] = {
    f"{cls.model_fields['kind'].default}-{name}": spec
    for cls in MODELS
    for name, spec in [*((str(i), example) for i, example in enumerate(cls.EXAMPLES)), ("default", cls())]
}
EXAMPLES = [name for name in SPECS if not name.endswith("-default")]
D_OUT = 3
DIMENSIONS = (1, 2, 3)
each_spec = pytest.mark.parametrize("name", SPECS)


@cache
def network_of(name: str, d_in: int) -> TorchNetwork | None:
    """The network, or None if the model has none with so many coordinates."""
    try:
        return initialised(SPECS[name], d_in, D_OUT)
    except SpecError:
        return None


@cache
def case(name: str, d_in: int, n: int) -> tuple[Lowered, Batch, Found]:
    """What is trained, with rows of coordinates and, if it wants them, targets and random numbers."""
    network = network_of(name, d_in)
    assert network is not None
    rows = batch_of(n, training_width(network, d_in, D_OUT), D_OUT, seed=n + d_in, weighted=n % 2 == 1)
    if network.network.training_graph is not None:
        rows.x[:, d_in : d_in + D_OUT] = rows.targets
        rows.x[:, d_in + D_OUT] = np.abs(rows.x[:, d_in + D_OUT])
    lowered, expected = Lowered.trained(network, d_in, D_OUT), reference(network, rows)
    if network.network.training_graph is not None:  # nobody asks for gradients by what a training graph is given
        expected.input_gradients[:, d_in:] = 0
    return lowered, rows, expected


def test_every_model_is_compiled() -> None:
    """But for whole grids of separable ones, which torch joins by matrix products."""
    for name in SPECS:
        network = network_of(name, 2)
        assert network is not None
        assert refusal(network.network) is None
        reason = NativeBackend().refuses(network.network)
        assert (reason is None) == (network.network.contraction is None)
        assert reason is None or "separable" in reason


@each_set
@each_thread_count
@pytest.mark.parametrize("name", EXAMPLES)
def test_gradients_are_those_of_float64(name: str, threads: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    tried = 0
    for d_in in DIMENSIONS:
        if network_of(name, d_in) is None:
            continue
        for n, gradient in ((1, True), (150, False), (150, True)):
            tried += 1
            lowered, batch, expected = case(name, d_in, n)
            check_trained(name, d_in, lowered, batch, expected, gradient, threads)
    assert tried


def check_trained(
    name: str, d_in: int, lowered: Lowered, batch: Batch, expected: Found, gradient: bool, threads: int
) -> None:
    """Gradients by coordinates are compared where they are told; those by what a training graph is given are not."""
    found = computed(lowered, batch, gradient, threads, tile=128)
    network = network_of(name, d_in)
    if network is not None and network.network.training_graph is not None and gradient:
        found.input_gradients[:, d_in:] = 0
    assert_same_results(found, expected, lowered.parameters)


@each_set
@pytest.mark.parametrize("name", [name for name in SPECS if name not in EXAMPLES])
def test_default_settings_are_those_of_float64(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large networks, so at one small batch."""
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch, expected = case(name, 2, 33)
    check_trained(name, 2, lowered, batch, expected, True, 1)


@each_set
@each_spec
def test_values_are_those_of_float64(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is decoded, which need not be what is trained."""
    monkeypatch.setenv("INR_ISA", isa)
    for d_in in DIMENSIONS if name in EXAMPLES else (2,):
        network = network_of(name, d_in)
        if network is None:
            continue
        for n in (0, 1, 65, 129) if name in EXAMPLES else (65,):
            x = batch_of(n, d_in, D_OUT, seed=n).x
            found = values_of(Lowered.of(network, d_in), x, tile=128)
            assert_near(found, exact_values(name, d_in, n), VALUES, f"values of {n} points")


@cache
def exact_values(name: str, d_in: int, n: int) -> Exact:
    network = initialised(SPECS[name], d_in, D_OUT).double()
    with torch.no_grad():
        values = network(torch.from_numpy(batch_of(n, d_in, D_OUT, seed=n).x).double())
    found: Exact = values.numpy()
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_instruction_sets_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within rounding: products are contracted where the machine can, and sums have other orders."""
    lowered, batch, _ = case(name, 2, 150)
    results = []
    for isa in SETS:
        monkeypatch.setenv("INR_ISA", isa)
        engine = lowered.engine(True)
        assert engine.isa == isa
        results.append(computed(lowered, batch, gradient=False))
    for found in results[1:]:
        assert_near(found.values, results[0].values, VALUES, "values")
        assert_near(found.gradients, results[0].gradients, GRADIENTS, "gradients", least=1e-6)
