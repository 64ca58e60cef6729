"""The interface and the registry of reparameterisations."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from inr.models.base import ModelSpec
from inr.registry import Registry
from inr.spec import Spec

if TYPE_CHECKING:
    import torch

    from inr.layers.network import Network


class ReparamSpec(Spec):
    """Settings of a reparameterisation: it exists while a field is fitted, and no file knows of it."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def apply(self, model: ModelSpec, network: "Network", generator: "torch.Generator") -> None:
        """Change in place what is trained of an initialised network; its tensors keep their names and shapes.

        Raises:
            SpecError: the model has nothing that it applies to.
        """


REPARAMS: Registry[ReparamSpec] = Registry("reparam", "inr.reparams")
