"""The compiled kernels under AddressSanitizer and UndefinedBehaviorSanitizer, on networks with every operation."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inr import native
from inr.layers.network import Network
from tests.conformance.test_native_bf16 import GRAPHS
from tests.support.commands import ROOT
from tests.support.native_networks import AROUND, D_OUT, Builder
from tests.support.native_reference import Lowered, batch_of, randomised_layers, reference

SOURCE = ROOT / "inr" / "native"
BUILD_S = 280
FIELDS = ("kind", "inputs", "ints", "reals", "constants", "params")
"""Of an operation."""
LIBRARIES = ("libasan.so", "libstdc++.so")
"""What has to be there before the interpreter: the sanitizer, and the library whose exceptions it watches."""


def library(name: str) -> str | None:
    """Path of a library of the compiler, if it has it."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    found = subprocess.run(
        [compiler, f"-print-file-name={name}"], capture_output=True, text=True, timeout=60, check=False
    ).stdout.strip()
    return found if os.path.isabs(found) else None


def missing() -> str | None:
    """What this machine lacks for such a build, or None."""
    if native.load() is None:
        return f"test vectors are made by the compiled kernels, which are {native.reason()}"
    if sys.platform != "linux":
        return "the sanitizers are loaded as on Linux"
    for tool in ("g++", "cmake"):
        if shutil.which(tool) is None:
            return f"no {tool}"
    if shutil.which("ninja") is None and shutil.which("make") is None:
        return "neither ninja nor make"
    for name in LIBRARIES:
        if library(name) is None:
            return f"the compiler has no {name}"
    return None


def binding(folder: Path) -> str:
    """Where nanobind lies: in this environment, or in a folder that pip fills."""
    if importlib.util.find_spec("nanobind") is not None:
        return ""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "nanobind>=2.9,<4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"no nanobind, and pip cannot get it: {done.stderr.strip().splitlines()[-1:]}")
    return str(folder)


def built(folder: Path) -> Path:
    """The module with sanitizers."""
    environment = {**os.environ, "PYTHONPATH": binding(folder / "nanobind")}
    generator = "Ninja" if shutil.which("ninja") else "Unix Makefiles"
    configure = ["cmake", "-G", generator, "-S", str(SOURCE), "-B", str(folder / "build"), "-DINR_SANITIZE=ON"]
    configure += ["-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_COMPILER=g++", f"-DPython_EXECUTABLE={sys.executable}"]
    for command in (configure, ["cmake", "--build", str(folder / "build"), "--parallel", "2"]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=BUILD_S, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return next((folder / "build").glob("_kernels*.so"))


def around_coordinates(build: Callable[[int], Network]) -> Builder:
    """A graph on two coordinates, with random parameters."""
    return lambda width, d_in: randomised_layers(build(width))


def write_vectors(folder: Path) -> int:
    """A network around every layer, and what float64 makes of it; returns how many."""
    builders = {**AROUND, **{f"half_{build.__name__}": around_coordinates(build) for build in GRAPHS}}
    for number, (name, build) in enumerate(builders.items()):
        width, d_in = ((17, 2), (16, 3), (65, 1))[number % 3]
        d_in = 2 if name.startswith("half_") else d_in
        network = build(width, d_in)
        d_out = 16 if name == "half_wide_outputs" else D_OUT
        batch = batch_of((150, 129, 65)[number % 3], d_in, d_out, seed=number)
        lowered, found = Lowered.of(network, d_in), reference(network, batch)
        operations = [{name: getattr(operation, name) for name in FIELDS} for operation in lowered.operations]
        engine = {"operations": operations, "d_in": d_in, "heads": lowered.heads}
        (folder / f"{name}.json").write_text(json.dumps(engine), encoding="utf-8")
        np.savez(
            folder / f"{name}.npz",
            params=lowered.flat,
            x=batch.x,
            targets=batch.targets,
            values=found.values,
            gradients=found.gradients,
            input_gradients=found.input_gradients,
        )
    return len(builders)


def check_clean(*arguments: str) -> list[str]:
    """Run Python with the sanitizers; it ends well, and they say nothing. Returns the words that it printed."""
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(library(name) or "" for name in LIBRARIES),
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=4096",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "runtime error" not in done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module with sanitizers, built once."""
    reason = missing()
    if reason is not None:
        pytest.skip(f"no build with sanitizers: {reason}")
    return built(tmp_path_factory.mktemp("sanitized"))


@pytest.mark.timeout(600)
def test_kernels_stay_within_their_memory(module: Path, tmp_path: Path) -> None:
    """Every operation on every instruction set, samples in every type, and the coder on damaged payloads."""
    count = write_vectors(tmp_path)
    words = check_clean(str(ROOT / "tests" / "support" / "native_vectors.py"), str(module), str(tmp_path))
    assert int(words[0]) >= count
    assert int(words[2]) > 100


@pytest.mark.timeout(600)
def test_malformed_operations_touch_nothing(module: Path, tmp_path: Path) -> None:
    """What is refused is refused in time, and what is not stays within its memory."""
    words = check_clean("-m", "tests.support.native_fuzz", str(tmp_path / "example.txt"), "400", str(module))
    assert int(words[0]) > 30


@pytest.mark.timeout(600)
def test_damaged_latents_touch_nothing(module: Path) -> None:
    """Payloads of pyramids that are refused, or read and shown."""
    words = check_clean("-m", "tests.support.latent_fuzz", "600", "3", str(module))
    assert words[:2] == ["600", "mutations:"]
