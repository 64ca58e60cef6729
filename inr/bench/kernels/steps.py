"""The compiled kernels beside PyTorch: a training step and a decode of the same networks, by turns in one process.

A turn of a candidate is one untimed call, which meets the caches that the others left, and then timed calls for some
time. In every round each candidate has a turn, each round begun by another one; cores of shared machines change
their speed every few seconds, so what counts is the ratio of medians, and ratios within a round say how sure it is.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from inr import native
from inr.backends.base import AbstractBackend, AbstractTrainer, Field, PointBatch, Resources, Tensors, check
from inr.backends.render import render
from inr.backends.select import get
from inr.backends.torch import TorchNetwork
from inr.bench.kernels.ceilings import Ceilings, Parts, Work, ceilings, median_of, profile, work
from inr.bench.kernels.networks import Asked, Case
from inr.bench.kernels.rivals import EAGER, Mode, RivalField, attempt, matmul_precision, rival_step
from inr.domain import Domain
from inr.errors import BackendUnavailableError, SpecError
from inr.layers.network import Network
from inr.losses.mse import MeanSquaredError
from inr.meta import SignalMeta
from inr.models.base import ModelSpec
from inr.optimisers.adam import Adam
from inr.rng import generator
from inr.signals.image.attributes import ImageAttributes

NATIVE = "native"
D_IN, D_OUT = 2, 3
PICTURE = Domain.of_shape((512, 512))
RATE = 1e-3
CEILING_SECONDS = 1.0
"""Of measuring the ceilings before each case; what counts is the median over the cases."""
TOLERANCE = 0.02
"""Relative, of the first result of a candidate: more is told."""

Run = Callable[[], float]
"""A step, which returns its loss, or a decode, which returns the mean of its samples."""


@dataclass(frozen=True)
class Ratio:
    """The time of another candidate over that of the kernels: of the medians, and the least and most of a round."""

    median: float
    least: float
    most: float


@dataclass(frozen=True)
class Comparison:
    """What one case gave.

    Attributes:
        name: of the case.
        title: of the case.
        what: "step" or "decode".
        samples: of a step, or of the picture.
        parameters: of the network.
        precision: in which the kernels multiply matrices.
        asked: of this precision on this machine.
        milliseconds: of each candidate in each round, the kernels first.
        results: loss of each candidate's first step, or mean of what it decoded.
        failed: why modes of PyTorch have no number.
        work: products and sines of a step or a decode.
        parts: where the time of a step goes, or None where the kernels do not tell.
    """

    name: str
    title: str
    what: str
    samples: int
    parameters: int
    precision: str
    asked: Asked
    milliseconds: dict[str, tuple[float, ...]]
    results: dict[str, float]
    failed: dict[str, str]
    work: Work
    parts: Parts | None = None

    def median(self, candidate: str) -> float:
        """Milliseconds."""
        return statistics.median(self.milliseconds[candidate])

    def best(self) -> str:
        """The mode of PyTorch with the least median."""
        return min((name for name in self.milliseconds if name != NATIVE), key=self.median)

    def over(self, candidate: str) -> Ratio:
        """The time of a candidate over that of the kernels."""
        own = self.milliseconds[NATIVE]
        rounds = [other / mine for other, mine in zip(self.milliseconds[candidate], own, strict=True)]
        return Ratio(self.median(candidate) / self.median(NATIVE), min(rounds), max(rounds))


@dataclass(frozen=True)
class Measured:
    """All comparisons, the ceilings of the machine if the kernels measure them, and what else there is to say."""

    comparisons: tuple[Comparison, ...]
    ceilings: Ceilings | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """How it is measured.

    Attributes:
        rounds: turns of each candidate.
        seconds: of a turn, at least; one timed call at least.
        modes: of PyTorch, `EAGER` first.
        precision: asked of the kernels: "auto", "fp32" or "bf16".
        threads: of every candidate.
    """

    rounds: int
    seconds: float
    modes: tuple[Mode, ...]
    precision: Any = "auto"  # checked where it is used
    threads: int = 1


def measure(cases: Mapping[str, Case], method: Method, tell: Callable[[str], None]) -> Measured:
    """All cases, one after another.

    Args:
        cases: by name.
        method: how.
        tell: called with what is measured next, and with what cannot be.

    Raises:
        BackendUnavailableError: the kernels cannot run here.
        SpecError: they do not have this precision.
    """
    backend = get(NATIVE)
    problem = backend.unavailable("cpu")
    if problem is not None:
        raise BackendUnavailableError(f"backend {backend.kind}: {problem}")
    for case in cases.values():
        check(backend, started(case.model).network, "cpu")
    bf16(method.precision)
    if not cases:
        return Measured((), None, ())
    with torch_threads(method.threads):
        found: list[Ceilings] = []
        notes: list[str] = []
        comparisons = []
        for name, case in cases.items():
            tell(case.title)
            ceiling, reason = ceilings(CEILING_SECONDS)
            found += [ceiling] if ceiling is not None else []
            one, said = _compare(name, case, backend, method)
            comparisons.append(one)
            notes += [note for note in (reason, *said) if note and note not in notes]
            for candidate, why in one.failed.items():
                tell(f"{case.title}: {candidate} skipped: {why}")
    return Measured(tuple(comparisons), median_of(found), tuple(notes))


def thread_count(wanted: int | None) -> int:
    """As many threads as wanted, or as the kernels take by themselves; raises `SpecError` for more than cores."""
    module: Any = native.load()
    if wanted is None or module is None:
        return native.threads(wanted)
    if not 1 <= wanted <= module.available_cores():
        raise SpecError(f"--threads: 1 to {module.available_cores()}, one a core; got {wanted}")
    return wanted


def told(method: Method) -> dict[str, Any]:
    """A method for a report, with what the kernels make of it."""
    return {
        "rounds": method.rounds,
        "seconds": method.seconds,
        "modes": [mode.name for mode in method.modes],
        "precision": measured_precision(method.precision),
        "threads": method.threads,
        "instructions": instruction_set(),
    }


def bf16(precision: str) -> bool:
    """If operands of products may have 16 bits; raises `SpecError` for "bf16" where no instruction multiplies them."""
    if precision not in ("auto", "fp32", "bf16"):
        raise SpecError(f"--precision: auto, fp32 or bf16; got {precision!r}")
    if precision == "bf16" and not instruction_set().startswith("amx"):
        raise SpecError(f"--precision: bf16 needs a processor with AMX; this one has {instruction_set()}")
    return precision != "fp32"


def measured_precision(precision: str) -> str:
    """In which one large products are computed when a precision is asked for; raises as `bf16`."""
    return "bf16" if bf16(precision) and instruction_set().startswith("amx") else "fp32"


def instruction_set() -> str:
    """That of the kernels, or "none"."""
    module: Any = native.load()
    return "none" if module is None else os.environ.get("INR_ISA") or str(module.instruction_sets()[0])


def asked_of(case: Case, precision: str, isa: str) -> Asked:
    """The ratios that are asked for in a precision with an instruction set."""
    if precision == "bf16":
        return case.asked if isa == "amx" else Asked()
    return case.asked_fp32 if isa in ("amx", "avx512") else Asked()


def started(model: ModelSpec) -> TorchNetwork:
    """A new network, always with the same weights."""
    network = model.build(PICTURE, D_OUT)
    return TorchNetwork(network, model.initial(network, generator(0, "bench")))


def _start(model: ModelSpec) -> tuple[Network, Tensors]:
    """The same as a backend takes it."""
    module = started(model)
    return module.network, module.arrays()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """As many threads for PyTorch inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _compare(name: str, case: Case, backend: AbstractBackend, method: Method) -> tuple[Comparison, list[str]]:
    """One case, and what there is to say about it."""
    network, resources = started(case.model), Resources(method.threads, bf16(method.precision))
    trainer: Any = backend.trainer(*_start(case.model), MeanSquaredError(), Adam(), "cpu", 0, resources)
    engine = trainer.engine(D_IN, D_OUT, False)
    precision = "bf16" if engine.bf16 else "fp32"
    if case.batch is None:
        candidates = _decodes(case, backend.field(*_start(case.model), "cpu", resources), method.modes)
    else:
        candidates = _steps(case, trainer, method.modes)
    results, failed = _first_results(candidates)
    milliseconds = take_turns(candidates, method.rounds, method.seconds)
    torch.compiler.reset()
    one = Comparison(
        name,
        case.title,
        "decode" if case.batch is None else "step",
        case.samples,
        sum(tensor.numel() for tensor in network.parameters()),
        precision,
        asked_of(case, precision, instruction_set()),
        milliseconds,
        results,
        failed,
        work(network.network, D_IN, case.samples, training=case.batch is not None),
    )
    notes = [f"{case.title}: {candidate}: {why}" for candidate, why in failed.items()]
    wrong = [c for c, result in results.items() if abs(result - results[EAGER.name]) > TOLERANCE * results[EAGER.name]]
    notes += [f"{case.title}: {c}: {results[c]:.6g} where eager has {results[EAGER.name]:.6g}" for c in wrong]
    if case.batch is not None:
        batch = _batch(case.samples)
        parts, reason = profile(engine, trainer.flat, batch.coordinates, batch.targets)
        one = replace(one, parts=parts)
        notes += [reason] if reason else []
    return one, notes


