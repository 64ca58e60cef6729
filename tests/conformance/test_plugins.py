"""Components of another package, installed beside the library: in process, and through the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import is_one_error, png_of
from tests.support.third_party import ROOT, Plugin, install

MODELS = {"ripples": 1_234_567, "zigzag": 1_234_568}
"""Names and ids."""


def python(code: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that finds what is installed."""
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def inr(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "inr", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def said(environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """Run the command, which must succeed; returns its standard output."""
    run = inr(environment, folder, *arguments)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


IN_PROCESS = """
import json
import numpy as np
import inr
from inr.backends.select import BACKENDS
from inr.domain import Domain
from inr.models.base import MODELS
from tests.support.model_checks import CHECKS

for kind in ("ripples", "zigzag"):
    for check in CHECKS:
        check(MODELS.get(kind)())
    picture = np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    made = inr.compress(picture, model=kind, steps=5)
    assert made.report.model == kind
    assert inr.open(made.data).decode().shape == picture.shape
networks = {kind: MODELS.make(kind).build(Domain.of_shape((8, 8)), 3) for kind in ("ripples", "zigzag")}
print(json.dumps({kind: BACKENDS["native"].refuses(network) for kind, network in networks.items()}))
"""


def test_models_of_another_package_in_process(tmp_path: Path) -> None:
    """They pass every check that the library's own pass; the kernels run what they know, torch the rest."""
    run = python(IN_PROCESS, install(tmp_path / "site"), tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    refusals = json.loads(run.stdout)
    assert refusals["ripples"] is None
    assert "Triangle" in refusals["zigzag"]


@pytest.mark.parametrize("model", MODELS)
def test_models_of_another_package_on_the_command_line(model: str, tmp_path: Path) -> None:
    environment = install(tmp_path / "site")
    (tmp_path / "photo.png").write_bytes(png_of(16))
    said(environment, tmp_path, "compress", "photo.png", "photo.inr", "--model", model, "--steps", "5", "--quiet")
    told = json.loads(said(environment, tmp_path, "info", "photo.inr", "--json"))
    assert (told["model"], list(told["settings"])) == (model, ["width"])
    said(environment, tmp_path, "decompress", "photo.inr", "back.png", "--scale", "2")
    assert (tmp_path / "back.png").stat().st_size > 100
    without = {**environment, "PYTHONPATH": str(ROOT)}
    number = str(MODELS[model])
    assert json.loads(said(without, tmp_path, "info", "photo.inr", "--json"))["model"] == f"#{number}"
    refused = inr(without, tmp_path, "decompress", "photo.inr", "back.png")
    assert refused.returncode == 1
    assert is_one_error(refused.stderr)
    assert number in refused.stderr


TONE = """
import inr
from third_party import tone_kind
inr.save(tone_kind.tone(), "a.wav")
made = inr.compress("a.wav", "a.inr", steps=30, batch=256, size=2500)
assert (made.report.kind, inr.open("a.inr").meta.attributes) == ("tone", tone_kind.ToneAttributes(8000))
"""


def test_a_kind_of_signal_of_another_package(tmp_path: Path) -> None:
    """Sound, which the library knows nothing of: compressed, described, decoded and compared."""
    environment = install(tmp_path / "site")
    run = python(TONE, environment, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    told = json.loads(said(environment, tmp_path, "info", "a.inr", "--json"))
    assert (told["kind"], told["attributes"]) == ("tone", {"sample_rate": 8000})
    said(environment, tmp_path, "decompress", "a.inr", "b.wav", "--time", "0:0.1")
    assert (tmp_path / "b.wav").stat().st_size == 44 + 4 * 800
    assert json.loads(said(environment, tmp_path, "compare", "a.wav", "a.inr", "--json"))["metrics"]["difference"] < 1
    without = {**environment, "PYTHONPATH": str(ROOT)}
    told = json.loads(said(without, tmp_path, "info", "a.inr", "--json"))
    assert (told["kind"], told["attributes"]) == ("#70000", {"#0": 8000})
    for arguments in (("decompress", "a.inr", "c.wav"), ("compress", "a.wav", "b.inr")):
        refused = inr(without, tmp_path, *arguments)
        assert refused.returncode == 1
        assert is_one_error(refused.stderr)


@pytest.mark.parametrize("number", ["1", "1_234", "65_535"])
def test_a_kind_of_signal_whose_id_no_file_can_hold_is_left_out(number: str, tmp_path: Path) -> None:
    """Ids below the first one for other packages are the library's, given already or not."""
    site = tmp_path / "site"
    environment = install(site, (Plugin("inr.kinds", "tone", "tone_kind:Tone"),))
    module = site / "third_party" / "tone_kind.py"
    module.write_text(module.read_text("utf-8").replace("70_000", number), "utf-8")
    run = python("from inr.signals.kind import KINDS; print(*KINDS.kinds())", environment, tmp_path)
    assert run.stdout == "image video array\n"
    [line] = run.stderr.splitlines()
    reason = f"kind of signal Tone: wire ids of other packages are 65536 or more; got {int(number)}"
    assert line.startswith("inr: warning: plug-in tone = third_party.tone_kind:Tone of third_party 1.2 (inr.kinds)")
    assert line.endswith(f"is left out: SpecError: {reason}")


def test_a_coder_of_another_package_on_the_command_line(tmp_path: Path) -> None:
    environment = install(tmp_path / "site")
    (tmp_path / "photo.png").write_bytes(png_of(16))
    said(environment, tmp_path, "compress", "photo.png", "photo.inr", "--coder", "cosine", "--size", "600", "--quiet")
    said(environment, tmp_path, "decompress", "photo.inr", "back.png")
    assert (tmp_path / "back.png").stat().st_size > 100
    refused = inr({**environment, "PYTHONPATH": str(ROOT)}, tmp_path, "decompress", "photo.inr", "back.png")
    assert refused.returncode == 1
    assert is_one_error(refused.stderr)


def test_an_optimiser_of_another_package_on_the_command_line(tmp_path: Path) -> None:
    environment = install(tmp_path / "site")
    (tmp_path / "photo.png").write_bytes(png_of(16))
    for backend in ("auto", "torch"):
        settings = (
            "--optimiser",
            "radam",
            "--model",
            "siren",
            "--set",
            "width=8",
            "--steps",
            "20",
            "--backend",
            backend,
        )
        told = json.loads(said(environment, tmp_path, "fit", "photo.png", *settings, "--json", "--quiet"))
        assert told["curve"][-1]["loss"] < told["curve"][0]["loss"]


def test_plugins_that_fail_are_named_and_left_out(tmp_path: Path) -> None:
    """One is not there, one is taken already, one fails half-way; the one that works works."""
    broken = (
        Plugin("inr.models", "absent", "absent:Model"),
        Plugin("inr.models", "again", "twin:Siren"),
        Plugin("inr.models", "half", "half"),
        Plugin("inr.models", "ripples", "ripples:Ripples"),
        Plugin("inr.commands", "lost", "absent:command"),
    )
    site = tmp_path / "site"
    environment = install(site, broken)
    source = (site / "third_party" / "ripples.py").read_text("utf-8")
    twin = source.replace("Ripples", "Siren").replace('"ripples"', '"siren"')
    (site / "third_party" / "twin.py").write_text(twin, "utf-8")
    half = source.replace("Ripples", "Half").replace('"ripples"', '"half"').replace("1_234_567", "1_234_600")
    half = half.replace("import ModelSpec", "import MODELS, ModelSpec").replace("@final", "@final\n@MODELS.register")
    (site / "third_party" / "half.py").write_text(f"{half}\nraise OSError('no\\ncoffee')\n", "utf-8")
    run = inr(environment, tmp_path, "models", "--json")
    assert run.returncode == 0
    kinds = [row["kind"] for row in json.loads(run.stdout)]
    assert kinds[-1] == "ripples"
    assert kinds.count("siren") == 1
    assert "half" not in kinds
    absent, again, half = run.stderr.splitlines()
    assert absent.startswith("inr: warning: plug-in absent = third_party.absent:Model of third_party 1.2 (inr.models)")
    assert "is left out: ModuleNotFoundError: No module named 'third_party.absent'" in absent
    assert "plug-in again" in again
    assert "model Siren: 'siren' is already taken by Siren" in again
    assert half.endswith("OSError: no coffee")
    run = inr(environment, tmp_path, "lost")
    assert run.returncode == 2
    assert "plug-in lost" in run.stderr
    assert "No such command 'lost'" in run.stderr.splitlines()[-1]


HALF = {
    "half.py": "import {other}\n",
    "later.py": "import importlib, threading\n"
    "other = threading.Thread(target=importlib.import_module, args=('{other}',))\n"
    "other.start()\n"
    "other.join()\n",
    "package/__init__.py": "import {other}\nimport third_party.package.inner\n",
}
"""Modules that have other modules imported, by themselves or in another thread, before they fail."""


@pytest.mark.parametrize("file", HALF)
def test_a_plugin_that_fails_takes_nothing_with_it(file: str, tmp_path: Path) -> None:
    """What it had registered itself is gone, what others had registered in the meantime stays."""
    name = file.removesuffix(".py").replace("/__init__", ".inner")
    site = tmp_path / "site"
    environment = install(site, (Plugin("inr.models", "half", name), Plugin("inr.models", "zigzag", "zigzag")))
    package = site / "third_party"
    ripples = (package / "ripples.py").read_text("utf-8")
    own = ripples.replace("import ModelSpec", "import MODELS, ModelSpec").replace("@final", "@final\n@MODELS.register")
    (package / file).parent.mkdir(exist_ok=True)
    if name.endswith(".inner"):
        (package / "package" / "inner.py").write_text(own, "utf-8")
    fails = "raise OSError('no coffee')\n"
    mine = fails if name.endswith(".inner") else f"{own}\n{fails}"
    (package / file).write_text(HALF[file].format(other="third_party.zigzag") + mine, "utf-8")
    run = python("from inr.models.base import MODELS; print(*MODELS.kinds())", environment, tmp_path)
    kinds = run.stdout.split()
    assert kinds[-1] == "zigzag"
    assert "ripples" not in kinds
    [line] = run.stderr.splitlines()
    assert line.endswith("is left out: OSError: no coffee")


def test_a_module_whose_entry_point_is_wrong_is_whole(tmp_path: Path) -> None:
    """Another entry point names it rightly, and it is not executed again."""
    wrong = (Plugin("inr.models", "wrong", "zigzag:Nothing"), Plugin("inr.models", "zigzag", "zigzag"))
    run = python(
        "from inr.models.base import MODELS; print(MODELS.kinds()[-1])", install(tmp_path / "site", wrong), tmp_path
    )
    assert run.stdout == "zigzag\n"
    [line] = run.stderr.splitlines()
    assert "plug-in wrong" in line


THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
from inr.models.base import MODELS
found, start = [], threading.Barrier(8)
def look():
    start.wait()
    found.append((MODELS.kinds(), MODELS.get("ripples").__name__, MODELS.by_wire_id(1_234_568).__name__))
threads = [threading.Thread(target=look) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 8, found
assert all(one == found[0] for one in found), found
"""


def test_registries_are_complete_for_every_thread(tmp_path: Path) -> None:
    run = python(THREADS, install(tmp_path / "site"), tmp_path)
    assert (run.returncode, run.stderr) == (0, "")


OWN_FIRST = """
import third_party.taken
from inr.models.base import MODELS
print(MODELS.get("siren").__module__)
"""


def test_names_of_the_library_are_its_own_whoever_comes_first(tmp_path: Path) -> None:
    site = tmp_path / "site"
    environment = install(site, ())
    source = (site / "third_party" / "zigzag.py").read_text("utf-8").replace('"zigzag"', '"siren"')
    guarded = source.replace("@MODELS.register\n", "")
    (site / "third_party" / "taken.py").write_text(
        f"{guarded}\ntry:\n    MODELS.register(Zigzag)\nexcept ValueError as error:\n    print(error)\n", "utf-8"
    )
    run = python(OWN_FIRST, environment, tmp_path)
    assert run.stdout.splitlines() == ["model Zigzag: 'siren' is already taken by Siren", "inr.models.siren"]


LAYER_BY_JSON = """
import sys
from inr.layers.base import LAYERS
from inr.layers.network import Network
text = '{"layers":[{"kind":"triangle"}],"places":[0],"sources":[[0]],"heads":[1]}'
print(Network.from_json(text).to_json() == text)
print([cls.kind for cls in LAYERS if not cls.__module__.startswith("inr.")])
"""


@pytest.mark.parametrize("value", ["zigzag:Triangle", "zigzag"])
def test_layers_of_another_package_are_found_though_nobody_imported_it(value: str, tmp_path: Path) -> None:
    """The one that names no layer is left out in one line."""
    plugins = (Plugin("inr.layers", "path", "zigzag:Zigzag"), Plugin("inr.layers", "triangle", value))
    run = python(LAYER_BY_JSON, install(tmp_path / "site", plugins), tmp_path)
    assert (run.returncode, run.stdout.splitlines()) == (0, ["True", "['triangle']"])
    (line,) = run.stderr.splitlines()
    assert line.startswith("inr: warning: plug-in path = third_party.zigzag:Zigzag of third_party 1.2 (inr.layers) is")
    assert line.endswith("left out: SpecError: expected a subclass of Layer; got Zigzag")


LAYER_FIRST = """
from inr.errors import SpecError
from inr.layers.base import LAYERS, Activation
class Mine(Activation):
    kind = "layer_norm"
try:
    LAYERS.register(Mine)
except SpecError as error:
    print(error)
print(LAYERS.get("layer_norm").__module__)
"""


def test_kinds_of_layers_of_the_library_are_its_own_whoever_comes_first(tmp_path: Path) -> None:
    run = python(LAYER_FIRST, install(tmp_path / "site", ()), tmp_path)
    assert (run.stdout.splitlines(), run.stderr) == (
        ["layer Mine: kind 'layer_norm' is already taken by LayerNorm", "inr.layers.layer_norm"],
        "",
    )
