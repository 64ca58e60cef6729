"""Every example runs, in an empty folder and with nothing but the installed packages."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from tests.support.commands import ROOT, TIMEOUT_S, contents, environment

EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
DEMO = ROOT / "examples" / "demo.py"
DEMO_SERVICE = ROOT / "examples" / "demo_service.py"
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
    folders = {path: tmp_path_factory.mktemp(path.stem) for path in [*EXAMPLES, DEMO, DEMO_SERVICE]}
    options = {DEMO: ("--steps", "3", "--out", "shown"), DEMO_SERVICE: ("--steps", "40", "--out", "shown")}
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


@pytest.mark.parametrize("path", [*EXAMPLES, DEMO], ids=lambda path: path.stem)
def test_example_needs_only_what_is_always_installed(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names) - {"inr"}
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    installed = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requirements}
    assert {{"PIL": "pillow"}.get(name, name) for name in others} <= installed


@pytest.mark.parametrize("path", [*EXAMPLES, DEMO, DEMO_SERVICE], ids=lambda path: path.stem)
def test_example_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def test_demo_shows_the_main_job(runs: Runs) -> None:
    folder, run = runs[DEMO]
    done = run.result()
    assert done.returncode == 0, done.stderr
    output = done.stdout
    assert [path.name for path in folder.iterdir()] == ["shown"]
    written = contents(folder / "shown")
    assert set(written) >= {"photo.inr", "photo.jpeg", "photo.avif", "photo_1x.png", "photo_2x.png", "side_by_side.png"}
    assert "JPEG" in output
    assert "AVIF" in output
    assert "dB" in output
    assert str(len(written["photo.inr"])) in output
    sizes = []
    for name in ("photo_1x.png", "photo_2x.png"):
        with Image.open(folder / "shown" / name) as image:
            sizes.append(image.size)
    assert sizes == [(600, 400), (1200, 800)]


def test_demo_of_the_service_survives_a_killed_worker(runs: Runs) -> None:
    folder, run = runs[DEMO_SERVICE]
    done = run.result()
    assert done.returncode == 0, done.stderr
    output = done.stdout
    assert [path.name for path in folder.iterdir()] == ["shown"]
    before, after = output.split("killing worker ")
    assert "running, attempt 1" in before
    assert "running, attempt 2" in after
    assert ", 2 attempts" in after
    data = (folder / "shown" / "service.inr").read_bytes()
    layers = re.findall(r"layer (\d): (\d+) bytes", after)
    assert [number for number, _ in layers] == ["1", "2", "3"]
    assert int(layers[-1][1]) == len(data)
    pictures = sorted((folder / "shown").glob("service_3x_layer*.png"))
    assert len(pictures) == 3
    for path in pictures:
        with Image.open(path) as image:
            assert image.size == (1800, 1200)
    with Image.open(pictures[-1]) as image, Image.open(folder / "shown" / "preview.png") as preview:
        np.testing.assert_array_equal(np.asarray(image), inr.open(data).decode(scale=3.0))
        assert max(preview.size) <= 256
