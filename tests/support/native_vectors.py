"""Test vectors through a compiled module given by its file, in a process that loads nothing else than NumPy.

Arguments: the file of the module, and a folder with one .json and one .npz for each vector. Runs under sanitizers,
which end the process at the first access that is out of bounds and at the first undefined operation.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

Vector = tuple[str, dict[str, Any], dict[str, Any]]
"""Name, settings of the engine, arrays."""


def loaded(path: Path) -> Any:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location("_kernels", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(found: Any, expected: Any, tolerance: float, what: str) -> None:
    """Raise unless two arrays agree within a share of the largest number."""
    error = float(np.abs(found - expected).max())
    if not error <= tolerance * max(1.0, float(np.abs(expected).max())):
        raise ValueError(f"{what}: differs by {error:.3g}")


def run_vector(module: Any, vector: Vector, tile: int, threads: int, bf16: bool) -> None:
    """Evaluate, train with and without gradients of coordinates, and take a step of Adam."""
    name, engine, arrays = vector
    params, x, targets = arrays["params"], arrays["x"], arrays["targets"]
    operations = [module.Operation(**fields) for fields in engine["operations"]]
    made = operations, engine["d_in"], engine["heads"], len(params), tile
    tolerance = 0.1 if bf16 else 1e-4
    values = np.full_like(targets, np.nan)
    module.Engine(*made, False, False, threads, bf16).forward(params, x, values)
    check(values, arrays["values"], tolerance, f"{name}: values")
    for gradient in (False, True):
        trained = module.Engine(*made, True, gradient, threads, bf16)
        gradients, residuals = np.full_like(params, np.nan), np.full_like(targets, np.nan)
        inputs = np.full_like(x, np.nan) if gradient else None
        trained.train_points(params, x, targets, None, residuals, inputs, gradients=gradients)
        check(gradients, arrays["gradients"], tolerance, f"{name}: gradients")
        if inputs is not None:
            check(inputs, arrays["input_gradients"], tolerance, f"{name}: coordinates")
    moments = np.zeros_like(params), np.zeros_like(params)
    moved = params.copy()
    trained.train_points(moved, x, targets, moments=moments, adam=(1e-3, (0.9, 0.99), 1e-8, 0.1, [0], 1))
    if not np.isfinite(moved).all():
        raise ValueError(f"{name}: a step of Adam gave what is no number")


def run_samples(module: Any) -> None:
    """Grids and samples in all their types, read and written."""
    linear = module.Operation("linear", [0], ints=[3, 2, 0], params=[0, 6])
    operations = [linear, module.Operation("sine", [1], reals=[3.0])]
    params = np.linspace(-1, 1, 9).astype(np.float32)
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in (7, 19)]
    grid, count = module.Grid(axes, [0.1, 0.2]), 7 * 19
    index = np.arange(count, dtype=np.int64)[::-2].copy()
    offsets = np.full((len(index), 2), 0.25, dtype=np.float32)
    for dtype, low, high in (("uint8", 0, 255), ("uint16", 0, 65535), ("int8", -128, 127), ("int16", -32768, 32767)):
        table = np.linspace(-1, 1, high - low + 1).astype(np.float32)
        samples = np.linspace(low, high, 3 * count).astype(dtype).reshape(count, 3)
        run_type(module, operations, params, grid, samples, dtype, table, (low, high), index, offsets)
    samples = np.linspace(-2, 5, 3 * count).astype(np.float32).reshape(count, 3)
    run_type(module, operations, params, grid, samples, "float32", None, (-2, 5), index, offsets)


def run_type(
    module: Any,
    operations: Any,
    params: Any,
    grid: Any,
    samples: Any,
    dtype: str,
    table: Any,
    limits: tuple[float, float],
    index: Any,
    offsets: Any,
) -> None:
    """One type of samples."""
    source = module.Source(samples, dtype, table, limits[0], 2 / (limits[1] - limits[0]))
    trained = module.Engine(operations, 2, [2], len(params), 64, True, False, 1, False)
    for chosen, strayed in ((index, offsets), (index, None), (None, None)):
        trained.train_samples(params, grid, source, chosen, strayed, gradients=np.empty_like(params))
    engine = module.Engine(operations, 2, [2], len(params), 64, False, False, 1, False)
    engine.forward_samples(params, grid, np.empty_like(samples), dtype, *limits)
    engine.forward_grid(params, grid, np.empty(samples.shape, dtype=np.float32))


def run_coder(module: Any) -> int:
    """The entropy coder on good payloads, on damaged and on shortened ones; returns how many were refused."""
    rng = np.random.Generator(np.random.PCG64(3))
    values = np.concatenate([rng.integers(-3, 4, 400), rng.integers(-(2**30), 2**30, 40), [0] * 300])
    coarse = np.asarray(np.sign(values) * (np.abs(values) >> 1))
    encoder = module.RangeEncoder()
    encoder.encode_integers(values)
    encoder.encode_refinements(coarse, values)
    data = encoder.finish()
    refused = 0
    for attempt in range(300):
        damaged = bytearray(data)
        if attempt:
            for place in rng.integers(0, len(data), int(rng.integers(1, 5))):
                damaged[place] = int(rng.integers(256))
            del damaged[int(rng.integers(0, len(data))) if attempt % 3 == 0 else len(data) :]
        decoder = module.RangeDecoder(bytes(damaged))
        try:
            found = decoder.decode_integers(len(values))
            again = decoder.decode_refinements(coarse)
            decoder.finish()
        except ValueError:
            refused += 1
            continue
        if not attempt and not (np.array_equal(found, values) and np.array_equal(again, values)):
            raise ValueError("the coder does not give back what it was given")
    return refused


def main(path: Path, folder: Path) -> None:
    """All vectors on all instruction sets."""
    module = loaded(path)
    count = 0
    files = sorted(folder.glob("*.json"))
    vectors = [(f.stem, json.loads(f.read_text(encoding="utf-8")), dict(np.load(f.with_suffix(".npz")))) for f in files]
    threads = min(2, module.available_cores())
    sets = [(isa, False) for isa in module.instruction_sets()]
    sets += [(isa, True) for isa in ("amx", "amx_emulated") if isa in module.instruction_sets() or isa != "amx"]
    for isa, bf16 in sets:
        os.environ["INR_ISA"] = isa
        if isa == "amx_emulated" and "avx512" not in module.instruction_sets():
            continue
        for number, vector in enumerate(vectors):
            run_vector(module, vector, 64 if number % 2 else 128, 1 + number % threads, bf16)
            count += 1
        run_samples(module)
    sys.stdout.write(f"{count} vectors, {run_coder(module)} payloads refused\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
