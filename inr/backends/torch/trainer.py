"""Training with the optimisers of torch."""

from typing import Any, final

import numpy as np
import torch

from inr.backends.base import (
    AbstractTrainer,
    Batch,
    Coordinates,
    Field,
    GridBatch,
    PointBatch,
    PulledBatch,
    SampleBatch,
    StepResult,
    Values,
    lesson_refusal,
    lesson_rows,
)
from inr.backends.render import mesh
from inr.backends.torch.field import TorchField
from inr.backends.torch.network import TorchNetwork
from inr.backends.torch.optimisers import TorchOptimiser
from inr.errors import SpecError
from inr.layers.layout import FloatTensor
from inr.losses.base import LossSpec
from inr.optimisers.base import OptimiserSpec
from inr.reparams.base import ReparamSpec
from inr.rng import generator
from inr.samplers.base import Wanted


@final
class TorchTrainer(AbstractTrainer):
    """A network in training.

    Args:
        network: what is trained and stored.
        loss: what is made small.
        optimiser: how.
        seed: of all random numbers.
        runs: what is evaluated in place of `network`, if that differs: another graph over the same parameters.
        reparam: what is trained in place of the stored tensors.
    """

    def __init__(
        self,
        network: TorchNetwork,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        seed: int,
        runs: TorchNetwork | None = None,
        reparam: ReparamSpec | None = None,
    ) -> None:
        if reparam is not None:
            reparam.apply(network.network, network.modules_by_layer(), generator(seed, "reparam"))
        self._network = network
        self._runs = network if runs is None else runs
        self._loss = loss
        self._seed = seed
        self._optimiser = TorchOptimiser(network, optimiser)
        self._device = network.device
        self._steps = 0

    def step(self, batch: Batch, learning_rate: float, wanted: Wanted = "nothing") -> StepResult:
        """See the base class."""
        if isinstance(batch, PulledBatch):
            batch.check(wanted)
        points = batch.points() if isinstance(batch, SampleBatch) else batch
        found: list[StepResult] = []

        def evaluate() -> torch.Tensor:
            """The loss of the batch, with gradients of the parameters."""
            self._optimiser.zero_grad()
            return (
                self._pulled(points, wanted, found)
                if isinstance(points, PulledBatch)
                else self._fitted(points, wanted, found)
            )

        self._optimiser.step(evaluate, learning_rate)
        self._steps += 1
        return found[0]

    def _fitted(self, points: PointBatch | GridBatch, wanted: Wanted, found: list[StepResult]) -> torch.Tensor:
        """Towards targets; leaves gradients, and the first time what the step found."""
        targets = torch.from_numpy(points.targets).to(self._device)
        inputs = self._inputs(points, wanted)
        outputs = self._outputs(inputs, targets)
        weights = points.weights if isinstance(points, PointBatch) else None
        loss = torch.stack([self._value(output, targets, weights) for output in outputs]).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        if not found:
            found.append(self._result(loss, outputs[-1], targets, inputs, wanted))
        return loss

    def _pulled(self, points: PulledBatch, wanted: Wanted, found: list[StepResult]) -> torch.Tensor:
        """Where another computes the loss; of several outputs each gets its own share of it."""
        problem = lesson_refusal(self._runs.network)
        if problem is not None:
            raise SpecError(problem)
        outputs = self._runs.outputs(torch.from_numpy(points.coordinates).to(self._device))
        total = 0.0
        slopes = []
        for output in outputs:
            loss, slope = points.pulled(output.detach().cpu().numpy())
            total += loss / len(outputs)
            slopes.append(torch.from_numpy(slope).to(output) / len(outputs))
        torch.autograd.backward(outputs, slopes)
        if not found:
            found.append(StepResult(total, points.residuals(outputs[-1].detach().cpu().numpy(), wanted)))
        return torch.tensor(total)

    def _inputs(self, batch: PointBatch | GridBatch, wanted: Wanted) -> list[torch.Tensor]:
        """Coordinates of scattered points as one tensor, those of a grid as one for each axis."""
        if isinstance(batch, PointBatch) or self._runs.network.contraction is None:
            coordinates = batch.coordinates if isinstance(batch, PointBatch) else mesh(batch.axes)
            return [torch.from_numpy(coordinates).to(self._device).requires_grad_(wanted == "gradients")]
        if wanted == "gradients":
            raise SpecError("a step on a grid gives no gradients of coordinates; use scattered points")
        return [torch.from_numpy(x).to(self._device) for x in batch.axes]

    def _outputs(self, inputs: list[torch.Tensor], targets: torch.Tensor) -> list[torch.Tensor]:
        if self._runs.network.training_graph is not None:
            given = inputs[0].detach().cpu().numpy(), targets.cpu().numpy()
            rows = torch.from_numpy(lesson_rows(*given, self._seed, self._steps)).to(self._device)
            return self._runs.lesson_outputs(torch.cat([inputs[0], rows[:, inputs[0].shape[1] :]], dim=1))
        return self._runs.outputs(inputs[0]) if inputs[0].ndim == 2 else [self._runs.grid(inputs)]

    def _value(self, output: torch.Tensor, targets: torch.Tensor, weights: Values | None) -> torch.Tensor:
        if weights is None:
            return self._loss.value(output, targets)
        return (self._loss.values(output, targets) * torch.from_numpy(weights).to(self._device)).mean()

    def _result(
        self,
        loss: torch.Tensor,
        output: torch.Tensor,
        targets: torch.Tensor,
        inputs: list[torch.Tensor],
        wanted: Wanted,
    ) -> StepResult:
        if wanted == "nothing":
            return StepResult(loss.item())
        value = output.detach()
        if self._runs.network.training_graph is not None:  # what was trained has seen the targets: ask what is decoded
            with torch.no_grad():
                value = self._runs(inputs[0])
        residuals: Values = (value - targets).cpu().numpy()
        gradients: Coordinates | None = None
        if wanted == "gradients" and inputs[0].grad is not None:
            gradients = (inputs[0].grad * len(targets)).cpu().numpy()  # of each point's own loss, not of the mean
        return StepResult(loss.item(), residuals, gradients)

    def field(self) -> Field:
        """See the base class."""
        return TorchField(self._runs)

    def tensors(self) -> dict[str, FloatTensor]:
        """See the base class."""
        return self._network.arrays()

    def state(self) -> dict[str, Any]:
        """See the base class."""
        parameters = {name: np.array(p.detach().cpu().numpy()) for name, p in self._network.trained().items()}
        return {"steps": self._steps, "parameters": parameters, "optimisers": self._optimiser.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """See the base class."""
        with torch.no_grad():
            for name, parameter in self._network.trained().items():
                parameter.copy_(torch.from_numpy(state["parameters"][name]))
        self._optimiser.restore(state["optimisers"])
        self._steps = state["steps"]
