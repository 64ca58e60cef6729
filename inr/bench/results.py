"""What is run, and what came out."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from inr.fitting.spec import FitSpec

Outcome = Literal["done", "refused", "diverged"]


@dataclass(frozen=True)
class Run:
    """One fit of a benchmark.

    Attributes:
        group: cases are compared within a group (a model, a clip); empty if there is only one.
        case: what is compared.
        source: name of the picture or clip.
        fit: all settings, the seed among them.
    """

    group: str
    case: str
    source: str
    fit: FitSpec


@dataclass(frozen=True)
class Curve:
    """Quality over time: seconds of training, steps, PSNR in dB on a fixed subset of the samples."""

    seconds: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    psnr: tuple[float, ...] = ()


@dataclass(frozen=True)
class Result:
    """What one run gave.

    Attributes:
        group: of the run.
        case: of the run.
        source: of the run.
        seed: of the fit.
        shape: of the samples, channels last.
        fit: the settings as JSON.
        outcome: "refused" if a part does not fit the model, the signal or this machine.
        reason: why there is no number, or empty.
        parameters: stored reals of the model.
        steps: gradient steps done.
        seconds: time of the training steps and of the initialiser's search.
        search_seconds: the share of the search.
        psnr: dB, of the final field decoded in full.
        ssim: the same; mean over the frames of a clip.
        curve: quality over time.
    """

    group: str
    case: str
    source: str
    seed: int
    shape: tuple[int, ...]
    fit: dict[str, Any]
    outcome: Outcome
    reason: str = ""
    parameters: int = 0
    steps: int = 0
    seconds: float = 0.0
    search_seconds: float = 0.0
    psnr: float = 0.0
    ssim: float = 0.0
    curve: Curve = Curve()

    def to_json(self) -> dict[str, Any]:
        """All fields in types that JSON has."""
        return asdict(self)

    @staticmethod
    def from_json(fields: dict[str, Any]) -> "Result":
        """What `to_json` gave; raises TypeError or KeyError for anything else."""
        curve = Curve(**{name: tuple(values) for name, values in fields["curve"].items()})
        return Result(**{**fields, "shape": tuple(fields["shape"]), "curve": curve})

    def answers(self, run: Run, shape: tuple[int, ...]) -> bool:
        """True if this is the result of a run on a signal of this shape."""
        asked = (run.group, run.case, run.source, run.fit.seed, shape)
        known = (self.group, self.case, self.source, self.seed, self.shape)
        return known == asked and self.fit == run.fit.model_dump(mode="json")
