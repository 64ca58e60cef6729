"""The registry of optimisers. A backend decides how it runs one; torch is the reference."""

from typing import Annotated, ClassVar

from pydantic import Field

from inr.registry import Registry
from inr.spec import Spec


class OptimiserSpec(Spec):
    """Settings of an optimiser."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    usual_rate: ClassVar[float | None] = None
    """Learning rate where none is given; None takes the model's, which is tuned for Adam."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    """Peak learning rate; None takes the model's."""


OPTIMISERS: Registry[OptimiserSpec] = Registry("optimiser", "inr.optimisers")
