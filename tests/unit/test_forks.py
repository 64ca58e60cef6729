"""Forks of a process that has used the library, or is using it in another thread: the children work, and none hangs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import environment

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

TIMEOUT_S = 200
"""A child that hangs would take for ever."""

BEGIN = """
import concurrent.futures, multiprocessing, os, sys, threading
import numpy as np
import inr

picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)

def fit(backend, model="siren", **more):
    return inr.compress(picture, model=model, backend=backend, steps=3, bpp=8.0, **more).data

def decode(data):
    return inr.open(data).decode(scale=2).astype(np.int64).sum()

def forked(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
"""

AFTER_TORCH = """
import torch
torch.set_num_threads(4)
finr = fit("torch", "finr")
wide = torch.rand(2000, 2000)
wide @ wide.exp()
seen = decode(finr)
def work():
    assert abs(decode(finr) - seen) < 100
    assert torch.get_num_threads() == 1
    fit("torch"), fit("torch", "finr"), fit("torch", optimiser="muon")
    assert torch.isfinite(wide @ wide.exp()).all()
for _ in range(2):
    forked(work)
    assert torch.get_num_threads() == 4
forked(lambda: forked(work))
"""

AFTER_KERNELS = """
data = fit("auto", "hashgrid")
seen = decode(data)
def work():
    assert decode(data) == seen
    assert decode(fit("auto", "hashgrid")) == seen
    fit("torch")
forked(work)
"""

PROCESSES = """
import torch
torch.set_num_threads(4)
data = fit("torch", "finr")
decode(data)
context = multiprocessing.get_context("fork")
children = [context.Process(target=decode, args=(data,)) for _ in range(3)]
for child in children:
    child.start()
for child in children:
    child.join()
assert [child.exitcode for child in children] == [0, 0, 0]
with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
    assert len(set(pool.map(decode, [data] * 6))) == 1
    assert len(list(pool.map(fit, ["torch", "auto"] * 2))) == 4
with context.Pool(2) as pool:
    field = inr.open(data)
    assert len(set(pool.map(decode, [data] * 4))) == 1
"""

WHILE_AT_WORK = """
import torch
torch.set_num_threads(4)
data = {name: fit(*name.split()) for name in ("torch finr", "torch siren", "auto siren")}
over = threading.Event()
def busy(name):
    while not over.is_set():
        fit(*name.split())
        decode(data[name])
threads = [threading.Thread(target=busy, args=(name,)) for name in data]
for thread in threads:
    thread.start()
def work():
    for name, one in data.items():
        decode(one)
        fit(*name.split())
try:
    for _ in range(8):
        forked(work)
finally:
    over.set()
"""

WHILE_IMPORTING = """
import time
def first():
    fit("torch")
thread = threading.Thread(target=first)
thread.start()
for _ in range(6):
    time.sleep(0.15)
    forked(lambda: decode(fit("auto", "wire")))
thread.join()
"""

IN_A_LONG_IMPORT = """
import pathlib, sys, time
pathlib.Path("whole_program.py").write_text(
    "import os, threading\\n"
    "def fork():\\n"
    "    child = os.fork()\\n"
    "    if child == 0: os._exit(0)\\n"
    "    os.waitpid(child, 0)\\n"
    "thread = threading.Thread(target=fork)\\n"
    "thread.start(), thread.join()\\n"
)
sys.path.insert(0, ".")
began = time.monotonic()
import whole_program
assert time.monotonic() - began < 10
"""

AT_IMPORT = """
import importlib, pathlib, sys, time
pathlib.Path("forks_at_import.py").write_text(
    "import os\\nchild = os.fork()\\nif child == 0: os._exit(0)\\nos.waitpid(child, 0)\\n"
)
sys.path.insert(0, ".")
over = threading.Event()
threading.Thread(target=over.wait, daemon=True).start()
began = time.monotonic()
import forks_at_import
assert time.monotonic() - began < 10
over.set()
"""

PROGRAMS = {
    "after torch": AFTER_TORCH,
    "after the kernels": AFTER_KERNELS,
    "processes and pools": PROCESSES,
    "while threads compute": WHILE_AT_WORK,
    "while a thread imports": WHILE_IMPORTING,
    "from a module that is imported": AT_IMPORT,
    "from a thread of a module that is imported": IN_A_LONG_IMPORT,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_children_of_a_fork_work(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEGIN + program + "\nprint('done')"],
        cwd=tmp_path,
        env={**environment(), "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
