"""``python -m inr.coders.latent.learn.store STARTS OUT``: learned starts as the integers that the library ships."""

import argparse
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.coders.latent.shipped import EXPONENT
from inr.coders.latent.spec import LatentSpec
from inr.errors import SpecError


def packed(spec: LatentSpec, starts: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """What `inr.coders.latent.shipped` reads.

    Args:
        spec: of the networks.
        starts: ``(networks, *shape)`` by name of a tensor.

    Raises:
        SpecError: a parameter does not fit 16 bits.
    """
    values = np.concatenate([starts[t.name].reshape(-1, t.size) for t in spec.layout()], axis=1)
    integers = np.rint(values.astype(np.float64) * 2**EXPONENT)
    if not np.abs(integers).max() < 1 << 15:
        raise SpecError(
            f"learn: parameters of up to {np.abs(values).max()}; below {2 ** (15 - EXPONENT)} can be stored"
        )
    return integers.astype("<i2").tobytes()


def main() -> None:
    """Print the hash that belongs into `inr.coders.latent.shipped`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("starts", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, help="of the first so many lambdas only")
    given = parser.parse_args()
    with np.load(given.starts) as found:
        data = packed(LatentSpec(), {name: value[: given.count] for name, value in found.items() if value.ndim})
    given.out.write_bytes(data)
    sys.stdout.write(hashlib.sha256(data).hexdigest() + "\n")


if __name__ == "__main__":
    main()
