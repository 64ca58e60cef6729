"""``python -m inr.coders.latent.learn DATA OUT``: learn the networks that the library ships, to ``OUT/shipped.bin``.

The inner loop is a whole training of a crop by the compiled kernels, on a copy of half the side and then on the crop
(`inr.coders.latent.coarse`). The outer loop moves shared networks towards what one of them found after the other. One
lambda comes first; the others go on from there, side by side. On two cores all of it takes 45 minutes.

The networks that are shipped were learned before the last phase of trainings chose symbols (`inr.coders.latent.rdoq`),
and with a gain of 32 for copies.

Source of the outer loop: Nichol, Achiam, Schulman 2018, "On First-Order Meta-Learning Algorithms" (Reptile).
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from inr.coders.latent.coarse import HalfSize, steps_of_copy
from inr.coders.latent.engine import Floats
from inr.coders.latent.kernels import engine_of
from inr.coders.latent.plan import betas
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.shipped import EXPONENT, LMBDAS, RETIRED, stored
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining
from inr.errors import InrError, SpecError
from inr.files import replacing, write_bytes
from inr.rng import generator
from inr.spec import Spec

HELD_OUT = 8
"""First pictures of a folder, which are not learned from."""


class Round(Spec):
    """One pass of the outer loop."""

    crops: int = Field(ge=1)
    """Inner loops."""
    steps: int = Field(ge=1)
    """Of each, as `inr.coders.latent.plan` counts them."""
    moves: tuple[float, float]
    """Share of the way to the networks that an inner loop found, at first and in the end."""


class LearnSpec(Spec):
    """What is learned and how."""

    latents: LatentSpec = LatentSpec()
    lmbdas: tuple[float, ...] = LMBDAS[len(RETIRED) :]
    """One start is learned for each."""
    first_lmbda: float = 8.5e-4
    """Of the round that comes first, and begins with random networks."""
    first: Round = Round(crops=24, steps=350, moves=(0.5, 0.15))
    others: Round = Round(crops=30, steps=700, moves=(0.4, 0.06))
    """For each lambda, from what the first round found."""
    side: int = Field(default=384, ge=16)
    """Rows and columns of a crop."""
    seed: int = 0


@dataclass(eq=False)
class Learned:
    """The state of a round after some of its crops.

    Attributes:
        networks: shared ones, ``(parameters,)``; None before the first crop of random networks.
        costs: of the crops so far, ``MSE / lambda + bpp``.
    """

    networks: Floats | None
    costs: list[float]

    def save(self, path: Path) -> None:
        """Write an npz file in one piece."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, networks=np.asarray(self.networks), costs=np.array(self.costs))

    @classmethod
    def load(cls, path: Path) -> "Learned":
        """Read one."""
        with np.load(path) as found:
            return cls(found["networks"], found["costs"].tolist())


def tuned(picture: Floats, spec: LatentSpec, lmbda: float, steps: int, start: Floats | None) -> tuple[float, Floats]:
    """What a whole training costs in the end, and its networks.

    Args:
        picture: ``(channels, height, width)``, values in [0, 1].
        spec: the pyramid and its networks.
        lmbda: weight of a bit.
        steps: of the training, its copy included.
        start: networks; None for random ones.
    """
    of_copy = steps_of_copy(picture.shape[1:], spec.levels, steps)
    settings = TrainingSpec(
        lmbda=lmbda, iterations=steps - of_copy, warm_up=(), betas=betas(steps), last_share=0.05, validate_every=50
    )
    training = LatentTraining(picture, spec, settings, start, engine_of(spec, picture, 1))
    if of_copy:
        copy = HalfSize(picture, training, of_copy, 1)
        while copy.left:
            copy.step()
        copy.begin()
    training.run()
    measured, _, networks = training.settled()
    return measured.cost, networks


