"""What is trained: everything that a step changes, and nothing of clock, curve, events and files."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from inr.backends.base import Field
from inr.fitting.spec import Budget
from inr.fitting.trained import FitReport, Trained
from inr.inits.base import SearchReport
from inr.samplers.base import Moment
from inr.signals.signal import Signal

TrainedT = TypeVar("TrainedT", bound=Trained)

State = dict[str, Any]
"""Names to numpy arrays, numbers, strings, None, and lists and dicts of these: what a checkpoint keeps."""


class Training(ABC, Generic[TrainedT]):
    """A training between two steps. `inr.fitting.run.train` drives it.

    A class sets the attributes when it is made, and then is in the state before the first step. The same settings, seed
    and number of threads have to give the same bits, also with `state` and `restore` on the way.

    Attributes:
        signal: what is learnt.
        budget: when to stop.
        seed: of all random choices.
        backend: name of what does the arithmetic, for reports.
        identity: a text that differs for other settings than these, the budget aside: a checkpoint belongs to it.
        search: what was searched before the first step, or None.
        on_grids: True if the field is cheap on whole grids and dear at scattered points, for who measures it.
        remedy: what to do if the loss becomes infinite.
    """

    signal: Signal
    budget: Budget
    seed: int
    backend: str
    identity: str
    search: SearchReport | None = None
    on_grids: bool = False
    remedy: str = "use a lower learning rate"

    @property
    def finished(self) -> bool:
        """True if nothing is left to do, though the budget may not be used; False by default."""
        return False

    @property
    def steps_left(self) -> int | None:
        """Steps to come, about; None, the default, for what the budget leaves."""
        return None

    @property
    def psnr(self) -> float | None:
        """PSNR in dB of the present model, about; None, the default, if it has to be measured."""
        return None

    @property
    def bits(self) -> float | None:
        """Bits that the file will have for each sample position, about; None, the default, if that is not known."""
        return None

    @abstractmethod
    def step(self, moment: Moment) -> float:
        """Do one step; returns the loss before it. `moment` says how far the budget is used."""

    @abstractmethod
    def field(self) -> Field:
        """The signal in its present state."""

    def seen(self) -> Field:
        """The field as its task compares it with the samples, for the curve; itself by default."""
        return self.field()

    @abstractmethod
    def trained(self, report: FitReport) -> TrainedT:
        """What was learnt; `report` says how it went."""

    @abstractmethod
    def state(self) -> State:
        """A copy of all that is needed to go on later."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Go on from what `state` of a training with the same identity returned."""
