"""PyTorch's ways to be faster on a CPU, as training steps and as fields."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from inr.backends.base import PointBatch, Positions, Values
from inr.backends.render import mesh
from inr.backends.torch import CHUNK, TorchNetwork, TorchOptimiser
from inr.losses.mse import MeanSquaredError
from inr.optimisers.adam import Adam


@dataclass(frozen=True)
class Mode:
    """A way to run a network in PyTorch.

    Attributes:
        name: in tables.
        matmul: what ``torch.set_float32_matmul_precision`` is told.
        autocast: True for bfloat16 where autocast chooses it.
        compiled: True for ``torch.compile``.
    """

    name: str
    matmul: str = "highest"
    autocast: bool = False
    compiled: bool = False


EAGER = Mode("eager")
RIVALS = (
    Mode("medium", matmul="medium"),
    Mode("autocast", autocast=True),
    Mode("compile", compiled=True),
    Mode("compile + autocast", autocast=True, compiled=True),
)


@contextmanager
def matmul_precision(name: str) -> Iterator[None]:
    """Matrix products of 32-bit floats in a precision of PyTorch's; all its settings as before afterwards."""
    places: list[Any] = [getattr(part, "matmul", None) for part in (torch.backends.mkldnn, torch.backends.cuda)]
    finer = [(place, place.fp32_precision) for place in places if hasattr(place, "fp32_precision")]  # since torch 2.9
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        for place, setting in finer:
            place.fp32_precision = setting


def attempt(run: Callable[[], float]) -> float | str:
    """What a call gave, or why it failed: a compiler is missing, an operation has no such type, ..."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return run()
        except Exception as error:  # there is no list of what torch.compile raises
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return f"{type(error).__name__}: {lines[0] if lines else 'no message'}"


def rival_step(mode: Mode, network: TorchNetwork, batch: PointBatch, rate: float) -> Callable[[], float]:
    """A training step on a batch: forwards in the mode, backwards as that left it, Adam in 32 bits.

    Args:
        mode: how.
        network: is trained.
        batch: of every step, without weights.
        rate: Adam's learning rate.

    Returns:
        The step, which returns its loss.
    """
    coordinates, targets = torch.from_numpy(batch.coordinates), torch.from_numpy(batch.targets)
    optimiser, loss = TorchOptimiser(network, Adam()), MeanSquaredError()

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return loss.value(network(x), y)

    value: Callable[[Tensor, Tensor], Tensor] = torch.compile(forward, dynamic=False) if mode.compiled else forward
    last: list[Tensor] = []

    def evaluate() -> Tensor:
        optimiser.zero_grad()
        with _autocast(mode):
            result = value(coordinates, targets)
        result.backward()  # type: ignore[no-untyped-call]
        last[:] = [result.detach()]
        return result

    def step() -> float:
        with matmul_precision(mode.matmul):
            optimiser.step(evaluate, rate)
            return last[0].item()

    return step


@final
class RivalField:
    """A network as a function in a mode of PyTorch's; see `Field`."""

    def __init__(self, mode: Mode, network: TorchNetwork) -> None:
        self._mode = mode
        self._network: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False) if mode.compiled else network

    def __call__(self, coordinates: Positions) -> Values:
        """Evaluated in chunks as large as those of the torch backend."""
        parts = []
        with torch.inference_mode(), matmul_precision(self._mode.matmul), _autocast(self._mode):
            for first in range(0, max(1, len(coordinates)), CHUNK):
                rows = torch.from_numpy(coordinates[first : first + CHUNK].astype(np.float32, copy=False))
                parts.append(self._network(rows).float().numpy())
        return np.concatenate(parts)

    def grid(self, axes: Sequence[Positions]) -> Values:
        """See `Field`."""
        return self(mesh([x.astype(np.float32, copy=False) for x in axes]))


def _autocast(mode: Mode) -> torch.autocast:
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode.autocast)
