"""The coder `latent` through the public API."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import inr
from inr import native
from inr.backends.base import Resources
from inr.bench.codec.base import Codec
from inr.codec.decode import open_field
from inr.coders import latent
from inr.coders.base import CODERS
from inr.coders.request import CompressSpec
from inr.files import temporary_folder
from inr.meta import INTEGER_MAX
from inr.signals.image.read import load_image
from inr.signals.signal import Samples, Signal

CODER = "latent"
LAMBDAS = (1e-4, 3e-4, 1e-3, 3e-3, 8e-3, 2e-2)
"""About 1.4 to 0.1 bits a pixel of a photo."""

WARM_UP_STEPS = 16


@functools.cache
def _build() -> str:
    """The first digits of a hash of the code and the networks of the coder, and of the compiled kernels."""
    module = native.load()
    files = sorted(path for path in Path(str(latent.__file__)).parent.rglob("*") if path.is_file())
    files = [path for path in files if path.parent.name != "__pycache__"]
    files += [] if module is None else [Path(str(module.__file__))]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:8]


class Own(Codec):
    """Files of `inr.compress`.

    Args:
        preset: of the requests.
        steps: iterations; None for the preset's.
        seed: of the requests.
        lambdas: of the points.
        threads: that it runs on; None for what it takes by itself.

    Raises:
        SpecError: a request that the coder refuses.
    """

    parameter = "lambda"
    suffix = ".inr"

    def __init__(
        self, preset: str, steps: int | None, seed: int, lambdas: tuple[float, ...], threads: int | None = None
    ) -> None:
        coder = CODERS.make(CODER)
        self._request: dict[str, Any] = {"coder": CODER, "preset": preset, "seed": seed}
        if steps is not None:
            self._request["steps"] = steps
        if threads is not None:
            self._request["threads"] = threads
        for lmbda in lambdas:
            coder.check(CompressSpec(**self._request, lmbda=lmbda))
        self.name = f"inr {preset}" if steps is None else f"inr {preset} {steps} steps"
        self.version = f"inr {inr.__version__}, coder {coder.wire_id}"
        self.settings = ", ".join(f"{name}={value}" for name, value in self._request.items())
        self.values, self.build = lambdas, _build()

    def refusal(self, signal: Signal) -> str | None:
        """See `Codec`."""
        return None if signal.meta.dtype in INTEGER_MAX else f"PSNR of {signal.meta.dtype} is not compared"

    def encode(self, signal: Signal, value: float, path: Path) -> None:
        """See `Codec`."""
        inr.compress(signal, path, overwrite=True, **self._request, lmbda=value)

    def warm_up(self, signal: Signal, value: float, path: Path) -> None:
        """See `Codec`: with few steps, whatever the preset."""
        inr.compress(signal, path, overwrite=True, **{**self._request, "steps": WARM_UP_STEPS}, lmbda=value)
        self.decode(path)

    def decode(self, path: Path) -> Samples:
        """See `Codec`."""
        return open_field(path, resources=Resources(threads=1)).signal().samples

    def decoded(self, path: Path, channels: int) -> Samples:
        """See `Codec`: from the PNG that `inr.decompress` writes."""
        del channels
        with temporary_folder() as folder:
            inr.decompress(path, folder / "decoded.png", threads=1)
            return load_image(folder / "decoded.png").samples
