"""An optimiser that only its own package knows runs on every backend, as torch has it."""

import numpy as np
import pytest
import torch

from inr.backends.base import PointBatch
from inr.backends.select import BACKENDS
from inr.losses.mse import MeanSquaredError
from inr.models.siren import Siren
from tests.support.model_checks import coordinates, initialised
from tests.support.native_reference import needs_kernels
from tests.support.third_party.radam import Rectified
from tests.support.torch_layers import told

MODEL = Siren(width=16, depth=1, omega_0=8.0, omega=8.0)
RATE = 1e-2
STEPS = 8


@pytest.mark.parametrize("kind", ["torch", pytest.param("native", marks=needs_kernels)])
def test_steps_are_those_of_torch(kind: str) -> None:
    """Eight steps, of which the last ones are adaptive; half of them after a checkpoint."""
    module = initialised(MODEL)
    network, tensors = told(module)
    x = coordinates(64).float()
    targets = torch.sin(5 * x @ torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]))
    batch = PointBatch(x.numpy(), targets.numpy())
    trainer = BACKENDS[kind].trainer(network, tensors, MeanSquaredError(), Rectified(), "cpu")
    for _ in range(STEPS // 2):
        trainer.step(batch, RATE)
    resumed = BACKENDS[kind].trainer(network, tensors, MeanSquaredError(), Rectified(), "cpu")
    resumed.restore(trainer.state())
    for _ in range(STEPS // 2):
        resumed.step(batch, RATE)

    named = module.trained()
    groups = [
        {"params": [p for name, p in named.items() if name.endswith("bias") == bias], "lr": RATE * (0.5 if bias else 1)}
        for bias in (False, True)
    ]
    expected = torch.optim.RAdam(groups)
    for _ in range(STEPS):
        expected.zero_grad()
        (module(x) - targets).square().mean().backward()
        expected.step()
    for name, tensor in resumed.tensors().items():
        np.testing.assert_allclose(tensor, named[name].detach().numpy(), rtol=0, atol=2e-5, err_msg=name)
        assert np.abs(tensor - tensors[name]).max() > 1e-3
