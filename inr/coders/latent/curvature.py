"""How much a change of the networks' parameters costs: Gauss-Newton matrices, from a sample of symbols and pixels.

The cost of a file is near a minimum, where it is about quadratic in small changes. Rounding parameters one after the
other, each can make up for the errors of those before it, if the matrix is known: `inr.coders.latent.network_bits`.
All is in float64, so that how a library orders its sums does not show in what is rounded with it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import Floats, Index
from inr.coders.latent.spec import FLOOR, LOG_SCALE_LIMIT, LOG_SCALE_OFFSET, NEIGHBOURS, LatentSpec
from inr.rng import generator

Floats64 = npt.NDArray[np.float64]
Parameters = Mapping[str, npt.NDArray[Any]]

SAMPLES: Final = 4096
"""Symbols, or values of pixels, that a matrix is made of."""
_CHUNK: Final = 512
_REACH: Final = 16
"""Symbols about the mean that a narrow distribution has."""
_WIDE: Final = 2.0
"""Scale from which a distribution counts as continuous."""


def of_prediction(
    spec: LatentSpec, shape: tuple[int, int], networks: Parameters, grids: Mapping[str, npt.NDArray[Any]]
) -> Floats64:
    """The matrix of the bits, ``(n, n)``; n: all parameters of the context model and of the parents, as in a layout.

    Args:
        spec: of the pyramid.
        shape: height and width of the picture.
        networks: tensors by name.
        grids: symbols by the names of grids.
    """
    known = _widened(networks)
    names = [tensor.name for tensor in spec.layout() if tensor.module in ("context", "parents")]
    return _gram(rows for sample in _symbols(spec, shape, grids) for rows in _of_symbols(spec, known, names, *sample))


def of_synthesis(
    spec: LatentSpec, shape: tuple[int, int], networks: Parameters, features: Callable[[Index, Index], Floats]
) -> Floats64:
    """The matrix of the squared error, ``(n, n)``; n: all parameters of the synthesis, in the order of a layout.

    Args:
        spec: of the pyramid.
        shape: height and width of the picture.
        networks: tensors by name.
        features: all levels, finest first, at rows and columns of the picture, ``(levels, *shape of rows)``.
    """
    known = _widened(networks)
    names = [tensor.name for tensor in spec.layout() if tensor.module == "synthesis"]
    random = generator(0, "latent curvature of synthesis")
    count = min(max(SAMPLES // spec.channels, 1), math.prod(shape))
    places = np.divmod(np.sort(random.choice(math.prod(shape), count, replace=False)), shape[1])
    around = np.arange(2 * spec.residuals + 1) - spec.residuals
    y, x = (np.clip(at[:, None] + around, 0, n - 1) for at, n in zip(places, shape, strict=True))
    rows, columns = np.broadcast_arrays(y[:, :, None], x[:, None, :])
    patches = np.moveaxis(features(rows, columns), 0, -1).astype(np.float64)
    chunks = (patches[first : first + _CHUNK] for first in range(0, count, _CHUNK))
    return _gram(rows for chunk in chunks for rows in _of_pixels(spec, known, names, chunk))


def _widened(networks: Parameters) -> dict[str, Floats64]:
    return {name: np.asarray(value, np.float64) for name, value in networks.items()}


def _gram(parts: Iterator[Floats64]) -> Floats64:
    """The sum of the outer products of all rows."""
    total: Any = 0.0
    for rows in parts:
        total = total + rows.T @ rows
    found: Floats64 = total
    return found


def _symbols(
    spec: LatentSpec, shape: tuple[int, int], grids: Mapping[str, npt.NDArray[Any]]
) -> Iterator[tuple[Floats64, Floats64, int]]:
    """Some symbols of a grid at a time: neighbours, entries of coarser grids, the level (-1 if those tell nothing)."""
    every = spec.grids(*shape)
    total = sum(grid.size for grid in every)
    random = generator(0, "latent curvature of prediction")
    for grid in every:
        count = min(grid.size, math.ceil(SAMPLES * grid.size / total))
        places = np.sort(random.choice(grid.size, count, replace=False))
        y, x = np.divmod(places, grid.width)
        level = grid.level if spec.has_parents(grid.level, grid.hyper) else -1
        parents = np.zeros((count, 0))
        if level >= 0:
            parents = np.stack(
                [
                    grids[f"{'hyper' if hyper else 'latent'}{coarse}"][y >> (coarse - level), x >> (coarse - level)]
                    for coarse, hyper in spec.coarser(level)
                ],
                axis=1,
            ).astype(np.float64)
        neighbours = _neighbours(spec, grids[grid.name], y, x)
        for first in range(0, count, _CHUNK):
            here = slice(first, first + _CHUNK)
            yield neighbours[here], parents[here], level


def _neighbours(spec: LatentSpec, grid: npt.NDArray[Any], y: Index, x: Index) -> Floats64:
    reach = max(max(abs(row), abs(column)) for row, column in NEIGHBOURS)
    padded = np.pad(grid, reach)
    columns = [padded[y + reach + row, x + reach + column] for row, column in NEIGHBOURS[: spec.contexts]]
    return np.stack(columns, axis=1).astype(np.float64)


def _of_symbols(
    spec: LatentSpec,
    networks: dict[str, Floats64],
    names: list[str],
    neighbours: Floats64,
    parents: Floats64,
    level: int,
) -> Iterator[Floats64]:
    """Rows whose outer products make up the Fisher information of these symbols, ``(count, parameters)``, twice."""
    count, eye = len(neighbours), np.eye(spec.inputs)
    told = np.zeros((count, spec.features))
    if level >= 0:
        told = parents @ networks[f"parents.level{level}.weight"].T
    steps = [np.concatenate([neighbours, told], axis=1)]
    layers = [networks[f"context.hidden{i}.weight"] + eye for i in range(spec.hidden)]
    for i, weight in enumerate(layers):
        steps.append(np.maximum(steps[-1] @ weight.T + networks[f"context.hidden{i}.bias"], 0))
    out, bypass = networks["context.out.weight"], networks["context.bypass.weight"]
    mean, log_scale = (steps[-1] @ out.T + networks["context.out.bias"] + steps[0] @ bypass.T).T
    inside = np.abs(log_scale - LOG_SCALE_OFFSET) < LOG_SCALE_LIMIT
    scale = np.exp(np.clip(log_scale - LOG_SCALE_OFFSET, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT))
    of_mean, of_both, of_scale = _information(mean, scale)
    of_both, of_scale = of_both * inside, of_scale * inside
    first = np.sqrt(of_mean) + 1e-12
    second = of_both / first
    for pull in (
        np.stack([first, second], axis=1),
        np.stack([np.zeros(count), np.sqrt(np.maximum(of_scale - second**2, 0))], axis=1),
    ):
        found = {
            "context.out.weight": pull[:, :, None] * steps[-1][:, None],
            "context.out.bias": pull,
            "context.bypass.weight": pull[:, :, None] * steps[0][:, None],
        }
        back = pull @ out
        for i in reversed(range(spec.hidden)):
            back = back * (steps[i + 1] > 0)
            found[f"context.hidden{i}.weight"] = back[:, :, None] * steps[i][:, None]
            found[f"context.hidden{i}.bias"] = back
            back = back @ layers[i]
        if level >= 0:
            features = (back + pull @ bypass)[:, spec.contexts :]
            found[f"parents.level{level}.weight"] = features[:, :, None] * parents[:, None]
        yield _joined(networks, names, count, found)


def _information(mean: Floats64, scale: Floats64) -> tuple[Floats64, Floats64, Floats64]:
    """Fisher information of symbols of Laplace distributions: of the mean, of mean and log scale, of the log scale."""
    edges = (np.rint(mean) - mean)[:, None] + np.arange(-_REACH, _REACH + 2) - 0.5
    far = np.abs(edges) / scale[:, None]
    below = 0.5 - 0.5 * np.sign(edges) * np.expm1(-far)
    density = np.exp(-far) / (2 * scale[:, None])
    mass = np.diff(below, axis=1)
    by_mean, by_scale = -np.diff(density, axis=1), -np.diff(edges * density, axis=1)
    weight = np.where(mass > FLOOR, 1 / np.maximum(mass, FLOOR), 0)
    narrow = [(a * b * weight).sum(1) for a, b in ((by_mean, by_mean), (by_mean, by_scale), (by_scale, by_scale))]
    wide = scale > _WIDE
    return (
        np.where(wide, 1 / scale**2, narrow[0]),
        np.where(wide, 0.0, narrow[1]),
        np.where(wide, 1.0, narrow[2]),
    )


def _of_pixels(
    spec: LatentSpec, networks: dict[str, Floats64], names: list[str], patches: Floats64
) -> Iterator[Floats64]:
    """The derivatives of one channel after the other of pixels in the middle of patches, ``(count, parameters)``."""
    count, side = patches.shape[:2]
    flat = patches.reshape(count, side * side, -1)
    mixes = [networks[f"synthesis.mix{i}.weight"] for i in (0, 1)]
    hidden = np.maximum(flat @ mixes[0].T + networks["synthesis.mix0.bias"], 0)
    values = [(hidden @ mixes[1].T + networks["synthesis.mix1.bias"]).reshape(count, side, side, -1)]
    for i in range(spec.residuals):
        total = (
            _stencil(values[-1], networks[f"synthesis.residual{i}.weight"]) + networks[f"synthesis.residual{i}.bias"]
        )
        values.append(total if i + 1 == spec.residuals else np.maximum(total, 0))
    for channel in range(spec.channels):
        back = np.zeros((count, 1, 1, spec.channels))
        back[..., channel] = 1
        bypass = back[:, 0, 0, :, None] * patches[:, side // 2, side // 2, None, :]
        found = {"synthesis.bypass.weight": bypass}
        for i in reversed(range(spec.residuals)):
            if i + 1 < spec.residuals:
                back = back * (values[i + 1] > 0)
            weight = networks[f"synthesis.residual{i}.weight"]
            found[f"synthesis.residual{i}.bias"] = back.sum((1, 2))
            found[f"synthesis.residual{i}.weight"], back = _stencil_back(values[i], weight, back)
        ends = back.reshape(count, side * side, -1)
        found["synthesis.mix1.weight"] = np.swapaxes(ends, 1, 2) @ hidden
        found["synthesis.mix1.bias"] = ends.sum(1)
        ends = (ends @ mixes[1]) * (hidden > 0)
        found["synthesis.mix0.weight"] = np.swapaxes(ends, 1, 2) @ flat
        found["synthesis.mix0.bias"] = ends.sum(1)
        yield _joined(networks, names, count, found)


def _stencil(values: Floats64, weight: Floats64) -> Floats64:
    """A 3x3 residual layer without its bias, of patches that it makes smaller by 1 on every side."""
    n = values.shape[1] - 2
    total = values[:, 1:-1, 1:-1].copy()
    for i in range(3):
        for j in range(3):
            total += values[:, i : i + n, j : j + n] @ weight[:, :, i, j].T
    return total


def _stencil_back(values: Floats64, weight: Floats64, back: Floats64) -> tuple[Floats64, Floats64]:
    """Derivatives by its weights, and by its values, of what `back` is the derivative of by its result."""
    n = values.shape[1] - 2
    by_values = np.zeros_like(values)
    by_values[:, 1:-1, 1:-1] = back
    by_weight = np.zeros((len(values), *weight.shape))
    for i in range(3):
        for j in range(3):
            by_values[:, i : i + n, j : j + n] += back @ weight[:, :, i, j]
            by_weight[:, :, :, i, j] = np.einsum("pyxo,pyxi->poi", back, values[:, i : i + n, j : j + n])
    return by_weight, by_values


def _joined(networks: dict[str, Floats64], names: list[str], count: int, found: Mapping[str, Floats64]) -> Floats64:
    """Derivatives by all tensors side by side; 0 where none is given."""
    nothing = {name: np.zeros((count, networks[name].size)) for name in names if name not in found}
    every = {**found, **nothing}
    return np.concatenate([every[name].reshape(count, -1) for name in names], axis=1)
