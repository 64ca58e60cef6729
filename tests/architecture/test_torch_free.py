"""Torch is loaded where it trains or evaluates, and nowhere else: importing, decoding and the kernels need none."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import inr
from tests.support.native_reference import needs_kernels

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"

WITH_TORCH = {
    "inr/backends/native/twin.py",
    "inr/backends/tcnn.py",
    "inr/backends/tcnn_lowering.py",
    "inr/backends/tcnn_probe.py",
    "inr/coders/latent/twin.py",
    "inr/reparams/basis.py",
}
"""Modules outside the folders below that import torch at once; they are imported inside functions."""
FOLDERS = ("inr/backends/torch/", "inr/bench/")

TORCH_FREE = (
    "inr.client.fields",
    "inr.codec",
    "inr.coders",
    "inr.container",
    "inr.entropy",
    "inr.fitting",
    "inr.inits",
    "inr.layers",
    "inr.losses",
    "inr.metrics",
    "inr.models",
    "inr.optimisers",
    "inr.samplers",
    "inr.signals",
    "inr.tasks",
    "inr.backends.base",
    "inr.backends.cuda",
    "inr.backends.lowering",
    "inr.backends.native",
    "inr.backends.render",
    "inr.backends.select",
    "inr.reparams.base",
    "inr.reparams.fourier",
    "inr.reparams.none",
)
"""Modules, and packages with all that is in them."""


def top_imports(source: str) -> Iterator[str]:
    """Packages that are imported when a module is, and not only to check types."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def modules_of(name: str) -> list[str]:
    """A module, or a package with its modules; none that needs torch."""
    package = importlib.import_module(name)
    inner = [f"{name}.{module.name}" for module in pkgutil.iter_modules(getattr(package, "__path__", []))]
    inner = [one for one in inner if not f"{one.replace('.', '/')}/".startswith(FOLDERS)]
    return [
        name,
        *(part for one in inner if f"{one.replace('.', '/')}.py" not in WITH_TORCH for part in modules_of(one)),
    ]


def loads_torch(code: str, *arguments: str) -> bool:
    """True if torch is loaded at the end of a program, which must succeed."""
    end = "\nimport sys\nsys.stdout.write('torch' if 'torch' in sys.modules else 'none')"
    run = subprocess.run(
        [sys.executable, "-c", code + end, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.endswith("torch")


def test_loading_torch_is_seen() -> None:
    assert loads_torch("import torch")
    assert not loads_torch("import json")
    source = "import torch.nn\nfrom torch import Tensor\nif x:\n    import torch"
    assert list(top_imports(source)) == ["torch", "torch"]


def test_few_modules_import_torch_at_once() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "inr").rglob("*.py")
        if "torch" in top_imports(path.read_text("utf-8"))
    }
    assert {name for name in found if not name.startswith(FOLDERS)} == WITH_TORCH


def test_importing_loads_no_torch() -> None:
    names = [module for name in TORCH_FREE for module in modules_of(name)]
    assert len(names) > 100
    assert not loads_torch("\n".join(f"import {name}" for name in names))


@needs_kernels
def test_opening_and_decoding_load_no_torch() -> None:
    """Every golden file of an ordinary network, by the library."""
    code = "import sys, inr\nfor path in sys.argv[1:]:\n    inr.open(path).decode()"
    files = [str(path) for path in sorted(GOLDEN.glob("*.inr")) if "finr" not in path.name]
    assert len(files) > 15
    assert not loads_torch(code, *files)


@needs_kernels
def test_fields_are_functions_without_torch() -> None:
    """Called, differentiated, pickled, shown and made into arrays; a module is torch's."""
    code = (
        "import sys, copy, pickle, numpy as np, inr\n"
        "for path in sys.argv[1:]:\n"
        "    field = pickle.loads(pickle.dumps(copy.deepcopy(inr.open(path))))\n"
        "    points = field.coordinates().reshape(-1, field.opened().domain.ndim)[:7]\n"
        "    assert np.isfinite(field(points)).all() and np.isfinite(field.gradient(points)).all()\n"
        "    assert np.asarray(field).shape == field.shape\n"
        "    assert 'img' in field._repr_html_() and repr(field)\n"
    )
    files = [str(path) for path in sorted(GOLDEN.glob("*.inr")) if "finr" not in path.name]
    assert not loads_torch(code, *files)
    assert loads_torch(code + "field.module()", files[0])


@needs_kernels
def test_decompress_loads_no_torch(tmp_path: Path) -> None:
    code = "import sys\nfrom inr.cli.main import main\nassert main(sys.argv[1:]) == 0"
    target = tmp_path / "photo.png"
    assert not loads_torch(code, "decompress", str(GOLDEN / "siren_rgb.inr"), str(target), "--scale", "2")
    assert target.exists()


@needs_kernels
@pytest.mark.parametrize(
    "settings",
    [
        "",
        "model='hashgrid', optimiser='adamw'",
        "model='wire', loss='huber'",
        "model='siren', task='superresolve', loss='l1'",
        "model='iterative', init='scaled', sampler='soft'",
        "model='bacon', init='default'",
    ],
)
def test_fits_on_the_kernels_load_no_torch(tmp_path: Path, settings: str) -> None:
    np.save(tmp_path / "photo.npy", np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    code = (
        "import sys, numpy as np, inr\n"
        f"found = inr.compress(np.load(sys.argv[1]), sys.argv[2], backend='native', steps=3, bpp=12.0, {settings})\n"
        "assert found.report.backend == 'native'\n"
        "inr.open(sys.argv[2]).decode()"
    )
    assert not loads_torch(code, str(tmp_path / "photo.npy"), str(tmp_path / "photo.inr"))
    assert inr.open(tmp_path / "photo.inr").decode().shape == (24, 32, 3)


@needs_kernels
def test_fits_go_on_from_a_checkpoint_without_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    code = (
        "import sys\n"
        "from inr.cli.main import main\n"
        "for steps in ('3', '6'):\n"
        "    rest = ['--backend', 'native', '--bpp', '12', '--steps', steps, '--quiet', '--checkpoint', sys.argv[3]]\n"
        "    assert main(['compress', *sys.argv[1:3], *rest]) == 0\n"
    )
    paths = [str(tmp_path / name) for name in ("photo.npy", "photo.inr", "fit.ckpt")]
    assert not loads_torch(code, *paths)
    assert (tmp_path / "fit.ckpt").exists()
