"""Engines and their threads after a fork of the process."""

import os
import subprocess
import sys

import pytest

from tests.support.commands import ROOT, environment
from tests.support.native_reference import needs_kernels

pytestmark = needs_kernels

FORK = """
import os, sys
import numpy as np
from inr.losses.mse import MeanSquaredError
from inr.backends.base import PointBatch, Resources
from inr.backends.native.backend import NativeBackend
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from tests.support.model_checks import initialised
from tests.support.native_reference import CORES
from tests.support.torch_layers import told

network = initialised(Siren.EXAMPLES[0])
resources = Resources(threads=min(2, CORES))
field = NativeBackend().field(*told(network), "cpu", resources)
trainer = NativeBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu", 0, resources)
x = np.linspace(-1, 1, 600, dtype=np.float32).reshape(300, 2)
batch = PointBatch(x, np.zeros((300, 3), dtype=np.float32))
before = field(x)
trainer.step(batch, 1e-3)

def work():
    same = np.array_equal(field(x), before)
    loss = trainer.step(batch, 1e-3).loss
    other = NativeBackend().field(*told(network), "cpu", resources)
    return same and np.isfinite(loss) and other(x).shape == (300, 3)

for generation in range(2):
    child = os.fork()
    if child == 0:
        grandchild = os.fork() if generation else None
        good = work()
        if grandchild == 0:
            os._exit(0 if good else 1)
        if grandchild:
            good = good and os.waitpid(grandchild, 0)[1] == 0
        os._exit(0 if good else 1)
    status = os.waitpid(child, 0)[1]
    if status or not work():
        sys.exit(f"generation {generation}: {status}")
print("done")
"""

FORK_AT_WORK = """
import os, sys, threading
import numpy as np
from inr.backends.base import PointBatch, Resources
from inr.backends.native.backend import NativeBackend
from inr.losses.mse import MeanSquaredError
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from tests.support.model_checks import initialised
from tests.support.native_reference import CORES
from tests.support.torch_layers import told
from tests.support.torch_layers import told

network = initialised(Siren(width=64, depth=3))
resources = Resources(threads=min(2, CORES))
trainer = NativeBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu", 0, resources)
x = np.zeros((200_000, 2), dtype=np.float32)
batch, small = PointBatch(x, x[:, :1].repeat(3, 1)), PointBatch(x[:100], x[:100, :1].repeat(3, 1))
trainer.step(batch, 1e-3)
over = threading.Event()

def work():
    while not over.is_set():
        trainer.step(batch, 1e-3)

worker = threading.Thread(target=work)
worker.start()
good = True
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.isfinite(trainer.step(small, 1e-3).loss) else 1)
    good = good and os.waitpid(child, 0)[1] == 0
over.set()
worker.join()
print("done" if good else "a child failed")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("program", [FORK, FORK_AT_WORK], ids=["at rest", "while a thread works"])
def test_children_of_a_fork_have_threads_of_their_own(program: str) -> None:
    """After the parent used its threads, and again in a child of a child; or while the parent uses them."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, b"done"), done.stderr.decode()
