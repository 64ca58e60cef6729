"""Learning the networks that the library ships."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from inr.coders.latent.learn import HELD_OUT, LearnSpec, Round, crops, packed, read, tuned
from inr.coders.latent.shipped import EXPONENT, RETIRED, SPEC, stored
from inr.coders.latent.spec import LatentSpec
from inr.errors import SpecError

SMALL = LatentSpec(levels=4, hyper=(2,), contexts=6, features=3, width=6)


def _pictures(count: int = 20, side: int = 40) -> npt.NDArray[np.uint8]:
    """Smooth colours with a little noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    waves = [np.sin(6 * (a * y + b * x) + c) for a, b, c in random.uniform(0, 1, (count * 3, 3))]
    values = 128 + 80 * np.stack(waves).reshape(count, 3, side, side) + random.normal(0, 3, (count, 3, side, side))
    return values.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def test_an_inner_loop_is_a_whole_training() -> None:
    """With a copy; from the networks that one found the next ends up cheaper."""
    photo = np.tile(_pictures(1, 64)[0].transpose(2, 0, 1) / np.float32(255), (1, 6, 6))[:, :, :352]
    first, networks = tuned(photo, SMALL, 1e-3, 120, None)
    again, moved = tuned(photo, SMALL, 1e-3, 120, networks)
    assert again < first
    assert not np.array_equal(networks, moved)


def test_crops_are_always_the_same() -> None:
    pictures = _pictures(3, 40)
    first, second = (list(crops(pictures, 5, 32, 7, "a")) for _ in range(2))
    assert [one.shape for one in first] == [(3, 32, 32)] * 5
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], next(crops(pictures, 5, 32, 7, "b")))


def test_the_command_learns_and_goes_on(tmp_path: Path) -> None:
    """One set for each lambda, behind those that are no longer made; stopped after some crops it ends with the same."""
    data = tmp_path / "data"
    data.mkdir()
    for i, picture in enumerate(_pictures(HELD_OUT + 2, 32)):
        Image.fromarray(picture).save(data / f"{i:02}.png")
    few, more = Round(crops=1, steps=12, moves=(0.5, 0.5)), Round(crops=2, steps=12, moves=(0.5, 0.5))
    spec = LearnSpec(lmbdas=(1e-3, 4e-3), first=few, others=more, side=32)
    results = []
    for out, settings in (("whole", [spec]), ("parts", [spec.replace(others=few), spec])):
        command = [sys.executable, "-m", "inr.coders.latent.learn", str(data), str(tmp_path / out)]
        for one in settings:
            told = subprocess.run(
                [*command, "--spec", one.to_json()], check=True, capture_output=True, text=True
            ).stdout
        results.append((tmp_path / out / "shipped.bin").read_bytes())
        assert told.splitlines()[-1] == hashlib.sha256(results[-1]).hexdigest()
    assert results[0] == results[1]
    values = np.frombuffer(results[0], "<i2").reshape(len(RETIRED) + 2, SPEC.parameters)
    assert np.array_equal(values[: len(RETIRED)], stored()[: len(RETIRED)])
    assert not np.array_equal(values[-1], values[-2])


def test_refuses_too_few_and_too_small_pictures(tmp_path: Path) -> None:
    """One line that says both numbers."""
    with pytest.raises(SpecError, match="has 0 pictures; more than 8 are needed"):
        read(tmp_path)
    for i in range(HELD_OUT + 1):
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / f"{i}.png")
    command = [sys.executable, "-m", "inr.coders.latent.learn", str(tmp_path), str(tmp_path / "out")]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr == "learn: crops of 384 pixels a side; the pictures have (40, 40)\n"


def test_networks_that_do_not_fit_are_not_packed() -> None:
    """16 bits at the step of 2^-12."""
    networks = np.zeros(SPEC.parameters, np.float32)
    networks[7] = -0.5
    assert np.array_equal(np.frombuffer(packed([networks]), "<i2"), networks * 2**EXPONENT)
    networks[3] = 8.0
    with pytest.raises(SpecError, match="of up to 8; below 8"):
        packed([networks])
