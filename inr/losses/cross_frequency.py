"""Cross-frequency supervision: the squared error, and that of the Laplacian of the gray picture.

Zhang et al., "EVOS: Efficient Implicit Neural Training via EVOlutionary Selector", CVPR 2025.

    mean over S of (f - y)^2 + lambda mean over S of (Lap g(f) - Lap g(y))^2

S: the samples of a step; g: the gray signal in levels 0 to 255, its values clamped; Lap: the sum of second differences
along all axes, zero outside. A Laplacian needs neighbours, and most steps do not train them: there they have the value
that the field had when it was last asked, as a constant. Gradients go through the values of S alone.

The published form is ``CrossFrequency(cache="full")`` with the sampler ``EvosSampler(cache="full", batch=None)``:
neighbours are as in the last step on all samples, and after 3/10 of the fit (1,500 of 5,000 steps) only such steps have
the second term. With the rolling cache, for mini-batches, they are as of when each was last trained.

Deviations: the Laplacian is linear, hence ``Lap g(f) - Lap g(y) = Lap(g(f) - g(y))``; a sample beside one that no step
has asked for yet has no second term; for signals of other than two axes see the formula. Values are gray levels as
127.5 times what is fitted, also if a power transform lies between them and the file. Points do not stray from their
samples, whatever a sampler says.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from inr.errors import SpecError
from inr.losses.base import LOSSES, FlatIndex, Floats, LossSpec, SignalLoss
from inr.signals.gray import LEVELS, laplacian, luma
from inr.signals.signal import Signal

if TYPE_CHECKING:
    from torch import Tensor

MAX_SAMPLES = 2**24
"""Up to so many samples no sampler draws one twice in a step; the loss remembers four bytes of each."""


@final
@LOSSES.register
class CrossFrequency(LossSpec):
    """Squared error, plus that of the second differences of the gray picture (the loss of EVOS)."""

    kind: Literal["cross_frequency"] = "cross_frequency"
    wire_id: ClassVar[int] = 4
    paper: ClassVar[str] = (
        "Zhang et al. 2025, EVOS: Efficient Implicit Neural Training via EVOlutionary Selector (its loss)"
    )
    neighbours: ClassVar[bool] = True

    detail: Annotated[float, Field(ge=0, le=10**6)] = 1e-5
    """Lambda, the weight of the Laplacian in gray levels, squared, against the squared error of values in [-1, 1]."""
    until: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the fit after which only steps on all samples have the second term."""
    cache: Literal["full", "rolling"] = "rolling"
    """What neighbours that a step does not train are like: as in the last step on all samples (full), or as of when
    each was last trained (rolling)."""

    def values(self, output: "Tensor", target: "Tensor") -> "Tensor":
        """Raises `SpecError`: points alone have no neighbours."""
        raise SpecError(f"loss {self.kind}: sees samples beside their neighbours, not points alone; use task fit")

    def over(self, signal: Signal) -> SignalLoss:
        """See the base class; raises `SpecError` for a signal of more than 2^24 samples."""
        if signal.domain.size > MAX_SAMPLES:
            raise SpecError(
                f"{self.kind}: signal: remembers every sample, at most {MAX_SAMPLES} are allowed; "
                f"got {signal.domain.size}; use the loss mse"
            )
        return _Supervision(self, signal)


@final
class _Supervision(SignalLoss):
    def __init__(self, spec: CrossFrequency, signal: Signal) -> None:
        self._spec, self._signal = spec, signal
        self._shape, self._weights = signal.domain.shape, LEVELS * luma(signal.channels)
        self._gray: Floats = np.full(signal.domain.size, np.nan, dtype=np.float32)
        """What the gray field misses the signal by, in levels, `(n_samples,)`; not a number where never asked."""

    def evaluate(self, index: FlatIndex, values: Floats, progress: float) -> tuple[float, Floats]:
        """See the base class."""
        targets = self._signal.targets(index)
        residuals = values - targets
        loss = float(np.square(residuals, dtype=np.float64).mean())
        slopes: Floats = residuals * np.float32(2 / residuals.size)
        gray: Floats = (np.clip(values, -1, 1) - targets) @ self._weights
        whole = len(index) == self._signal.domain.size
        if self._spec.detail > 0 and (whole or progress < self._spec.until):
            found, pulled = self._detail(index, gray)
            loss += found
            slopes += np.where(np.abs(values) <= 1, pulled[:, None] * self._weights, np.float32(0))
        if whole or self._spec.cache == "rolling":
            self._gray[index] = gray
        return loss, slopes

    def _detail(self, index: FlatIndex, gray: Floats) -> tuple[float, Floats]:
        """The second term, and its derivative by the gray values of the step, `(n,)`."""
        pasted = self._gray.copy()
        pasted[index] = gray
        wrong = laplacian(pasted.reshape(self._shape)).reshape(-1)
        counted = index[~np.isnan(wrong[index])]
        if len(counted) == 0:
            return 0.0, np.zeros(len(index), dtype=np.float32)
        kept = np.zeros_like(wrong)
        kept[counted] = wrong[counted]
        loss = self._spec.detail * float(np.square(kept[counted], dtype=np.float64).mean())
        slopes: npt.NDArray[np.float32] = laplacian(kept.reshape(self._shape)).reshape(-1)[index]
        return loss, slopes * np.float32(2 * self._spec.detail / len(counted))

    def state(self) -> dict[str, Any]:
        """See the base class."""
        return {"gray": self._gray}

    def restore(self, state: dict[str, Any]) -> None:
        """See the base class."""
        self._gray = state["gray"]
