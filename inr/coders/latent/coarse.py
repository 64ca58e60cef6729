"""Coarse to fine: a copy of the picture, half as large a side, is trained before the picture itself.

The pyramid of the copy is that of the picture without its finest grid, so what it has learnt is where the picture
starts. Iterations on the copy cost a quarter, coarse grids are found before the finest can take their place, and that
one, which has most of the symbols, learns only what the others cannot say. Where that is much, a copy is of no help.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inr.coders.latent.engine import Floats, Measured
from inr.coders.latent.guess import guessed_details
from inr.coders.latent.kernels import engine_of
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.training import LatentTraining

ITERATIONS: Final = 4
"""Of a copy, which cost as much as one of the picture: a step."""
MOST_STEPS: Final = 100
"""Steps on the copy. A further copy of 1/4 makes smooth photos cheaper still, but detailed ones dearer."""
LARGEST_SHARE: Final = 0.17
"""Of all steps, that it takes at most."""
FEWEST_PIXELS: Final = 1 << 14
"""Of a picture, below which it has no copy, which would save hardly more than its networks cost."""
MOST_DETAILS: Final = 0.24
"""Bits a pixel of details, as guessed, above which it has none. Of 7 photographs at lambdas of 3e-4 and 1e-3 those
below are 1 to 8 % cheaper with a copy after 350 iterations, those above 1 to 7 % dearer."""
FEWEST_STEPS: Final = 120
"""Of a whole training, below which it has none, and no warm-up either."""
LMBDA: Final = 2.0
"""Factor of lambda: grids of the copy need not be as exact as if there were no finer one."""
GAIN: Final = 45.0
"""Symbols a unit of what Adam moves: there are few steps. Of 2 photographs 32 makes files .6 % dearer, 64 .7 %."""
STEADY_GAIN: Final = 32.0
"""The same for large lambdas."""
FAINT: Final = 1e-2
"""Lambda above which they count as large: with the other gain symbols of a file of 1500 bytes ran away, for 3 dB."""
BETAS: Final = (0.9, 0.95)
"""Of Adam for the latents."""
BITS: Final = 0.6
"""Bits a pixel of the picture at the end, over those of the copy, about; the finest grid has more than half of them."""
FINEST: Final = "parents.level0.weight"
"""What tells the finest grid about coarser ones."""
MIXED: Final = ("synthesis.mix0.weight", "synthesis.bypass.weight")
"""Tensors that have a column for every level, finest first."""
WARM_SHARE: Final = 1 / 8
"""Of the iterations, one round of the warm-up, of which there are three."""


def steps_of_copy(shape: tuple[int, ...], levels: int, steps: int) -> int:
    """Steps that a training has on a copy; 0 for pictures and trainings that are too small for one.

    Args:
        shape: height and width of the picture.
        levels: of its pyramid.
        steps: of the whole training.
    """
    if math.prod(shape) < FEWEST_PIXELS or levels < 2 or steps < FEWEST_STEPS:
        return 0
    return min(MOST_STEPS, int(LARGEST_SHARE * steps))


def detailed(picture: npt.NDArray[np.float32], lmbda: float) -> bool:
    """True for a picture whose finest grid will have so much to say that a copy without it is of no help.

    Args:
        picture: ``(channels, height, width)``, values in [0, 1].
        lmbda: weight of a bit.
    """
    return guessed_details(picture, lmbda) > MOST_DETAILS


class HalfSize:
    """The training of the copy, one step at a time.

    Attributes:
        left: steps to come.
    """

    def __init__(
        self, picture: npt.NDArray[np.float32], training: LatentTraining, steps: int, threads: int | None = None
    ) -> None:
        """Prepare the first step.

        Args:
            picture: the whole one, ``(channels, height, width)``, values in [0, 1].
            training: its own, which has not begun; the copy starts from its networks, if they are not random.
            steps: on the copy, at least 1.
            threads: of the compiled kernels.
        """
        self._whole, self.left = training, steps
        small, short, iterations = halved(picture), shorter(training.spec), ITERATIONS * steps
        length = max(1, round(WARM_SHARE * iterations))
        origin = training.origin
        start = None if origin is None else brought_down(origin, training.spec, short)
        settings = training.settings.replace(
            lmbda=LMBDA * training.settings.lmbda,
            iterations=iterations,
            gain=GAIN if training.settings.lmbda <= FAINT else STEADY_GAIN,
            betas=BETAS,
            last_share=0,
            warm_up=((2, length), (1, length)) if start is None else ((1, length),),
        )
        self._training = LatentTraining(small, short, settings, start, engine_of(short, small, threads))

    @property
    def soft(self) -> Measured | None:
        """Of the last iteration, of the copy."""
        return self._training.soft

    def step(self) -> None:
        """As many iterations as cost about what one on the picture does."""
        for _ in range(ITERATIONS):
            self._training.step()
        self.left -= 1

    def start(self) -> tuple[Floats, Floats]:
        """Symbols, not rounded, and networks of the picture itself, as far as they are known now."""
        if self.left == 0:
            _, latents, networks = self._training.settled()
        else:
            latents, networks = self._training.candidates[0].latents, self._training.candidates[0].networks
        whole = self._whole
        finest = np.zeros(whole.engine.size - latents.size, dtype=np.float32)
        longer = brought_up(
            networks, self._training.spec, whole.spec, whole.candidates[0].networks, learnt=whole.origin is not None
        )
        return np.concatenate([latents * np.float32(self._training.settings.gain), finest]), longer

    def begin(self) -> None:
        """Let the training of the picture itself, which has not begun, do so from `start`."""
        symbols, networks = self.start()
        first = self._whole.candidates[0]
        first.latents, first.networks = symbols / np.float32(self._whole.settings.gain), networks

    def state(self) -> dict[str, Any]:
        """A copy of all that changes."""
        return {"left": self.left, "training": self._training.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` of the copy of the same picture returned."""
        self.left = int(state["left"])
        self._training.restore(state["training"])


