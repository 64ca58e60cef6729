"""The compiled kernels: a tile of samples goes through the whole network and back while it lies in the cache."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch

from inr import native
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
from inr.backends.lowering import Flat, Parameters, lower, refusal, stored_numbers
from inr.backends.render import mesh
from inr.backends.torch_optimisers import TorchOptimiser
from inr.backends.torch_state import to_arrays, to_tensors
from inr.domain import Domain
from inr.errors import SpecError
from inr.layers import ComplexLinear, Linear, Matrix
from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.losses.base import LossSpec
from inr.losses.mse import MeanSquaredError
from inr.meta import SignalMeta
from inr.optimisers.adam import Adam
from inr.optimisers.adamw import AdamW
from inr.optimisers.base import OptimiserSpec
from inr.rng import derive_seed
from inr.samplers.base import Wanted
from inr.signals.signal import Samples, Signal, normalise

TILE = 128
"""Samples that go through the network together: its activations should fit the second level cache."""
CACHE = 7 << 18
"""Bytes that a tile may take in the second level cache of processors with tiles of 16-bit numbers, which have 2 MiB."""
_INTEGERS = ("uint8", "uint16", "int8", "int16")


def _summary() -> str:
    module = native.load()
    best = f" ({module.instruction_sets()[0]})" if module is not None else ""
    return f"fused C++ kernels on the CPU{best}, float32 or with 16-bit products"


@final
class NativeBackend(AbstractBackend):
    """Runs networks on CPUs by the compiled kernels."""

    kind: ClassVar[str] = "native"
    summary: ClassVar[str] = _summary()

    def unavailable(self, device: str) -> str | None:
        """See the base class."""
        if device not in ("auto", "cpu", "cuda"):
            return f"device {device}: unknown; choose auto, cpu or cuda"
        if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
            return f"device {device}: the kernels run on CPUs; use --device cpu"
        return native.reason()

    def refuses(self, network: Network) -> str | None:
        """A layer that has no kernel, or whole grids, which torch joins by matrix products."""
        if network.contraction is not None:
            return (
                f"layer {network.contraction} ({type(network.layers[network.contraction]).__name__}): grids of a "
                "separable network are matrix products, which torch runs"
            )
        return refusal(network)

    def trainer(
        self,
        network: Network,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
    ) -> AbstractTrainer:
        """See the base class; the only loss is the squared error."""
        del device
        if not isinstance(loss, MeanSquaredError):
            raise SpecError(f"loss: the native backend has mse; got {loss.kind}")
        return _NativeTrainer(network, optimiser, seed, resources)

    def field(self, network: Network, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """See the base class; raises `SpecError` for weights that are not finite."""
        del device
        parameters = Parameters.of(network)
        return _NativeField(_Evaluator(network, parameters, resources), _finite(parameters, parameters.flat(network)))


def _finite(parameters: Parameters, flat: Flat) -> Flat:
    if not np.isfinite(flat).all():
        bad = next(name for name, view in parameters.views(flat).items() if not np.isfinite(view).all())
        raise SpecError(f"weights: tensor {bad} holds a number that is not finite")
    return flat


@final
class _Evaluator:
    """The engine that evaluates a network, made when the width of its input is known."""

    def __init__(self, network: Network, parameters: Parameters, resources: Resources) -> None:
        self._network, self._parameters, self._resources = network, parameters, resources
        self._engine: Any = None
        self.d_out = 0

    def engine(self, d_in: int) -> Any:
        if self._engine is None:
            self._engine = _engine(self._network, self._network, self._parameters, self._resources, d_in)
            self.d_out = int(self._engine.d_out)
        return self._engine


def _engine(
    network: Network,
    graph: Network,
    parameters: Parameters,
    resources: Resources,
    d_in: int,
    training: bool = False,
    gradient: bool = False,
) -> Any:
    """An engine for a graph over the layers of a network."""
    module: Any = native.load()
    operations = lower(graph, parameters, stored_numbers(network), d_in)
    threads = native.threads(resources.threads)
    heads = list(graph.heads)
    rest = training, gradient, threads, resources.half
    try:
        engine = module.Engine(operations, d_in, heads, parameters.size, TILE, *rest)
        if engine.half and engine.memory <= CACHE // 2:  # reads and writes the sums of gradients half as often
            engine = module.Engine(operations, d_in, heads, parameters.size, 2 * TILE, *rest)
    except ValueError as error:
        raise SpecError(str(error)) from None
    return engine


@final
class _NativeField:
    """A network with the parameters of one moment."""

    def __init__(self, evaluator: _Evaluator, flat: Flat) -> None:
        self._evaluator, self._flat = evaluator, flat

    def __call__(self, coordinates: Positions) -> Values:
        rows = np.ascontiguousarray(coordinates, dtype=np.float32)
        engine = self._evaluator.engine(rows.shape[1])
        values: Values = np.empty((len(rows), self._evaluator.d_out), dtype=np.float32)
        engine.forward(self._flat, rows, values)
        return values

    def grid(self, axes: Sequence[Positions]) -> Values:
        engine = self._evaluator.engine(len(axes))
        values: Values = np.empty((int(np.prod([len(x) for x in axes])), self._evaluator.d_out), dtype=np.float32)
        engine.forward_grid(self._flat, _grid(axes), values)
        return values

    def samples(self, domain: Domain, meta: SignalMeta) -> Samples | None:
        """The samples of a grid in their own type, or None where values have to be mapped to it in another way."""
        if meta.power is not None or meta.dtype not in (*_INTEGERS, "float32"):
            return None
        axes = [domain.axis_coordinates(axis) for axis in range(domain.ndim)]
        engine = self._evaluator.engine(len(axes))
        samples: Samples = np.empty((domain.size, self._evaluator.d_out), dtype=meta.dtype)
        low, high = meta.value_range
        engine.forward_samples(self._flat, _grid(axes), samples, meta.dtype, low, high)
        return samples


def _grid(axes: Sequence[Positions], cells: Sequence[float] = ()) -> Any:
    module: Any = native.load()
    return module.Grid([np.ascontiguousarray(x, dtype=np.float32) for x in axes], list(cells))


@final
class _NativeTrainer(AbstractTrainer):
    """Adam runs inside the kernels; other optimisers, and parameters that the weights are made of, run in torch."""

    def __init__(self, network: Network, optimiser: OptimiserSpec, seed: int, resources: Resources) -> None:
        self._network, self._seed, self._resources = network, seed, resources
        self._parameters = Parameters.of(network)
        self._flat = _finite(self._parameters, self._parameters.flat(network))
        self._moments = (np.zeros_like(self._flat), np.zeros_like(self._flat))
        own = {id(parameter) for parameter in network.parameters()}
        plain = all(id(tensor) in own for tensor in network.tensors().values())
        self._adam = optimiser if plain and isinstance(optimiser, Adam | AdamW) else None
        """Set if the kernels move the parameters."""
        self._spec = optimiser
        if self._adam is None:
            _ = self._optimiser  # refuses now what it cannot train
        self._evaluator = _Evaluator(network, self._parameters, resources)
        self._engines: dict[bool, Any] = {}
        self._signal: tuple[Signal, Any, Any] | None = None
        self._steps = 0

    @cached_property
    def _optimiser(self) -> TorchOptimiser:
        """Torch's own; the first one of a process takes a second, which a fit in the kernels need not wait for."""
        return TorchOptimiser(self._network, self._spec)

    def step(
        self, batch: PointBatch | GridBatch | SampleBatch, learning_rate: float, wanted: Wanted = "nothing"
    ) -> StepResult:
        if isinstance(batch, GridBatch):
            if self._network.contraction is not None and wanted == "gradients":
                raise SpecError("a step on a grid gives no gradients of coordinates; use scattered points")
            batch = PointBatch(mesh(batch.axes), batch.targets)
        call = _Call(self, batch, wanted)
        if self._adam is not None:
            loss = call.run(moments=self._moments, adam=self._settings(self._adam, learning_rate))
            self._steps += 1
            return call.result(loss)
        results: list[StepResult] = []

        def evaluate() -> torch.Tensor:
            loss = self._gradients(call)
            if not results:
                results.append(call.result(loss))
            return torch.tensor(loss)

        self._optimiser.step(evaluate, learning_rate)
        self._steps += 1
        self._flat = self._parameters.flat(self._network)
        return results[0]

    def _gradients(self, call: "_Call") -> float:
        """The loss; leaves the gradients of what torch trains in its tensors."""
        self._optimiser.zero_grad()
        self._flat = self._parameters.flat(self._network)
        gradients = np.empty_like(self._flat)
        loss = call.run(gradients=gradients)
        tensors = self._network.tensors()
        parts = self._parameters.views(gradients)
        torch.autograd.backward(list(tensors.values()), [torch.from_numpy(parts[name]) for name in tensors])
        return loss

    def _settings(
        self, spec: Adam | AdamW, rate: float
    ) -> tuple[float, tuple[float, float], float, float, list[int], int]:
        decay = spec.weight_decay if isinstance(spec, AdamW) else 0.0
        decaying = [
            self._parameters.offsets[f"{i}.weight"]
            for i, layer in enumerate(self._network.layer_list())
            if isinstance(layer, Linear | Matrix | ComplexLinear) and f"{i}.weight" in self._parameters.offsets
        ]
        return rate, (spec.beta_1, spec.beta_2), spec.epsilon, decay, decaying if decay else [], self._steps + 1

    def engine(self, d_in: int, d_out: int, gradient: bool) -> Any:
        """The engine that trains, with or without gradients of coordinates."""
        if gradient not in self._engines:
            graph = self._network.training_graph or self._network
            width = self.width(d_in, d_out)
            network, parameters, resources = self._network, self._parameters, self._resources
            self._engines[gradient] = _engine(network, graph, parameters, resources, width, True, gradient)
        return self._engines[gradient]

    def width(self, d_in: int, d_out: int) -> int:
        """Of the input of what is trained: coordinates alone, or with what a training graph wants."""
        return d_in + 2 * d_out + 1 if self.has_training_graph else d_in

    @property
    def flat(self) -> Flat:
        """All tensors as they are now."""
        return self._flat

    def extended(self, coordinates: Coordinates, targets: Values) -> Coordinates:
        """What a training graph reads: coordinates, targets, and the random numbers of this step."""
        if self._network.training_graph is None:
            return np.ascontiguousarray(coordinates, dtype=np.float32)
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "training graph", self._steps))
        uniform = torch.rand(len(targets), 1, generator=generator).numpy()
        normal = torch.randn(targets.shape, generator=generator).numpy()
        return np.concatenate([coordinates, targets, uniform, normal], axis=1).astype(np.float32)

    @property
    def has_training_graph(self) -> bool:
        """True if what is trained is not what is decoded."""
        return self._network.training_graph is not None

    def source(self, signal: Signal) -> tuple[Any, Any] | None:
        """Grid and samples of a signal for the kernels, or None if they do not read such samples."""
        meta = signal.meta
        if meta.dtype not in _INTEGERS and (meta.dtype != "float32" or meta.power is not None):
            return None
        if self._signal is None or self._signal[0] is not signal:
            domain = signal.domain
            cells = [(high - low) / n for n, (low, high) in zip(domain.shape, domain.box, strict=True)]
            grid = _grid([domain.axis_coordinates(axis) for axis in range(domain.ndim)], cells)
            self._signal = (signal, grid, _source(signal))
        return self._signal[1:]

    def field(self) -> Field:
        return _NativeField(self._evaluator, self._flat.copy())

    def tensors(self) -> dict[str, FloatTensor]:
        return {name: view.copy() for name, view in self._parameters.views(self._flat).items()}

    def state(self) -> dict[str, Any]:
        """The same as that of the torch backend, so that either goes on from the other's."""
        if self._adam is not None:
            self._to_torch()
        state = {"network": self._network.state_dict(), "optimiser": self._optimiser.state(), "steps": self._steps}
        return dict(to_arrays(state))

    def restore(self, state: dict[str, Any]) -> None:
        state = to_tensors(state)
        self._network.load_state_dict(state["network"])
        self._optimiser.restore(state["optimiser"])
        self._steps = state["steps"]
        self._flat = self._parameters.flat(self._network)
        if self._adam is not None:
            for name, tensor in self._network.tensors().items():
                saved = self._optimiser.moments(tensor)
                for flat, part in zip(self._moments, saved or (), strict=saved is not None):
                    self._parameters.views(flat)[name][...] = part.numpy()

    def _to_torch(self) -> None:
        """Bring parameters and moments to where torch keeps them."""
        first, second = (self._parameters.views(flat) for flat in self._moments)
        for name, tensor in self._network.tensors().items():
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(self._parameters.views(self._flat)[name]))
            if self._steps:
                moments = torch.from_numpy(first[name]).clone(), torch.from_numpy(second[name]).clone()
                self._optimiser.set_moments(tensor, self._steps, moments)


