"""Damaged payloads of latents through the compiled decoder, in a process of its own: a crash fails who started it.

    python -m tests.support.latent_fuzz COUNT [SEED [MODULE]]

Every example is a small pyramid of random networks of which one payload is changed: bits, bytes, its length, or all of
it. It is refused with an error of the format, or read; then it is coded again to the same bytes, and shown. MODULE is
the file of a module built with sanitizers, which end the process at the first access that is out of bounds and at the
first undefined operation.
"""

import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import GROUPS, Networks, Pyramid, decode, encode
from inr.coders.latent.synthesis import LARGEST, Synthesis
from inr.errors import FormatError
from tests.support.native_vectors import loaded
from tests.support.random_latents import random_pyramid

NAME = "inr.native._kernels"
SHOWN = 16
"""One of so many that are read is shown, too."""


@dataclass(frozen=True)
class Example:
    """A sound file.

    Attributes:
        pyramid: what it holds.
        layers: in how many payloads.
        payloads: these.
    """

    pyramid: Pyramid
    layers: int
    payloads: tuple[bytes, ...]


def examples() -> list[Example]:
    """Of several sizes, networks and numbers of layers; the last ones have networks at the bounds."""
    found = []
    small = LatentSpec(channels=1, levels=3, hyper=(1,), contexts=4, features=2, hidden=1, width=5)
    deep = LatentSpec(channels=2, levels=12, hyper=(0, 3), features=16, hidden=3, width=6, parent_levels=12)
    for seed, (height, width, spec, layers) in enumerate(
        (
            (9, 13, LatentSpec(), 8),
            (24, 24, LatentSpec(), 8),
            (1, 1, LatentSpec(), 1),
            (5, 3, deep, 4),
            (13, 2, small, 4),
            (2, 40, small, 2),
        )
    ):
        pyramid = random_pyramid(height, width, seed, spec)
        found.append(Example(pyramid, layers, encode(pyramid, layers)))
        integers = {
            name: np.where(values < 0, -(1 << 15), 1 << 15) for name, values in pyramid.networks.integers.items()
        }
        extreme = Pyramid(spec, height, width, Networks(integers, dict.fromkeys(GROUPS, 8)), pyramid.grids)
        found.append(Example(extreme, layers, encode(extreme, layers)))
    return found


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The same with a few changes."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        kind, place = int(rng.integers(8)), int(rng.integers(len(changed) + 1))
        if kind == 0:
            changed[place:] = b""
        elif kind == 1:
            changed[place:place] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 2:
            changed[place:] = rng.bytes(len(changed) - place)
        elif kind == 3:
            changed[place : place + 4] = bytes([int(rng.choice([0, 1, 127, 128, 255]))]) * 4
        elif place < len(changed):
            changed[place] = changed[place] ^ 1 << int(rng.integers(8)) if kind < 6 else int(rng.integers(256))
    return bytes(changed)


def attempt(example: Example, payloads: tuple[bytes, ...], show: bool) -> str:
    """Decode payloads; returns the class of the error, or "read"."""
    old = example.pyramid
    try:
        found = decode(old.spec, old.height, old.width, payloads, example.layers)
    except FormatError as error:
        if "\n" in str(error):
            raise
        return type(error).__name__
    if encode(found, example.layers) != payloads:
        raise ValueError("what is read does not stand for the bytes that were read")
    if show:
        values = found.networks.values(found.spec)
        picture = Synthesis(found.spec, found.height, found.width, values, found.grids).picture()
        if not np.abs(picture).max() <= LARGEST:
            raise ValueError("a picture has values that are too large, or none")
    return "read"


def main(count: int, seed: int) -> Counter[str]:
    """Try so many mutations; returns how they ended."""
    rng, ends = np.random.default_rng(seed), Counter[str]()
    sound = examples()
    for example in sound:
        if attempt(example, example.payloads, show=True) != "read":
            raise ValueError("a sound file is refused")
    for number in range(count):
        example = sound[int(rng.integers(len(sound)))]
        if number % 2000 == 0:
            os.environ["INR_ISA"] = "portable" if number % 4000 else ""
        which = int(rng.integers(len(example.payloads)))
        payloads = (*example.payloads[:which], damaged(example.payloads[which], rng), *example.payloads[which + 1 :])
        ends[attempt(example, payloads, number % SHOWN == 0)] += 1
    return ends


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.modules[NAME] = loaded(Path(sys.argv[3]))
    ended = main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"{sum(ended.values())} mutations: {dict(sorted(ended.items()))}\n")
