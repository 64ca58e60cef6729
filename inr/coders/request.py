"""What a user may ask of a compression."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from inr.coders import presets
from inr.errors import SpecError
from inr.fitting.schedules.base import SCHEDULES, ScheduleSpec
from inr.fitting.schedules.cosine import CosineSchedule
from inr.fitting.spec import Device, Precision
from inr.inits.base import INITS, InitSpec
from inr.inits.default import DefaultInit
from inr.losses.base import LOSSES, LossSpec
from inr.losses.mse import MeanSquaredError
from inr.optimisers.adam import Adam
from inr.optimisers.base import OPTIMISERS, OptimiserSpec
from inr.reparams.base import REPARAMS, ReparamSpec
from inr.reparams.none import NoReparam
from inr.samplers.base import SAMPLERS, SamplerSpec
from inr.signals.transform import Transform
from inr.spec import Spec
from inr.tasks.base import TASKS, TaskSpec
from inr.tasks.fit import FitSamples


class CompressSpec(Spec):
    """What a user may ask of `compress`. At most one of bpp, psnr, size and quality.

    Raises:
        SpecError: a value out of range, or settings that contradict each other.
    """

    coder: str | None = None
    """Kind of the coder, with its settings as ``kind:name=value``; None for that of the kind of signal, if it has one
    that heeds all that is asked, else `weights`, those of a network. What a coder that is named does not heed of all
    that follows must be left alone."""
    model: str | None = None
    """Kind of the model; None takes the preset's."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the model, by name; if they fix its size, no target may be given."""
    preset: str = "default"
    bpp: Annotated[float, Field(gt=0, le=64)] | None = None
    """Bits of the file per pixel."""
    psnr: Annotated[float, Field(gt=0, le=99)] | None = None
    """PSNR of the decoded file in dB, at least; of a picture of high dynamic range the one a viewer sees, PU21-PSNR."""
    size: Annotated[int, Field(ge=1, le=2**31)] | None = None
    """Bytes of the file, at most; at least 85 % of it are used."""
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    """1 to 100, a size in other words: see `presets.bpp_of_quality`."""
    steps: Annotated[int, Field(ge=1, le=10**8)] | None = None
    seconds: Annotated[float, Field(gt=0, le=10**7)] | None = None
    """Wall time of the fit."""
    bits: Annotated[float, Field(ge=1, le=32)] | None = None
    """Bits a weight: 1 to 12, or 16 or 32 to store floats. None lets the size decide."""
    layers: Annotated[int, Field(ge=1, le=8)] = 1
    """Quality layers."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    learning_rate: Annotated[float, Field(gt=0, le=10)] | None = None
    """Peak learning rate; None takes the optimiser's or the model's."""
    batch: Annotated[int, Field(ge=1, le=2**28)] | None = None
    """Samples a step; None takes the sampler's."""
    init: Annotated[InitSpec, *INITS.field()] = DefaultInit()
    sampler: Annotated[SamplerSpec, *SAMPLERS.field()] | None = None
    """None takes what suits the model: blocks of the grid for separable ones, else uniform mini-batches."""
    loss: Annotated[LossSpec, *LOSSES.field()] = MeanSquaredError()
    task: Annotated[TaskSpec, *TASKS.field()] = FitSamples()
    optimiser: Annotated[OptimiserSpec, *OPTIMISERS.field()] = Adam()
    schedule: Annotated[ScheduleSpec, *SCHEDULES.field()] = CosineSchedule()
    reparam: Annotated[ReparamSpec, *REPARAMS.field()] = NoReparam()
    transform: Transform = "auto"
    """Of the samples: "auto" fits the colours of a picture of high dynamic range on a curve of light, see
    `inr.signals.light`, and all else as it is; "none" fits everything as it is; "power" is the symmetric power
    transform, see `inr.signals.power`."""
    backend: str = "auto"
    device: Device = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Of the compiled kernels; None for ``OMP_NUM_THREADS``, or else one for each core."""
    precision: Precision = "auto"
    """Of the operands of matrix products in training, see `FitSpec`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        targets = {"bpp": self.bpp, "psnr": self.psnr, "size": self.size, "quality": self.quality}
        given = [name for name, value in targets.items() if value is not None]
        if len(given) > 1:
            raise SpecError(f"give at most one of bpp, psnr, size and quality; got {' and '.join(given)}")
        if self.bits is not None and self.bits > 12 and self.bits not in (16, 32):
            raise SpecError(f"bits: 1 to 12, or 16 or 32 for floats; got {self.bits:g}")
        presets.get(self.preset)
        if self.batch is not None and self.sampler is not None:
            if "batch" not in type(self.sampler).model_fields:
                raise SpecError(f"batch: the sampler {self.sampler.kind} has none; got {self.batch}")
            if "batch" in self.sampler.model_fields_set:
                raise SpecError(f"batch: given twice, also with the sampler {self.sampler.kind}; got {self.batch}")
        if self.learning_rate is not None and self.optimiser.learning_rate is not None:
            raise SpecError(f"learning rate: given twice, also with the optimiser; got {self.learning_rate:g}")
        return self
