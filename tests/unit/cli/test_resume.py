"""A fit that goes on from a checkpoint says what it does not heed."""

from pathlib import Path

import pytest

from inr.cli.main import main
from tests.support.commands import png_of

FIT = ("--model", "siren", "--set", "width=8", "--set", "depth=1", "--quiet", "--checkpoint", "fit.ckpt")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The working directory, with a photo and the checkpoint of a fit of 30 steps."""
    (tmp_path / "a.png").write_bytes(png_of(32))
    monkeypatch.chdir(tmp_path)
    assert main(["compress", "a.png", "b.inr", *FIT, "--steps", "30"]) == 0
    assert capsys.readouterr().err == ""
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *options: str, command: str = "compress", code: int = 0) -> str:
    capsys.readouterr()
    assert main([command, "a.png", "b.inr", *FIT, *options]) == code
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--steps", "10"), "--steps 10 is less and is ignored"),
        (("--steps", "30"), "that is the whole fit"),
        (("--seconds", "0.000001"), "--seconds 1e-06 is less and is ignored"),
        (("--steps", "10", "--seconds", "1000"), "--steps 10 is less and is ignored"),
    ],
)
def test_less_than_there_is(
    place: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], what: str
) -> None:
    before = (place / "b.inr").read_bytes()
    text = said(capsys, *options)
    assert text.startswith("inr: warning: fit.ckpt holds 30 steps, ")
    assert text.endswith(f": {what}; nothing more is trained\n")
    assert (place / "b.inr").read_bytes() == before


def test_more_than_there_is_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--steps", "40") == ""
    assert "fit.ckpt holds 40 steps" in said(capsys, "--steps", "40")


def test_other_settings_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = "inr: error: checkpoint fit.ckpt belongs to a fit with other settings"
    rest = "; delete it or name another file\n"
    assert said(capsys, "--seed", "3", "--steps", "30", code=1) == f"{refused} (seed 0, now 3){rest}"
    text = said(capsys, "--lr", "0.5", "--sampler", "full", "--steps", "30", code=1)
    assert text.startswith(f"{refused} (sampler uniform, now full; ")
    assert "optimiser.learning_rate None, now 0.5" in said(capsys, "--lr", "0.5", "--steps", "30", code=1)
    many = ("--seed", "3", "--loss", "l1", "--schedule", "constant", "--task", "superresolve", "--steps", "30")
    assert "; and " in said(capsys, *many, code=1)
