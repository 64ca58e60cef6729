"""No command replaces what is not its own: outputs that are something else are refused unless told so."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from inr.cli.main import main
from inr.container.destination import check_destination
from inr.errors import FileAccessError, SpecError
from tests.support.commands import contents, is_one_error, png_of
from tests.support.small_fits import compressed, photo

FAST = ("--steps", "2", "--quiet")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: photos, a .inr file, and what else people keep."""
    data = compressed("siren", layers=3).data
    png = png_of(64)
    files = {
        "a.png": png,
        "b.png": png_of(32),
        "a.inr": data,
        "other.inr": data[:-20],
        "taken.inr": b"a letter that somebody named so",
        "letter.txt": b"dear all",
        "bare": b"dear all",
        "table.csv": b"name,value\na,1\n",
        "list.json": b'[{"name": 1}]',
        "empty": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    Image.fromarray(photo(16)).save(tmp_path / "c.jpg")
    np.save(tmp_path / "x.npy", photo(16))
    os.link(tmp_path / "a.png", tmp_path / "hard.inr")
    (tmp_path / "soft.inr").symlink_to("a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


REFUSED = [
    # `inr compress *.png` of two photos, and what else a shell may put there
    ("compress a.png b.png", 1, "b.png: it is there already and no .inr file; .*--force .*--out-dir"),
    ("compress a.png c.jpg", 1, "c.jpg: it is there already and no .inr file"),
    ("compress a.png x.npy", 1, "x.npy: it is there already and no .inr file"),
    ("compress a.png taken.inr", 1, "taken.inr: it is there already and no .inr file"),
    ("compress a.png bare", 1, "bare: it is there already and no .inr file"),
    ("compress a.png new.jpg", 2, "new.jpg: .jpg is no suffix of a .inr file"),
    ("compress a.png new.MP4", 2, "new.MP4: .mp4 is no suffix of a .inr file"),
    ("compress a.png new.npy", 2, r"\.npy is no suffix"),
    ("compress a.png b.png c.jpg", 2, "several inputs and --out-dir DIR; got a.png b.png c.jpg"),
    ("fit a.png b.png", 1, "b.png: it is there already and no .inr file"),
    ("fit a.png new.png", 2, r"\.png is no suffix"),
    # the input by another name
    ("compress a.png a.png", 1, "a.png: it is the input"),
    ("compress a.png hard.inr --force", 1, "hard.inr: it is the input"),
    ("compress a.png soft.inr --force", 1, "soft.inr: it is the input"),
    ("compress hard.inr a.png --force", 1, "a.png: it is the input"),
    ("fit a.png ./a.png --force", 1, "it is the input"),
    # what a fit writes beside
    ("compress a.png new.inr --checkpoint b.png", 1, "b.png is not a checkpoint"),
    ("compress a.png new.inr --checkpoint b.png --force", 1, "b.png is not a checkpoint"),
    ("compress a.png new.inr --checkpoint new.png", 2, "new.png: .png is no suffix of a checkpoint"),
    ("compress a.png new.inr --checkpoint new.inr", 2, "--checkpoint and the output are the same file"),
    ("compress a.png new.inr --checkpoint a.png", 2, "--checkpoint and the input are the same file"),
    ("fit a.png new.inr --checkpoint letter.txt", 1, "letter.txt is not a checkpoint"),
    ("fit a.png --curve b.png", 1, "b.png: it is there already and no curve"),
    ("fit a.png --curve new.png", 2, "new.png: .png is no suffix of a curve"),
    ("fit a.png --curve table.csv", 1, "table.csv: it is there already and no curve"),
    ("fit a.png --curve list.json", 1, "list.json: it is there already and no curve"),
    ("fit a.png --curve a.inr", 1, "a.inr: it is there already and no curve"),
    ("fit a.png --curve a.png --force", 2, "--curve and the input are the same file"),
    ("fit a.png new.inr --curve new.inr", 2, "--curve and the output are the same file"),
    ("fit a.png --curve new.csv --checkpoint new.csv", 2, "--curve and --checkpoint are the same file"),
    # decoding
    ("decompress a.inr a.inr", 1, "a.inr: it is the input"),
    ("decompress a.inr other.inr", 1, "other.inr: it is there already; name another file, or --force"),
    ("decompress a.inr other.inr --force", 2, r"unknown image suffix '\.inr'"),
    ("decompress a.inr letter.txt", 1, "letter.txt: it is there already; name another file, or --force"),
    ("decompress a.inr bare", 1, "bare: it is there already; name another file, or --force"),
    ("decompress a.inr a.png", 1, "a.png: it is there already"),
    ("decompress a.inr c.jpg --scale 2", 1, "c.jpg: it is there already"),
    ("decompress a.inr x.npy", 1, "x.npy: it is there already"),
    ("decompress a.inr new.inr", 2, r"unknown image suffix '\.inr'"),
]


@pytest.mark.parametrize(("line", "code", "message"), REFUSED, ids=[line for line, *_ in REFUSED])
def test_nothing_is_lost(place: Path, capsys: pytest.CaptureFixture[str], line: str, code: int, message: str) -> None:
    before = contents(place)
    rest = () if line.startswith("decompress") else FAST
    assert main([*line.split(), *rest]) == code
    output, errors = capsys.readouterr()
    assert output == ""
    assert is_one_error(errors), errors
    assert re.search(message, errors), errors
    assert contents(place) == before


@pytest.mark.parametrize("name", ["photo.png", "letter.png", "clip.png", "packed.png"])
def test_decoding_replaces_nothing(place: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    found = {
        "photo.png": png_of(32),
        "letter.png": b"dear all",
        "clip.png": b"\x1aE\xdf\xa3 matroska",
        "packed.png": (place / "a.inr").read_bytes(),
    }
    (place / name).write_bytes(found[name])
    assert main(["decompress", "a.inr", name]) == 1
    assert "it is there already; name another file, or --force to replace it" in capsys.readouterr().err
    assert (place / name).read_bytes() == found[name]
    assert main(["decompress", "a.inr", name, "--force"]) == 0
    assert inr.load(place / name).samples.shape == (64, 64, 3)


@pytest.mark.parametrize("output", ["other.inr", "new.inr", "new", "new.v2", "empty", "new.inr.part"])
def test_what_may_be_written(place: Path, output: str) -> None:
    """A .inr file, even a damaged one, is replaced by another; and a name may have any suffix that nothing else has."""
    assert main(["compress", "a.png", output, *FAST]) == 0
    assert inr.open(place / output).decode().shape == (64, 64, 3)


def test_curves_are_replaced_by_their_own_and_pictures_with_force(place: Path) -> None:
    for curve in ("curve.csv", "curve.json"):
        for _ in range(2):
            assert main(["fit", "a.png", "--curve", curve, "--model", "siren", "--set", "width=8", *FAST]) == 0
    for target in ("c.jpg", "x.npy", "new.ppm"):
        for _ in range(2):
            assert main(["decompress", "a.inr", target, "--force"]) == 0
        assert inr.load(place / target).samples.shape == (64, 64, 3)


def test_force_replaces(place: Path) -> None:
    for output in ("b.png", "new.jpg", "taken.inr", "letter.txt"):
        assert main(["compress", "a.png", output, "--force", *FAST]) == 0
        assert inr.open(place / output).decode().shape == (64, 64, 3)
    assert main(["fit", "a.png", "--curve", "table.csv", "--force", "--model", "siren", "--set", "width=8", *FAST]) == 0
    assert (place / "table.csv").read_text().startswith("step,seconds,")


def test_the_library_refuses_as_well(place: Path) -> None:
    with pytest.raises(FileAccessError, match=r"no \.inr file"):
        inr.compress("a.png", "b.png", steps=2)
    with pytest.raises(SpecError, match=r"is no suffix of a \.inr file"):
        inr.compress("a.png", "new.webp", steps=2)
    for there in (Path("bare").rename("bare.png"), "a.png"):
        with pytest.raises(FileAccessError, match="there already"):
            inr.decompress("a.inr", there)
    assert inr.compress("a.png", "b.png", overwrite=True, steps=2).report.bytes == (place / "b.png").stat().st_size


def test_devices_and_pipes_are_no_files(place: Path) -> None:
    check_destination("/dev/null")
    check_destination("-")
    os.mkfifo(place / "pipe")
    check_destination(place / "pipe")  # does not wait for who reads or writes it
    assert contents(place)["a.png"] == png_of(64)
