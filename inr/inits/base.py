"""The interface and the registry of initialisers."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from inr.models.base import ModelSpec
from inr.registry import Registry
from inr.spec import Spec

if TYPE_CHECKING:
    import torch

    from inr.models.network import Network


class InitSpec(Spec):
    """Settings of an initialiser."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    @abstractmethod
    def apply(self, model: ModelSpec, network: "Network", generator: "torch.Generator") -> None:
        """Set all parameters of `network` in place; raises `SpecError` if it does not fit the model."""


INITS: Registry[InitSpec] = Registry("init", "inr.inits")
