"""The interface and the registry of initialisers."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from inr.layers.layout import FloatTensor
from inr.layers.network import Network
from inr.models.base import ModelSpec
from inr.registry import Registry
from inr.signals.signal import Signal
from inr.spec import Spec


@dataclass(frozen=True)
class SearchReport:
    """How an initialiser chose a setting of the model.

    Attributes:
        setting: name of the setting.
        value: the chosen value.
        candidates: all values that were tried, with their distances (less is better).
        seconds: wall time of the search.
    """

    setting: str
    value: float
    candidates: tuple[tuple[float, float], ...]
    seconds: float


class InitSpec(Spec):
    """Settings of an initialiser."""

    kind: str
    wire_id: ClassVar[int]
    paper: ClassVar[str]

    def prepare(self, model: ModelSpec, signal: Signal, seed: int) -> tuple[ModelSpec, SearchReport | None]:
        """Choose settings of the model by looking at the signal, before the network is built.

        Returns:
            The model to fit, with as many parameters as before, and what the search found; None for no search.

        Raises:
            SpecError: it does not fit the model or the signal.
        """
        del signal, seed
        return model, None

    def settled(self) -> "InitSpec":
        """The initialiser for a further part of a signal, whose model has the settings of the first part already."""
        return self

    @abstractmethod
    def apply(
        self, model: ModelSpec, network: Network, signal: Signal, generator: np.random.Generator
    ) -> dict[str, FloatTensor]:
        """The parameters that a network of a model starts with, by name; raises `SpecError` if it does not fit it."""


INITS: Registry[InitSpec] = Registry("init", "inr.inits")
