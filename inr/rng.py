"""Seeds: every random number in the library comes from a named, explicit generator."""

import math
import zlib

import numpy as np
import numpy.typing as npt


def derive_seed(seed: int, *stream: str | int) -> int:
    """A 63-bit seed for one named stream of randomness, the same on every machine.

    Streams with different names are independent, so drawing more numbers in one place never changes
    the numbers of another.
    """
    words = [zlib.crc32(str(part).encode()) for part in stream]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *stream: str | int) -> "np.random.Generator":
    """A numpy generator (PCG64) for one named stream."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *stream)))


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014) of each word: integer arithmetic, the same for ever."""
    z = words + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


def stored_uniform(seed: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Uniform numbers in (0, 1) that a file stores as a seed: entry i is ``(h >> 11 + 1/2) 2^-53`` of word i.

    Word i is ``mixed(mixed(seed) + i)``. Unlike a library's generator this never changes between versions.
    """
    start: npt.NDArray[np.uint64] = mixed(np.array([seed], dtype=np.uint64))
    count: npt.NDArray[np.uint64] = np.arange(math.prod(shape), dtype=np.uint64)
    words = mixed(np.add(start, count))
    return ((words >> np.uint64(11)).astype(np.float64).reshape(shape) + 0.5) * 2.0**-53


def stored_normal(seed: int, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Normal numbers that a file stores as a seed, by Box and Muller from `stored_uniform` of shape `(2, *shape)`."""
    radius, angle = stored_uniform(seed, (2, *shape))
    normal: npt.NDArray[np.float64] = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return normal
