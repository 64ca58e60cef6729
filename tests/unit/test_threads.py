"""First use of the library in a process, from many threads at the same moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import environment
from tests.support.small_fits import compressed
from tests.support.third_party import install

THREADS = 16
TIMEOUT_S = 150

TOGETHER = f"""
import importlib, sys, threading, traceback

def together(works):
    barrier = threading.Barrier(len(works))
    found, failed = [None] * len(works), []
    def run(number, work):
        barrier.wait()
        try:
            found[number] = work()
        except BaseException:
            failed.append(traceback.format_exc())
    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join({TIMEOUT_S - 30})
        assert not thread.is_alive(), "a thread hangs"
    assert not failed, failed[0]
    return found

def of(place):
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
"""

REGISTRIES = {
    "inr.models.base:MODELS": "sl2a",
    "inr.inits.base:INITS": "vi3nr",
    "inr.samplers.base:SAMPLERS": "soft",
    "inr.losses.base:LOSSES": "mse",
    "inr.tasks.base:TASKS": "superresolve",
    "inr.optimisers.base:OPTIMISERS": "muon",
    "inr.fitting.schedules.base:SCHEDULES": "exponential",
    "inr.reparams.base:REPARAMS": "fourier",
    "inr.signals.kind:KINDS": "video",
    "inr.coders.base:CODERS": "weights",
    "inr.layers.base:LAYERS": "triangle",
    "inr.backends.select:BACKENDS": "torch",
}
"""Everything that is loaded on first use by name, with one of the last names in each."""


def errors(code: str, env: dict[str, str], folder: Path, *arguments: str) -> str:
    """What a program says whose threads must all succeed, or nothing."""
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER + code, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.stderr or ("" if done.returncode == 0 else f"exit code {done.returncode}")


GET = """
place, name = sys.argv[1:]
found = together([lambda: of(place)[name] if "BACKENDS" in place else of(place).get(name)] * 16)
assert len({id(one) for one in found}) == 1, found
kinds = together([lambda: [getattr(one, "kind", one) for one in of(place)]] * 16)
assert all(one == kinds[0] for one in kinds)
"""

LIST = """
place, name = sys.argv[1:]
kinds = together([lambda: [str(getattr(one, "kind", one)) for one in of(place)]] * 16)
assert all(one == kinds[0] for one in kinds) and len(kinds[0]) > 0
assert name in " ".join(kinds[0]), kinds[0]
"""


@pytest.mark.parametrize("code", [GET, LIST], ids=["by name", "listed"])
@pytest.mark.parametrize("place", REGISTRIES)
def test_a_registry_is_loaded_once_for_all_threads(place: str, code: str, tmp_path: Path) -> None:
    """With components of another package, which registries load as well."""
    assert errors(code, install(tmp_path / "site"), tmp_path, place, REGISTRIES[place]) == ""


def test_all_registries_at_once(tmp_path: Path) -> None:
    code = """
places = sys.argv[1:]
found = together([lambda place=place: sorted(map(str, of(place))) for place in places * 2])
assert found[:len(places)] == found[len(places):]
"""
    assert errors(code, install(tmp_path / "site"), tmp_path, *REGISTRIES) == ""


def test_names_of_packages_at_once(tmp_path: Path) -> None:
    code = """
import inr, inr.layers
names = [(inr, name) for name in dir(inr)] + [(inr.layers, name) for name in inr.layers.__all__]
together([lambda one=one: getattr(*one) for one in names])
"""
    assert errors(code, environment(), tmp_path) == ""


JOBS = {
    "compress": "inr.compress(picture, model=model, steps=3, bpp=8.0).report.model",
    "open": "inr.open(sys.argv[1]).decode().shape",
    "decompress": "inr.decompress(sys.argv[1], f'{model}-{threading.get_ident()}.png').shape",
    "compare": "inr.compare('photo.png', sys.argv[1]).psnr",
    "list": "[one.kind for one in inr.list_models()]",
    "load": "inr.load('photo.png').channels",
    "fit": "inr.fit(picture, model=model, steps=2).report.steps",
}


@pytest.mark.parametrize("job", [*JOBS, "all of them"])
def test_whole_jobs_at_once(job: str, tmp_path: Path) -> None:
    """The very first use of the library in a process, in each of its ways and in all of them together."""
    (tmp_path / "photo.inr").write_bytes(compressed("siren").data)
    import inr

    inr.decompress(tmp_path / "photo.inr", tmp_path / "photo.png")
    jobs = list(JOBS.values()) * 3 if job == "all of them" else [JOBS[job]] * 16
    code = "import numpy as np, inr\npicture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)\n"
    models = ["siren", "hashgrid", "finer", "gauss", "wire", "relu_pe"]
    works = ", ".join(f"lambda model={models[i % len(models)]!r}: {work}" for i, work in enumerate(jobs))
    assert errors(f"{code}together([{works}])\n", environment(), tmp_path, "photo.inr") == ""
