"""From what a user asks for to a pyramid, its networks and a schedule."""

import math
from typing import Literal

from inr.coders.base import Files, Plan
from inr.coders.latent.coarse import FEWEST_STEPS
from inr.coders.latent.shipped import OWN, WARM_UP, nearest
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import MAX_PIXELS, MAX_SIDE, runs
from inr.coders.request import CompressSpec
from inr.container.header import CoderPart
from inr.errors import LimitExceededError, SpecError, TargetError
from inr.signals.info import SignalInfo

ITERATIONS = {"fast": 350, "default": 1500, "best": 7500}
"""Of the presets: 15, 60 and 300 s for 768x512 pixels at 40 ms each. A target may take `RESERVE` more."""
SHORT = 1000
"""Iterations below which the schedule is that of a short training."""
RESERVE = 0.25
"""Share of the iterations that meeting a target may take beside them."""
LEAST_RESERVE = 120
"""Iterations that it may take in any case."""
USUAL_LMBDA = 1e-3
"""Where no target is given."""
QUALITY_LMBDA = (3e-2, 2e-5)
"""Of quality 1 and of quality 100."""
SHARE = 0.35
"""Of a file, that networks may take."""
PARAMETER_BYTES = 0.6
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
    """Mean squared error (of values in [0, 1]) that a bit a pixel may cost; with a target that of an average photo, and
    the training begins with a guess from the picture itself."""
    payload: int | None = None
    """Bytes that all payloads may have together, or None."""
    iterations: int
    """All of them; one on the picture or as many as cost that on a copy count as one."""
    start: int = OWN
    """Number of the shipped networks that it starts from; 0 for random ones."""
    seed: int = 0
    layers: int = 1
    threads: int | None = None
    """Of the compiled kernels; the bytes do not depend on it. None for what `inr.native.threads` says."""


def lmbda_of(bpp: float) -> float:
    """The lambda that gives a photo so many bits a pixel: 1e-4 for 1.36, 2e-2 for 0.084, a power between."""
    return 1e-4 * math.exp(math.log(bpp / 1.36) * math.log(200) / math.log(0.084 / 1.36))


def bpp_of(lmbda: float) -> float:
    """Bits a pixel that a photo has with a lambda: the inverse of `lmbda_of`."""
    return 1.36 * math.exp(math.log(lmbda / 1e-4) * math.log(0.084 / 1.36) / math.log(200))


def lmbda_of_psnr(psnr: float) -> float:
    """The lambda that gives a photo such a PSNR in dB: 1e-4 for 40, 2e-2 for 26.6, a power between."""
    return float(min(max(1e-4 * 200 ** ((40 - psnr) / 13.4), 1e-7), 1.0))


def lmbda_of_quality(quality: int) -> float:
    """The lambda of a quality 1 to 100: `QUALITY_LMBDA`, a geometric series between."""
    low, high = QUALITY_LMBDA
    return float(low * (high / low) ** ((quality - 1) / 99))


def arrangement(channels: int, size: float) -> dict[str, int]:
    """Settings of the largest networks that take no more than their share of a file of so many bytes."""
    for settings in ARRANGEMENTS[:-1]:
        spec = LatentSpec(channels=channels, **settings)
        if spec.parameters * PARAMETER_BYTES <= SHARE * size:
            return settings
    return ARRANGEMENTS[-1]


def first_lmbda(signal: SignalInfo, request: CompressSpec) -> float:
    """Lambda as a request says it, or what would meet its target for a photo."""
    if request.lmbda is not None:
        return request.lmbda
    if request.quality is not None:
        return lmbda_of_quality(request.quality)
    if request.psnr is not None:
        return lmbda_of_psnr(request.psnr)
    if request.bpp is not None:
        return lmbda_of(request.bpp)
    return USUAL_LMBDA if request.size is None else lmbda_of(8 * request.size / signal.domain.size)


def expected_size(signal: SignalInfo, request: CompressSpec) -> float:
    """Bytes of the file that a request asks for, or will about get."""
    if request.size is not None:
        return request.size
    bpp = bpp_of(first_lmbda(signal, request)) if request.bpp is None else request.bpp
    return bpp * signal.domain.size / 8


def warm_up(iterations: int, number: int = OWN) -> tuple[tuple[int, int], ...]:
    """Rounds of the warm-up, see `TrainingSpec`: a sixth of all iterations, none of very few.

    Args:
        iterations: of the whole training.
        number: of the shipped networks that it starts from, which need but a short one; 0 for random ones.
    """
    if iterations < FEWEST_STEPS:
        return ()
    if number != OWN:
        return ((1, WARM_UP),)
    if iterations < 2000:
        return ((2, math.ceil(iterations / 20)), (1, math.ceil(iterations / 20)))
    return ((5, 50), (2, 50))


def betas(iterations: int) -> tuple[float, float]:
    """Of Adam for latents: a short training must forget the squares of its first gradients sooner (by 1-2 % of J)."""
    return 0.9, 0.95 if iterations < SHORT else 0.99


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
    named = request.size is not None or request.bpp is not None
    size = math.floor(expected_size(signal, request)) if named else None
    payload = None
    if size is not None:
        payload = size - files.framing(part, request.layers)
        if payload < SMALLEST_BYTES:
            raise TargetError(f"size: {size} bytes are too few; the smallest is {size - payload + SMALLEST_BYTES}")
    lmbda = first_lmbda(signal, request)
    steps = ITERATIONS.get(request.preset, ITERATIONS["default"]) if request.steps is None else request.steps
    return LatentPlan(
        size=size,
        named=named,
        model="latent",
        parameters=latents.parameters + sum(grid.size for grid in latents.grids(*signal.domain.shape)),
        latents=latents,
        psnr=request.psnr,
        lmbda=lmbda,
        payload=payload,
        iterations=steps,
        start=nearest(latents, lmbda),
        seed=request.seed,
        layers=request.layers,
        threads=request.threads,
    )
