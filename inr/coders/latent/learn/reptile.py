"""The outer loop: shared networks of each lambda move towards the mean of what the inner loop tuned them to."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from inr.coders.latent.learn.batch import BatchTwin, copies
from inr.coders.latent.learn.inner import Inner
from inr.coders.latent.learn.tuner import Tuner
from inr.coders.latent.shipped import WARM_UP
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.start import random_start
from inr.coders.latent.training import TrainingSpec
from inr.errors import SpecError
from inr.rng import derive_seed, generator
from inr.spec import Spec

STRAY = 10
"""Multiple of the usual cost, above which a tuned picture is left out."""
HELD_OUT = 8
"""Pictures that are not trained on."""


class LearnSpec(Spec):
    """What is learned and how."""

    latents: LatentSpec = LatentSpec()
    lmbdas: tuple[float, ...] = (1.2e-4, 3.2e-4, 8.5e-4, 2.3e-3, 6e-3, 1.6e-2)
    """One start is learned for each."""
    each: int = Field(default=10, ge=1)
    """Pictures of each lambda in a batch."""
    side: int = Field(default=256, ge=16)
    """Rows and columns of a crop."""
    inner: tuple[int, int] = (130, 300)
    """Iterations of an inner loop, warm-up included, at first and in the end."""
    steps: tuple[float, float] = (0.7, 0.1)
    """Share of the way to the mean of the tuned networks, likewise."""
    outers: int = Field(default=200, ge=1)
    """Outer steps, if no time is given."""
    seconds: float | None = Field(default=None, gt=0)
    """Time that the schedule is stretched over instead; then the result depends on the machine's speed."""
    seed: int = 0


