"""The benchmark of codecs: real tiny runs through the command line, with real rivals."""

import csv
import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib.font_manager  # noqa: F401  # looks for fonts once, and says so where tests look for errors
import numpy as np
import pytest
from PIL import Image
from skimage import data

import inr
from inr.bench.codec.curves import Curve, bd_rate
from inr.bench.codec.measure import Method, Picture, load_picture, measure, one_core
from inr.bench.codec.own import LAMBDAS, Own
from inr.bench.codec.rivals import RIVALS
from inr.cli.main import main
from inr.coders.base import CODERS
from inr.coders.request import CompressSpec
from inr.metrics.psnr import psnr
from inr.metrics.ssim import ssim
from tests.support.small_fits import Array, photo, psnr_of

FAST = ("--steps", "24", "--lambdas", "1e-3,5e-3", "--quiet")
COOL_CHIC = "codec,image_or_mean,lambda,bpp,psnr_rgb\n"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a picture of 64 x 48 samples in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INR_DATA", raising=False)
    Image.fromarray(photo(64)[8:56]).save("face.png")
    return tmp_path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def picture(samples: Array) -> Picture:
    return Picture("made", "0", inr.load(np.ascontiguousarray(samples)))


def measured(rival: str, samples: Array, quality: float) -> dict[str, Any]:
    return vars(measure(RIVALS[rival](1), picture(samples), quality, Method(1, 1)))


@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("channels", [1, 3])
def test_rivals_get_better_and_larger_with_quality(rival: str, channels: int) -> None:
    samples = data.astronaut()[:96, 100:220, :channels]  # type: ignore[no-untyped-call]
    values = RIVALS[rival](1).values
    found = [measured(rival, samples, value) for value in (values[1], values[5], values[-2])]
    assert [point["outcome"] for point in found] == ["done"] * 3
    for name in ("bytes", "bpp", "psnr", "ssim"):
        ordered = [point[name] for point in found]
        assert ordered == sorted(set(ordered))
    assert found[-1]["psnr"] > 33
    assert found[-1]["ssim"] > 0.93
    assert found[0]["bpp"] == pytest.approx(8 * found[0]["bytes"] / (96 * 120), abs=1e-6)
    assert found[0]["ms_ssim"] is None


def test_what_rivals_cannot_hold_is_refused() -> None:
    deep, alpha = (
        picture(photo(16).astype(np.uint16)[..., :1] * 257),
        picture(np.dstack([photo(16), photo(16)[..., :1]])),
    )
    for name, make in RIVALS.items():
        assert make(1).refusal(deep.signal) == f"Pillow's {name.upper()} has 8 bits a sample; the picture is uint16"
    assert RIVALS["jpeg"](1).refusal(alpha.signal) == "Pillow's JPEG cannot hold 4 channels"
    assert RIVALS["webp"](1).refusal(alpha.signal) is None
    assert measured("avif", alpha.signal.samples, 80)["psnr"] > 30


def test_numbers_are_those_of_the_file_and_of_the_picture_decoded_from_it(place: Path) -> None:
    own = Own("fast", 24, 3, (2e-3,))
    face = load_picture(place / "face.png")
    point = measure(own, face, 2e-3, Method(2, 1))
    again = inr.compress(face.signal, place / "again.inr", coder="latent", preset="fast", steps=24, seed=3, lmbda=2e-3)
    assert point.outcome == "done"
    assert point.bytes == len(again.data) == (place / "again.inr").stat().st_size
    inr.decompress(place / "again.inr", place / "again.png")
    pixels = np.asarray(Image.open(place / "again.png"))
    assert point.psnr == pytest.approx(psnr_of(face.signal.samples, pixels), abs=1e-4)
    assert point.ssim == pytest.approx(ssim(face.signal.samples, pixels, 255), abs=1e-6)
    assert np.array_equal(own.decode(place / "again.inr"), pixels)
    assert point.encode_s is not None
    assert point.decode_s is not None
    assert point.decode_s > 0
    assert point.encode_s > 0


