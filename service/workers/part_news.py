"""What passes from the process that fits a part to the one that drives the job."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PartNews:
    """What the driver hears of a part that is fitted.

    Attributes:
        lengths: samples of each part of the job along the first axis.
        steps: gradient steps of this part.
        psnr: at its last step.
        bpp: bits per sample position of its payload.
        worker: name of the process that fitted it.
    """

    lengths: tuple[int, ...]
    steps: int
    psnr: float
    bpp: float
    worker: str
