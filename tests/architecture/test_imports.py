"""What is meant to start fast starts without torch."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def light_modules() -> list[str]:
    """The modules that the import contracts keep free of torch."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    return [name for contract in contracts if contract["type"] == "forbidden" for name in contract["source_modules"]]


def imported_by(*arguments: str) -> set[str]:
    """Names of all modules that one run of the interpreter imports; the run must succeed."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    errors = [line for line in run.stderr.splitlines() if not line.startswith("import time:")]
    assert run.returncode == 0, "\n".join(errors)
    return set(re.findall(r"^import time:.*\|\s+(\S+)$", run.stderr, flags=re.MULTILINE))


def test_imports_are_seen() -> None:
    assert {"json", "json.decoder"} <= imported_by("-c", "import json")


def test_light_modules_do_not_import_torch() -> None:
    modules = light_modules()
    assert "inr.errors" in modules
    assert "torch" not in imported_by("-c", f"import {', '.join(modules)}")


def test_package_does_not_import_torch() -> None:
    assert "torch" not in imported_by("-c", "import inr")


def test_help_does_not_import_torch() -> None:
    imported = imported_by("-m", "inr", "--help")
    assert "inr.cli.main" in imported
    assert "torch" not in imported


def test_info_does_not_import_torch() -> None:
    files = sorted((ROOT / "tests" / "golden").rglob("*.inr"))
    assert files, "tests/golden holds no .inr file"
    imported = imported_by("-m", "inr", "info", str(files[0]))
    assert "inr.cli.main" in imported
    assert "torch" not in imported