def _first_results(candidates: dict[str, Run]) -> tuple[dict[str, float], dict[str, str]]:
    """What each candidate's first call gave, and why modes of PyTorch cannot run here; they are taken out."""
    results, failed = {}, {}
    for candidate, run in list(candidates.items()):
        if candidate in (NATIVE, EAGER.name):
            results[candidate] = run()
            continue
        outcome = attempt(run)
        if isinstance(outcome, str):
            failed[candidate] = outcome
            del candidates[candidate]
        else:
            results[candidate] = outcome
    return results, failed


def _steps(case: Case, trainer: AbstractTrainer, modes: Sequence[Mode]) -> dict[str, Run]:
    """A step of each candidate; the kernels' trainer is given."""
    batch = _batch(case.samples)
    eager = get("torch").trainer(*_start(case.model), MeanSquaredError(), Adam(), "cpu")

    def eager_step() -> float:
        with matmul_precision(EAGER.matmul):
            return eager.step(batch, RATE).loss

    candidates: dict[str, Run] = {NATIVE: lambda: trainer.step(batch, RATE).loss, EAGER.name: eager_step}
    rivals = {mode.name: rival_step(mode, started(case.model), batch, RATE) for mode in modes if mode != EAGER}
    return {**candidates, **rivals}


def _decodes(case: Case, field: Field, modes: Sequence[Mode]) -> dict[str, Run]:
    """A decode to 8 bits of each candidate; the kernels' field is given."""
    domain, meta = Domain.of_shape(case.shape), SignalMeta("uint8", (0.0, 255.0), ImageAttributes())

    def decoding(decoded: Field) -> Run:
        return lambda: float(render(decoded, domain, meta, D_OUT).mean())

    def eager() -> float:
        with matmul_precision(EAGER.matmul):
            return reference()

    reference = decoding(get("torch").field(*_start(case.model), "cpu"))
    rivals = {mode.name: decoding(RivalField(mode, started(case.model))) for mode in modes if mode != EAGER}
    return {NATIVE: decoding(field), EAGER.name: eager, **rivals}


def _batch(samples: int) -> PointBatch:
    """Scattered points and targets, always the same."""
    rng = np.random.default_rng(0)
    coordinates = rng.uniform(-1, 1, (samples, D_IN)).astype(np.float32)
    return PointBatch(coordinates, rng.uniform(-1, 1, (samples, D_OUT)).astype(np.float32))


def take_turns(candidates: Mapping[str, Run], rounds: int, seconds: float) -> dict[str, tuple[float, ...]]:
    """Milliseconds of a call of each candidate in each round: the mean of a turn."""
    names = list(candidates)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(1000 * _turn(candidates[name], seconds))
    return {name: tuple(values) for name, values in taken.items()}


def _turn(run: Run, seconds: float) -> float:
    run()
    began, count = time.perf_counter(), 0
    while True:
        run()
        count += 1
        taken = time.perf_counter() - began
        if taken >= seconds:
            return taken / count
