"""What compiled kernels are told of a layer."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """What a compiled operation needs beside its inputs.

    Attributes:
        kind: its name in the table of operations.
        ints: whole numbers, as the operation wants them.
        reals: settings.
        constants: fixed arrays, flat.
        params: names of stored tensors, or None for one that is not there.
    """

    kind: str
    ints: Sequence[int] = ()
    reals: Sequence[float] = ()
    constants: Sequence[float] = ()
    params: Sequence[str | None] = ()
