"""A package of somebody else, installed for a test: its files add one component each, and import nothing of the tests.

`PLUGINS` lists them; whoever adds a seam adds a file, here or in the folder above, and a line.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

DISTRIBUTION = "third_party"
HERE = Path(__file__).parent
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Plugin:
    """An entry point: its group and name, and what it stands for, as ``module:attribute`` of the package."""

    group: str
    name: str
    value: str


PLUGINS = (
    Plugin("inr.models", "ripples", "ripples:Ripples"),
    Plugin("inr.models", "zigzag", "zigzag"),  # a module that registers its class itself
    Plugin("inr.layers", "triangle", "zigzag:Triangle"),
    Plugin("inr.optimisers", "radam", "radam:Rectified"),
    Plugin("inr.kinds", "tone", "tone_kind:Tone"),
    Plugin("inr.coders", "cosine", "cosine_coder:Cosine"),
)


def install(folder: Path, plugins: tuple[Plugin, ...] = PLUGINS) -> dict[str, str]:
    """Install the package into a folder, as pip would.

    Args:
        folder: gets the package and its metadata.
        plugins: entry points; those whose file is not there are broken.

    Returns:
        The environment of a process that finds it.
    """
    package = folder / DISTRIBUTION
    shutil.copytree(HERE, package, ignore=shutil.ignore_patterns("__init__.py", "__pycache__"))
    for plugin in plugins:
        shared = HERE.parent / f"{plugin.value.partition(':')[0]}.py"
        if shared.exists():
            shutil.copy(shared, package)
    (package / "__init__.py").write_text("", "utf-8")
    metadata = folder / f"{DISTRIBUTION}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 1.2\n", "utf-8")
    lines = []
    for group in dict.fromkeys(plugin.group for plugin in plugins):
        members = [f"{p.name} = {DISTRIBUTION}.{p.value}" for p in plugins if p.group == group]
        lines += [f"[{group}]", *members, ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
