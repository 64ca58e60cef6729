"""A kind of signal that another package adds works everywhere, and its files are told from damaged ones without it."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.codec.pack import unpack
from inr.container.file import parse
from inr.errors import CorruptHeaderError, FormatError, SignalError, SpecError, UnsupportedFeatureError
from inr.signals.kind import KINDS
from tests.support.lies import changed
from tests.support.tone_kind import Tone, ToneAttributes, register, tone, with_attributes

FAST: dict[str, Any] = {"steps": 300, "batch": 512, "size": 3000}


@pytest.fixture
def known() -> Iterator[None]:
    """The kind is registered."""
    register()
    yield
    KINDS.unregister(Tone)


@pytest.fixture
def sound(known: None, tmp_path: Path) -> Path:
    """A WAV file."""
    inr.save(tone(), tmp_path / "a.wav")
    return tmp_path / "a.wav"


def test_through_the_library(sound: Path, tmp_path: Path) -> None:
    report = inr.compress(sound, tmp_path / "a.inr", **FAST).report
    assert (report.kind, report.shape, report.model, report.ssim) == ("tone", (2000,), "siren", None)
    assert report.psnr > 20
    assert list(report.metrics) == ["difference", "psnr"]
    field = inr.open(tmp_path / "a.inr")
    assert field.meta.attributes == ToneAttributes(8000)
    assert field.domain.axes == ("t",)
    np.testing.assert_array_equal(field.decode(time=(0.1, 0.2)), field.decode()[800:1600])
    assert field.decode(scale=2.0).shape == (4000, 2)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.wav", time=(0.0, 0.125))
    with wave.open(str(tmp_path / "b.wav")) as file:
        assert (file.getnframes(), file.getframerate(), file.getnchannels()) == (1000, 8000, 2)
    found = inr.compare(sound, tmp_path / "a.inr")
    assert found.psnr == pytest.approx(report.psnr)
    assert found.metrics == pytest.approx(report.metrics)
    fitted = inr.fit(sound, model="siren", settings={"width": 8, "depth": 1}, steps=5)
    assert fitted.meta.attributes == ToneAttributes(8000)


def test_through_the_command_line(sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "a.inr")
    options = ["--steps", "50", "--batch", "256", "--size", "2000", "--quiet"]
    assert main(["compress", str(sound), file, *options, "--time", "0.05:0.2"]) == 0
    assert " bpp, difference 0." in capsys.readouterr().out
    assert main(["info", file]) == 0
    assert "tone 1200x2 int16, sample_rate=8000\n" in capsys.readouterr().out
    assert main(["info", file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["attributes"], told["colour_space"]) == ("tone", {"sample_rate": 8000}, "unknown")
    assert main(["decompress", file, str(tmp_path / "b.wav"), "--size", "600"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'b.wav'}: 600\n"
    assert main(["compare", str(sound), file, "--time", "0.05:0.2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"].keys() == {"difference", "psnr"}
    for arguments, message in (
        (["compress", str(sound), file, "--axes", "1"], "only an array has a number of axes to choose; this is a tone"),
        (["decompress", file, str(tmp_path / "c.mp3")], "a tone is written as .wav or .npy; got the suffix '.mp3'"),
        (["decompress", file, str(tmp_path / "c.wav"), "--region", "1,2"], "region: a tone has none"),
        (["decompress", file, str(tmp_path / "c.wav"), "--fps", "25"], "only a video has them; this is a tone"),
        (["compress", str(sound), file, "--size", "3"], "a siren file of this tone can have"),
    ):
        assert main(arguments) != 0
        assert message in capsys.readouterr().err


def test_all_attributes_are_stored(known: None) -> None:
    own = ToneAttributes(44_100, (3, 700), 0.5)
    data = inr.compress(with_attributes(tone(), own), model="siren", **FAST).data
    assert inr.open(data).meta.attributes == own
    assert parse(data).header.attributes == ((0, 44_100), (1, (3, 700)), (2, 0.5))


def test_a_file_of_a_kind_that_is_not_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register()
    (tmp_path / "a.inr").write_bytes(inr.compress(tone(), **FAST).data)
    KINDS.unregister(Tone)
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert "#70000 2000x2 int16, #0=8000\n" in capsys.readouterr().out
    with pytest.raises(UnsupportedFeatureError, match="kind of signal 70000 is not known to this version"):
        inr.open(tmp_path / "a.inr")


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({2: 0.5}, CorruptHeaderError, "tone: needs sample_rate"),
        ({0: 8000.0}, CorruptHeaderError, "tone: sample_rate must be int; got float"),
        ({0: [8000]}, CorruptHeaderError, "tone: sample_rate must be int; got tuple"),
        ({0: 0}, CorruptHeaderError, r"sample rate: must be within 1\.\.768000; got 0"),
        ({0: 8000, 1: 5}, CorruptHeaderError, "tone: loop must be tuple; got int"),
        ({0: 8000, 1: [5]}, CorruptHeaderError, "loop: needs a first and a last sample"),
        ({0: 8000, 1: [0.5, 2.5]}, CorruptHeaderError, "tone: loop must hold int; got float"),
        ({0: 8000, 1: [1, 2.0]}, CorruptHeaderError, "tone: loop must hold int; got float"),
        ({0: 8000, 2: 1}, CorruptHeaderError, "tone: gain must be float; got int"),
        ({0: 8000, 2: 1.0}, CorruptHeaderError, "tone: attributes are not in canonical form"),
        ({0: 8000, 7: 1}, UnsupportedFeatureError, "tone has no attribute number 7 in this version"),
    ],
)
def test_attributes_that_make_no_sense(
    attributes: dict[int, Any], error: type[FormatError], message: str, known: None
) -> None:
    with pytest.raises(error, match=message):
        unpack(parse(changed(k1=[8], k13=70_000, k18=attributes)))


def test_a_tone_has_one_axis(known: None) -> None:
    with pytest.raises(CorruptHeaderError, match="tone: has 1 axis; got 2"):
        unpack(parse(changed(k1=[8, 8], k13=70_000, k18={0: 8000})))


def test_short_sounds_are_refused(known: None) -> None:
    signal = tone(seconds=1 / 8000)
    with pytest.raises(SignalError, match="a tone needs at least 2 samples; got 1"):
        inr.compress(signal)


def test_attributes_without_a_default_are_needed() -> None:
    with pytest.raises(SpecError, match="tone: needs sample_rate"):
        ToneAttributes.from_wire(((2, 0.5),))
