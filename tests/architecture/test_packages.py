"""What is shipped: the wheel has the modules and nothing else, the source package what builds and tests them."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("inr", "service")
"""Packages of the wheel."""
SOURCE_ONLY = ("examples", "protos", "tests")
"""Further folders of the source package."""
TOP_FILES = {
    *(".clang-format", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "constraints.txt"),
    *("pyproject.toml", "PKG-INFO"),
}
LEFTOVERS = (
    "inr/native/.cmake/api/v1/reply/index.json",
    "inr/native/_kernels.cpython-311-x86_64-linux-gnu.so",
    "inr/codec/__pycache__/api.cpython-311.pyc",
    "build/k/build.ninja",
    "inr.egg-info/PKG-INFO",
    "demo/photo.inr",
    "dist/inr-0.0.0.tar.gz",
)
"""What builds and runs leave in a tree."""
BUILD = """
import sys
from scikit_build_core.build import build_sdist, build_wheel
build_wheel(sys.argv[1], {"wheel.cmake": "false"})
build_sdist(sys.argv[1])
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree, with leftovers."""
    copy = tmp_path_factory.mktemp("package") / "tree"
    copy.mkdir()
    for folder in (*PARTS, *SOURCE_ONLY):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.so", ".cmake"))
    for name in TOP_FILES - {"PKG-INFO"}:
        shutil.copy(ROOT / name, copy / name)
    for name in LEFTOVERS:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("left over", "utf-8")
    return copy


@pytest.fixture(scope="module")
def built(tree: Path) -> Path:
    """The folder with both packages, made without a compiler and without a network."""
    folder = tree.parent / "built"
    run = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=tree, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_the_wheel_holds_the_modules_and_nothing_else(tree: Path, built: Path) -> None:
    [wheel] = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {
        path.relative_to(tree).as_posix()
        for part in PARTS
        for path in (tree / part).rglob("*")
        if path.suffix in (".py", ".pyi")
    }
    assert len(modules) > 200
    assert names == {*modules, "inr/py.typed", "inr/container/FORMAT.md", "inr/coders/latent/shipped.bin"}


def test_the_wheel_says_what_it_adds_to_the_command_line(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    [points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    text = archive.read(points).decode()
    assert "[console_scripts]\ninr = inr.cli.main:main" in text
    assert "[inr.commands]" in text


def test_the_source_package_holds_what_is_kept_in_the_repository(tree: Path, built: Path) -> None:
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    kept = {
        path.relative_to(tree).as_posix()
        for folder in (*PARTS, *SOURCE_ONLY)
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }
    assert names == (kept - set(LEFTOVERS)) | TOP_FILES
    assert {"inr/native/CMakeLists.txt", "tests/architecture/test_packages.py"} <= names
