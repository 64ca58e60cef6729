"""What an array has beside its samples: nothing."""

from dataclasses import dataclass
from typing import ClassVar

from inr.meta import Attributes


@dataclass(frozen=True)
class ArrayAttributes(Attributes):
    """An array is its samples."""

    kind: ClassVar[str] = "array"
