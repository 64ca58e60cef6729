"""The interface and the registry of reparameterisations."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from inr.layers import Layer
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.registry import Registry
from inr.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


class ReparamSpec(Spec):
    """Settings of a reparameterisation: it exists while a field is fitted, and no file knows of it.

    It works on the parameters as torch holds them, whatever backend computes their gradients.
    """

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    plain: ClassVar[bool] = False
    """True if what is stored is what is trained, so that no torch is needed."""

    @abstractmethod
    def check(self, model: ModelSpec, network: Network) -> None:
        """Raise `SpecError` if a network of a model has nothing that it applies to."""

    @abstractmethod
    def apply(self, network: Network, modules: "Mapping[Layer, nn.Module]", generator: "np.random.Generator") -> None:
        """Change in place what is trained of an initialised network; its tensors keep their names and shapes.

        Args:
            network: the layers.
            modules: for each layer that stores something the module that holds its tensors, by their names.
            generator: of all random numbers.

        Raises:
            SpecError: the network has nothing that it applies to.
        """


REPARAMS: Registry[ReparamSpec] = Registry("reparam", "inr.reparams")