def halved(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Means of 2x2 pixels, ``(channels, ceil(height / 2), ceil(width / 2))``; the last row and column count twice."""
    channels, height, width = picture.shape
    even = np.pad(picture, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    blocks = even.reshape(channels, -(-height // 2), 2, -(-width // 2), 2)
    return np.ascontiguousarray(blocks.mean(axis=(2, 4), dtype=np.float32))


def shorter(spec: LatentSpec) -> LatentSpec:
    """The pyramid without its finest level; what was level 1 is its level 0."""
    return spec.replace(levels=spec.levels - 1, hyper=tuple(level - 1 for level in spec.hyper if level > 0))


def brought_down(networks: Floats, spec: LatentSpec, short: LatentSpec) -> Floats:
    """Networks for one level less: what was told about level 1 is about level 0."""
    given, found = spec.split(networks), {}
    for tensor in short.layout():
        value = given[_finer(tensor.name) if _finer(tensor.name) in given else tensor.name]
        # the inputs of the finest levels come first in synthesis, and last where they tell about a level
        inputs = tensor.shape[1] if len(tensor.shape) == 2 else 0
        found[tensor.name] = value[:, -inputs:] if inputs else value
    return short.joined(found)


def brought_up(networks: Floats, short: LatentSpec, spec: LatentSpec, known: Floats, learnt: bool) -> Floats:
    """Networks for one level more, of which those of the coarser levels are given; the others are known.

    Where those are random, not learnt, the finest level is told about coarser ones as the finest of the short pyramid
    was, each by the one that is as much coarser.
    """
    found, given = spec.split(known.copy()), short.split(networks)
    for name, value in given.items():
        if _finer(name) in found:
            found[_finer(name)][:] = value
        if name == FINEST and not learnt:
            found[name][:] = 0
            found[name][:, -value.shape[1] :] = value
        elif name in MIXED:
            found[name][:, -value.shape[1] :] = value
        elif not _finer(name):
            found[name][:] = value
    return spec.joined(found)


def _finer(name: str) -> str:
    """Of a tensor of the copy that belongs to one level, what it is called in the picture's; of others nothing."""
    module, part, *rest = name.split(".")
    if module not in ("parents", "upsampling"):
        return ""
    kind = part.rstrip("0123456789")
    return ".".join([module, f"{kind}{int(part[len(kind) :]) + 1}", *rest])
