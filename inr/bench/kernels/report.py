"""What was measured of the kernels, as tables and as a JSON document."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inr.bench.documents import environment, markdown, short, write_json
from inr.bench.kernels.ceilings import Part, by_kind, reach
from inr.bench.kernels.fits import Fitted, Memory, Reached
from inr.bench.kernels.rivals import EAGER
from inr.bench.kernels.steps import NATIVE, Comparison, Measured
from inr.files import write_bytes

MEMORY_ASKED = 400
"""MB beyond importing, at most, for a picture of 768 x 512 samples."""
GAIN_ASKED = 0.3
"""dB that products of 16-bit operands may cost at equal steps, up to 40 dB."""


@dataclass(frozen=True)
class Told:
    """Everything that the benchmark says."""

    settings: dict[str, Any]
    measured: Measured
    fits: Sequence[Fitted] = ()
    memory: Sequence[Memory] = ()


def tables(told: Told) -> str:
    """All of it as Markdown."""
    measured, threads = told.measured, int(told.settings["threads"])
    comparisons = measured.comparisons
    parts = []
    if comparisons:
        parts += [_basis(told), _ratios(comparisons), _modes(comparisons), _work(measured, threads)]
        parts.append(_parts(measured, threads))
    parts += [_fits(told.fits), _memory(told.memory)]
    parts.append("\n".join(f"- {note}" for note in measured.notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def _basis(told: Told) -> str:
    settings = told.settings
    return (
        f"Median of {settings['rounds']} turns of at least {settings['seconds']:g} s each, by turns in one process; in "
        f"brackets the least and the most of a round. Threads: {settings['threads']}; instruction set of the kernels: "
        f"{settings['instructions']}. A step is forward, backward and Adam; a decode is to 8 bits."
    )


def _ratios(comparisons: Sequence[Comparison]) -> str:
    """The kernels beside eager PyTorch and, if other modes were run, beside its best one."""
    head = ["network", "samples", "products", "native ms", "eager ms", "over eager", "asked"]
    rivals = any(len(one.milliseconds) > 2 for one in comparisons)
    rows = [[*head, "best of torch", "ms", "over the best", "asked"] if rivals else head]
    for one in comparisons:
        asked, best = one.asked, one.best()
        cells = [one.title, str(one.samples), one.precision, _digits(one.median(NATIVE))]
        cells += [_digits(one.median(EAGER.name)), _ratio(one, EAGER.name), _asked(asked.over_eager)]
        over_best = [best, _digits(one.median(best)), _ratio(one, best), _asked(asked.over_best)]
        rows.append([*cells, *over_best] if rivals else cells)
    return "\n".join(markdown(rows))


def _ratio(one: Comparison, candidate: str) -> str:
    ratio = one.over(candidate)
    return f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"


def _asked(value: float | None) -> str:
    return "" if value is None else f"at least {value:g}"


def _digits(value: float) -> str:
    """Three digits, more before the point if there are."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _modes(comparisons: Sequence[Comparison]) -> str:
    """Milliseconds of every candidate; nothing if there is no mode beside eager."""
    names = list(dict.fromkeys(name for one in comparisons for name in (*one.milliseconds, *one.failed)))
    if set(names) <= {NATIVE, EAGER.name}:
        return ""
    rows = [["ms", *names]]
    for one in comparisons:
        cells = [_digits(one.median(n)) if n in one.milliseconds else "-" for n in names]
        rows.append([one.title, *cells])
    return "\n".join(markdown(rows))


def _work(measured: Measured, threads: int) -> str:
    """What there is to compute, and how far the kernels are from the ceilings."""
    ceiling = measured.ceilings
    head = ["network", "GFLOP", "sines M", "GFLOP/s"]
    rows = [[*head, "of products' ceiling", "ms at the ceilings", "of the time"] if ceiling is not None else head]
    for one in measured.comparisons:
        ms, done = one.median(NATIVE), one.work
        cells = [one.title, f"{done.gflop:.3g}", f"{done.all_sines:.3g}", f"{1000 * done.gflop / ms:.0f}"]
        if ceiling is not None:
            near = reach(done, ms, ceiling, one.precision, threads)
            cells += [f"{near.of_gemm:.0%}", _digits(near.least_ms), f"{near.of_both:.0%}"]
        rows.append(cells)
    table = "\n".join(markdown(rows))
    if ceiling is None:
        return table
    bf16 = f"{ceiling.bf16_gemm_gflops:.0f} GFLOP/s of these in bf16, " if ceiling.bf16_gemm_gflops else ""
    about = (
        f"One thread of this machine: {ceiling.fma_gflops:.0f} GFLOP/s of independent sums of products in 32 bits, "
        f"{ceiling.gemm_gflops:.0f} GFLOP/s of matrix products in fp32, {bf16}{ceiling.sine_ns:.3g} ns for a sine with "
        "its cosine."
    )
    return f"{about}\n\n{table}"


