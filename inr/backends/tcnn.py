"""The tiny-cuda-nn backend: what it can run runs there in 16-bit floats, the rest on torch beside it.

Mueller 2021, "tiny-cuda-nn". The package is on no index and never needed; it is looked for when this backend is asked
for, not when this module is imported. Weights stay the float32 tensors of the layers: the vector that tiny-cuda-nn
wants is built from them at every call, and derivatives flow back through it. So optimisers, checkpoints and files are
those of the torch backend. Values do not agree with torch's to the bit: to 59 dB for a small SIREN in the model of its
arithmetic in ``tests/unit/backends/test_tcnn.py``. Training does not repeat exactly where grids are trained, since
derivatives are summed there in any order.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from inr.backends import tcnn_probe
from inr.backends.base import (
    DEFAULT_RESOURCES,
    AbstractBackend,
    AbstractTrainer,
    Field,
    Resources,
    Tensors,
    lesson_refusal,
)
from inr.backends.tcnn_lowering import GridRun, MlpRun, flat_parameters, level_calls, plan, problem
from inr.backends.torch import TorchField, TorchTrainer
from inr.backends.torch.backend import on_device
from inr.backends.torch.network import Held, TorchNetwork
from inr.errors import SpecError
from inr.layers import DenseGrid, HashGrid, Layer, Sine
from inr.layers.network import COORDINATES, Network
from inr.losses.base import LossSpec
from inr.optimisers.base import OptimiserSpec
from inr.reparams.base import ReparamSpec


@final
class TcnnBackend(AbstractBackend):
    """Runs sine and ReLU layers and grids on tiny-cuda-nn, on a CUDA device."""

    kind: ClassVar[str] = "tcnn"
    summary: ClassVar[str] = "tiny-cuda-nn: fused networks and grids on CUDA, 16-bit arithmetic"
    automatic: ClassVar[bool] = False

    def unavailable(self, device: str) -> str | None:
        """See the base class."""
        if device not in ("auto", "cpu", "cuda"):
            return f"device {device}: unknown; choose auto, cpu or cuda"
        if device == "cpu":
            return "device cpu: tiny-cuda-nn runs on a CUDA GPU only; use --device cuda or another backend"
        reasons = []
        if not torch.cuda.is_available():
            reasons.append(f"device {device}: torch finds no CUDA GPU; use --device cpu with another backend")
        module, missing = tcnn_probe.found()
        if module is None:
            reasons.append(f"{missing}; install it with: {tcnn_probe.INSTALL}")
        return "; ".join(reasons) or None

    def refuses(self, network: Network, loss: LossSpec | None = None, pulled: bool = False) -> str | None:
        """See the base class; a network of which only some layers can be mapped is run, towards any loss."""
        del loss
        return problem(network) or (lesson_refusal(network) if pulled else None)

    def trainer(
        self,
        network: Network,
        tensors: Tensors,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
        reparam: ReparamSpec | None = None,
    ) -> AbstractTrainer:
        """See the base class."""
        del resources
        module = on_device(network, tensors, device)
        return TorchTrainer(module, loss, optimiser, seed, lowered(module), reparam)

    def field(self, network: Network, tensors: Tensors, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """See the base class."""
        del resources
        return TorchField(lowered(on_device(network, tensors, device)))


def lowered(module: TorchNetwork) -> TorchNetwork:
    """A network over the same parameters in which every run that can be mapped is one layer.

    Raises:
        BackendUnavailableError: the package is not there.
    """
    modules = module.modules_by_layer()
    graph = _lowered(module.network, modules, module.device)
    return TorchNetwork(graph, {}, modules)


def _lowered(network: Network, modules: dict[Layer, Held], device: torch.device) -> Network:
    """The graph of `lowered`; adds the modules of its new layers to those that are there."""
    layers = network.layers
    runs = {run.places[-1]: run for run in plan(network)}
    inside = {place for run in runs.values() for place in run.places[:-1]}
    numbers = {COORDINATES: COORDINATES}
    graph: list[Layer] = []
    sources: list[tuple[int, ...]] = []
    for i, layer in enumerate(layers):
        if i in inside:
            continue
        run = runs.get(i)
        if run is None:
            graph.append(layer)
        else:
            fused = _fused(run, layers, device)
            modules[fused] = FusedTensors([modules[layers[place]] for place in run.places[::2]])
            graph.append(fused)
        sources.append(tuple(numbers[s] for s in network.sources[i if run is None else run.places[0]]))
        numbers[i + 1] = len(graph)
    heads = tuple(numbers[head] for head in network.heads)
    lesson = network.training_graph
    return Network(graph, sources, heads, training_graph=None if lesson is None else _lowered(lesson, modules, device))


def _fused(run: MlpRun | GridRun, layers: Sequence[Layer], device: torch.device) -> Layer:
    if isinstance(run, MlpRun):
        return TcnnMlp(run, [layers[place] for place in run.places])
    grid = layers[run.places[0]]
    if not isinstance(grid, HashGrid | DenseGrid):
        raise SpecError(f"tcnn: layer {run.places[0]} ({type(grid).__name__}) is no grid")
    return TcnnGrid(grid, device)


@final
class FusedTensors(Held):
    """The tensors of several layers, each under ``<number>.<tensor>``."""

    def __init__(self, modules: Sequence[Held]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def parts_held(self) -> list[dict[str, Tensor]]:
        """The tensors of each layer."""
        return [part.held() for part in self.parts if isinstance(part, Held)]

    def held(self) -> dict[str, Tensor]:
        """See the base class."""
        parts = enumerate(self.parts_held())
        return {f"{number}.{name}": tensor for number, part in parts for name, tensor in part.items()}


@final
class TcnnMlp(Layer):
    """Several layers as one tiny-cuda-nn network; see `flat_parameters` for how.

    Not one of the vocabulary: it stores nothing, its parameters are those of the layers.

    Args:
        run: what it stands for.
        layers: of the run, first to last: linear, activation, linear, ..., linear.
    """

    def __init__(self, run: MlpRun, layers: Sequence[Layer]) -> None:
        self.run = run
        self.omegas = tuple(layer.omega if isinstance(layer, Sine) else 1.0 for layer in layers[1::2])
        self._native: dict[bool, nn.Module] = {}  # in a dict of its own: their parameters are nobody's

    def width(self, *inputs: int) -> int:
        """That of the last layer."""
        del inputs
        return self.run.outputs

    def forward(self, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """`(n, inputs)` -> `(n, outputs)`, float32; once differentiable."""
        linears: list[dict[str, Tensor]] = [{} for _ in range(self.run.hidden + 1)]
        for name, tensor in tensors.items():
            number, _, own = name.partition(".")
            linears[int(number)][own] = tensor
        flat = flat_parameters(self.run, linears, self.omegas)
        filled = nn.functional.pad(x, (0, self.run.extra_inputs), value=1.0)
        module = self._module(torch.is_grad_enabled(), x.device)
        value: Tensor = torch.func.functional_call(module, {"params": flat}, (filled,))
        return value.float()

    def _module(self, training: bool, device: torch.device) -> nn.Module:
        """Two modules: forward and backward of a step must agree about being compiled, whatever is decoded between."""
        if training not in self._native:
            inputs = self.run.inputs + self.run.extra_inputs
            module: Any = tcnn_probe.package().Network(inputs, self.run.outputs, self.run.config())
            if tcnn_probe.jit_runs():
                module.jit_fusion = not training or tcnn_probe.jit_trains(self.run.activation, device)
            self._native[training] = module
        return self._native[training]


@final
class TcnnGrid(Layer):
    """A grid as one tiny-cuda-nn encoding for each level, in float32; see `level_calls` for how.

    Equal to the layer within the box, up to the rounding of positions.

    Args:
        grid: what it stands for.
        device: of its table.
    """

    def __init__(self, grid: HashGrid | DenseGrid, device: torch.device) -> None:
        self.grid = grid
        self._levels = list(level_calls(grid))
        self._native: list[nn.Module] = []
        self._gains = torch.tensor([level.gains for level in self._levels], device=device)
        self._offsets = torch.tensor([level.offsets for level in self._levels], device=device)
        self._extents = torch.tensor(grid.extents if isinstance(grid, DenseGrid) else 1.0, device=device)

    def width(self, *inputs: int) -> int:
        """That of the grid."""
        return self.grid.width(*inputs)

    def forward(self, tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """`(n, d_in)` in [-1, 1] -> `(n, n_levels * n_features)`; once differentiable, in the table and in x."""
        unit = (x / self._extents + 1) * 0.5
        if isinstance(self.grid, DenseGrid):
            unit = unit.clamp(0, 1)
        parts: list[Tensor] = []
        for number, module in enumerate(self._modules_of(x.shape[1])):
            place = unit * self._gains[number] + self._offsets[number]
            flat = self._levels[number].flat(tensors["0.table"])
            parts.append(torch.func.functional_call(module, {"params": flat}, (place,)))
        return torch.cat(parts, dim=1).float()

    def _modules_of(self, axes: int) -> list[nn.Module]:
        """One module a level; in float32, since 16-bit floats would round what is stored."""
        if not self._native:
            encoding = tcnn_probe.package().Encoding
            self._native = [encoding(axes, level.config, dtype=torch.float32) for level in self._levels]
        return self._native