@final
class _Call:
    """One batch on its way through the engine, and what is asked of it."""

    def __init__(self, trainer: _NativeTrainer, batch: PointBatch | SampleBatch, wanted: Wanted) -> None:
        self._trainer = trainer
        source = trainer.source(batch.signal) if isinstance(batch, SampleBatch) else None
        if isinstance(batch, SampleBatch) and (source is None or trainer.has_training_graph):
            batch, source = batch.points(), None
        self._batch, self._source = batch, source
        if isinstance(batch, SampleBatch):
            count, d_in, d_out = len(batch.index), batch.signal.domain.ndim, batch.signal.channels
        else:
            (count, d_out), d_in = batch.targets.shape, batch.coordinates.shape[1]
        self._engine = trainer.engine(d_in, d_out, wanted == "gradients")
        self._residuals: Values | None = None
        self._gradients: Coordinates | None = None
        self._report: dict[str, Any] = {}
        if wanted == "nothing":
            return
        if not isinstance(batch, SampleBatch) and trainer.has_training_graph:
            # What was trained has seen the targets: ask what decoders see.
            self._residuals = trainer.field()(batch.coordinates) - batch.targets
        else:
            self._residuals = self._report["residuals"] = np.empty((count, d_out), dtype=np.float32)
        if wanted == "gradients":
            wide = trainer.width(d_in, d_out)
            self._report["input_gradients"] = np.empty((count, wide), dtype=np.float32)
            self._gradients = self._report["input_gradients"][:, :d_in]

    def run(self, **how: Any) -> float:
        """Evaluate, or evaluate and step; returns the loss."""
        batch, trainer = self._batch, self._trainer
        report = self._report
        if isinstance(batch, SampleBatch):
            index = np.ascontiguousarray(batch.index, dtype=np.int64)
            loss: float = self._engine.train_samples(
                trainer.flat, *(self._source or ()), index, batch.offsets, batch.weights, **report, **how
            )
        else:
            rows = trainer.extended(batch.coordinates, batch.targets)
            targets = np.ascontiguousarray(batch.targets, dtype=np.float32)
            loss = self._engine.train_points(trainer.flat, rows, targets, batch.weights, **report, **how)
        return loss

    def result(self, loss: float) -> StepResult:
        """What the step found."""
        return StepResult(loss, self._residuals, self._gradients)


def _source(signal: Signal) -> Any:
    """The samples with the values that integers stand for."""
    module: Any = native.load()
    meta = signal.meta
    rows = np.ascontiguousarray(signal.samples.reshape(-1, signal.channels))
    table: Values | None = None
    if meta.dtype in _INTEGERS:
        info = np.iinfo(meta.dtype)
        table = normalise(np.arange(info.min, info.max + 1).astype(meta.dtype), meta)
    low, high = meta.value_range
    return module.Source(rows, meta.dtype, table, low, 2 / (high - low))
