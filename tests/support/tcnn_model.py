"""A numpy model of tiny-cuda-nn: order of its parameters, its networks and its grids, as its documents describe them.

Knows nothing of the backend. In float64 unless asked for 16-bit floats as its kernels use them.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PRIMES = (1, 2654435761, 805459861, 3674653429)


def aligned(count: int, unit: int = 16) -> int:
    return (count + unit - 1) // unit * unit


def matrix_shapes(n_in: int, n_out: int, width: int, hidden: int) -> list[tuple[int, int]]:
    """Rows and columns of the matrices of a network, in the order in which they are stored."""
    return [(width, aligned(n_in)), *[(width, width)] * (hidden - 1), (aligned(n_out), width)]


def matrices(flat: Array, n_in: int, n_out: int, width: int, hidden: int) -> list[Array]:
    """The matrices in a flat vector, which must hold nothing else."""
    found, first = [], 0
    for rows, columns in matrix_shapes(n_in, n_out, width, hidden):
        found.append(flat[first : first + rows * columns].reshape(rows, columns))
        first += rows * columns
    if first != flat.size:
        raise ValueError(f"the network has {first} parameters; got {flat.size}")
    return found


def mlp(
    flat: Array, x: Array, n_in: int, n_out: int, width: int, hidden: int, activation: str, half: bool = False
) -> Array:
    """A network: `(n, n_in)` -> `(n, n_out)`; its inputs are filled up with ones.

    With `half`, parameters, values and the sums of each 16 products are rounded to 16-bit floats.
    """
    filled = np.ones((len(x), aligned(n_in)))
    filled[:, :n_in] = x
    value = filled
    layers = matrices(flat.astype(np.float64), n_in, n_out, width, hidden)
    for number, matrix in enumerate(layers):
        value = _product(value, matrix, half)
        if number < len(layers) - 1:
            value = np.sin(value) if activation == "Sine" else np.maximum(value, 0)
            value = _rounded(value) if half else value
    return value[:, :n_out]


def _rounded(values: Array) -> Array:
    return values.astype(np.float16).astype(np.float64)


def _product(value: Array, matrix: Array, half: bool) -> Array:
    if not half:
        product: Array = value @ matrix.T
        return product
    value, matrix = _rounded(value), _rounded(matrix)
    total = np.zeros((len(value), len(matrix)))
    for k in range(0, value.shape[1], 16):
        total = _rounded(total + value[:, k : k + 16] @ matrix[:, k : k + 16].T)
    return total


@dataclass(frozen=True)
class Level:
    """One level of a grid; `scale` is a float32."""

    scale: float
    resolution: int
    entries: int
    hashed: bool


def level(axes: int, number: int, base: int, growth: float, kind: str, log2_size: int) -> Level:
    """Level `number` of a grid with nodes growing by `growth` each level, in the float32 arithmetic of the kernel."""
    power = np.exp2(np.float32(number) * np.log2(np.float32(growth)), dtype=np.float32)
    scale = np.float32(power * np.float32(base) - np.float32(1))
    resolution = math.ceil(scale) + 1
    nodes = resolution**axes
    entries = aligned(nodes, 8)
    if kind == "Hash":
        entries = min(entries, 2**log2_size)
    return Level(float(scale), resolution, entries, kind == "Hash" and entries < nodes)


def row(level: Level, node: Array) -> Array:
    """Rows of nodes `(n, axes)` in a level's table, in 32-bit arithmetic."""
    node = node.astype(np.int64) & 0xFFFFFFFF
    if level.hashed:
        index = np.zeros(len(node), dtype=np.int64)
        for axis in range(node.shape[1]):
            index ^= (node[:, axis] * PRIMES[axis]) & 0xFFFFFFFF
    else:
        index = sum(node[:, axis] * level.resolution**axis for axis in range(node.shape[1])) & 0xFFFFFFFF
    rows: Array = index % level.entries
    return rows


def encode(flat: Array, x: Array, levels: list[Level], features: int) -> Array:
    """A grid: positions `(n, axes)` in [0, 1] -> `(n, len(levels) * features)`, level by level."""
    outputs, first = [], 0
    for one in levels:
        table = flat[first : first + one.entries * features].reshape(one.entries, features)
        first += one.entries * features
        position = one.scale * x.astype(np.float64) + 0.5
        cell = np.floor(position)
        upper = position - cell
        total = np.zeros((len(x), features))
        for corner in itertools.product((0, 1), repeat=x.shape[1]):
            weight = np.prod(np.where(corner, upper, 1 - upper), axis=1)
            total += weight[:, None] * table[row(one, cell + np.array(corner))]
        outputs.append(total)
    if first != flat.size:
        raise ValueError(f"the grid has {first} parameters; got {flat.size}")
    return np.concatenate(outputs, axis=1)
