"""What a layer is: a frozen specification, with its readable forward beside it."""

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from inr import plugins
from inr.errors import SpecError, UnknownComponentError
from inr.layers.initial import Distribution
from inr.layers.layout import TensorLayout
from inr.layers.operation import Operation

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]
    """Stored and fixed tensors of one layer, by name."""

FixedArray = npt.NDArray[np.float32]


class Layer(ABC):
    """Base of the vocabulary: a map from one or more tensors `(n, d)` to `(n, d_out)`, each row for itself.

    A layer is a frozen dataclass without equality, so that one object at several places of a network is one layer,
    stored once. It is made without torch, which only `forward` imports. Its parameters are handed beside it, by the
    names of `layout`.
    """

    kind: ClassVar[str] = ""
    """Name in the JSON form of a network, registered with `LAYERS`; empty for what is no part of the vocabulary."""
    EXAMPLES: ClassVar[tuple[tuple["Layer", tuple[int, ...]], ...]] = ()
    """Small layers and the widths of their inputs, for the conformance suite."""

    @abstractmethod
    def width(self, *inputs: int) -> int:
        """Features of the output for inputs of these widths."""

    def layout(self) -> tuple[TensorLayout, ...]:
        """Stored tensors; none by default."""
        return ()

    def initial(self) -> dict[str, Distribution]:
        """The distribution of each stored tensor before training, in the order of `layout`."""
        return {}

    def fixed(self) -> dict[str, FixedArray]:
        """Arrays that the forward reads and no file stores, since settings say it all; by name."""
        return {}

    def operation(self, *inputs: int) -> Operation | None:
        """What compiled kernels are told for inputs of these widths, or None if they have no such operation."""
        del inputs
        return None

    forward: Callable[..., Any]
    """``forward(tensors, *inputs)``: the reference in torch that every faster backend is compared with.

    Takes the stored and fixed tensors by name and the inputs, `(n, d)` each; returns `(n, d_out)`. Differentiable.
    """


class Activation(Layer):
    """An elementwise real function; what is defined for one number works on any shape."""

    def width(self, *inputs: int) -> int:
        """As many features as the input has."""
        return inputs[0]


LayerT = TypeVar("LayerT", bound=type[Layer])


class Vocabulary:
    """The layers by kind.

    One found in no loaded module is looked for in the files of `inr.layers`, and then in what entry points of the group
    `inr.layers` name: classes, or modules that register some.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, type[Layer]] = {}
        self._load = plugins.Loading("inr.layers", self._load_own, self._add, self._by_kind.values, self.unregister)

    def register(self, cls: LayerT) -> LayerT:
        """Class decorator; raises `SpecError` for a kind that is missing or that another class has."""
        if not cls.__module__.startswith("inr.layers."):
            self._load_own()  # kinds of the library are its own, whoever comes first
        other = self._by_kind.get(cls.kind)
        if not cls.kind or other not in (None, cls):
            taken = (
                f"kind {cls.kind!r} is already taken by {other.__qualname__}" if other else "kind: must not be empty"
            )
            raise SpecError(f"layer {cls.__qualname__}: {taken}")
        self._by_kind[cls.kind] = cls
        return cls

    def unregister(self, cls: type[Layer]) -> None:
        """Undo `register`, for plug-ins that are switched off."""
        self._by_kind.pop(cls.kind, None)

    def get(self, kind: str) -> type[Layer]:
        """The class of a kind; raises `UnknownComponentError` that lists the known ones."""
        for load in (self._load_own, self._load):
            if kind not in self._by_kind:
                load()
        if kind not in self._by_kind:
            raise UnknownComponentError(f"unknown layer {kind!r}; known: {', '.join(sorted(self._by_kind))}")
        return self._by_kind[kind]

    def __iter__(self) -> Iterator[type[Layer]]:
        self._load()
        return iter([self._by_kind[kind] for kind in sorted(self._by_kind)])

    def _load_own(self) -> None:
        package = importlib.import_module("inr.layers")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"inr.layers.{module.name}")

    def _add(self, found: Any) -> bool:
        """Register the class that an entry point names, if loading it has not."""
        if isinstance(found, type) and found not in self._by_kind.values():
            if not issubclass(found, Layer):
                raise SpecError(f"expected a subclass of Layer; got {found.__qualname__}")
            self.register(found)
        return True


LAYERS = Vocabulary()
"""Putting a file into `inr.layers` is all that adding a layer takes."""
