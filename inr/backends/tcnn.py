"""The tiny-cuda-nn backend: what it can run runs there in 16-bit floats, the rest on torch beside it.

Mueller 2021, "tiny-cuda-nn". The package is on no index and never needed; it is looked for when this backend is asked
for, not when this module is imported. Weights stay the float32 tensors of the layers: the vector that tiny-cuda-nn
wants is built from them at every call, and derivatives flow back through it. So optimisers, checkpoints and files are
those of the torch backend. Values do not agree with torch's to the bit: to 59 dB for a small SIREN in the model of its
arithmetic in ``tests/unit/backends/test_tcnn.py``. Training does not repeat exactly where grids are trained, since
derivatives are summed there in any order.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from inr.backends import tcnn_probe
from inr.backends.base import DEFAULT_RESOURCES, AbstractBackend, AbstractTrainer, Field, Resources
from inr.backends.tcnn_lowering import GridRun, MlpRun, flat_parameters, level_calls, plan, problem
from inr.backends.torch import TorchField, TorchTrainer, device_of
from inr.errors import SpecError
from inr.layers import DenseGrid, HashGrid, Layer, Linear, Matrix, Sine
from inr.layers.network import COORDINATES, Network
from inr.losses.base import LossSpec
from inr.optimisers.base import OptimiserSpec


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

    def refuses(self, network: Network) -> str | None:
        """See the base class; a network of which only some layers can be mapped is run."""
        return problem(network)

    def trainer(
        self,
        network: Network,
        loss: LossSpec,
        optimiser: OptimiserSpec,
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
    ) -> AbstractTrainer:
        """See the base class."""
        del resources
        network = network.to(device_of(device))
        return TorchTrainer(network, loss, optimiser, seed, lowered(network))

    def field(self, network: Network, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """See the base class."""
        del resources
        return TorchField(lowered(network.to(device_of(device))))


def lowered(network: Network) -> Network:
    """A network over the same parameters in which every run that can be mapped is one layer.

    Raises:
        BackendUnavailableError: the package is not there.
    """
    layers = network.layer_list()
    runs = {run.places[-1]: run for run in plan(network)}
    inside = {place for run in runs.values() for place in run.places[:-1]}
    numbers = {COORDINATES: COORDINATES}
    graph: list[Layer] = []
    sources: list[tuple[int, ...]] = []
    for i, layer in enumerate(layers):
        if i in inside:
            continue
        run = runs.get(i)
        graph.append(layer if run is None else _fused(run, layers))
        sources.append(tuple(numbers[s] for s in network.sources[i if run is None else run.places[0]]))
        numbers[i + 1] = len(graph)
    result = Network(graph, sources, tuple(numbers[head] for head in network.heads))
    if network.training_graph is not None:
        result.training_graph = lowered(network.training_graph)
    return result


def _fused(run: MlpRun | GridRun, layers: Sequence[Layer]) -> Layer:
    if isinstance(run, MlpRun):
        return TcnnMlp(run, [layers[place] for place in run.places])
    grid = layers[run.places[0]]
    if not isinstance(grid, HashGrid | DenseGrid):
        raise SpecError(f"tcnn: layer {run.places[0]} ({type(grid).__name__}) is no grid")
    return TcnnGrid(grid)


@final
class TcnnMlp(Layer):
    """Several layers as one tiny-cuda-nn network; see `flat_parameters` for how.

    Not one of the vocabulary: it stores nothing, its parameters are those of the layers.

    Args:
        run: what it stands for.
        layers: of the run, first to last: linear, activation, linear, ..., linear.
    """

    def __init__(self, run: MlpRun, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.run = run
        self.linears = nn.ModuleList(layers[::2])
        self.omegas = tuple(layer.omega if isinstance(layer, Sine) else 1.0 for layer in layers[1::2])
        self._native: dict[bool, nn.Module] = {}  # in a dict of its own: their parameters are nobody's

    def forward(self, x: Tensor) -> Tensor:
        """`(n, inputs)` -> `(n, outputs)`, float32; once differentiable."""
        linears = [layer for layer in self.linears if isinstance(layer, Linear | Matrix)]
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
    """

    def __init__(self, grid: HashGrid | DenseGrid) -> None:
        super().__init__()
        self.grid = grid
        self._levels = list(level_calls(grid))
        self._native: list[nn.Module] = []
        device = grid.table.device
        self._gains = torch.tensor([level.gains for level in self._levels], device=device)
        self._offsets = torch.tensor([level.offsets for level in self._levels], device=device)
        self._extents = torch.tensor(grid.extents if isinstance(grid, DenseGrid) else 1.0, device=device)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, d_in)` in [-1, 1] -> `(n, n_levels * n_features)`; once differentiable, in the table and in x."""
        unit = (x / self._extents + 1) * 0.5
        if isinstance(self.grid, DenseGrid):
            unit = unit.clamp(0, 1)
        parts: list[Tensor] = []
        for number, module in enumerate(self._modules_of(x.shape[1])):
            place = unit * self._gains[number] + self._offsets[number]
            flat = self._levels[number].flat(self.grid.table)
            parts.append(torch.func.functional_call(module, {"params": flat}, (place,)))
        return torch.cat(parts, dim=1).float()

    def _modules_of(self, axes: int) -> list[nn.Module]:
        """One module a level; in float32, since 16-bit floats would round what is stored."""
        if not self._native:
            encoding = tcnn_probe.package().Encoding
            self._native = [encoding(axes, level.config, dtype=torch.float32) for level in self._levels]
        return self._native
