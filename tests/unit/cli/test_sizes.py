"""What is said of sizes: of a fit, of a file beside its source, of a part of a file."""

import json
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.codec.listing import list_models
from inr.coders.weights.plan import fixes_size
from inr.models.base import MODELS
from tests.support.commands import png_of
from tests.support.small_fits import compressed, photo

FAST = ("--steps", "1", "--quiet")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.png").write_bytes(png_of(64))
    (tmp_path / "a.inr").write_bytes(compressed("siren", layers=3).data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["siren", "wire", "relu_pe", "bacon"])
def test_a_fit_has_the_size_that_the_list_says(place: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    listed = {model.kind: model.parameters for model in list_models()}
    assert main(["fit", "a.png", "--model", kind, "--json", "--batch", "64", *FAST]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == listed[kind]


def test_siren_is_256_wide_and_3_deep(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command of the README that is compared with a published figure."""
    line = "fit a.png --model siren --lr 1e-4 --schedule constant --json"
    assert main([*line.split(), *FAST]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parameters"], found["settings"]["width"], found["settings"]["depth"]) == (198_915, 256, 3)


def test_a_fit_of_every_model_plans_its_usual_size() -> None:
    """What `sized` would choose is what a user may name instead."""
    for cls in MODELS:
        assert fixes_size(cls, dict(cls()))


@pytest.mark.parametrize(
    ("request_", "parameters"),
    [({"settings": {"width": 16}}, 915), ({"settings": {"depth": 1}}, 67_331), ({"size": 2000}, None)],
)
def test_a_fit_of_another_size(request_: dict[str, object], parameters: int | None) -> None:
    fitted = inr.fit(photo(16).copy(), model="siren", steps=1, **request_)  # type: ignore[arg-type]
    count = sum(tensor.size for tensor in fitted.tensors.values())
    assert count == parameters if parameters is not None else count < 4000


def test_a_file_larger_than_its_source_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["compress", "a.png", "b.inr", "--model", "hashgrid", "--bpp", "24", *FAST]
    assert main(line) == 0
    before, after = (place / "a.png").stat().st_size, (place / "b.inr").stat().st_size
    assert after > before
    said = (
        f"inr: warning: b.inr has {after} bytes, more than the {before} of a.png; a smaller --bpp or --size makes it "
    )
    assert capsys.readouterr().err == f"{said}smaller\n"
    assert main([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["bytes"], found["source_bytes"], found["larger_than_source"]) == (after, before, True)
    assert main(["compress", "a.png", "b.inr", "--bpp", "2", "--json", *FAST]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert json.loads(output)["larger_than_source"] is False


def test_float_weights_larger_than_their_source_are_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "a.png", "w.inr", "--model", "siren", *FAST]) == 0
    assert f"w.inr has {(place / 'w.inr').stat().st_size} bytes, more than" in capsys.readouterr().err
    assert main(["fit", "a.png", "--model", "siren", *FAST]) == 0  # no file, so none that is larger
    assert capsys.readouterr().err == ""


def test_sources_of_other_kinds_have_a_size(tmp_path: Path) -> None:
    data = png_of(32)
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(3):
        (frames / f"{number}.png").write_bytes(data)
    fast = {"model": "siren", "steps": 1}
    assert inr.compress(data, **fast).source_bytes == len(data)  # type: ignore[arg-type]
    assert inr.compress(frames, **fast).source_bytes == 3 * len(data)  # type: ignore[arg-type]
    assert inr.compress(frames, time=(0.0, 0.04), **fast).source_bytes is None  # type: ignore[arg-type]
    assert inr.compress(np.zeros((8, 8), np.uint8), **fast).source_bytes is None  # type: ignore[arg-type]


def test_too_few_bytes_of_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (place / "a.inr").stat().st_size
    assert main(["info", "a.inr", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["layers"][0]["bytes"]
    assert main(["decompress", "a.inr", "b.png", "--max-bytes", str(first - 1)]) == 1
    said = f"max-bytes: the first quality layer ends after {first} of {whole} bytes: give so many; got {first - 1}"
    assert capsys.readouterr().err == f"inr: error: {said}\n"
    assert main(["decompress", "a.inr", "b.png", "--max-bytes", str(first)]) == 0
    (place / "one.inr").write_bytes(compressed("siren").data)
    capsys.readouterr()
    assert main(["decompress", "one.inr", "c.png", "--max-bytes", "200"]) == 1
    assert "it is the only one, and a file made with --layers 3 has smaller ones" in capsys.readouterr().err
    (place / "cut.inr").write_bytes(compressed("siren").data[:-5])
    assert main(["decompress", "cut.inr", "c.png", "--max-bytes", "200"]) == 1
    assert "is cut: 5 of" in capsys.readouterr().err
