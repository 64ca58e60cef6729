"""What a training needs of memory grows with the picture, and not by more than a large photo may take."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

from inr import native
from inr.coders.latent.fit import LatentFit
from inr.coders.latent.plan import LatentPlan
from inr.coders.latent.spec import LatentSpec
from inr.samplers.base import Moment
from tests.support.small_fits import signal_of

PROGRAM = """
import resource
import sys
import numpy as np
from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.shipped import SPEC, shipped
from inr.coders.latent.training import LatentTraining
picture = np.random.default_rng(0).random((3, int(sys.argv[1]), 1024), dtype=np.float32)
settings = TrainingSpec(iterations=12, warm_up=((1, 2),), last_share=0.5, validate_every=2)
training = LatentTraining(picture, SPEC, settings, shipped(8).values())
training.run()
training.quantised(8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def _peak(height: int) -> int:
    """Bytes of a process that trains a picture of so many rows of 1,024 pixels."""
    command = [sys.executable, "-c", PROGRAM, str(height)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(native.load() is None, reason="no compiled kernels: their memory is what is measured")
@pytest.mark.skipif(sys.platform != "linux", reason="a peak is counted in other units")
def test_bytes_a_pixel() -> None:
    """At most 240: 2.9 GB for the 12 million pixels of a camera."""
    small, large = (_peak(height) for height in (512, 1536))
    assert (large - small) / 2**20 < 240


def test_nothing_keeps_a_fit_that_is_over() -> None:
    signal = signal_of(np.zeros((40, 40, 3), np.uint8))
    plan = LatentPlan(latents=LatentSpec(), lmbda=1e-3, iterations=3, parameters=1, named=False, model="latent")
    gc.disable()
    try:
        fit = LatentFit(signal, plan)
        while not fit.finished:
            fit.step(Moment(0, 0.0))
        known = weakref.ref(fit)
        del fit
        assert known() is None
    finally:
        gc.enable()
