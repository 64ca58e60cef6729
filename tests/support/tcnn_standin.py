"""A stand-in for the package `tinycudann`, in torch, for machines without a CUDA GPU.

This is not tiny-cuda-nn and says nothing about its speed or its rounding. It has the part of the interface that the
backend uses, `Network`, `Encoding` and `supports_jit_fusion`, over the documented order of parameters, so that the way
from layers to a flat vector and back through derivatives is tested from end to end. The real package is tested in
`test_tcnn_gpu.py`, where there is a GPU. Two of its traits can be switched on: 16-bit rounding, and the derivatives
of compiled networks, which see an activation's values where they should see its arguments.
"""

import itertools
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from tests.support.tcnn_model import PRIMES, aligned, level, matrix_shapes

NETWORKS = ("FullyFusedMLP", "CutlassMLP")


class _Compiled(torch.autograd.Function):
    """An activation whose derivative is taken at its value: right for ReLU, wrong for a sine."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, sine: bool) -> Tensor:
        value = torch.sin(z) if sine else torch.relu(z)
        ctx.save_for_backward(value)
        ctx.sine = sine
        return value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (value,) = ctx.saved_tensors
        return grads[0] * (torch.cos(value) if ctx.sine else (value > 0).float()), None


class StandInNetwork(nn.Module):
    """`tinycudann.Network`."""

    def __init__(self, n_in: int, n_out: int, config: dict[str, Any], half: bool = False) -> None:
        super().__init__()
        if config["otype"] not in NETWORKS or config["activation"] not in ("ReLU", "Sine"):
            raise RuntimeError(f"no such network: {config}")
        if config["otype"] == "FullyFusedMLP" and (
            config["n_neurons"] not in (16, 32, 64, 128) or config["activation"] == "Sine"
        ):
            raise RuntimeError(f"not for the fully fused network: {config}")
        self.n_in, self.n_out, self.config, self.half_precision = n_in, n_out, config, half
        self.shapes = matrix_shapes(n_in, n_out, config["n_neurons"], config["n_hidden_layers"])
        self.params = nn.Parameter(torch.zeros(sum(rows * columns for rows, columns in self.shapes)))
        self.jit_fusion = False

    def forward(self, x: Tensor) -> Tensor:
        sine, compiled = self.config["activation"] == "Sine", self.jit_fusion and torch.is_grad_enabled()
        value = nn.functional.pad(x.float(), (0, aligned(self.n_in) - self.n_in), value=1.0)
        parts = torch.split(self.params, [rows * columns for rows, columns in self.shapes])
        for number, (part, shape) in enumerate(zip(parts, self.shapes, strict=True)):
            value = self._rounded(self._rounded(value) @ self._rounded(part.view(shape)).t())
            if number < len(self.shapes) - 1:
                plain = torch.sin if sine else torch.relu
                value = _Compiled.apply(value, sine) if compiled else plain(value)  # type: ignore[no-untyped-call]
        output = value[:, : self.n_out]
        return output.half() if self.half_precision else output

    def _rounded(self, values: Tensor) -> Tensor:
        return values + (values.half().float() - values).detach() if self.half_precision else values


class StandInEncoding(nn.Module):
    """`tinycudann.Encoding` with a grid of one level."""

    def __init__(self, n_in: int, config: dict[str, Any], dtype: torch.dtype | None = None) -> None:
        super().__init__()
        if config["otype"] != "Grid" or config["n_levels"] != 1 or dtype != torch.float32 or n_in not in (2, 3, 4):
            raise RuntimeError(f"no such encoding: {n_in} {config} {dtype}")
        self.features = config["n_features_per_level"]
        size = config.get("log2_hashmap_size", 19)
        self.level = level(n_in, 0, config["base_resolution"], config["per_level_scale"], config["type"], size)
        self.params = nn.Parameter(torch.zeros(self.level.entries * self.features))

    def forward(self, x: Tensor) -> Tensor:
        table = self.params.view(self.level.entries, self.features)
        position = x * self.level.scale + 0.5
        cell = position.detach().floor()
        upper = position - cell
        total = x.new_zeros(len(x), self.features)
        for corner in itertools.product((0, 1), repeat=x.shape[1]):
            bits = torch.tensor(corner)
            weight = torch.where(bits.bool(), upper, 1 - upper).prod(dim=1)
            total = total + weight[:, None] * table[self._row((cell.long() + bits) & 0xFFFFFFFF)]
        return total

    def _row(self, node: Tensor) -> Tensor:
        index = torch.zeros_like(node[:, 0])
        for axis in range(node.shape[1]):
            if self.level.hashed:
                index = index ^ ((node[:, axis] * PRIMES[axis]) & 0xFFFFFFFF)
            else:
                index = index + node[:, axis] * self.level.resolution**axis
        return (index & 0xFFFFFFFF) % self.level.entries


def stand_in(half: bool = False, jit: bool = True) -> SimpleNamespace:
    """The package, as `tinycudann` would be after its import."""

    def network(n_in: int, n_out: int, config: dict[str, Any]) -> StandInNetwork:
        return StandInNetwork(n_in, n_out, config, half)

    return SimpleNamespace(Network=network, Encoding=StandInEncoding, supports_jit_fusion=lambda: jit)
