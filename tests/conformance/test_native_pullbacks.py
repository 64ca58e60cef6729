"""Gradients of the outputs given in place of targets: what a loss outside the kernels makes of the values."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from inr.backends.torch import TorchNetwork
from inr.models.base import MODELS, ModelSpec
from inr.models.siren import Siren
from tests.support.model_checks import initialised
from tests.support.native_networks import AROUND, D_OUT
from tests.support.native_reference import (
    BF16,
    BF16_SETS,
    SETS,
    Batch,
    Found,
    Lowered,
    assert_near,
    assert_same_results,
    batch_of,
    computed,
    each_set,
    each_thread_count,
    needs_kernels,
    values_of,
)

pytestmark = needs_kernels

MODEL = Siren.EXAMPLES[0]
EXAMPLES = [cls.EXAMPLES[0] for cls in MODELS]
each_layer = pytest.mark.parametrize("name", AROUND)
each_model = pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: str(model.kind))
N = 150
AdamSettings = tuple[float, tuple[float, float], float, float, list[int], int]
NAN = float("nan")


def pulled(network: TorchNetwork, batch: Batch) -> Found:
    """By torch in float64: the targets of the batch are the gradients of the last output."""
    exact = copy.deepcopy(network).double()
    x = torch.from_numpy(batch.x).double().requires_grad_()
    value = exact.outputs(x)[-1]
    tensors = list(exact.tensors().values())
    given = torch.from_numpy(batch.targets).double()
    whole = torch.autograd.grad(value, [x, *tensors], given, materialize_grads=True)
    flat = np.concatenate([gradient.numpy().reshape(-1) for gradient in whole[1:]])
    return Found(0.0, value.detach().numpy(), np.zeros_like(batch.targets), flat, whole[0].numpy())


def pulled_by_kernels(lowered: Lowered, batch: Batch, threads: int = 1, bf16: bool = False) -> Found:
    """By the kernels; everything they should write is filled with NaN before."""
    engine = lowered.engine(True, True, threads, bf16=bf16)
    gradients, inputs = np.full_like(lowered.flat, NAN), np.full_like(batch.x, NAN)
    loss = engine.train_points(
        lowered.flat, batch.x, output_gradients=batch.targets, input_gradients=inputs, gradients=gradients
    )
    values = values_of(lowered, batch.x, threads, bf16=bf16)
    return Found(loss, values, np.zeros_like(batch.targets), gradients, inputs)


@pytest.mark.parametrize("isa", SETS[-1:] + SETS[:1])
@each_layer
def test_every_layer_goes_back_from_given_gradients(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    network, batch = AROUND[name](17, 2), batch_of(N, 2, D_OUT, seed=5)
    lowered = Lowered.of(network, 2)
    assert_same_results(pulled_by_kernels(lowered, batch), pulled(network, batch), lowered.parameters)


@each_thread_count
@each_model
def test_every_model_goes_back_from_given_gradients(model: ModelSpec, threads: int) -> None:
    """Of the last output: others, of which a loss outside sees nothing, move no parameter."""
    network, batch = initialised(model), batch_of(N, 2, 3, seed=6)
    lowered = Lowered.of(network, 2)
    assert_same_results(pulled_by_kernels(lowered, batch, threads), pulled(network, batch), lowered.parameters)


@pytest.mark.parametrize("isa", BF16_SETS)
def test_given_gradients_beside_16_bit_products(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    wide = Siren.EXAMPLES[0].model_copy(update={"width": 32})  # enough features for products of 16-bit operands
    network, batch = initialised(wide), batch_of(N, 2, 3, seed=7)
    lowered = Lowered.of(network, 2)
    found, expected = pulled_by_kernels(lowered, batch, bf16=True), pulled(network, batch)
    assert_near(found.gradients, expected.gradients, BF16, "gradients", least=1e-6)
    assert_near(found.input_gradients, expected.input_gradients, BF16, "coordinates", least=1e-2)


@each_set
@each_thread_count
def test_the_squared_error_outside_is_that_inside(isa: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gradients are those that the engine makes itself; coordinates have those of the mean, not of each point."""
    monkeypatch.setenv("INR_ISA", isa)
    lowered, batch = Lowered.of(initialised(MODEL), 2), batch_of(N, 2, 3, seed=8, weighted=True)
    inside = computed(lowered, batch, threads=threads)
    assert batch.weights is not None
    slopes = np.float32(2 / batch.targets.size) * batch.weights[:, None] * inside.residuals
    found = pulled_by_kernels(lowered, replace(batch, targets=slopes.astype(np.float32)), threads)
    np.testing.assert_allclose(found.gradients, inside.gradients, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(found.input_gradients * N, inside.input_gradients, rtol=1e-5, atol=1e-7)
    assert found.loss == 0


@each_set
@each_thread_count
def test_steps_of_adam_follow_given_gradients(isa: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's Adam on the gradients of `values -> (loss, d loss / d values)`: the mean absolute error."""
    monkeypatch.setenv("INR_ISA", isa)
    lowered = Lowered.of(initialised(MODEL), 2)
    engine, flat = lowered.engine(True, threads=threads), lowered.flat.copy()
    moments = np.zeros_like(flat), np.zeros_like(flat)
    p = torch.nn.Parameter(torch.from_numpy(flat.copy()))
    optimiser = torch.optim.Adam([p], lr=1e-3, betas=(0.9, 0.99), eps=1e-8)
    losses = []
    for step in range(1, 41):
        batch = batch_of(N, 2, 3, seed=9)
        errors = values_of(replace(lowered, flat=flat), batch.x, threads) - batch.targets
        losses.append(np.abs(errors).mean())
        given = np.sign(errors) / np.float32(errors.size)
        gradients = np.empty_like(flat)
        engine.train_points(flat, batch.x, output_gradients=given, gradients=gradients)
        p.grad = torch.from_numpy(gradients)
        optimiser.step()
        adam: AdamSettings = (1e-3, (0.9, 0.99), 1e-8, 0.0, [], step)
        assert engine.train_points(flat, batch.x, output_gradients=given, moments=moments, adam=adam) == 0
        np.testing.assert_allclose(flat, p.detach().numpy(), rtol=0, atol=2e-7)  # a rounding of parameters of about 1
        p.data.copy_(torch.from_numpy(flat))
    assert losses[-1] < 0.9 * losses[0]


def test_what_makes_no_sense_beside_given_gradients_is_refused() -> None:
    lowered, batch = Lowered.of(initialised(MODEL), 2), batch_of(5, 2, 3)
    engine, gradients = lowered.engine(True), np.zeros_like(lowered.flat)
    given = {"params": lowered.flat, "coordinates": batch.x, "gradients": gradients}
    ones = np.ones(5, dtype=np.float32)
    for more, wanted in (
        ({}, "batch: give either targets or output_gradients"),
        ({"targets": batch.targets, "output_gradients": batch.targets}, "give either targets or output_gradients"),
        ({"output_gradients": batch.targets, "weights": ones}, "weights and residuals belong to targets"),
        (
            {"output_gradients": batch.targets, "residuals": batch.targets.copy()},
            "weights and residuals belong to targets",
        ),
        ({"output_gradients": batch.targets[:4]}, r"output_gradients: expected shape \(5, 3\); got \(4, 3\)"),
    ):
        with pytest.raises(ValueError, match=wanted):
            engine.train_points(**given, **more)
    with pytest.raises(TypeError, match="output_gradients: expected float32; got float64"):
        engine.train_points(**given, output_gradients=batch.targets.astype(np.float64))
    assert not gradients.any()
