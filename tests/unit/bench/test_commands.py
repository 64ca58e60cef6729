"""The benchmarks: real tiny runs through the command line."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401  # looks for fonts once, and says so where tests look for errors
import numpy as np
import pytest
from PIL import Image

from inr.bench import measure
from inr.bench.data import images
from inr.bench.results import Run
from inr.bench.zoo.comparisons import sampler_variants
from inr.bench.zoo.files import Made, beside
from inr.cli.main import main
from inr.fitting.schedules.constant import ConstantSchedule
from inr.fitting.spec import Budget, FitSpec
from inr.fitting.steps import fit
from inr.fitting.trained import TrainedNetwork
from inr.metrics.ssim import ssim
from inr.models.base import MODELS
from inr.models.hashgrid import HashGridMlp
from inr.optimisers.adam import Adam
from inr.samplers.base import SAMPLERS
from inr.signals.signal import Signal
from inr.signals.video.write import save_video
from tests.architecture.test_imports import imported_by
from tests.support.domains import plain
from tests.support.small_fits import photo, pixels_of, psnr_of, signal_of
from tests.support.video_files import meta_of

SUFFIXES = ("jsonl", "json", "md", "png", "svg")
FAST = ("--steps", "6", "--parameters", "2500", "--quiet")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with two pictures of 32 x 32 samples in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INR_DATA", raising=False)
    Image.fromarray(photo(32)).save("face.png")
    Image.fromarray(photo(32)[::-1].copy()).save("upside.png")
    return tmp_path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_zoo_writes_table_figure_and_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = ("face.png", "upside.png")
    assert main(["bench", "zoo", *pictures, "--models", "siren,hashgrid", "--seeds", "2", *FAST]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert {path.name for path in (place / "bench").iterdir()} == {f"zoo.{s}" for s in SUFFIXES}
    document = json.loads((place / "bench" / "zoo.json").read_text("utf-8"))
    assert document["complete"] is True
    assert document["settings"]["steps"] == 6
    assert document["settings"]["sources"] == {"face": [32, 32, 3], "upside": [32, 32, 3]}
    assert document["environment"]["threads"] == 1
    ran = [(r["seed"], r["source"], r["case"]) for r in lines(place / "bench" / "zoo.jsonl")]
    assert ran == [(n, p, m) for n in (0, 1) for p in ("face", "upside") for m in ("siren", "hashgrid")]
    assert {row["case"] for row in document["summary"]} == {"siren", "hashgrid"}
    for row in document["summary"]:
        psnr = [r["psnr"] for r in document["results"] if r["case"] == row["case"]]
        assert row["psnr"]["median"] == pytest.approx(float(np.median(psnr)), abs=1e-3)
        assert (row["runs"], row["failed"], row["steps"]) == (4, 0, 6)
        assert 0.8 * 2500 <= row["parameters"] <= 2500
        written = f"| {row['case']}"
        (line,) = [line for line in output.splitlines() if line.startswith(written)]
        assert f" {row['psnr']['median']:.2f} " in line
        assert f" {row['parameters']} " in line
    assert output.startswith((place / "bench" / "zoo.md").read_text("utf-8").rstrip())
    with Image.open(place / "bench" / "zoo.png") as image:
        assert image.size[0] > 800


def test_numbers_are_those_of_the_final_field_decoded_in_full(place: Path) -> None:
    """Fitting again with the settings in the journal gives the same bits, measured here without the library."""
    assert main(["bench", "zoo", "face.png", "--models", "siren,hashgrid", "--seeds", "1", *FAST]) == 0
    for entry in lines(place / "bench" / "zoo.jsonl"):
        fitted = fit(signal_of(photo(32)), FitSpec(**entry["fit"]))
        pixels = pixels_of(fitted)
        assert entry["psnr"] == pytest.approx(psnr_of(photo(32), pixels), abs=1e-4)
        assert entry["ssim"] == pytest.approx(ssim(photo(32), pixels, 255), abs=1e-6)
        assert entry["fit"]["optimiser"]["learning_rate"] == MODELS.get(entry["case"]).learning_rate
        assert entry["fit"]["sampler"]["kind"] == "uniform"
        assert entry["parameters"] == fitted.model.parameters(plain(2), 3)
        assert entry["curve"]["steps"] == [1, 2, 3, 4, 5, 6]
        assert entry["curve"]["psnr"][-1] == pytest.approx(entry["psnr"], abs=0.01)
        assert entry["curve"]["seconds"][-1] <= entry["seconds"] + 1e-6


def test_budget_in_seconds_is_spent(place: Path) -> None:
    arguments = ("--models", "siren", "--seeds", "1", "--parameters", "2500", "--seconds", "0.3", "--quiet")
    assert main(["bench", "zoo", "face.png", *arguments]) == 0
    (entry,) = lines(place / "bench" / "zoo.jsonl")
    assert entry["seconds"] >= 0.3
    assert entry["steps"] > 3
    assert entry["curve"]["seconds"][0] < 0.3


def test_interrupted_benchmark_goes_on(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the third fit; what was written then stays, even if the last line was cut on top of that."""
    arguments = ["bench", "zoo", "face.png", "--models", "siren,hashgrid", "--seeds", "2", *FAST]
    count = 0

    def interrupted(signal: Signal, spec: FitSpec) -> TrainedNetwork:
        nonlocal count
        count += 1
        if count == 4:  # after one to warm up
            raise KeyboardInterrupt
        return fit(signal, spec)

    monkeypatch.setattr(measure, "fit", interrupted)
    assert main(arguments) == 1
    output, errors = capsys.readouterr()
    assert errors == "inr: error: interrupted after 2 of 4 runs; bench/zoo.jsonl keeps them, --resume goes on\n"
    assert "Not all runs are done." in output
    journal = place / "bench" / "zoo.jsonl"
    before = journal.read_text("utf-8")
    assert before.count("\n") == 2
    assert json.loads((place / "bench" / "zoo.json").read_text("utf-8"))["complete"] is False

    assert main(arguments) == 2
    assert "--resume goes on with them" in capsys.readouterr().err
    assert journal.read_text("utf-8") == before

    journal.write_text(before + before[:40], "utf-8")
    assert main([*arguments, "--resume"]) == 0
    after = journal.read_text("utf-8")
    assert after.startswith(before)
    assert len(lines(journal)) == 4
    assert json.loads((place / "bench" / "zoo.json").read_text("utf-8"))["complete"] is True

    count = 3  # any fit would interrupt
    assert main([*arguments, "--resume"]) == 0
    assert journal.read_text("utf-8") == after
    assert main([*arguments, "--resume", "--steps", "7"]) == 1, "other settings are other runs"