def test_sixteen_bits_are_measured_at_sixteen_bits() -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (24, 20, 1)).astype(np.uint16)
    own = Own("default", 16, 0, (1e-3,))
    point = measure(own, picture(samples), 1e-3, Method(1, 1, timed=False))
    assert (point.outcome, point.dtype, point.encode_s, point.decode_s) == ("done", "uint16", None, None)
    data_ = inr.compress(inr.load(samples), coder="latent", steps=16, lmbda=1e-3).data
    assert point.psnr == pytest.approx(psnr(samples, inr.open(data_).signal().samples, 65535), abs=1e-4)


def test_a_lambda_becomes_a_field_of_the_request() -> None:
    coder = CODERS.make("latent")
    asked = [{"lmbda": lmbda} for lmbda in LAMBDAS]
    for request in asked:
        coder.check(CompressSpec(coder="latent", **request))
    assert len({str(request) for request in asked}) == len(LAMBDAS)


def test_a_run_writes_points_tables_curves_and_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = [measure(Own("default", 24, 0, (5e-3,)), load_picture(place / "face.png"), 5e-3, Method(1, 1))]
    assert own[0].bpp is not None
    assert own[0].psnr is not None
    theirs = [(own[0].bpp * 2, own[0].psnr), (own[0].bpp * 6, own[0].psnr + 9), (own[0].bpp / 2, own[0].psnr - 9)]
    lines = [f"cool-chic-5.0,face,{i},{bpp},{decibels}" for i, (bpp, decibels) in enumerate(theirs)]
    (place / "theirs.csv").write_text(COOL_CHIC + "\n".join([*lines, "other,face,0,1.0,30.0"]) + "\n", "utf-8")
    assert main(["bench", "codec", "face.png", "--published", "theirs.csv", *FAST]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    folder = place / "bench"
    assert {path.name for path in folder.iterdir()} == {f"codec.{s}" for s in ("csv", "json", "md", "png", "svg")}
    assert output.startswith((folder / "codec.md").read_text("utf-8").rstrip())
    document = json.loads((folder / "codec.json").read_text("utf-8"))
    assert document["complete"] is True
    assert document["failed"] == document["left_out"] == []
    assert [one["codec"] for one in document["codecs"]] == ["inr default 24 steps", "jpeg", "webp", "avif"]
    assert "libavif" in document["codecs"][3]["version"]
    points = rows(folder / "codec.csv")
    assert len(points) == len(document["points"]) == 2 + sum(len(make(1).values) for make in RIVALS.values())
    assert document["settings"]["pictures"]["face"][:3] == [48, 64, 3]
    at = document["at_published_psnr"]
    assert [one["theirs"] for one in at] == pytest.approx(sorted(bpp for bpp, _ in theirs), rel=1e-5)
    assert at[1]["bpp"] == pytest.approx(own[0].bpp, rel=1e-4)  # of the published points only this PSNR is reached
    assert at[0]["bpp"] is None
    svg = ET.fromstring((folder / "codec.svg").read_bytes())  # noqa: S314 (written here)
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"


def test_differences_are_those_of_the_points(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """JPEG at its own place: a published table with 1.25 times its rate is 20 % above it."""
    assert main(["bench", "codec", "face.png", "--rivals", "jpeg", "--no-figure", *FAST]) == 0
    points = [row for row in rows(place / "bench" / "codec.csv") if row["codec"] == "jpeg"]
    jpeg = [(float(row["bpp"]), float(row["psnr"])) for row in points]
    found = bd_rate(Curve([(0.8 * bpp, decibels) for bpp, decibels in jpeg]), Curve(jpeg))
    assert found is not None
    assert found.percent == pytest.approx(-20)
    document = json.loads((place / "bench" / "codec.json").read_text("utf-8"))
    own = [(one["bpp"], one["psnr"]) for one in document["points"] if one["codec"].startswith("inr")]
    wanted = bd_rate(Curve(own), Curve(jpeg))
    (by_psnr,) = [one for one in document["mean_bd_rate"] if one["metric"] == "psnr"]
    assert by_psnr["pictures"] == (0 if wanted is None else 1)
    assert (by_psnr["missing"] == ["face"]) == (wanted is None)
    assert "which none beats the other on face" in capsys.readouterr().out or wanted is not None


def test_resume_makes_only_what_is_missing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "codec", "face.png", "--rivals", "webp", "--no-figure", *FAST]
    assert main(arguments) == 0
    csv_file = place / "bench" / "codec.csv"
    whole, document = csv_file.read_bytes(), (place / "bench" / "codec.json").read_bytes()
    assert main(arguments) == 2
    assert "--resume goes on with them" in capsys.readouterr().err
    csv_file.write_bytes(whole[:-30])  # within the last line
    assert main([*arguments, "--resume"]) == 0
    again = rows(csv_file)
    assert csv_file.read_bytes().startswith(whole[: whole.rstrip(b"\n").rfind(b"\n") + 1])
    assert len(again) == len(json.loads(document)["points"])
    known = json.loads(document)["points"][-1]
    assert (again[-1]["codec"], float(again[-1]["value"])) == (known["codec"], known["value"])
    assert int(again[-1]["bytes"]) == known["bytes"]  # the same request gives the same file
    capsys.readouterr()
    assert main([*arguments[:-1], "--resume"]) == 0  # not quiet
    assert capsys.readouterr().err == ""
    assert main([*arguments[:-1], "--resume", "--seed", "1"]) == 0
    assert capsys.readouterr().err.count("bench codec: face, inr default 24 steps, lambda") == 2
    Image.fromarray(photo(64)[4:52]).save("face.png")  # another picture of the same name
    assert main([*arguments[:-1], "--resume"]) == 0
    assert capsys.readouterr().err.count("bench codec: face, webp") == len(RIVALS["webp"](1).values)


def test_failures_and_what_is_left_out_are_listed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """16 bits are too many for Pillow, and so many columns for WebP."""
    Image.fromarray(photo(32).astype(np.uint16)[..., 0] * 257).save("deep.png")
    Image.fromarray(np.zeros((1, 16_400, 3), np.uint8)).save("wide.png")
    assert (
        main(["bench", "codec", "deep.png", "wide.png", "--no-figure", "--steps", "16", "--lambdas", "1e-3", "-q"]) == 0
    )
    output = capsys.readouterr().out
    assert output.count("left out on deep: Pillow's") == 3
    assert "- webp at quality 0 failed on wide: " in output
    document = json.loads((place / "bench" / "codec.json").read_text("utf-8"))
    failed = [one for one in document["failed"] if one["codec"] == "webp"]
    assert len(failed) == len(RIVALS["webp"](1).values)
    assert all(one["reason"] and one["bytes"] is None for one in failed)
    assert {one["picture"] for one in document["points"] if one["codec"].startswith("inr")} == {"deep", "wide"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lambdas", "0.1,x"], "--lambdas takes numbers above 0 and under 1, separated by commas; got '0.1,x'"),
        (["--lambdas", "1.5"], "--lambdas takes numbers above 0 and under 1"),
        (["--rivals", "jpeg,bpg"], "--rivals: unknown 'bpg'; known: jpeg, webp, avif"),
        (["--preset", "slow"], "unknown preset 'slow'; known: "),
        (["--published", "none.csv"], "none.csv"),
        (["--published", "face.csv"], "cannot read face.csv: it has no column codec; needed: codec, "),
        (["--published", "half.csv"], "cannot read half.csv: line 2 has no bpp and PSNR"),
        (["--published", "half.csv", "--published-codec", "hm"], "half.csv has no 'hm'; it has cool-chic-5.0"),
        (["float.npy"], "float.npy: a benchmark of codecs needs samples of 8 or 16 bits; got float32"),
        (["--resume", "--out", "old"], "it has other columns than a benchmark of codecs"),
    ],
)
def test_bad_input_is_one_clear_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (place / "face.csv").write_text("a,b\n1,2\n", "utf-8")
    (place / "half.csv").write_text(f"{COOL_CHIC}cool-chic-5.0,face,0.1,,30\n", "utf-8")
    (place / "old").mkdir()
    (place / "old" / "codec.csv").write_text("a,b\n1,2\n", "utf-8")
    np.save(place / "float.npy", np.zeros((8, 8), np.float32))
    named = [] if "float.npy" in arguments else ["face.png"]
    assert main(["bench", "codec", *named, *arguments, *(() if "--lambdas" in arguments else FAST)]) in (1, 2)
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not (place / "bench").exists()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be bound to cores here")
def test_one_core_is_given_back() -> None:
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
