"""Whole fits of pictures with the kernels and with PyTorch: time and steps to a PSNR, and the memory they take."""

import contextlib
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from inr import native
from inr.bench.kernels.steps import NATIVE, Method, measured_precision, torch_threads
from inr.bench.measure import WARM_UP, decoded
from inr.bench.measure import measure as measure_fit
from inr.bench.results import Curve, Result
from inr.bench.results import Run as Fit
from inr.bench.stats import seconds_to_reach
from inr.errors import FitError, MissingDependencyError
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.samplers.uniform import UniformSampler
from inr.signals.image.read import load_image
from inr.signals.signal import Signal

MODEL = Siren(width=256, depth=3)
BATCH = 16_384
RATE = 1e-3
TARGETS = (30.0, 32.0, 34.0)
TORCH = "torch"
STEPS_FOR_MEMORY = 60
"""Of a fit whose memory is measured; all steps take the same."""


@dataclass(frozen=True)
class Reached:
    """When fits first had a PSNR: medians over the seeds, or None if one of them never had it."""

    psnr: float
    seconds: float | None
    steps: int | None


@dataclass(frozen=True)
class Fitted:
    """What the fits of one picture with one backend in one precision gave.

    Attributes:
        source: name of the picture.
        backend: of the fits.
        precision: of their products.
        seeds: how many.
        steps: of each.
        seconds: median, of the training steps.
        psnr: of the final field decoded in full, dB: median, the least and the most of a seed.
        gain: by how much the median is above PyTorch's, dB.
        reached: from the curve, for each of `TARGETS`.
    """

    source: str
    backend: str
    precision: str
    seeds: int
    steps: int
    seconds: float
    psnr: tuple[float, float, float]
    gain: float
    reached: tuple[Reached, ...]


@dataclass(frozen=True)
class Memory:
    """Resident memory of a process that fits and decodes a picture, MB: after importing, and the most beyond that."""

    source: str
    backend: str
    imported: float
    beyond: float


def measure_fits(
    signals: Mapping[str, Signal], steps: int, seeds: int, method: Method, tell: Callable[[str], None]
) -> list[Fitted]:
    """Fit every picture with the kernels, in 32 bits too if their products have 16, and then with PyTorch, by turns.

    Args:
        signals: pictures by name.
        steps: of each fit, with a cosine schedule over them.
        seeds: fits of a picture with each.
        method: threads of both, and precision of the kernels.
        tell: called before each fit.

    Raises:
        FitError: a fit diverged, or a backend cannot run.
    """
    found = []
    candidates = [*dict.fromkeys([(NATIVE, measured_precision(method.precision)), (NATIVE, "fp32"), (TORCH, "fp32")])]
    for source, signal in signals.items():
        results: dict[tuple[str, str], list[Result]] = {candidate: [] for candidate in candidates}
        for seed in range(seeds):
            for candidate in candidates if seed % 2 == 0 else reversed(candidates):
                backend, precision = candidate
                tell(f"fit of {source} with {backend}, products in {precision}, seed {seed}")
                spec = _spec(backend, steps, seed, replace(method, precision=precision))
                with torch_threads(method.threads):
                    if not results[candidate]:
                        fit(signal, spec.replace(budget=WARM_UP))
                    result = measure_fit(Fit("", backend, source, spec), signal)
                if result.outcome != "done":
                    raise FitError(f"fit of {source} with {backend}: {result.reason}")
                results[candidate].append(result)
        base = statistics.median(result.psnr for result in results[candidates[-1]])
        found += [_fitted(own, base, precision) for (_, precision), own in results.items()]
    return found


def _spec(backend: str, steps: int, seed: int, method: Method) -> FitSpec:
    return FitSpec(
        model=MODEL,
        sampler=UniformSampler(batch=BATCH),
        optimiser=Adam(learning_rate=RATE),
        budget=Budget(steps=steps),
        seed=seed,
        backend=backend,
        device="cpu",
        threads=method.threads,
        precision=method.precision,
    )


def _fitted(results: Sequence[Result], base: float, precision: str) -> Fitted:
    values = [result.psnr for result in results]
    median = statistics.median(values)
    return Fitted(
        results[0].source,
        results[0].case,
        precision,
        len(results),
        results[0].steps,
        statistics.median(result.seconds for result in results),
        (median, min(values), max(values)),
        median - base,
        tuple(reached([result.curve for result in results], psnr) for psnr in TARGETS),
    )


def reached(curves: Sequence[Curve], psnr: float) -> Reached:
    """When curves first had a PSNR; between two points they are linear in the logarithm of time, and of steps."""
    seconds = [seconds_to_reach([curve], psnr) for curve in curves]
    by_step = [Curve(tuple(float(step) for step in curve.steps), (), curve.psnr) for curve in curves]
    steps = _median([seconds_to_reach([curve], psnr) for curve in by_step])
    return Reached(psnr, _median(seconds), None if steps is None else round(steps))


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if len(known) == len(values) else None


def measure_memory(paths: Sequence[Path], method: Method, tell: Callable[[str], None]) -> list[Memory]:
    """The memory of fits, each in a process of its own.

    Raises:
        MissingDependencyError: this is not Linux.
        FitError: a process failed.
    """
    if not Path("/proc/self/status").exists():
        raise MissingDependencyError("memory can only be measured on Linux")
    found = []
    for path in paths:
        for backend in (NATIVE, TORCH):
            tell(f"memory of a fit of {path.stem} with {backend}")
            spec = _spec(backend, STEPS_FOR_MEMORY, 0, method)
            code = "import sys; from inr.bench.kernels.fits import child; child(*sys.argv[1:])"
            command = [sys.executable, "-c", code, str(path), spec.model_dump_json()]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode != 0:
                lines = run.stderr.strip().splitlines() or ["no message"]
                raise FitError(f"the process that fits {path} with {backend} failed: {lines[-1]}")
            imported, most = json.loads(run.stdout)
            found.append(Memory(path.stem, backend, imported, most - imported))
    return found


def child(path: str, settings: str) -> None:
    """Fit and decode a picture; write to standard output the MB after importing and the most there ever were."""
    spec = FitSpec.model_validate_json(settings)
    torch.set_num_threads(spec.threads or 1)
    native.load()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forget what importing took at its height
    imported = _status("VmRSS")
    decoded(fit(load_image(Path(path)), spec), spec.backend, "cpu")
    sys.stdout.write(json.dumps([imported, _status("VmHWM")]))


def _status(name: str) -> float:
    """An entry of this process's status, MB (10^6 bytes)."""
    return int(re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024 / 1e6
