"""The reference backend: eager PyTorch in float32."""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch

from inr.backends.base import (
    DEFAULT_RESOURCES,
    AbstractBackend,
    AbstractTrainer,
    Coordinates,
    Field,
    GridBatch,
    PointBatch,
    Positions,
    Resources,
    SampleBatch,
    StepResult,
    Values,
)
from inr.backends.render import mesh
from inr.backends.torch_optimisers import TorchOptimiser
from inr.backends.torch_state import to_arrays, to_tensors
from inr.errors import SpecError
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.losses.base import LossSpec
from inr.optimisers.base import OptimiserSpec
from inr.rng import derive_seed
from inr.samplers.base import Wanted

CHUNK = 32_768
"""Samples evaluated at once, at most."""
CHUNK_VALUES = 2**24
"""Numbers of the widest value of a chunk: 64 MB."""
FACTOR_VALUES = 2**26
"""Numbers of the widest value along one axis of a grid: 256 MB."""


@final
class TorchBackend(AbstractBackend):
    """Runs every layer, on a CPU or a CUDA device."""

    kind: ClassVar[str] = "torch"
    summary: ClassVar[str] = "eager PyTorch, float32; the reference"

    def unavailable(self, device: str) -> str | None:
        """See the base class."""
        if device not in ("auto", "cpu", "cuda"):
            return f"device {device}: unknown; choose auto, cpu or cuda"
        if device == "cuda" and not torch.cuda.is_available():
            return "device cuda: torch finds no CUDA GPU; use --device cpu"
        return None

    def refuses(self, network: Network) -> str | None:
        """It runs all layers."""
        del network
        return None

    def trainer(
        self,
        network: Network,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
    ) -> AbstractTrainer:
        """See the base class; threads and precision are torch's own settings."""
        del resources
        return TorchTrainer(network.to(device_of(device)), loss, optimiser, seed)

    def field(self, network: Network, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """See the base class; threads and precision are torch's own settings."""
        del resources
        return TorchField(network.to(device_of(device)))


def device_of(name: str) -> torch.device:
    """The device that "auto", "cpu" or "cuda" means here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


@final
class TorchField:
    """A network as a function, evaluated in chunks on the device that holds its parameters."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._device = next(network.parameters()).device
        self._factors: dict[int, tuple[Coordinates, torch.Tensor]] = {}
        self._widest: int | None = None

    def __call__(self, coordinates: Positions) -> Values:
        """See `Field`."""
        with torch.inference_mode():
            size = max(16, min(CHUNK, CHUNK_VALUES // self._width(coordinates.shape[1])))
            chunks = [self._chunk(coordinates[i : i + size]) for i in range(0, max(1, len(coordinates)), size)]
        return np.concatenate(chunks)

    def _width(self, d_in: int) -> int:
        """Features of the widest value: the wider, the fewer samples at once, so that memory is bounded."""
        if self._widest is None:
            self._widest = self._network.widest(torch.zeros(1, d_in, device=self._device))
        return self._widest

    def _chunk(self, coordinates: Positions) -> Values:
        rows = torch.from_numpy(coordinates.astype(np.float32, copy=False))
        values: Values = self._network(rows.to(self._device)).cpu().numpy()
        return values

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `Field`."""
        return self._grid([x.astype(np.float32, copy=False) for x in axes])

    def _grid(self, axes: Sequence[Coordinates]) -> Values:
        if self._network.contraction is None:
            return self(mesh(axes))
        with torch.inference_mode():
            size = max(16, FACTOR_VALUES // self._width(len(axes)))
            long = [a for a, x in enumerate(axes) if len(x) > size]
            if long:
                return self._in_parts(axes, long[0], size)
            values: Values = self._network.join([self._factor(a, x) for a, x in enumerate(axes)]).cpu().numpy()
        return values

    def _in_parts(self, axes: Sequence[Coordinates], axis: int, size: int) -> Values:
        """A grid whose factors would be too large, cut along an axis."""
        x, parts = axes[axis], []
        for first in range(0, len(x), size):
            part = [*axes[:axis], x[first : first + size], *axes[axis + 1 :]]
            parts.append(self._grid(part).reshape(*[len(a) for a in part], -1))
        return np.concatenate(parts, axis=axis).reshape(-1, parts[0].shape[-1])

    def _factor(self, axis: int, x: Coordinates) -> torch.Tensor:
        """The factor of one axis; blocks of a picture share all of them but the first."""
        known = self._factors.get(axis)
        if known is None or not np.array_equal(known[0], x):
            known = (x, self._network.factor(axis, torch.from_numpy(x).to(self._device)))
            self._factors[axis] = known
        return known[1]


@final
class TorchTrainer(AbstractTrainer):
    """A network in training with the optimisers of torch.

    Args:
        network: what is trained and stored.
        loss: what is made small.
        optimiser: how.
        seed: of all random numbers.
        runs: what is evaluated in place of `network`, if that differs: another graph over the same parameters.
    """

    def __init__(
        self, network: Network, loss: LossSpec, optimiser: OptimiserSpec, seed: int, runs: Network | None = None
    ) -> None:
        self._network = network
        self._runs = network if runs is None else runs
        self._loss = loss
        self._seed = seed
        self._optimiser = TorchOptimiser(network, optimiser)
        self._device = next(network.parameters()).device
        self._steps = 0

    def step(
        self, batch: PointBatch | GridBatch | SampleBatch, learning_rate: float, wanted: Wanted = "nothing"
    ) -> StepResult:
        """See the base class."""
        points = batch.points() if isinstance(batch, SampleBatch) else batch
        targets = torch.from_numpy(points.targets).to(self._device)
        first: list[StepResult] = []

        def evaluate() -> torch.Tensor:
            """The loss of the batch, with gradients of the parameters."""
            self._optimiser.zero_grad()
            inputs = self._inputs(points, wanted)
            outputs = self._outputs(inputs, targets)
            weights = points.weights if isinstance(points, PointBatch) else None
            loss = torch.stack([self._value(output, targets, weights) for output in outputs]).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            if not first:
                first.append(self._result(loss, outputs[-1], targets, inputs, wanted))
            return loss

        self._optimiser.step(evaluate, learning_rate)
        self._steps += 1
        return first[0]

    def _inputs(self, batch: PointBatch | GridBatch, wanted: Wanted) -> list[torch.Tensor]:
        """Coordinates of scattered points as one tensor, those of a grid as one for each axis."""
        if isinstance(batch, PointBatch) or self._runs.contraction is None:
            coordinates = batch.coordinates if isinstance(batch, PointBatch) else mesh(batch.axes)
            return [torch.from_numpy(coordinates).to(self._device).requires_grad_(wanted == "gradients")]
        if wanted == "gradients":
            raise SpecError("a step on a grid gives no gradients of coordinates; use scattered points")
        return [torch.from_numpy(x).to(self._device) for x in batch.axes]

    def _outputs(self, inputs: list[torch.Tensor], targets: torch.Tensor) -> list[torch.Tensor]:
        graph = self._runs.training_graph
        if graph is not None:
            generator = torch.Generator().manual_seed(derive_seed(self._seed, "training graph", self._steps))
            uniform = torch.rand(len(targets), 1, generator=generator)
            normal = torch.randn(targets.shape, generator=generator)
            return graph.outputs(
                torch.cat([inputs[0], targets, torch.cat([uniform, normal], dim=1).to(self._device)], 1)
            )
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
        if self._runs.training_graph is not None:  # what was trained has seen the targets: ask what decoders see
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
        return {
            name: np.array(tensor.detach().cpu().numpy(), dtype=np.float32)
            for name, tensor in self._network.tensors().items()
        }

    def state(self) -> dict[str, Any]:
        """See the base class."""
        state = {"network": self._network.state_dict(), "optimiser": self._optimiser.state(), "steps": self._steps}
        return dict(to_arrays(state))

    def restore(self, state: dict[str, Any]) -> None:
        """See the base class."""
        state = to_tensors(state)
        self._network.load_state_dict(state["network"])
        self._optimiser.restore(state["optimiser"])
        self._steps = state["steps"]
