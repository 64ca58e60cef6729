"""Malformed lists of operations, for a process of its own: what crashes it fails the test that started it.

The example that is tried stands in the file that the first argument names; the second is how many are tried. A third
one is the file of a module built with sanitizers, which take memory as they like.
"""

import os
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inr import native
from tests.support.native_vectors import loaded

Parts = tuple[str, list[Any], list[Any], list[Any], list[Any], list[Any]]
"""Of an operation: kind, inputs, integers, reals, constants, places of its parameters."""

N_PARAMS = 400
GRID = [2, 2, 2, 1, 0, 16, 0, 1, 4, 3, 3, 16, 64, 1, 1, 2654435761, 8, 8]
DENSE = [2, 2, 1, 0, 0, 12, 0, 1, 3, 1, 2]
MODULE: Any = loaded(Path(sys.argv[3])) if __name__ == "__main__" and len(sys.argv) > 3 else native.load()
KINDS: dict[str, Any] = {kind.name: kind for kind in MODULE.operation_kinds()} if MODULE is not None else {}
"""The table of operations; empty where this file is only read, without a compiled module."""
GOOD: tuple[Parts, ...] = (
    *((k.name, [0], [1] * k.ints[0], [3.0] * k.reals[0], [], []) for k in KINDS.values() if k.elementwise),
    ("linear", [0], [4, 2, 0], [], [], [0, 8]),
    ("linear", [0], [4, 1, 1], [], [], [0, -1]),
    *((kind, [0], [], [], [], []) for kind in ("multiply", "concat")),
    *((kind, [0], [], [2.0, 1.5], [], []) for kind in ("real gabor", "complex gabor")),
    ("add", [0, 0], [], [0.5, 2.0], [], []),
    ("columns", [0], [0, 1], [], [], []),
    ("constant", [0], [2], [0.5], [], []),
    ("noisy target", [0, 0, 1, 0], [], [], [], []),
    ("noise", [0], [2, 16, 5], [0.4766], [], []),
    ("fourier", [0], [], [], [0.5, 1.0, 2.0, -1.0], []),
    ("sine filter", [0], [], [], [1.0, 1.0, 2.0, -1.0], [20]),
    ("fourier series", [0], [3], [], [], []),
    ("chebyshev", [0], [4], [], [], []),
    ("layer norm", [0], [], [], [], [0, 2]),
    ("grid", [0], GRID, [1.0, 1.0, 0.5, 3.0, 3.0, 0.5, 8.0, 8.0], [], [100]),
    ("grid", [0], DENSE, [0.75, 1.0, 0.0, 2.0, 3.0], [], [300]),
    ("cp", [0, 0], [2, 1], [], [], []),
    ("tt", [0, 0], [2, 1], [], [], []),
    ("tucker", [0, 0], [3], [], [], [0]),
)
SHIFTED = [*GRID[:4], 2**62, *GRID[5:]]
ODD: tuple[tuple[list[Parts], list[int]], ...] = (
    ([("sine", [0], [], [3.0], [], []), ("relu", [0], [], [], [], [])], [1, 2**20]),
    ([("fourier series", [0], [3], [], [], [-(2**63), 11])], [1]),
    ([("relu", [0], [], [], [], [0])], [1]),
    ([("noise", [0], [2, 16, 5], [0.4766], [], []), ("linear", [0], [2, 2, 0], [], [], [0, 4])], [1, 2]),
    ([("tanh", [0], [], [], [], []), ("linear", [0], [2, 2, 0], [], [], [0, 4])], [1, 2]),
    ([("grid", [0], SHIFTED, [1.0, 1.0, 0.5, 3.0, 3.0, 0.5, 8.0, 8.0], [], [100])], [1]),
)
"""Operations and outputs that once went past the checks."""
LARGE = (64, 65, 399, 400, 401, 4096, 2**20, 2**20 + 1, 2**24 + 1, 2**31 - 1, 2**31, 2**32, 2**40, 2**61, 2**62)
EXTREME = (2**62 + 1, 2**63 - 1, 2**63, 2**64, -(2**31), -(2**61), -(2**63), -(2**64), 10**30)
WHOLE = st.integers(-2, 20) | st.sampled_from(LARGE) | st.sampled_from(EXTREME)
REAL = st.floats() | st.sampled_from([0.0, 1.0, -1.0, 1e30, 1e300, 2**31 + 0.5])


def changed(operation: Parts) -> st.SearchStrategy[Parts]:
    """An operation with one of its lists shorter, longer, or with another number in it."""

    def part(number: int) -> st.SearchStrategy[Parts]:
        old: list[Any] = operation[number]  # type: ignore[assignment]
        numbers = WHOLE if number in (1, 2, 5) else REAL
        lists = [numbers.map(lambda extra: [*old, extra]), st.just(old[:-1]), st.lists(numbers, max_size=20)]
        if old:
            places = st.integers(0, len(old) - 1)
            lists.append(st.tuples(places, numbers).map(lambda c: [*old[: c[0]], c[1], *old[c[0] + 1 :]]))
        return st.one_of(lists).map(lambda new: (*operation[:number], new, *operation[number + 1 :]))  # type: ignore[arg-type, return-value]

    return st.integers(1, 5).flatmap(part)


