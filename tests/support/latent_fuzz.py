"""Damaged payloads of latents through the compiled decoder, in a process of its own: a crash fails who started it.

    python -m tests.support.latent_fuzz COUNT [SEED [MODULE]]

Every example is a small pyramid of random networks of which one payload is changed: bits, bytes, its length, or all of
it. It is refused with an error of the format, or read; then it is coded again to the same bytes. MODULE is
the file of a module built with sanitizers, which end the process at the first access that is out of bounds and at the
first undefined operation.
"""

import os
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inr.coders.latent.context import Context
from inr.coders.latent.spec import Grid, LatentSpec
from inr.coders.latent.stream import (
    GROUPS,
    Networks,
    Pyramid,
    check_holds,
    decisions,
    decode,
    decode_grid,
    encode,
    runs,
)
from inr.coders.latent.synthesis import LARGEST, Synthesis
from inr.entropy.stream import decoder, encoder
from inr.errors import FormatError
from tests.support.native_vectors import loaded
from tests.support.random_latents import random_pyramid

NAME = "inr.native._kernels"
FIRST = 16
"""One of so many changes is to the first payload, which has the networks and takes the longest."""


THOROUGH = 8
"""One of so many that are read is decoded with all of the file, and shown."""
DIFFERENT = "what is read does not stand for the bytes that were read"


@dataclass(frozen=True)
class Example:
    """A sound file.

    Attributes:
        pyramid: what it holds.
        layers: in how many payloads.
        payloads: these.
        grids: those of each payload.
        context: that predicts them.
    """

    pyramid: Pyramid
    layers: int
    payloads: tuple[bytes, ...]
    grids: tuple[tuple[Grid, ...], ...]
    context: Context


def example(pyramid: Pyramid, layers: int) -> Example:
    """Of a pyramid in so many payloads."""
    spec = pyramid.spec
    grids = tuple(
        tuple(grid for grid in spec.grids(pyramid.height, pyramid.width) if grid.level in levels)
        for levels in runs(spec.levels, layers)
    )
    context = Context(spec, pyramid.networks.fixed(spec))
    return Example(pyramid, layers, encode(pyramid, layers), grids, context)


def sound_files() -> list[Example]:
    """Of several sizes, networks and numbers of layers; the last ones have networks at the bounds."""
    found = []
    small = LatentSpec(channels=1, levels=3, hyper=(1,), contexts=4, features=2, hidden=1, width=5)
    deep = LatentSpec(channels=2, levels=12, hyper=(0, 3), features=16, hidden=3, width=6, parent_levels=12)
    for seed, (height, width, spec, layers) in enumerate(
        (
            (9, 13, LatentSpec(), 8),
            (24, 24, LatentSpec(), 8),
            (1, 16, LatentSpec(), 7),
            (5, 3, deep, 4),
            (13, 2, small, 4),
            (2, 40, small, 2),
        )
    ):
        pyramid = random_pyramid(height, width, seed, spec)
        found.append(example(pyramid, layers))
        integers = {
            name: np.where(values < 0, -(1 << 15), 1 << 15) for name, values in pyramid.networks.integers.items()
        }
        extreme = Pyramid(spec, height, width, Networks(integers, dict.fromkeys(GROUPS, 8)), pyramid.grids)
        found.append(example(extreme, layers))
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


def attempt(sound: Example, which: int, data: bytes, thorough: bool) -> str:
    """Decode with another payload; returns the class of the error, or "read". Shows what is read if thorough."""
    try:
        if which > 0:
            check_alone(sound, which, data)
        if which == 0 or thorough:
            check_whole(sound, (*sound.payloads[:which], data, *sound.payloads[which + 1 :]))
    except FormatError as error:
        if "\n" in str(error):
            raise
        return type(error).__name__
    return "read"


def check_alone(sound: Example, which: int, data: bytes) -> None:
    """One payload after those that are sound, as `decode` does it; what is read stands for the same bytes."""
    known, coder, again = dict(sound.pyramid.grids), decoder(data), encoder()
    check_holds(len(data), sum(grid.size for grid in sound.grids[which]))
    for grid in sound.grids[which]:
        known[grid.name] = decode_grid(coder, sound.context, grid, known)
    coder.finish()
    for grid in sound.grids[which]:
        again.encode_bits(*decisions(sound.context, grid, known))
    if again.finish() != data:
        raise ValueError(DIFFERENT)


def check_whole(sound: Example, payloads: tuple[bytes, ...]) -> None:
    """All payloads; what is read stands for the same bytes, and for a picture."""
    old = sound.pyramid
    found = decode(old.spec, old.height, old.width, payloads, sound.layers)
    if encode(found, sound.layers) != payloads:
        raise ValueError(DIFFERENT)
    values = found.networks.values(found.spec)
    picture = Synthesis(found.spec, found.height, found.width, values, found.grids).picture()
    if not np.abs(picture).max() <= LARGEST:
        raise ValueError("a picture has values that are too large, or none")


def main(count: int, seed: int) -> Counter[str]:
    """Try so many mutations; returns how they ended."""
    rng, ends = np.random.default_rng(seed), Counter[str]()
    examples = sound_files()
    for sound in examples:
        check_whole(sound, sound.payloads)
    for number in range(count):
        sound = examples[int(rng.integers(len(examples)))]
        if number % 1000 == 0:
            os.environ["INR_ISA"] = "portable" if number % 2000 else ""
        which = int(rng.integers(1, len(sound.payloads))) if rng.integers(FIRST) else 0
        ends[attempt(sound, which, damaged(sound.payloads[which], rng), number % THOROUGH == 0)] += 1
    return ends


if __name__ == "__main__":
    if len(sys.argv) > 3:
        sys.modules[NAME] = loaded(Path(sys.argv[3]))
    ended = main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"{sum(ended.values())} mutations: {dict(sorted(ended.items()))}\n")
