"""How the coder `latent` meets what it is asked for."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skimage import data

import inr
from inr.codec.encode import Compressed
from inr.coders.latent.guess import guessed_lmbda
from inr.coders.latent.plan import bpp_of, lmbda_of, lmbda_of_psnr, lmbda_of_quality
from inr.errors import FitCancelledError, SpecError, TargetError
from inr.fitting.checkpoint import CheckpointPolicy
from inr.fitting.events import Event, Progress
from inr.fitting.run import Hooks

Array = npt.NDArray[Any]

RGB, GRAY = "astronaut", "camera"


def crop(name: str, height: int, width: int) -> Array:
    """Part of a real picture at its own resolution."""
    whole: Array = getattr(data, name)()
    return whole[200 : 200 + height, 150 : 150 + width].copy()


def compressed(picture: Array, **request: Any) -> Compressed:
    return inr.compress(picture, coder="latent", **{"steps": 200, **request})


@pytest.mark.parametrize(
    ("picture", "size"), [(crop(RGB, 48, 64), 900), (crop(GRAY, 37, 53), 700)], ids=["colour", "gray, odd"]
)
def test_a_size_is_kept_and_used(picture: Array, size: int) -> None:
    """Never over, and within 4 % of it; with no more iterations than planned and the reserve."""
    result = compressed(picture, size=size)
    assert 0.96 * size <= len(result.data) <= size
    assert 200 <= result.report.steps <= 320


def test_a_psnr_is_reached_and_not_by_much() -> None:
    """Of the decoded file."""
    result = compressed(crop(GRAY, 37, 53), psnr=34)
    assert 34 <= result.report.psnr <= 34.15


def test_a_psnr_is_reached_by_much_detail() -> None:
    """That the training misses by .15 dB, which a choice of symbols makes up for."""
    noisy = crop(RGB, 72, 96).astype(np.float64) + np.random.default_rng(0).normal(0, 8, (72, 96, 3))
    result = compressed(np.clip(noisy, 0, 255).astype(np.uint8), psnr=26)
    assert 26 <= result.report.psnr <= 26.15


def test_a_psnr_out_of_reach_is_said() -> None:
    """With what was reached, after a limited number of iterations."""
    with pytest.raises(TargetError, match=r"psnr: 70 dB was not reached, the file has [\d.]+ dB"):
        compressed(crop(RGB, 24, 24), psnr=70, steps=20)


@pytest.mark.parametrize("kind", ["constant", "noise", "text"])
def test_pictures_unlike_photos_keep_their_size(kind: str) -> None:
    """Bits of these go by other laws than those of photos."""
    if kind == "constant":
        picture = np.full((40, 40, 3), 77, dtype=np.uint8)
    elif kind == "noise":
        picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    else:
        picture = data.text()[40:80, 100:148].copy()  # type: ignore[no-untyped-call]
    assert len(compressed(picture, size=600, steps=60).data) <= 600


def test_quality_is_monotone_and_lambda_is_kept() -> None:
    """In size and PSNR; a lambda costs exactly the iterations that are planned."""
    picture = crop(RGB, 40, 40)
    results = [compressed(picture, quality=quality, steps=120) for quality in (10, 45, 80)]
    sizes, psnrs = [len(one.data) for one in results], [one.report.psnr for one in results]
    assert sizes == sorted(sizes)
    assert psnrs == sorted(psnrs)
    same = compressed(picture, lmbda=lmbda_of_quality(45), steps=120)
    assert same.data == results[1].data
    assert same.report.steps == 120


def test_lambdas_of_targets() -> None:
    """Maps are inverse to each other and fall as more is asked for."""
    assert bpp_of(lmbda_of(0.7)) == pytest.approx(0.7)
    assert lmbda_of_psnr(30) > lmbda_of_psnr(31)
    assert lmbda_of_quality(1) == pytest.approx(3e-2)
    assert lmbda_of_quality(100) == pytest.approx(2e-5)
    picture = np.moveaxis(crop(RGB, 96, 96) / 255.0, -1, 0).astype(np.float32)
    guesses = [guessed_lmbda(picture, bpp=bpp) for bpp in (0.2, 0.5, 1.5)]
    assert guesses == sorted(guesses, reverse=True)
    assert 1e-5 < guesses[1] < 1e-1
    assert guessed_lmbda(picture, psnr=30) > guessed_lmbda(picture, psnr=36)
    assert guessed_lmbda(np.zeros((3, 16, 16), np.float32), psnr=40) <= 1


@pytest.mark.parametrize("target", [{"size": 800}, {"psnr": 31.0}, {"quality": 40}])
@pytest.mark.parametrize("at", [50, 135])
def test_going_on_gives_the_same_bytes(target: dict[str, Any], at: int, tmp_path: Path) -> None:
    """Stopped in the main phase, and in the last one or in the rounds after it."""
    picture, steps, seen = crop(RGB, 32, 40), 120, 0
    if "quality" in target and at > steps:
        at = 110

    def cancelled() -> bool:
        nonlocal seen
        seen += 1
        return seen == at

    try:
        whole: bytes | str = compressed(picture, steps=steps, **target).data
    except TargetError as error:
        whole = str(error)
    policy = CheckpointPolicy(tmp_path / "checkpoint")
    with pytest.raises(FitCancelledError):
        inr.compress(
            picture, None, Hooks(cancelled=cancelled, checkpoint=policy), coder="latent", steps=steps, **target
        )
    try:
        again: bytes | str = inr.compress(
            picture, None, Hooks(checkpoint=policy), coder="latent", steps=steps, **target
        ).data
    except TargetError as error:
        again = str(error)
    assert again == whole


def test_progress_tells_size_and_time() -> None:
    """From the first point of the curve on; the share of work ends at 1."""
    events: list[Event] = []
    inr.compress(crop(GRAY, 32, 32), None, Hooks(on_event=events.append), coder="latent", size=500, steps=80)
    told = [event for event in events if isinstance(event, Progress)]
    assert all(event.bpp is not None and math.isfinite(event.bpp) for event in told)
    assert told[-1].share == 1
    assert told[-1].bpp == pytest.approx(8 * 500 / 32**2, rel=0.3)


def test_lambda_is_of_latents_alone() -> None:
    """Other coders refuse it, and two targets contradict each other."""
    with pytest.raises(SpecError, match="lmbda: the coder weights has none"):
        inr.compress(crop(GRAY, 16, 16), coder="weights", lmbda=1e-3, steps=2)
    with pytest.raises(SpecError, match="at most one of bpp, psnr, size, quality and lmbda"):
        inr.compress(crop(GRAY, 16, 16), coder="latent", lmbda=1e-3, bpp=1)