def _parts(measured: Measured, threads: int) -> str:
    """Where the time of a step goes; nothing if the kernels do not tell."""
    rows = [["network", "operations", "ms of all threads", "forward", "backward", "of the step", "of its ceiling"]]
    for one in measured.comparisons:
        for part in _kinds(one, measured, threads) or ():
            ways = ["" if ms is None else _digits(ms) for ms in (part.forward, part.backward)]
            ceiling = "" if part.of_ceiling is None else f"{part.of_ceiling:.0%}"
            rows.append([one.title, part.kind, _digits(part.ms), *ways, f"{part.share:.0%}", ceiling])
    return "\n".join(markdown(rows)) if len(rows) > 1 else ""


def _kinds(one: Comparison, measured: Measured, threads: int) -> list[Part] | None:
    if one.parts is None:
        return None
    return by_kind(one.parts, one.work, one.median(NATIVE), measured.ceilings, one.precision, threads)


def _fits(fits: Sequence[Fitted]) -> str:
    if not fits:
        return ""
    targets = [f"{one.psnr:g} dB" for one in fits[0].reached]
    rows = [["fit", "backend", "products", "steps", "seconds", "PSNR dB", "least to most", "vs torch", *targets]]
    for one in fits:
        median, least, most = one.psnr
        cells = [one.source, one.backend, one.precision, str(one.steps), f"{one.seconds:.1f}", f"{median:.2f}"]
        reached = [_reached(point) for point in one.reached]
        rows.append([*cells, f"{least:.2f} to {most:.2f}", f"{one.gain:+.2f}", *reached])
    about = (
        f"Fits, median over the seeds; the last columns say after how long a PSNR was first reached. Asked: products "
        f"in bf16 cost at most {GAIN_ASKED:g} dB; kodim23 on two cores with AMX has 32 dB in under 15 s and 34 dB in "
        "under 20 s."
    )
    return f"{about}\n\n" + "\n".join(markdown(rows))


def _reached(point: Reached) -> str:
    return "never" if point.seconds is None else f"{point.seconds:.1f} s, {point.steps} steps"


def _memory(memory: Sequence[Memory]) -> str:
    if not memory:
        return ""
    rows = [["memory of a fit", "backend", "imported MB", "most beyond that, MB", "asked"]]
    for one in memory:
        asked = f"under {MEMORY_ASKED}" if one.backend == NATIVE else ""
        rows.append([one.source, one.backend, f"{one.imported:.0f}", f"{one.beyond:.0f}", asked])
    return "\n".join(markdown(rows))


def document(told: Told) -> dict[str, Any]:
    """Everything as a JSON object."""
    measured, threads = told.measured, int(told.settings["threads"])
    return {
        "benchmark": "kernels",
        "settings": told.settings,
        "environment": {**environment(), "threads": threads},
        "ceilings": None if measured.ceilings is None else short(asdict(measured.ceilings)),
        "comparisons": [_comparison(one, measured, threads) for one in measured.comparisons],
        "fits": [short(asdict(one)) for one in told.fits],
        "memory": [short(asdict(one)) for one in told.memory],
        "notes": list(measured.notes),
    }


def _comparison(one: Comparison, measured: Measured, threads: int) -> dict[str, Any]:
    """A comparison with what follows from it."""
    ceiling, best, kinds = measured.ceilings, one.best(), _kinds(one, measured, threads)
    near = None if ceiling is None else reach(one.work, one.median(NATIVE), ceiling, one.precision, threads)
    derived = {
        "median_ms": {name: one.median(name) for name in one.milliseconds},
        "over_eager": asdict(one.over(EAGER.name)),
        "best": best,
        "over_best": asdict(one.over(best)),
        "reach": None if near is None else asdict(near),
        "kinds": None if kinds is None else [asdict(part) for part in kinds],
    }
    found: dict[str, Any] = short({**asdict(one), **derived})
    return found


def write(told: Told, folder: Path) -> list[Path]:
    """Write the tables and a JSON document; returns their paths, raises `FileAccessError`."""
    text, data = folder / "kernels.md", folder / "kernels.json"
    write_bytes(text, tables(told).encode())
    write_json(data, document(told))
    return [text, data]
