"""Training by the kernels."""

from typing import Any, final

import numpy as np

from inr.backends.base import (
    AbstractTrainer,
    Batch,
    Field,
    GridBatch,
    PointBatch,
    PulledBatch,
    Resources,
    SampleBatch,
    StepResult,
    Tensors,
    Values,
)
from inr.backends.lowering import Flat, Parameters
from inr.backends.native.calls import Call, Engines, LossCall, PulledCall, SquaredCall
from inr.backends.native.field import NativeField, finite
from inr.backends.render import mesh
from inr.errors import SpecError
from inr.layers import ComplexLinear, Linear, Matrix
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.losses.base import LossSpec
from inr.losses.mse import MeanSquaredError
from inr.optimisers.adam import Adam
from inr.optimisers.adamw import AdamW
from inr.optimisers.base import OptimiserSpec
from inr.reparams.base import ReparamSpec
from inr.samplers.base import Wanted


@final
class NativeTrainer(AbstractTrainer):
    """Adam runs inside the kernels; other optimisers, and parameters that the weights are made of, run in torch."""

    def __init__(
        self,
        network: Network,
        tensors: Tensors,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        seed: int,
        resources: Resources,
        reparam: ReparamSpec | None = None,
    ) -> None:
        self._network, self._loss = network, loss
        self._parameters = Parameters.of(network)
        plain = reparam is None or reparam.plain
        self._adam = optimiser if plain and isinstance(optimiser, Adam | AdamW) else None
        """Set if the kernels move the parameters."""
        self._twin: Any = None
        self._flat: Flat
        if self._adam is None:
            from inr.backends.native.twin import TorchTwin

            self._twin = TorchTwin(network, tensors, optimiser, seed, reparam)
            self._flat = self._twin.flat()
        else:
            self._flat = self._parameters.flat(tensors)
        finite(self._parameters, self._flat)
        self._moments = (np.zeros_like(self._flat), np.zeros_like(self._flat))
        self._engines = Engines(network, self._parameters, resources, seed)
        self._steps = 0

    def step(self, batch: Batch, learning_rate: float, wanted: Wanted = "nothing") -> StepResult:
        """See the base class."""
        if isinstance(batch, GridBatch):
            if self._network.contraction is not None and wanted == "gradients":
                raise SpecError("a step on a grid gives no gradients of coordinates; use scattered points")
            batch = PointBatch(mesh(batch.axes), batch.targets)
        call = self._call(batch, wanted)
        if self._adam is not None:
            loss = call.run(self._flat, moments=self._moments, adam=self._settings(self._adam, learning_rate))
            self._steps += 1
            return call.result(loss)
        results: list[StepResult] = []  # of the first evaluation; those of a line search write to the same arrays

        def evaluate(flat: Flat, gradients: Flat) -> float:
            loss = call.run(flat, gradients=gradients)
            if not results:
                found = call.result(loss)
                results.append(StepResult(loss, _copy(found.residuals), _copy(found.gradients)))
            return loss

        self._twin.step(evaluate, learning_rate)
        self._steps += 1
        self._flat = self._twin.flat()
        return results[0]

    def _call(self, batch: PointBatch | SampleBatch | PulledBatch, wanted: Wanted) -> Call:
        if isinstance(batch, PulledBatch):
            batch.check(wanted)
            return PulledCall(self._engines, batch, wanted)
        if isinstance(self._loss, MeanSquaredError):
            return SquaredCall(self._engines, self._flat, batch, wanted, self._steps)
        points = batch.points() if isinstance(batch, SampleBatch) else batch
        return LossCall(self._engines, self._flat, self._loss, points, wanted, self._steps)

    def _settings(
        self, spec: Adam | AdamW, rate: float
    ) -> tuple[float, tuple[float, float], float, float, list[int], int]:
        decay = spec.weight_decay if isinstance(spec, AdamW) else 0.0
        decaying = [
            self._parameters.offsets[f"{i}.weight"]
            for layer, i in self._network.numbers.items()
            if isinstance(layer, Linear | Matrix | ComplexLinear)
        ]
        return rate, (spec.beta_1, spec.beta_2), spec.epsilon, decay, decaying if decay else [], self._steps + 1

    def engine(self, d_in: int, d_out: int, gradient: bool) -> Any:
        """The engine that trains, with or without gradients of coordinates."""
        return self._engines.engine(d_in, d_out, gradient)

    @property
    def flat(self) -> Flat:
        """All tensors as they are now."""
        return self._flat

    def field(self) -> Field:
        """See the base class."""
        return NativeField(self._engines.decoder, self._flat.copy())

    def tensors(self) -> dict[str, FloatTensor]:
        """See the base class."""
        return {name: view.copy() for name, view in self._parameters.views(self._flat).items()}

    def state(self) -> dict[str, Any]:
        """See the base class."""
        if self._adam is None:
            return {"steps": self._steps, **self._twin.state()}
        first, second = (self._parameters.views(flat) for flat in self._moments)
        count = np.array(self._steps, dtype=np.float32)
        kept = {
            name: {"step": count, "exp_avg": first[name].copy(), "exp_avg_sq": second[name].copy()}
            for name in (first if self._steps else ())
        }
        return {"steps": self._steps, "parameters": self.tensors(), "optimisers": [kept]}

    def restore(self, state: dict[str, Any]) -> None:
        """See the base class."""
        self._steps = state["steps"]
        if self._adam is None:
            self._twin.restore(state)
            self._flat = self._twin.flat()
            return
        self._flat = self._parameters.flat(state["parameters"])
        (kept,) = state["optimisers"]
        for flat, name in zip(self._moments, ("exp_avg", "exp_avg_sq"), strict=True):
            for tensor, view in self._parameters.views(flat).items():
                view[...] = kept[tensor][name] if tensor in kept else 0.0


def _copy(found: Values | None) -> Values | None:
    return None if found is None else found.copy()