def wild() -> st.SearchStrategy[Parts]:
    """Nothing in it need make sense."""
    whole, real = st.lists(WHOLE, max_size=8), st.lists(REAL, max_size=8)
    kinds = st.sampled_from([*sorted(KINDS), "", "Linear", "\0"])
    return st.tuples(kinds, whole, whole, real, real, whole)


def moved(operation: Parts) -> st.SearchStrategy[Parts]:
    """An operation that reads other values."""
    kind, inputs, *rest = operation
    sources = st.lists(st.integers(0, 3), min_size=len(inputs), max_size=len(inputs))
    return sources.map(lambda new: (kind, new, rest[0], rest[1], rest[2], rest[3]))


Case = tuple[list[Parts], int, list[int], int, int]
"""Operations, coordinates, outputs, parameters, samples of a tile."""


def nearly_good() -> st.SearchStrategy[Case]:
    """Good operations with one that is changed, or that reads other values, and outputs that are mostly there."""
    good = st.sampled_from(GOOD)
    odd = good.flatmap(changed) | good.flatmap(changed) | good.flatmap(moved)
    programs = st.tuples(st.lists(good, max_size=2), odd, st.lists(good, max_size=1)).map(
        lambda p: [*p[0], p[1], *p[2]]
    )
    heads = st.lists(st.integers(1, 4), min_size=1, max_size=2)
    counts = st.sampled_from([N_PARAMS, N_PARAMS, N_PARAMS, 20, 0])
    return st.tuples(programs, st.sampled_from([2, 2, 2, 4]), heads, counts, st.sampled_from([64, 128]))


def anything() -> st.SearchStrategy[Case]:
    programs = st.lists(st.sampled_from(GOOD) | wild(), min_size=1, max_size=3)
    counts = st.sampled_from([N_PARAMS, 0, 1, -1, 2**31 + 1, 2**63])
    tiles = st.sampled_from([64, 0, 1, 63, 65, -64, 4160, 2**32, 2**63])
    return st.tuples(
        programs, st.sampled_from([2, 1, 0, -1, 4096, 4097, 2**63]), st.lists(WHOLE, max_size=3), counts, tiles
    )


def attempt(case: Case, training: bool, gradient: bool) -> bool:
    """Build and, if that is allowed, run; true if it ran."""
    listed, d_in, heads, n_params, tile = case
    try:
        program = [
            MODULE.Operation(kind, inputs, ints=ints, reals=reals, constants=constants, params=params)
            for kind, inputs, ints, reals, constants, params in listed
        ]
        engine = MODULE.Engine(program, d_in, heads, n_params, tile, training, gradient, 1, False)
    except MemoryError:
        return False
    except TypeError:  # of the binding, which lists what it takes
        return False
    except (ValueError, IndexError) as error:
        if "\n" in str(error):
            raise
        return False
    if engine.memory > 2**24:
        return False
    rng = np.random.Generator(np.random.PCG64(1))
    params = rng.uniform(-1, 1, n_params).astype(np.float32)
    x = rng.uniform(-1.2, 1.2, (3, d_in)).astype(np.float32)
    values = np.empty((3, engine.d_out), dtype=np.float32)
    if not training:
        engine.forward(params, x, values)
        return True
    inputs = np.empty_like(x) if gradient else None
    engine.train_points(params, x, values, input_gradients=inputs, gradients=np.empty_like(params))
    moments = np.zeros_like(params), np.zeros_like(params)
    engine.train_points(params, x, values, moments=moments, adam=(1e-3, (0.9, 0.99), 1e-8, 0.0, [], 1))
    return True


def main(place: Path, count: int, sanitized: bool) -> None:
    """Try so many examples on the best instruction set and on the portable one."""
    if not sanitized:
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ran = []

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(nearly_good() | nearly_good() | anything(), st.booleans(), st.booleans(), st.booleans())
    def fuzz(case: Case, training: bool, gradient: bool, portable: bool) -> None:
        os.environ["INR_ISA"] = "portable" if portable else ""
        place.write_text(repr((case, training, gradient, portable)), encoding="utf-8")
        ran.append(attempt(case, training, gradient))

    if {operation[0] for operation in GOOD} != set(KINDS):
        raise ValueError(f"no good example of {set(KINDS) - {operation[0] for operation in GOOD}}")
    for operation in GOOD:
        for training in (False, True):
            reading: Parts = (operation[0], [1] * len(operation[1]), *operation[2:])
            case: Case = ([("linear", [0], [2, 2, 0], [], [], [390, -1]), reading], 2, [2], N_PARAMS, 64)
            place.write_text(repr((case, training)), encoding="utf-8")
            untrained = KINDS[operation[0]].given  # nothing before them is trained
            assert attempt(case, training, training) or untrained, operation
    for operations, heads in ODD:
        for training in (False, True):
            place.write_text(repr((operations, heads, training)), encoding="utf-8")
            attempt((operations, 2, heads, N_PARAMS, 64), training, False)
    fuzz()
    sys.stdout.write(f"{sum(ran)} of {len(ran)} ran\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3)
