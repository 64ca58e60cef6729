"""The benchmark of the kernels: its arithmetic by hand, PyTorch's modes, real tiny runs through the command line."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inr import native
from inr.backends.base import PointBatch
from inr.backends.select import get
from inr.backends.torch import CHUNK
from inr.bench.kernels import ceilings, fits, networks, rivals, steps
from inr.bench.kernels.ceilings import Ceilings, Part, Work, by_kind, median_of, reach, work
from inr.bench.kernels.fits import Fitted, Memory, Reached, reached
from inr.bench.kernels.networks import Asked, Case
from inr.bench.kernels.report import Told, document, tables
from inr.bench.kernels.rivals import Mode, RivalField, attempt, matmul_precision, rival_step
from inr.bench.kernels.steps import Comparison, Measured, Ratio, asked_of, started, take_turns, torch_threads
from inr.bench.results import Curve
from inr.cli.main import main
from inr.losses.mse import MeanSquaredError
from inr.models.base import MODELS, ModelSpec
from inr.models.siren import Siren
from inr.models.wire import WireMlp
from inr.optimisers.adam import Adam
from tests.support.domains import plain
from tests.support.small_fits import GRID, SIREN, photo
from tests.support.torch_layers import told

needs_kernels = pytest.mark.skipif(native.reason() is not None, reason=f"kernels: {native.reason()}")

TINY = {
    "siren": Case("tiny SIREN", SIREN, 256, asked=Asked(12, 5), asked_fp32=Asked(1.8)),
    "grid": Case("tiny grid", GRID, 256),
    "decode": Case("tiny decode", SIREN, shape=(12, 16)),
}
MODES = (Mode("medium", matmul="medium"), Mode("autocast", autocast=True))

SETTINGS = {"rounds": 3, "seconds": 0.2, "threads": 2, "instructions": "amx"}
FIXED = Measured(
    (
        Comparison(
            name="siren256",
            title="SIREN 2-256x4-3",
            what="step",
            samples=16_384,
            parameters=198_915,
            precision="bf16",
            asked=Asked(12, 5),
            milliseconds={"native": (20, 16, 40), "eager": (240, 240, 240), "medium": (200, 160, 200)},
            results={"native": 0.5, "eager": 0.5, "medium": 0.5},
            failed={"compile": "NoCompiler: none"},
            work=Work(20.0, {"sine": 16.0}),
            parts={"linear": (10.0, 14.0), "sine": (6.0, 2.0)},
        ),
        Comparison(
            name="decode-grid",
            title="decode hash grid",
            what="decode",
            samples=393_216,
            parameters=1_000,
            precision="fp32",
            asked=Asked(),
            milliseconds={"native": (40,), "eager": (320,), "compile": (100,)},
            results={"native": 127.0, "eager": 127.0, "compile": 127.0},
            failed={},
            work=Work(5.0, {}),
        ),
    ),
    Ceilings(fma_gflops=130, gemm_gflops=125, bf16_gemm_gflops=1000, sine_ns=0.25),
    ("SIREN 2-256x4-3: compile: NoCompiler: none",),
)
FITS = (
    Fitted(
        "kodim23",
        "native",
        "bf16",
        1,
        1000,
        22.0,
        (34.5, 34.5, 34.5),
        -0.1,
        (Reached(30.0, 11.0, 540), Reached(36.0, None, None)),
    ),
)
MEMORY = (Memory("kodim23", "native", 235.0, 99.6), Memory("kodim23", "torch", 235.0, 490.4))


def test_tables_of_fixed_numbers() -> None:
    told = Told(SETTINGS, FIXED, FITS, MEMORY)
    expected = (Path(__file__).parent / "kernels.md").read_text("utf-8")
    assert tables(told) == expected


def test_document_has_what_follows_from_the_numbers() -> None:
    found = document(Told(SETTINGS, FIXED, FITS, MEMORY))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    first, last = found["comparisons"]
    assert first["over_eager"] == {"median": 12, "least": 6, "most": 15}
    assert (first["best"], first["over_best"]["median"]) == ("medium", 10)
    assert first["reach"] == {"gflops": 1000, "of_gemm": 0.5, "least_ms": 12, "of_both": 0.6}
    assert [kind["kind"] for kind in first["kinds"]] == ["linear", "sine", "rest"]
    assert last["kinds"] is None
    assert found["fits"][0]["reached"][1] == {"psnr": 36.0, "seconds": None, "steps": None}
    assert found["memory"][1]["beyond"] == 490.4


def test_without_ceilings_or_rivals_there_are_fewer_columns() -> None:
    alone = replace(
        FIXED.comparisons[0], milliseconds={"native": (20,), "eager": (240,)}, failed={}, parts=None, asked=Asked()
    )
    text = tables(Told(SETTINGS, Measured((alone,), None, ("no ceilings",))))
    assert "best of torch" not in text
    assert "ceiling of" not in text
    assert "| SIREN 2-256x4-3 |    20 |      16 |    1000 |" in text
    assert text.endswith("\n\n- no ceilings\n")
    assert text.count("| SIREN") == 2


def test_work_counts_products_and_sines() -> None:
    """2 -> 8 -> 8 -> 3: nothing before the first matrix is trained, so nobody wants the gradient of its input."""
    siren = started(Siren(width=8, depth=1)).network
    samples = 1000
    step = work(siren, 2, samples, training=True)
    assert step.gflop == pytest.approx(2e-9 * samples * (2 * 16 + 3 * 64 + 3 * 24))
    assert step.sines == {"sine": pytest.approx(1e-6 * samples * 16)}
    decode = work(siren, 2, samples, training=False)
    assert decode.gflop == pytest.approx(2e-9 * samples * (16 + 64 + 24))
    wire = work(started(WireMlp(width=5, depth=1)).network, 2, samples, training=True)  # a complex one is four real
    assert wire.gflop == pytest.approx(2e-9 * samples * (2 * 10 + 3 * 100 + 3 * 60))
    assert wire.sines == {"real gabor": pytest.approx(0.005), "complex gabor": pytest.approx(0.005)}
    fkan = MODELS.get("fkan").EXAMPLES[0]
    network = fkan.build(plain(2), 3)  # behind fixed features: no gradient of its first matrix's input either
    assert work(network, 2, 1, training=True).gflop < 6e-9 * fkan.parameters(plain(2), 3)
    assert not network.layers[0].layout()


def test_reach_and_kinds() -> None:
    ceiling = Ceilings(fma_gflops=130, gemm_gflops=100, bf16_gemm_gflops=400, sine_ns=0.5)
    done = Work(2.0, {"finer": 4.0})
    near = reach(done, 40.0, ceiling, "fp32", threads=2)
    assert (near.gflops, near.of_gemm, near.least_ms, near.of_both) == pytest.approx((50, 0.25, 11, 0.275))
    near = reach(done, 40.0, ceiling, "bf16", threads=2)
    assert (near.gflops, near.of_gemm, near.least_ms, near.of_both) == pytest.approx((50, 0.0625, 3.5, 0.0875))

    parts = {"finer": (3.0, 1.0), "linear": (10.0, 30.0)}
    kinds = by_kind(parts, done, 25.0, ceiling, "fp32", threads=2)
    assert [(part.kind, part.ms, part.forward) for part in kinds] == [
        ("linear", 40.0, 10.0),
        ("rest", 6.0, None),
        ("finer", 4.0, 3.0),
    ]
    assert [part.share for part in kinds] == pytest.approx([0.8, 0.12, 0.08])
    assert [part.of_ceiling for part in kinds] == [0.5, None, 0.5]
    assert by_kind(parts, done, 25.0, ceiling, "bf16", threads=2)[0].of_ceiling == 0.125
    assert by_kind(parts, done, 1.0, None, "fp32", threads=2)[-1] == Part("rest", 0.0, None, None, 0.0, None)

    [joined, _] = by_kind({"linear with finer, tanh": (14.0, 30.0)}, done, 25.0, ceiling, "fp32", threads=2)
    assert joined.of_ceiling == 0.5  # products and sines
    [apart, *_] = by_kind({"linear with finer": (10.0, 30.0), "finer": (3.0, 1.0)}, done, 25.0, ceiling, "fp32", 2)
    assert apart.of_ceiling == 0.5  # products alone


def test_ratios_are_of_medians_and_of_rounds() -> None:
    one = FIXED.comparisons[0]
    assert one.over("eager") == Ratio(240 / 20, 240 / 40, 240 / 16)
    assert one.best() == "medium"


@pytest.mark.parametrize(
    ("precision", "isa", "asked"),
    [
        ("bf16", "amx", Asked(12, 5)),
        ("bf16", "amx_emulated", Asked()),
        ("fp32", "amx", Asked(1.8)),
        ("fp32", "avx512", Asked(1.8)),
        ("fp32", "avx2", Asked()),
    ],
)
def test_what_is_asked_depends_on_the_machine(precision: str, isa: str, asked: Asked) -> None:
    assert asked_of(TINY["siren"], precision, isa) == asked


def test_candidates_take_turns() -> None:
    calls: list[str] = []

    def calling(name: str) -> steps.Run:
        def run() -> float:
            calls.append(name)
            return 0.0

        return run

    found = take_turns({name: calling(name) for name in "abc"}, rounds=2, seconds=0)
    assert "".join(calls) == "aabbcc" + "bbccaa"
    assert {name: len(values) for name, values in found.items()} == {"a": 2, "b": 2, "c": 2}
    assert all(value >= 0 for values in found.values() for value in values)


def test_settings_of_pytorch_are_as_before() -> None:
    def settings() -> list[object]:
        places: list[Any] = [torch.backends.mkldnn, torch.backends.cuda]
        return [torch.get_float32_matmul_precision(), *(place.matmul.fp32_precision for place in places)]

    def fail() -> None:
        with matmul_precision("medium"), torch_threads(2):
            inside.extend([torch.get_float32_matmul_precision(), torch.get_num_threads()])
            raise ValueError("inside")

    inside: list[object] = []
    before, threads = settings(), torch.get_num_threads()
    with pytest.raises(ValueError, match="inside"):
        fail()
    assert inside == ["medium", 2]
    assert settings() == before
    assert torch.get_num_threads() == threads


def batch(samples: int = 200) -> PointBatch:
    generator = np.random.default_rng(3)
    coordinates = generator.uniform(-1, 1, (samples, 2)).astype(np.float32)
    return PointBatch(coordinates, generator.uniform(-1, 1, (samples, 3)).astype(np.float32))


@pytest.mark.parametrize("model", [SIREN, GRID], ids=["siren", "grid"])
def test_rivals_train_as_the_reference_does(model: ModelSpec) -> None:
    reference = get("torch").trainer(*told(started(model)), MeanSquaredError(), Adam(), "cpu")
    losses = [reference.step(batch(), 1e-3).loss for _ in range(4)]
    assert losses[-1] < losses[0]
    plain = rival_step(Mode("plain"), started(model), batch(), 1e-3)
    assert [plain() for _ in range(4)] == losses
    half = rival_step(Mode("autocast", autocast=True), started(model), batch(), 1e-3)
    assert [half() for _ in range(4)] == pytest.approx(losses, rel=0.02)


def test_rivals_decode_as_the_reference_does() -> None:
    points = batch(CHUNK + 5).coordinates
    values = get("torch").field(*told(started(SIREN)), "cpu")(points)
    np.testing.assert_allclose(RivalField(Mode("plain"), started(SIREN))(points), values, atol=1e-6)
    half = RivalField(Mode("autocast", autocast=True), started(SIREN))(points)
    assert half.dtype == np.float32
    assert 1e-6 < np.abs(half - values).max() < 0.2


def test_a_mode_that_fails_says_why() -> None:
    def fails() -> float:
        warnings.warn("not an error here", UserWarning, stacklevel=1)
        raise RuntimeError("\n no compiler \nmore")

    assert attempt(fails) == "RuntimeError: no compiler"
    assert attempt(lambda: 2.0) == 2.0


def test_ceilings_and_parts_are_those_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"fma_gflops": 1, "gemm_gflops": 2, "bf16_gemm_gflops": 0, "more": 5}
    measures = SimpleNamespace(ceilings=lambda seconds: {**told, "sine_ns": seconds})
    monkeypatch.setattr(native, "load", lambda: measures)
    assert ceilings.ceilings(3.0) == (Ceilings(1, 2, 0, 3), "")
    assert median_of([Ceilings(1, 2, 0, 3), Ceilings(5, 6, 0, 1), Ceilings(3, 1, 0, 2)]) == Ceilings(3, 2, 0, 2)
    assert median_of([]) is None
    monkeypatch.setattr(native, "load", SimpleNamespace)
    found, reason = ceilings.ceilings(3.0)
    assert found is None
    assert reason.startswith("no ceilings: this build of the kernels")

    seconds = iter([0.5, 0.002, 0.001, 0.002, 0.004, 0.002, 0.0])  # the median is 2 ms
    engine = SimpleNamespace(
        profile=lambda flat, x, y: [
            ("linear", one := next(seconds), 2 * one),
            ("sine", one, 0.0),
            ("linear", 0.001, one),
        ]
    )
    fused = SimpleNamespace(
        profile=lambda flat, x, y: [
            ("linear with sine", 0.001, 0.002),
            ("linear with relu", 0.003, 0.004),
            ("linear", 0, 0),
        ]
    )
    points, flat = batch(4), np.zeros(3, np.float32)
    parts, _ = ceilings.profile(engine, flat, points.coordinates, points.targets)
    assert parts is not None
    np.testing.assert_allclose([parts["linear"], parts["sine"]], [(3.0, 6.0), (2.0, 0.0)])
    parts, _ = ceilings.profile(fused, flat, points.coordinates, points.targets)
    assert parts is not None
    assert list(parts) == ["linear with relu, sine"]
    np.testing.assert_allclose(parts["linear with relu, sine"], (4.0, 6.0))
    parts, reason = ceilings.profile(SimpleNamespace(), flat, points.coordinates, points.targets)
    assert parts is None
    assert reason.startswith("no parts of a step")


def test_moments_of_fits() -> None:
    """30 dB after 10 s and 20 s: the median is 15 s; one of the fits never has 32 dB."""
    fits = [Curve((1.0, 10.0), (100, 500), (20.0, 30.0)), Curve((1.0, 20.0), (100, 700), (20.0, 33.0))]
    one = reached(fits[:1], 30.0)
    assert one.seconds == pytest.approx(10)
    assert one.steps == 500
    assert reached(fits, 32.0) == Reached(32.0, None, None)
    both = reached(fits, 20.0)
    assert (both.seconds, both.steps) == (1.0, 100)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory with a picture in it; networks and fits are tiny, and nothing is compiled."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INR_DATA", raising=False)
    monkeypatch.setattr(networks, "CASES", TINY)
    monkeypatch.setattr(rivals, "RIVALS", MODES)
    monkeypatch.setattr(steps, "CEILING_SECONDS", 0.02)
    for name, value in {"MODEL": SIREN, "BATCH": 256, "STEPS_FOR_MEMORY": 2, "TARGETS": (5.0, 99.0)}.items():
        monkeypatch.setattr(fits, name, value)
    Image.fromarray(photo(32)).save(tmp_path / "face.png")
    return tmp_path


@needs_kernels
def test_kernels_are_measured(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--repeats", "3", "--seconds", "0", "--threads", "1", "--precision", "fp32")
    assert main(["bench", "kernels", *arguments, "--json"]) == 0
    output, errors = capsys.readouterr()
    assert all(line.startswith("inr: bench kernels: ") for line in errors.splitlines())
    found = json.loads(output)
    assert json.loads((place / "bench" / "kernels.json").read_text("utf-8")) == found
    assert (found["settings"]["threads"], found["settings"]["precision"]) == (1, "fp32")
    assert [one["name"] for one in found["comparisons"]] == list(TINY)
    assert [one["samples"] for one in found["comparisons"]] == [256, 256, 12 * 16]
    for one in found["comparisons"]:
        assert list(one["milliseconds"]) == ["native", "eager", "medium", "autocast"]
        assert one["failed"] == {}
        assert one["results"]["native"] == pytest.approx(one["results"]["eager"], rel=1e-3)
        assert all(len(values) == 3 and min(values) > 0 for values in one["milliseconds"].values())
        assert one["over_eager"]["least"] <= one["over_eager"]["most"]
        assert one["precision"] == "fp32"
    assert found["ceilings"]["gemm_gflops"] > 0
    assert "linear with sine" in [kind["kind"] for kind in found["comparisons"][0]["kinds"]]
    assert found["comparisons"][2]["kinds"] is None
    text = (place / "bench" / "kernels.md").read_text("utf-8")
    assert all(f"| {case.title}" in text for case in TINY.values())
    assert not [note for note in found["notes"] if "where eager has" in note]


@needs_kernels
def test_fits_and_their_memory(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--only", "fit,memory", "--steps", "40", "--threads", "1", "--precision", "fp32", "--quiet")
    assert main(["bench", "kernels", "face.png", *arguments]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    found = json.loads((place / "bench" / "kernels.json").read_text("utf-8"))
    assert found["comparisons"] == []
    assert [(one["source"], one["backend"], one["steps"]) for one in found["fits"]] == [
        ("face", "native", 40),
        ("face", "torch", 40),
    ]
    for one in found["fits"]:
        early, never = one["reached"]
        assert 0 < early["seconds"] <= one["seconds"]
        assert 1 <= early["steps"] <= 40
        assert never["seconds"] is None
        assert one["psnr"][0] > 10
    assert [one["backend"] for one in found["memory"]] == ["native", "torch"]
    assert all(one["imported"] > 20 and 0 <= one["beyond"] < 400 for one in found["memory"])
    assert output.startswith((place / "bench" / "kernels.md").read_text("utf-8").rstrip())


@needs_kernels
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--only siren,grit", "--only: unknown 'grit'; known: siren, grid, decode, fit, memory"),
        ("--only siren --precision half", "--precision: auto, fp32 or bf16; got 'half'"),
        ("--threads 4096", "--threads: 1 to "),
        ("--fit", "no pictures: name some, or set INR_DATA"),
    ],
)
def test_bad_input_is_one_line(place: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    assert main(["bench", "kernels", "--quiet", *arguments.split()]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert message in errors
    assert errors.count("\n") == 1
    assert list(place.glob("bench/*")) == []


def test_without_kernels_nothing_is_measured(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INR_NATIVE", "0")
    assert main(["bench", "kernels", "--quiet"]) == 1
    assert "backend native: switched off by INR_NATIVE=0" in capsys.readouterr().err
    assert list(place.glob("bench/*")) == []
