"""Presets as data: what `compress` does when it is told nothing else."""

from dataclasses import dataclass

from inr.errors import UnknownComponentError


@dataclass(frozen=True)
class Preset:
    """A point between fast and good.

    Attributes:
        name: what the command line calls it.
        model: kind of the model if none is asked for, and the kind of signal has none of its own.
        rate: size if no target is given, as a share of the bits per pixel that suit the kind of signal or the model.
        steps: gradient steps if no budget is given.
        summary: one line for `inr presets`.
    """

    name: str
    model: str
    rate: float
    steps: int
    summary: str


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("fast", "hashgrid", 0.5, 800, "a first look: a third of the default's steps, half its size"),
        Preset("default", "hashgrid", 1.0, 2500, "a good picture in about a minute on two cores"),
        Preset("best", "hashgrid", 1.0, 10_000, "four times the default's steps at the same size"),
    )
}


def get(name: str) -> Preset:
    """The preset of this name; raises `UnknownComponentError`."""
    if name not in PRESETS:
        raise UnknownComponentError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    return PRESETS[name]


PHOTO_BPP = 1.5
"""Bits per pixel of a photo, for comparison with those of kinds of signal that need fewer."""


def bpp_of_quality(quality: int, usual: float | None = None) -> float:
    """Bits per pixel of a quality 1 to 100: 0.1 at 1, doubling every 20 steps, about 3.1 at 100.

    Args:
        quality: 1 to 100.
        usual: bits of the kind of signal if it needs others than a photo, and the result in proportion.
    """
    return 0.1 * 2 ** ((quality - 1) / 20) * (usual or PHOTO_BPP) / PHOTO_BPP
