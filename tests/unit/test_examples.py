"""Every example runs, in an empty folder and with nothing but the installed packages."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.commands import ROOT, TIMEOUT_S, contents, environment

EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
DEMO = ROOT / "examples" / "demo.py"
MAX_LINES = 60


Runs = dict[Path, tuple[Path, "Future[subprocess.CompletedProcess[str]]"]]


def _run(path: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(path), *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """All examples, two at a time, each in a folder of its own."""
    folders = {path: tmp_path_factory.mktemp(path.stem) for path in [*EXAMPLES, DEMO]}
    options = {DEMO: ("--steps", "3", "--out", "shown")}
    with ThreadPoolExecutor(2) as pool:
        yield {
            path: (folder, pool.submit(_run, path, folder, *options.get(path, ()))) for path, folder in folders.items()
        }


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3
    assert len({path.name[:2] for path in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(runs: Runs, path: Path) -> None:
    done = runs[path][1].result()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def test_demo_shows_the_main_job(runs: Runs) -> None:
    folder, run = runs[DEMO]
    done = run.result()
    assert done.returncode == 0, done.stderr
    output = done.stdout
    assert [path.name for path in folder.iterdir()] == ["shown"]
    written = contents(folder / "shown")
    assert set(written) >= {"photo.inr", "photo.jpg", "photo_1x.png", "photo_2x.png", "side_by_side.png"}
    assert "JPEG" in output
    assert "dB" in output
    assert str(len(written["photo.inr"])) in output
    sizes = []
    for name in ("photo_1x.png", "photo_2x.png"):
        with Image.open(folder / "shown" / name) as image:
            sizes.append(image.size)
    assert sizes == [(600, 400), (1200, 800)]
