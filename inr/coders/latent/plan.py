"""From what a user asks for to a pyramid, its networks and a schedule."""

import math
from typing import Literal

from inr.coders import presets
from inr.coders.base import Files, Plan
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import MAX_PIXELS, MAX_SIDE, runs
from inr.coders.request import CompressSpec
from inr.container.header import CoderPart
from inr.errors import LimitExceededError, SpecError, TargetError
from inr.signals.info import SignalInfo

ITERATIONS = {"fast": 300, "default": 1000, "best": 4000}
"""Of the presets."""
USUAL_LMBDA = 1e-3
"""Where no target is given."""
SHARE = 0.2
"""Of a file, that networks may take."""
PARAMETER_BYTES = 1.1
"""Of a stored parameter, about."""
SMALLEST_BYTES = 80
"""Of payloads, below which no picture is tried."""
MAX_TRAINED = MAX_PIXELS
"""Pixels that can be trained at once."""

ARRANGEMENTS: tuple[dict[str, int], ...] = (
    {},
    {"contexts": 10, "features": 4, "width": 16},
    {"contexts": 6, "features": 2, "width": 8, "residuals": 1},
    {"contexts": 2, "features": 0, "hidden": 0, "width": 4, "residuals": 0},
)
"""Settings of networks, large to small."""


class LatentPlan(Plan):
    """Settings of a training and of its file."""

    coder: Literal["latent"] = "latent"
    latents: LatentSpec
    """The pyramid and its networks."""
    lmbda: float
    """Mean squared error (of values in [0, 1]) that a bit a pixel may cost; where `payload` is None, to the end."""
    payload: int | None = None
    """Bytes that all payloads may have together, or None."""
    iterations: int
    seed: int = 0
    layers: int = 1


def lmbda_of(bpp: float) -> float:
    """The lambda that gives a photo so many bits a pixel: 1e-4 for 1.36, 2e-2 for 0.084, a power between."""
    return 1e-4 * math.exp(math.log(200) * math.log(bpp / 1.36) / math.log(0.084 / 1.36))


def arrangement(channels: int, size: float) -> dict[str, int]:
    """Settings of the largest networks that take no more than their share of a file of so many bytes."""
    for settings in ARRANGEMENTS[:-1]:
        spec = LatentSpec(channels=channels, **settings)
        if parameters_of(spec) * PARAMETER_BYTES <= SHARE * size:
            return settings
    return ARRANGEMENTS[-1]


def parameters_of(spec: LatentSpec) -> int:
    """Numbers of all networks."""
    return sum(tensor.size for tensor in spec.layout())


def expected_size(signal: SignalInfo, request: CompressSpec) -> float:
    """Bytes of the file that a request asks for, or will about get."""
    if request.size is not None:
        return request.size
    if request.bpp is not None:
        return request.bpp * signal.domain.size / 8
    bpp = 0.4 if request.quality is None else presets.bpp_of_quality(request.quality)
    return bpp * signal.domain.size / 8


def plan(signal: SignalInfo, request: CompressSpec, latents: LatentSpec, files: Files, part: CoderPart) -> LatentPlan:
    """Choose lambda, budget and seed for a pyramid; raises `SpecError` or `TargetError`.

    Args:
        signal: what will be fitted.
        request: what the user asks for.
        latents: the pyramid and its networks.
        files: what files of it would be.
        part: what their header says.
    """
    if signal.domain.axes != ("y", "x"):
        raise SpecError(f"coder latent: only pictures have latents; got axes {', '.join(signal.domain.axes)}")
    if signal.domain.size > MAX_TRAINED:
        raise SpecError(
            f"coder latent: {signal.domain.size} pixels; at most {MAX_TRAINED} are trained at once: "
            "choose a smaller segment, or the coder weights"
        )
    if max(signal.domain.shape) > MAX_SIDE:
        raise SpecError(
            f"coder latent: a side of {max(signal.domain.shape)} pixels; at most {MAX_SIDE} are possible: "
            "choose the coder weights"
        )
    try:
        runs(latents.levels, request.layers)
    except LimitExceededError as error:
        raise SpecError(f"layers: {error}") from None
    expected = expected_size(signal, request)
    named = request.size is not None or request.bpp is not None
    size = math.floor(expected) if named else None
    payload = None
    if size is not None:
        payload = size - files.framing(part, request.layers)
        if payload < SMALLEST_BYTES:
            raise TargetError(f"size: {size} bytes are too few; the smallest is {size - payload + SMALLEST_BYTES}")
    targeted = named or request.quality is not None
    steps = ITERATIONS.get(request.preset, 1000) if request.steps is None else request.steps
    return LatentPlan(
        size=size,
        named=named,
        model="latent",
        parameters=parameters_of(latents) + sum(grid.size for grid in latents.grids(*signal.domain.shape)),
        latents=latents,
        lmbda=lmbda_of(8 * expected / signal.domain.size) if targeted else USUAL_LMBDA,
        payload=payload,
        iterations=steps,
        seed=request.seed,
        layers=request.layers,
    )
