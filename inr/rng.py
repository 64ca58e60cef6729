"""Seeds: every random number in the library comes from a named, explicit generator."""

import zlib

import numpy as np


def derive_seed(seed: int, *stream: str | int) -> int:
    """A 63-bit seed for one named stream of randomness, the same on every machine.

    Streams with different names are independent, so drawing more numbers in one place never changes
    the numbers of another.
    """
    words = [zlib.crc32(str(part).encode()) for part in stream]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *stream: str | int) -> np.random.Generator:
    """A numpy generator (PCG64) for one named stream."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *stream)))
