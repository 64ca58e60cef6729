"""Options that several sub-commands share, written once and handed over as one object."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from inr.errors import SpecError

T = TypeVar("T")

TARGET, INPUT, MODEL, TRAINING, COMPUTER, OUTPUT = "Target", "Input", "Model", "Training", "Computer", "Output"
SERVER = "Server"
"""Groups of options in the help."""


def known(what: str) -> Callable[[str], list[str]]:
    """What completes a name in a shell: the components of a list of `inr`."""

    def complete(incomplete: str) -> list[str]:
        from inr.codec.listing import names

        return [name for name in names(what) if name.startswith(incomplete)]

    return complete


def option(group: str, *names: str, completed_by: str | None = None, metavar: str | None = None, help: str) -> Any:
    """An option of a group; `completed_by` is the list that its values are in."""
    return typer.Option(
        *names,
        help=help,
        metavar=metavar,
        rich_help_panel=group,
        autocompletion=None if completed_by is None else known(completed_by),
    )


Json = Annotated[bool, option(OUTPUT, "--json", help="Print one JSON object.")]
Time = Annotated[str | None, option(INPUT, "--time", help="START:END of a video in seconds; either may be left out.")]
BackendName = Annotated[
    str, option(COMPUTER, "--backend", completed_by="backends", help="auto, or see `inr backends`.")
]
Device = Annotated[str, option(COMPUTER, completed_by="devices", help="auto, cpu or cuda.")]
Threads = Annotated[int | None, option(COMPUTER, help="Threads on a CPU; default: OMP_NUM_THREADS, or all cores.")]


@dataclass(frozen=True)
class FitOptions:
    """What a fit is told, and how it is followed."""

    model: Annotated[str | None, option(MODEL, completed_by="models", help="Kind of model, see `inr models`.")] = None
    settings: Annotated[
        list[str] | None,
        option(MODEL, "--set", metavar="NAME=VALUE", help="A setting of the model; may be repeated."),
    ] = None
    preset: Annotated[str, option(MODEL, completed_by="presets", help="See `inr presets`.")] = "default"
    init: Annotated[
        str,
        option(
            TRAINING,
            completed_by="inits",
            help="Initialiser, see `inr inits`; with settings as kind:name=value,name=value.",
        ),
    ] = "default"
    sampler: Annotated[
        str | None,
        option(
            TRAINING,
            completed_by="samplers",
            help="Sampler, see `inr samplers`; settings likewise. Default: what suits the model.",
        ),
    ] = None
    loss: Annotated[
        str,
        option(TRAINING, completed_by="losses", help="What training makes small, see `inr losses`; settings likewise."),
    ] = "mse"
    task: Annotated[
        str,
        option(
            TRAINING, completed_by="tasks", help="What the field is fitted for, see `inr tasks`; settings likewise."
        ),
    ] = "fit"
    optimiser: Annotated[
        str, option(TRAINING, completed_by="optimisers", help="See `inr optimisers`; settings likewise.")
    ] = "adam"
    schedule: Annotated[
        str, option(TRAINING, completed_by="schedules", help="Learning rate over time, see `inr schedules`.")
    ] = "cosine"
    reparam: Annotated[
        str, option(TRAINING, completed_by="reparams", help="Weights while they are trained, see `inr reparams`.")
    ] = "none"
    transform: Annotated[
        str,
        option(
            TRAINING,
            completed_by="transforms",
            help="Of the samples: auto (high dynamic range on a curve of light), none, or power.",
        ),
    ] = "auto"
    time: Time = None
    axes: Annotated[
        int | None, option(INPUT, help="How many axes of an array are coordinates; one more holds channels.")
    ] = None
    steps: Annotated[int | None, option(TRAINING, help="Gradient steps.")] = None
    seconds: Annotated[float | None, option(TRAINING, help="Time of the gradient steps.")] = None
    learning_rate: Annotated[
        float | None, option(TRAINING, "--lr", help="Peak learning rate; default: the model's.")
    ] = None
    batch: Annotated[int | None, option(TRAINING, help="Samples of a step; default: the sampler's.")] = None
    seed: Annotated[int, option(TRAINING, help="Seed of all randomness.")] = 0
    backend: BackendName = "auto"
    device: Device = "auto"
    threads: Threads = None
    precision: Annotated[
        str,
        option(
            COMPUTER,
            completed_by="precisions",
            help="Of matrix products: fp32, bf16 (if the CPU has AMX) or auto.",
        ),
    ] = "auto"
    checkpoint: Annotated[Path | None, option(OUTPUT, "--checkpoint", help="Save the fit here, and go on from it.")] = (
        None
    )
    quiet: Annotated[bool, option(OUTPUT, "--quiet", "-q", help="Show no progress.")] = False

    def request(self) -> dict[str, Any]:
        """Keywords for `inr.codec.compress.fit_file`; raises `SpecError`."""
        kept = {f.name: getattr(self, f.name) for f in fields(FitOptions) if f.name not in ("checkpoint", "quiet")}
        return {**kept, "settings": named_values("--set", self.settings), "time": time_range(self.time)}


@dataclass(frozen=True)
class TargetOptions:
    """What is asked of the file."""

    bpp: Annotated[float | None, option(TARGET, help="Bits per pixel of the file.")] = None
    psnr: Annotated[float | None, option(TARGET, help="PSNR of the decoded file in dB; of HDR pictures PU21-PSNR.")] = (
        None
    )
    size: Annotated[int | None, option(TARGET, help="Bytes of the file, at most.")] = None
    quality: Annotated[int | None, option(TARGET, help="1 to 100.")] = None
    lmbda: Annotated[
        float | None, option(TARGET, "--lambda", help="Squared error that a bit a pixel may cost; coder latent only.")
    ] = None
    bits: Annotated[float | None, option(TARGET, help="Bits a weight: 1 to 12; 16 or 32 store floats.")] = None
    layers: Annotated[int, option(TARGET, help="Quality layers, 1 to 8.")] = 1
    coder: Annotated[
        str | None,
        option(
            TARGET,
            completed_by="coders",
            help="Way to compress, latent or weights; settings as kind:name=value. Default: latent for pictures.",
        ),
    ] = None
    segment: Annotated[
        int | None,
        option(
            INPUT, help="Frames of a video, rows of a picture or samples along an array's first axis fitted at once."
        ),
    ] = None


@dataclass(frozen=True)
class CompressOptions(FitOptions, TargetOptions):
    """What `inr compress` and `inr submit` are told."""

    def request(self) -> dict[str, Any]:
        """Keywords for `inr.compress` and `inr.Client.submit`; raises `SpecError`."""
        return {**super().request(), **{f.name: getattr(self, f.name) for f in fields(TargetOptions)}}


def takes(kind: type[T]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: the command gets one option for each field of a dataclass, and all of them as its `options`."""
    hints = get_type_hints(kind, include_extras=True)
    shared = [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(kind)  # type: ignore[arg-type]
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name != "options"]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            options = kind(**{p.name: values.pop(p.name) for p in shared})
            command(**values, options=options)

        run.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in [*own, *shared]}
        return run

    return decorate


def time_range(text: str | None) -> tuple[float, float] | None:
    """``1.5:3`` to (1.5, 3.0); an end left out is 0 or infinity; raises `SpecError`."""
    if text is None:
        return None
    start, colon, end = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return float(start or 0), float(end or "inf")
    except ValueError:
        raise SpecError(f"--time takes START:END in seconds; got {text!r}") from None


def named_values(option: str, pairs: list[str] | None) -> dict[str, Any]:
    """``["width=64"]`` to ``{"width": 64}``; raises `SpecError` that names the option."""
    from inr.registry import value_of

    result: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not (name and equals and text):
            raise SpecError(f"{option} takes name=value; got {pair!r}")
        result[name] = value_of(text)
    return result
