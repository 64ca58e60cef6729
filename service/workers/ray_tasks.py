"""What a Ray cluster runs. The library is loaded where it runs, not by the driver, which only names these functions."""

from typing import TYPE_CHECKING

from service.jobs import Job
from service.store.queue import Claim

if TYPE_CHECKING:
    from inr.codec.encode import FittedPart
    from service.workers.job_steps import Step


def first_part(settings: str, job: Job, fence: int) -> "Step":
    """See `service.workers.job_steps.Steps.first`; `settings` is the JSON of a `ServerConfig`."""
    from service.workers.job_steps import steps

    with steps(settings, Claim(job, fence)) as made:
        return made.first()


def other_part(
    settings: str, job: Job, fence: int, lengths: tuple[int, ...], number: int, first: "FittedPart"
) -> "Step":
    """See `service.workers.job_steps.Steps.other`."""
    from service.workers.job_steps import steps

    with steps(settings, Claim(job, fence)) as made:
        return made.other(lengths, number, first)


def joined(settings: str, job: Job, fence: int, lengths: tuple[int, ...], began: float, *parts: "FittedPart") -> None:
    """See `service.workers.job_steps.Steps.join`."""
    from service.workers.job_steps import steps

    with steps(settings, Claim(job, fence)) as made:
        made.join(lengths, began, list(parts))
