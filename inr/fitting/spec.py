"""Everything that determines a fit."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from inr.errors import SpecError
from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec
from inr.fitting.schedules.cosine import CosineSchedule
from inr.inits.base import INITS, InitSpec
from inr.inits.default import DefaultInit
from inr.losses.base import LOSSES, LossSpec
from inr.losses.mse import MeanSquaredError
from inr.models.base import MODELS, ModelSpec
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS, OptimiserSpec
from inr.reparams.base import REPARAMS, ReparamSpec
from inr.reparams.none import NoReparam
from inr.samplers.base import SAMPLERS, SamplerSpec
from inr.samplers.uniform import UniformSampler
from inr.spec import Spec
from inr.tasks.base import TASKS, TaskSpec
from inr.tasks.fit import FitSamples

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "bf16"]
BF16_PSNR = 40.0
"""PSNR up to which rounded operands cost little, in dB."""


class Budget(Spec):
    """When to stop: at the first limit reached. At least steps or seconds must be given."""

    steps: Annotated[int, Field(ge=1, le=10**8)] | None = None
    seconds: Annotated[float, Field(gt=0, le=10**7)] | None = None
    """Wall time of initialiser and training, without curve, previews and checkpoints; at least one step is done. A fit
    limited by time is not reproducible."""
    psnr: Annotated[float, Field(gt=0, le=100)] | None = None
    """Stop early at this PSNR (dB) over all samples."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.steps is None and self.seconds is None:
            raise SpecError("budget: give steps or seconds (psnr alone might never be reached)")
        return self

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is used, 0 to 1."""
        by_steps = step / self.steps if self.steps else 0.0
        by_time = seconds / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_time))


class FitSpec(Spec):
    """All settings of a fit. With a budget in steps, the same settings give the same bits on the same machine."""

    model: Annotated[ModelSpec, *MODELS.field()]
    init: Annotated[InitSpec, *INITS.field()] = DefaultInit()
    reparam: Annotated[ReparamSpec, *REPARAMS.field()] = NoReparam()
    sampler: Annotated[SamplerSpec, *SAMPLERS.field()] = UniformSampler()
    loss: Annotated[LossSpec, *LOSSES.field()] = MeanSquaredError()
    optimiser: Annotated[OptimiserSpec, *OPTIMISERS.field()] = Adam()
    schedule: Annotated[ScheduleSpec, *SCHEDULES.field()] = CosineSchedule()
    task: Annotated[TaskSpec, *TASKS.field()] = FitSamples()
    budget: Budget = Budget(steps=2000)
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    backend: str = "auto"
    device: Device = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of the compiled kernels; None for ``OMP_NUM_THREADS``, or else one for each core."""
    precision: Precision = "auto"
    """Of the operands of matrix products in training: 32 bits; or 16 ("bf16") where the machine then multiplies faster;
    "auto" is "bf16" unless a PSNR above 40 dB is asked for."""

    @property
    def bf16(self) -> bool:
        """True if operands may have 16 bits."""
        return self.precision == "bf16" or (self.precision == "auto" and (self.budget.psnr or 0) <= BF16_PSNR)

    @property
    def pulls(self) -> bool:
        """True if steps have a pull-back in place of targets: for the task, or for a loss that sees neighbours."""
        return self.task.pulls or self.loss.neighbours

    @property
    def learning_rate(self) -> float:
        """Peak learning rate: the optimiser's own, or else its usual one, or else the model's."""
        return self.optimiser.learning_rate or self.optimiser.usual_rate or self.model.rate()