def test_divergence_is_a_result() -> None:
    deep = HashGridMlp(log2_hashmap_size=4, n_levels=2, finest_resolution=8, base_resolution=4, width=64, depth=8)
    hot = FitSpec(model=deep, optimiser=Adam(learning_rate=10.0), schedule=ConstantSchedule(), budget=Budget(steps=500))
    found = measure.measure(Run("", "deep", "face", hot), signal_of(photo(16)))
    assert (found.outcome, found.psnr, found.curve.seconds) == ("diverged", 0.0, ())
    assert "use a learning rate below 10" in found.reason
    assert json.loads(json.dumps(found.to_json()))["fit"]["optimiser"]["learning_rate"] == 10


def test_damaged_journal_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "bench").mkdir()
    (place / "bench" / "zoo.jsonl").write_text('{"case": 1}\n{}\n', "utf-8")
    assert main(["bench", "zoo", "face.png", "--resume", *FAST]) == 1
    assert "line 1 is not a result" in capsys.readouterr().err


def test_inits_count_the_search_and_list_what_does_not_fit(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--models", "siren,hashgrid", "--inits", "default,fresh", "--seeds", "1", *FAST)
    assert main(["bench", "inits", "face.png", *arguments]) == 0
    default, fresh, _, refused = lines(place / "bench" / "inits.jsonl")
    assert (fresh["group"], fresh["case"], fresh["outcome"]) == ("siren", "fresh", "done")
    assert 0 < fresh["search_seconds"] < fresh["curve"]["seconds"][0]
    assert fresh["search_seconds"] < fresh["seconds"]
    assert default["search_seconds"] == 0
    assert (refused["case"], refused["outcome"]) == ("fresh", "refused")
    document = json.loads((place / "bench" / "inits.json").read_text("utf-8"))
    (failure,) = document["failures"]
    assert (failure["group"], failure["case"], failure["runs"]) == ("hashgrid", "fresh", 1)
    assert failure["reason"] == refused["reason"] != ""
    output = capsys.readouterr().out
    assert f"- hashgrid fresh: refused, 1 times: {failure['reason']}" in output
    assert "### siren" in output
    assert "### hashgrid" in output


def test_samplers_run_rolling_and_as_published(place: Path) -> None:
    assert main(["bench", "samplers", "face.png", "--models", "siren", "--seeds", "1", *FAST]) == 0
    entries = lines(place / "bench" / "samplers.jsonl")
    assert all(entry["outcome"] == "done" for entry in entries)
    assert {entry["fit"]["sampler"]["kind"] for entry in entries} == set(SAMPLERS.kinds())
    caches = {entry["case"]: entry["fit"]["sampler"].get("cache") for entry in entries}
    assert caches["teaching rolling"] == caches["evos rolling"] == "rolling"
    assert caches["teaching published"] == caches["evos published"] == caches["soft published"] == "full"
    losses = {entry["case"]: entry["fit"]["loss"]["kind"] for entry in entries}
    assert losses["evos published"] == losses["evos rolling, its loss"] == "cross_frequency"
    assert {kind for case, kind in losses.items() if "its loss" not in case and case != "evos published"} == {"mse"}


def test_readme_is_written_and_looked_at(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--models", "siren", "--inits", "default,scaled", "--seeds", "1", *FAST)
    assert main(["bench", "inits", "face.png", *arguments]) == 0
    begin, end = "<!-- table inits: written by `inr bench readme` -->", "<!-- end of table inits -->"
    (place / "R.md").write_text(f"before\n{begin}\n{end}\nafter\n", "utf-8")
    capsys.readouterr()
    command = ["bench", "readme", "R.md", "--results", "bench"]
    assert main([*command, "--check"]) == 1
    assert "error: R.md: tables differ from bench; `inr bench readme` writes them" in capsys.readouterr().err
    assert main(command) == main([*command, "--check"]) == main(command) == 0
    text = (place / "R.md").read_text("utf-8")
    assert "| `scaled` " in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert main(["bench", "readme", "nowhere.md", "--results", "bench"]) == 1


def test_every_sampler_has_a_name_of_its_own() -> None:
    names = [name for kind in SAMPLERS.kinds() for name, _ in sampler_variants(kind)]
    assert len(names) == len(set(names)) >= len(SAMPLERS.kinds())


def test_rates_recommend_the_best_that_was_tried(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--models", "siren", "--points", "3", "--factor", "4", "--steps", "6", "--parameters", "2500", "-q")
    assert main(["bench", "rates", "face.png", *arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    present = MODELS.get("siren").learning_rate
    tried = {float(row["case"]): row["psnr"]["median"] for row in document["summary"]}
    assert set(tried) == {present / 4, present, present * 4}
    (entry,) = document["recommended"]
    assert entry["rate"] == max(tried, key=lambda rate: tried[rate])
    assert entry["edge"] == (entry["rate"] != present)
    assert document == json.loads((place / "bench" / "rates.json").read_text("utf-8"))


def test_video_compares_at_equal_time_and_at_equal_psnr(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "clip").mkdir()
    for number in range(3):
        Image.fromarray(np.roll(photo(16), number, axis=1)).save(place / "clip" / f"{number}.png")
    arguments = ("--seconds", "0.2", "--halvings", "1", "--frames", "3", "--parameters", "2500", "--quiet")
    assert main(["bench", "video", "clip", *arguments]) == 0
    entries = lines(place / "bench" / "video.jsonl")
    methods = ["siren", "finr cp", "finr tt", "finr tucker"]
    assert [entry["case"] for entry in entries] == methods * 2
    assert [entry["fit"]["budget"]["seconds"] for entry in entries] == [0.1] * 4 + [0.2] * 4
    assert {entry["case"]: entry["fit"]["sampler"]["kind"] for entry in entries} == {
        name: "uniform" if name == "siren" else "block" for name in methods
    }
    assert all(entry["shape"] == [3, 16, 16, 3] for entry in entries)
    document = json.loads((place / "bench" / "video.json").read_text("utf-8"))
    assert {row["case"]: row["runs"] for row in document["summary"]} == dict.fromkeys(methods, 1)
    whole = document["compared"][0]
    assert whole["seconds"] == 0.2
    assert whole["speed_up"]["siren"] == 1
    assert set(whole["psnr"]) == set(methods)
    assert "speed-up" in capsys.readouterr().out


def test_files_of_clips_stand_beside_those_of_x264(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av")
    samples = np.stack([np.roll(photo(32), 2 * number, axis=1) for number in range(6)])
    save_video("clip.mkv", samples, meta_of(samples))
    line = ["bench", "video", "clip.mkv", "--files", "--rates", "4", "--time", ":0.16", "--preset", "fast", "--quiet"]
    assert main(line) == 0
    output = capsys.readouterr().out
    document = json.loads((place / "bench" / "video_files.json").read_text("utf-8"))
    assert document["settings"] == {"preset": "fast", "rates": [4.0], "time": [0.0, 0.16]}
    by_inr = [one for one in document["files"] if one["coder"] == "inr"]
    by_x264 = [one for one in document["files"] if one["coder"] == "x264"]
    assert [one["setting"] for one in by_inr] == ["fast", "4 bpp"]
    assert {one["samples"] for one in document["files"]} == {4 * 32 * 32}
    assert 0.85 * 4 * 4 * 32 * 32 / 8 <= by_inr[1]["bytes"] <= 4 * 4 * 32 * 32 / 8
    sizes = [one["bytes"] for one in by_x264]
    assert sizes == sorted(sizes, reverse=True)
    for row in document["compared"]:
        inside = sizes[-1] <= row["file"]["bytes"] <= sizes[0]
        assert (row["psnr"] is not None) is inside
        assert f" {row['file']['bytes']:,} |" in output
    kept = (place / "bench" / "video_files.jsonl").read_bytes()
    assert main([*line, "--resume"]) == 0
    assert (place / "bench" / "video_files.jsonl").read_bytes() == kept
    assert main(line) == 2
    assert "--resume goes on" in capsys.readouterr().err


def test_between_two_files_of_x264_bytes_count_by_their_logarithm() -> None:
    ladder = [Made("clip", "x264", f"crf {n}", 10, size, psnr, 1.0) for n, size, psnr in ((1, 1000, 40), (2, 10, 20))]
    ours = [Made("clip", "inr", "default", 10, size, psnr, 1.0) for size, psnr in ((100, 25), (5, 20), (2000, 41))]
    found = beside([*ours, *ladder, Made("other", "x264", "crf 1", 10, 1, 99, 1.0)])
    assert found[0].psnr == pytest.approx(30)
    assert found[0].bytes == pytest.approx(10**1.5)
    assert [(row.psnr, row.bytes is None) for row in found[1:]] == [(None, False), (None, True)]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("zoo", 2, "no pictures: name some, or set INR_DATA to the folder that holds images/ and video/"),
        ("video", 2, "no clips: name some, or set INR_DATA"),
        ("zoo nowhere.png", 1, "cannot read nowhere.png"),
        ("zoo face.png --models siren,wyre", 2, "--models: unknown 'wyre'; known: siren, hashgrid"),
        ("inits face.png --inits best", 2, "--inits: unknown 'best'; known: default"),
        ("samplers face.png --samplers best", 2, "--samplers: unknown 'best'; known: uniform"),
        ("rates face.png --points 4", 2, "--points: an odd number"),
        ("zoo face.png sub/face.png", 2, "two of the files are called face"),
        ("zoo face.png --seconds 0", 2, "seconds: "),
        ("zoo face.png --out face.png", 1, "cannot make the folder face.png"),
        ("zoo face.png --speed 3", 2, "see inr bench --help"),
        ("video clip --size 3", 2, "--size takes WIDTHxHEIGHT"),
        ("video clip --time 0:1", 2, "--time: goes with --files"),
        ("video clip --files --rates 0.1,no", 2, "--rates takes numbers above 0, separated by commas; got '0.1,no'"),
        ("video a/clip.mp4 b/clip.mp4 --files", 2, "two of the files are called clip"),
    ],
)
def test_bad_input_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, message: str
) -> None:
    before = sorted(place.rglob("*"))
    assert main(["bench", *arguments.split()]) == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert message in errors
    assert errors.count("\n") == 1
    assert sorted(place.rglob("*")) == before


def test_usual_pictures_are_looked_for_in_the_folder(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INR_DATA", str(place))
    assert main(["bench", "zoo"]) == 1
    assert "images/div2k512/div2k512_test_00.png: no such file" in capsys.readouterr().err


def test_without_matplotlib_nothing_is_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bench", "zoo", "face.png", *FAST]) == 1
    assert "run: pip install 'inr[bench]'" in capsys.readouterr().err
    assert not (place / "bench").exists()


def test_help_loads_neither_torch_nor_matplotlib() -> None:
    imported = imported_by("-m", "inr", "bench", "--help")
    assert "inr.bench.zoo.commands" in imported
    assert not {"torch", "matplotlib", "numpy"} & imported


def test_size_cuts_the_middle(place: Path) -> None:
    signal = images([place / "face.png"], 10)["face"]
    np.testing.assert_array_equal(signal.samples, photo(32)[11:21, 11:21])
    assert signal.domain.is_default()
    assert images([place / "face.png"], 99)["face"].samples.shape == (32, 32, 3)
