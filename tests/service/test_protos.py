"""The interface: generated code is fresh, the style is buf's, nothing that clients rely on changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROTOS = ROOT / "protos"


def buf(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if program is None:
        pytest.skip("buf is not installed (it is in inr[dev])")
    return subprocess.run([program, *arguments], cwd=PROTOS, check=False, capture_output=True, text=True, timeout=60)


def test_generated_code_is_fresh() -> None:
    check = subprocess.run(
        [sys.executable, PROTOS / "generate.py", "--check"], check=False, capture_output=True, text=True, timeout=60
    )
    assert check.returncode == 0, check.stderr


def test_style() -> None:
    lint = buf("lint")
    assert lint.returncode == 0, lint.stdout


def test_nothing_that_clients_rely_on_changed() -> None:
    """Against the image of the last published interface, which is never replaced by one that breaks it."""
    breaking = buf("breaking", "--against", "published.binpb")
    assert breaking.returncode == 0, breaking.stdout


def test_a_breaking_change_would_be_found(tmp_path: Path) -> None:
    shutil.copytree(PROTOS, tmp_path / "protos")
    changed = tmp_path / "protos/inr/rpc/v1/job.proto"
    changed.write_text(changed.read_text().replace("int64 step = 1;", "string step = 1;", 1))
    program = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if program is None:
        pytest.skip("buf is not installed (it is in inr[dev])")
    check = subprocess.run(
        [program, "breaking", "--against", "published.binpb"],
        cwd=tmp_path / "protos",
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert check.returncode != 0
