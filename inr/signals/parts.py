"""Where signals are cut along their first axis: segments of a video, bands of a picture, slabs of an array."""

import math

MAX_PARTS = 4096
"""Parts of a signal, unless shorter ones are asked for; a file can hold as many."""


def default_length(shape: tuple[int, ...], most_samples: int, least: int = 2) -> int:
    """How long a part may be, along the first axis, to have at most so many samples; few enough parts, `least` long."""
    return max(least, most_samples // math.prod(shape[1:]), -(-shape[0] // MAX_PARTS))


def part_lengths(length: int, most: int, least: int = 1) -> tuple[int, ...]:
    """How long each part is along the first axis: as equal as they can be, part k of K from ``floor(k n/K)``.

    Args:
        length: of the whole, n.
        most: of a part; K is the smallest number of parts for which none is longer.
        least: of a part; it has precedence over `most`.
    """
    count = max(1, min(-(-length // most), length // least))
    return tuple((k + 1) * length // count - k * length // count for k in range(count))
