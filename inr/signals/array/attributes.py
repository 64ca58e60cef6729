"""What an array has beside its samples: axes of one sample."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from inr.errors import SpecError
from inr.meta import Attributes, SignalMeta

MAX_ALL_AXES = 8
"""Axes of an array, those of one sample among them."""


@dataclass(frozen=True)
class ArrayAttributes(Attributes):
    """The shape of an array where it has axes of one sample, which are no coordinates of its field.

    Attributes:
        ones: places of these axes among all axes, increasing.
    """

    kind: ClassVar[str] = "array"
    ones: tuple[int, ...] = field(default=(), metadata={"key": 0})

    def __post_init__(self) -> None:
        within = all(0 <= place < MAX_ALL_AXES for place in self.ones)
        if not within or any(a >= b for a, b in pairwise(self.ones)):
            raise SpecError(f"ones: needs increasing places within 0..{MAX_ALL_AXES - 1}; got {self.ones}")


def ones_of(meta: SignalMeta) -> tuple[int, ...]:
    """Places of the axes of one sample of an array; raises `SpecError` for another kind of signal."""
    if not isinstance(meta.attributes, ArrayAttributes):
        raise SpecError(f"needs the attributes of an array; got those of kind {meta.kind}")
    return meta.attributes.ones
