"""A coder of another package works everywhere once it is registered: no file of the library knows it."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.codec.info import describe
from inr.coders.base import CODERS, check_early
from inr.coders.request import CompressSpec
from inr.container.file import parse
from inr.errors import SpecError, UnsupportedFeatureError
from inr.fitting.events import CheckpointSaved, Event, Planned, Preview, Progress
from inr.fitting.run import Hooks
from inr.signals.kind import KINDS
from inr.signals.signal import Signal
from tests.support.cosine_coder import Cosine
from tests.support.small_fits import photo, psnr_of
from tests.support.tone_kind import Tone, tone


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    CODERS.register(Cosine)
    yield
    CODERS.unregister(Cosine)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    inr.save(inr.load(photo(64).copy()), tmp_path / "in.png")
    return tmp_path / "in.png"


def command(*arguments: str | Path) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def test_through_the_library(picture: Path, tmp_path: Path) -> None:
    result = inr.compress(picture, tmp_path / "x.inr", coder="cosine:terms=16", size=1500, layers=3)
    assert (result.report.model, result.report.backend, result.report.steps) == ("cosine", "numpy", 16)
    assert result.report.settings == Cosine(terms=16)
    assert result.report.parameters == 16 * 16 * 3
    assert 1200 < result.report.bytes <= 1500
    assert result.report.psnr > 18
    field = inr.open(tmp_path / "x.inr")
    assert psnr_of(photo(64), field.decode()) == pytest.approx(result.report.psnr, abs=1e-6)
    larger = field.decode(scale=2.0)
    assert larger.shape == (128, 128, 3)
    smaller = larger.reshape(64, 2, 64, 2, 3).astype(np.float64).mean(axis=(1, 3))
    assert psnr_of(field.decode(), smaller) > 35
    assert inr.compare(picture, tmp_path / "x.inr").psnr == pytest.approx(result.report.psnr, abs=1e-6)


def test_a_psnr_is_reached_with_as_many_terms_as_it_takes(picture: Path) -> None:
    few, many = (inr.compress(picture, coder="cosine:terms=4", psnr=psnr).report for psnr in (12.5, 18.0))
    assert few.settings == Cosine(terms=4)
    assert many.settings == Cosine(terms=16)
    assert 12.5 <= few.psnr < 15
    assert many.psnr >= 18


def test_it_is_watched_like_any_training(picture: Path) -> None:
    events: list[Event] = []
    result = inr.compress(picture, coder="cosine:terms=6", hooks=Hooks(on_event=events.append, previews=True))
    assert isinstance(events[0], Planned)
    assert (events[0].model, events[0].parameters) == ("cosine", 108)
    steps = [event.point.step for event in events if isinstance(event, Progress)]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert [point.step for point in result.report.curve] == steps
    assert any(isinstance(event, Preview) for event in events)
    assert not any(isinstance(event, CheckpointSaved) for event in events)


def test_through_the_command_line(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, back = tmp_path / "x.inr", tmp_path / "back.png"
    command("compress", picture, file, "--coder", "cosine:terms=12", "--size", "900", "--layers", "2", "--json", "-q")
    report = json.loads(capsys.readouterr().out)
    assert (report["model"], report["settings"]) == ("cosine", {"kind": "cosine", "terms": 12})
    assert report["bytes"] <= 900
    command("info", file)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "coder:  cosine terms=12"
    assert lines[-1].startswith(f"layer 2 of 2: first {report['bytes']} bytes, {report['psnr']:.2f} dB")
    command("info", file, "--json")
    description = json.loads(capsys.readouterr().out)
    assert description["coder"] == "cosine"
    assert (description["model"], description["coding"], description["settings"]) == (None, None, {"terms": 12})
    command("decompress", file, back, "--size", "40x20")
    capsys.readouterr()
    assert inr.load(back).samples.shape == (20, 40, 3)
    command("compare", picture, file, "--json")
    assert json.loads(capsys.readouterr().out)["psnr"] == pytest.approx(report["psnr"], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--coder", "nonsense"), "unknown coder 'nonsense'; known: weights, latent, cosine"),
        (("--coder", "cosine", "--model", "siren"), "model: the coder cosine has none; it takes layers, psnr, size"),
        (("--coder", "cosine:terms=0"), "cosine: terms: "),
        (("--coder", "weights:terms=3"), "weights: terms: "),
    ],
)
def test_mistakes_are_named(
    arguments: tuple[str, ...], message: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", str(picture), str(tmp_path / "x.inr"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.inr").exists()


@pytest.fixture
def sounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Signal]:
    """A signal of a kind that names this coder."""
    monkeypatch.setattr(Tone, "default_coder", "cosine")
    KINDS.register(Tone)
    yield tone(channels=1)
    KINDS.unregister(Tone)


def test_a_kind_may_name_it_as_the_usual_one(sounds: Signal, picture: Path) -> None:
    result = inr.compress(sounds, size=600, layers=3)
    assert (result.report.kind, result.report.model, result.report.bytes <= 600) == ("tone", "cosine", True)
    description = describe(parse(result.data), len(result.data))
    assert (description.coder, len(description.layers)) == ("cosine", 3)
    np.testing.assert_array_equal(
        inr.open(result.data).decode(), inr.open(inr.compress(sounds, coder="cosine", size=600, layers=3).data).decode()
    )
    assert inr.compress(sounds, coder="weights", steps=5, size=2000).report.model == "siren"
    assert inr.compress(picture, steps=5, size=2000).report.model != "cosine"
    assert inr.compress(sounds, steps=5).report.model == "siren"  # the usual coder heeds what that one does not
    with pytest.raises(SpecError, match="steps: the coder cosine has none; it takes layers, psnr, size"):
        inr.compress(sounds, coder="cosine", steps=5)


def test_settings_are_checked_for_the_coders_that_kinds_name(sounds: Signal) -> None:
    """Before the signal is known, they are right if they suit the usual coder, or that of any kind."""
    check_early(CompressSpec(steps=5))  # weights
    check_early(CompressSpec(size=600, layers=3))  # either
    with pytest.raises(SpecError, match="the coder cosine has none"):
        check_early(CompressSpec(coder="cosine", steps=5))


def test_a_kind_whose_usual_coder_is_not_there(sounds: Signal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tone, "default_coder", "lost")
    with pytest.raises(SpecError, match="unknown coder 'lost'; known: weights, latent, cosine"):
        inr.compress(sounds, size=600)
    assert inr.compress(sounds, coder="cosine", size=600).report.model == "cosine"


def test_a_fit_without_a_file_is_one_of_weights(picture: Path) -> None:
    with pytest.raises(SpecError, match="coder: a fit without a file is one of weights; got cosine"):
        inr.fit(picture, coder="cosine")


def test_a_file_of_a_coder_that_is_not_there_is_described_and_refused(picture: Path, tmp_path: Path) -> None:
    data = inr.compress(picture, coder="cosine:terms=5").data
    CODERS.unregister(Cosine)
    try:
        description = describe(parse(data), len(data))
        assert (description.coder, description.settings) == ("#77001", {"#0": 5})
        with pytest.raises(UnsupportedFeatureError, match="coder id 77001 is not known to this version"):
            inr.decompress(data, tmp_path / "x.png")
    finally:
        CODERS.register(Cosine)


def test_weights_are_described_as_ever(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command("compress", picture, tmp_path / "x.inr", "--model", "siren", "--steps", "3", "--size", "900", "-q")
    capsys.readouterr()
    command("info", tmp_path / "x.inr")
    assert capsys.readouterr().out.splitlines()[1].startswith("model:  siren width=")
    command("info", tmp_path / "x.inr", "--json")
    assert "coder" not in json.loads(capsys.readouterr().out)
