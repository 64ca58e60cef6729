"""What is meant to start fast loads little, and imports run in one direction."""

import graphlib
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import grimp
import pytest

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


@dataclass(frozen=True)
class Cost:
    """What may be loaded for something beside the standard library: modules of our own at most, packages of others."""

    code: str
    modules: int
    packages: frozenset[str] = frozenset()


TYPER = frozenset({"typer", "click", "rich", "shellingham", "annotated_doc", "typing_extensions"})
GRPC = frozenset({"grpc", "grpc_health", "grpc_reflection", "grpc_status", "grpc_tools", "cython_runtime", "google"})
PYDANTIC = frozenset({"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"})
GOLDEN = ROOT / "tests" / "golden"
WEIGHTS, LATENTS = GOLDEN / "gray_uint16_range.inr", GOLDEN / "latents_rgb.inr"
COSTS = {
    "the package": Cost("import inr", 2),
    "inr info": Cost(f"from inr.cli.main import main; main(['info', {str(WEIGHTS)!r}])", 18, frozenset({"cbor2"})),
    "inr info of latents": Cost(
        f"from inr.cli.main import main; main(['info', {str(LATENTS)!r}])", 78, PYDANTIC | {"cbor2", "numpy"}
    ),
    "inr --help": Cost("from inr.cli.main import main; main(['--help'])", 34, TYPER),
    "inr bench --help": Cost("from inr.cli.main import main; main(['bench', '--help'])", 28, TYPER | PYDANTIC),
    "inr jobs --help": Cost("from inr.cli.main import main; main(['jobs', '--help'])", 18, TYPER | PYDANTIC),
    "inr models": Cost("from inr.cli.main import main; main(['models'])", 90, PYDANTIC | {"numpy"}),
    "inr -h": Cost("from inr.cli.main import main; main(['-h'])", 34, TYPER),
    "inr --version": Cost("from inr.cli.main import main; main(['--version'])", 9),
    "the client": Cost("import inr; inr.Client", 37, GRPC | PYDANTIC | {"numpy"}),
}


@pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
def test_what_is_loaded(cost: Cost) -> None:
    """No tensor library, no numpy where no numbers are, and no more modules of ours than it takes."""
    before, after = modules_after("pass"), modules_after(cost.code)
    loaded = {name for name in after - before if name.partition(".")[0] not in sys.stdlib_module_names}
    own = {name for name in loaded if name.partition(".")[0] in ("inr", "service")}
    others = {name.partition(".")[0] for name in loaded - own}
    assert len(own) <= cost.modules, sorted(own)
    assert {name for name in others if not name.startswith("_")} <= cost.packages


def modules_after(code: str) -> set[str]:
    """Names of all modules that are loaded when some code has run; it must succeed."""
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; sys.stderr.write(' '.join(sys.modules))"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stderr.split())


def test_there_is_no_circle_of_imports() -> None:
    """Not even one that is only closed inside a function, or for types."""
    graph = grimp.build_graph("inr", "service")
    assert len(graph.modules) > 200
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        graphlib.TopologicalSorter(imported).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of imports: {' < '.join(error.args[1])}")


def test_every_module_has_its_place_and_no_import_is_excepted() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    [layers] = [contract for contract in contracts if contract.get("containers") == ["inr"]]
    assert layers["type"] == "layers"
    assert layers["exhaustive"] is True
    assert not any("ignore_imports" in contract or "exhaustive_ignores" in contract for contract in contracts)