def crops(pictures: npt.NDArray[np.uint8], count: int, side: int, seed: int, name: str) -> Iterator[Floats]:
    """Random places of random pictures, half of them mirrored, ``(channels, side, side)``; always the same."""
    random = generator(seed, "latent photos", name)
    order = np.concatenate([random.permutation(len(pictures)) for _ in range(-(-count // len(pictures)))])
    for picture in pictures[order[:count]]:
        y, x = (int(random.integers(n - side + 1)) for n in picture.shape[:2])
        crop = picture[y : y + side, x : x + side]
        crop = crop[:, ::-1] if random.integers(2) else crop
        yield np.ascontiguousarray(crop.transpose(2, 0, 1) / np.float32(255), dtype=np.float32)


def learn(
    spec: LearnSpec, data: Path, out: Path, name: str, lmbda: float, which: Round, start: Floats | None
) -> Floats:
    """A round, or the rest of one whose state is in ``OUT/name.npz``."""
    state = out / f"{name}.npz"
    learned = Learned.load(state) if state.exists() else Learned(start, [])
    pictures = read(data)[HELD_OUT:]
    if min(pictures.shape[1:3]) < spec.side:
        raise SpecError(f"learn: crops of {spec.side} pixels a side; the pictures have {pictures.shape[1:3]}")
    for i, picture in enumerate(crops(pictures, which.crops, spec.side, spec.seed, name)):
        if i < len(learned.costs):
            continue
        cost, found = tuned(picture, spec.latents, lmbda, which.steps, learned.networks)
        if learned.networks is None:
            learned.networks = found
        else:
            move = which.moves[0] * (which.moves[1] / which.moves[0]) ** (i / which.crops)
            learned.networks = learned.networks + np.float32(move) * (found - learned.networks)
        learned.costs.append(cost)
        learned.save(state)
        sys.stdout.write(f"{name} {i + 1}/{which.crops} {cost:.4f}\n")
        sys.stdout.flush()
    if learned.networks is None:
        raise SpecError("learn: a round has no crops")
    return learned.networks


def main() -> None:
    """Run, or go on from what is in OUT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of pictures, such as $INR_DATA/images/train")
    parser.add_argument("out", type=Path, help="folder of the result and of the states to go on from")
    parser.add_argument("--spec", default="{}", help="settings of LearnSpec as JSON")
    given = parser.parse_args()
    try:
        data = learn_all(LearnSpec.model_validate_json(given.spec), given.data, given.out)
        write_bytes(given.out / "shipped.bin", data)
    except InrError as error:
        sys.exit(str(error))
    sys.stdout.write(hashlib.sha256(data).hexdigest() + "\n")


def learn_all(spec: LearnSpec, data: Path, out: Path) -> bytes:
    """What `inr.coders.latent.shipped` reads: those that are retired, and one set for each lambda."""
    out.mkdir(parents=True, exist_ok=True)
    start = learn(spec, data, out, "first", spec.first_lmbda, spec.first, None)
    one = partial(learn, spec, data, out, which=spec.others, start=start)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        names = [f"lambda{lmbda:g}" for lmbda in spec.lmbdas]
        found = list(pool.map(one, names, spec.lmbdas))
    return stored()[: len(RETIRED)].astype("<i2").tobytes() + packed(found)


def read(folder: Path) -> npt.NDArray[np.uint8]:
    """All pictures of a folder in the order of their names, cut to the size that all have, ``(count, y, x, 3)``.

    Raises:
        SpecError: there are too few.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".webp", ".png", ".jpg", ".jpeg"))
    if len(paths) <= HELD_OUT:
        raise SpecError(f"learn: {folder} has {len(paths)} pictures; more than {HELD_OUT} are needed")
    pictures = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    height, width = (min(p.shape[axis] for p in pictures) for axis in (0, 1))
    return np.stack([p[:height, :width] for p in pictures])


def packed(networks: Sequence[Floats]) -> bytes:
    """What `inr.coders.latent.shipped` reads.

    Args:
        networks: one after the other, ``(parameters,)``.

    Raises:
        SpecError: a parameter does not fit 16 bits.
    """
    integers = np.rint(np.stack(networks).astype(np.float64) * 2**EXPONENT)
    if not np.abs(integers).max() < 1 << 15:
        largest = np.abs(integers).max() / 2**EXPONENT
        raise SpecError(f"learn: parameters of up to {largest:g}; below {2 ** (15 - EXPONENT)} can be stored")
    return integers.astype("<i2").tobytes()


if __name__ == "__main__":
    main()