@dataclass(eq=False)
class Progress:
    """The state between two outer steps.

    Attributes:
        shared: networks, ``(lambdas, *shape)`` by name.
        done: outer steps.
        seconds: they took.
        history: of each outer step the mean ``MSE / lambda + bpp`` of a lambda's pictures after tuning.
    """

    shared: dict[str, Tensor]
    done: int = 0
    seconds: float = 0.0
    history: list[list[float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write an npz file in one piece."""
        arrays: dict[str, Any] = {name: value.cpu().numpy() for name, value in self.shared.items()}
        arrays |= {"done": self.done, "seconds": self.seconds, "history": np.array(self.history)}
        temporary = path.with_suffix(".part")
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path, device: str) -> "Progress":
        """Read one."""
        with np.load(path) as found:
            arrays = dict(found)
        done, seconds = int(arrays.pop("done")), float(arrays.pop("seconds"))
        history = arrays.pop("history").tolist()
        return cls({name: torch.from_numpy(a).to(device) for name, a in arrays.items()}, done, seconds, history)


class Reptile:
    """Learns starts on a device."""

    def __init__(
        self, spec: LearnSpec, pictures: npt.NDArray[np.uint8], device: str = "cpu", tensor_cores: bool = False
    ) -> None:
        """Prepare the first outer step.

        Args:
            spec: what is learned.
            pictures: ``(count, height, width, channels)``; every so many are held out.
            device: of torch.
            tensor_cores: see `Inner`.
        """
        if min(pictures.shape[1:3]) < spec.side:
            raise SpecError(f"learn: crops of {spec.side} pixels a side; the pictures have {pictures.shape[1:3]}")
        held = {(2 * i + 1) * len(pictures) // (2 * HELD_OUT) for i in range(HELD_OUT)}
        self.spec, self.device, self.tensor_cores = spec, device, tensor_cores
        self._seen = torch.from_numpy(pictures[[i for i in range(len(pictures)) if i not in held]]).to(device)
        self._held = torch.from_numpy(pictures[sorted(held)]).to(device)
        start = spec.latents.split(random_start(spec.latents, generator(spec.seed, "latent networks", 0)))
        groups = len(spec.lmbdas)
        self.start = {
            name: torch.from_numpy(value.copy()).to(device).expand(groups, *value.shape).contiguous()
            for name, value in start.items()
        }
        self.progress = Progress({name: value.clone() for name, value in self.start.items()})
        self._inner: Inner | Tuner | None = None

    @property
    def share(self) -> float:
        """How much of the schedule is done, 0..1."""
        if self.spec.seconds is None:
            return self.progress.done / self.spec.outers
        return self.progress.seconds / self.spec.seconds

    def inner(self, each: int) -> Inner | Tuner:
        """An inner loop for so many pictures of each lambda: on the CPU the compiled one, else a captured graph."""
        groups = [each] * len(self.spec.lmbdas)
        lmbda = torch.tensor(self.spec.lmbdas, dtype=torch.float32, device=self.device).repeat_interleave(each)
        if self.device == "cpu":
            return Tuner(self.spec.latents, lmbda, TrainingSpec(warm_up=((1, WARM_UP),), last_share=0))
        twin = BatchTwin(self.spec.latents, self.spec.side, self.spec.side, self.device)
        made = Inner(twin, lmbda, copies(self.progress.shared, groups), TrainingSpec())
        made.tensor_cores = self.tensor_cores
        made.run(made.target, copies(self.progress.shared, groups), 2)  # libraries load on first use
        made.capture()
        return made

    def advance(self) -> list[float]:
        """One outer step; the mean cost of each lambda's pictures in bits a pixel."""
        began, spec, progress = time.perf_counter(), self.spec, self.progress
        groups, each = len(spec.lmbdas), spec.each
        self._inner = self._inner or self.inner(each)
        share = self.share
        length = round(spec.inner[0] + share * (spec.inner[1] - spec.inner[0]))
        step = spec.steps[0] * (spec.steps[1] / spec.steps[0]) ** share
        torch.manual_seed(derive_seed(spec.seed, "latent learn noise", progress.done))
        tuned = self._inner.run(self._crops(progress.done), copies(progress.shared, [each] * groups), length)
        found = (tuned.mse / self._inner.lmbda + tuned.bpp).view(groups, each)
        # a picture whose tuning went astray says nothing about a good start
        good = found < STRAY * found.nanmedian(1, keepdim=True).values
        counts = good.sum(1).clamp_min(1)
        for name, value in tuned.networks.items():
            shared, values = progress.shared[name], value.view(groups, each, *value.shape[1:])
            spread = [groups, each, *[1] * (shared.ndim - 1)]
            move = torch.where(good.view(spread), values - shared[:, None], 0.0).sum(1)
            shared.add_(move / counts.view(-1, *spread[2:]), alpha=step)
        costs = (torch.where(good, found, 0.0).sum(1) / counts).tolist()
        progress.done += 1
        progress.seconds += time.perf_counter() - began
        progress.history.append(costs)
        return costs

    def validate(self, lengths: Sequence[int], report: Callable[[str, int, list[float]], None]) -> None:
        """Costs of the held-out pictures' middles after so many iterations, from the learned and the random start."""
        side, groups = self.spec.side, len(self.spec.lmbdas)
        top, left = ((n - side) // 2 for n in self._held.shape[1:3])
        crops = _floats(self._held[:, top : top + side, left : left + side]).repeat(groups, 1, 1, 1)
        inner = self.inner(HELD_OUT)
        for name, start in (("learned", self.progress.shared), ("random", self.start)):
            for length in lengths:
                tuned = inner.run(crops, copies(start, [HELD_OUT] * groups), length)
                costs = (tuned.mse / inner.lmbda + tuned.bpp).view(groups, HELD_OUT)
                report(name, length, costs.mean(1).tolist())

    def _crops(self, number: int) -> Tensor:
        """Random places of random pictures, half of them mirrored, for an outer step."""
        spec = self.spec
        random = generator(spec.seed, "latent learn", number)
        count, height, width = self._seen.shape[:3]
        found = []
        for _ in spec.lmbdas:
            chosen = random.choice(count, spec.each, replace=spec.each > count)
            for picture in chosen:
                y, x = random.integers(height - spec.side + 1), random.integers(width - spec.side + 1)
                crop = self._seen[int(picture), y : y + spec.side, x : x + spec.side]
                found.append(crop.flip(1) if random.integers(2) else crop)
        return _floats(torch.stack(found))


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


def _floats(pictures: Tensor) -> Tensor:
    return pictures.permute(0, 3, 1, 2).float() / 255
