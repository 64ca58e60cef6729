"""Several inputs in one command: a folder of outputs, one summary, and an exit code that tells."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import inr
from inr.cli.main import main
from tests.support.commands import contents, interrupted, lasting, png_of
from tests.support.small_fits import compressed, photo

FAST = ("--steps", "2", "--quiet")
LONG = ("--model", "hashgrid", "--steps", str(lasting(100_000)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: three photos, and one that is damaged."""
    for name, side in (("a.png", 32), ("b.png", 64), ("c d.png", 16)):
        (tmp_path / name).write_bytes(png_of(side))
    (tmp_path / "cut.png").write_bytes(png_of(32)[:200])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> tuple[list[str], list[str]]:
    """Lines of standard output and of standard error of a command that ends with this code."""
    assert main(list(arguments)) == code
    output, errors = capsys.readouterr()
    return output.splitlines(), errors.splitlines()


def test_every_input_gets_a_file_and_all_get_a_summary(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, errors = said(capsys, 0, "compress", "a.png", "b.png", "c d.png", "--out-dir", "packed/here", *FAST)
    assert errors == []
    sizes = {name: (place / "packed" / "here" / name).stat().st_size for name in ("a.inr", "b.inr", "c d.inr")}
    assert set(os.listdir(place / "packed" / "here")) == set(sizes)
    assert [line.split(": ")[0] for line in lines[:3]] == [f"packed/here/{name}" for name in sizes]
    share = sum(sizes.values()) / sum((place / name).stat().st_size for name in ("a.png", "b.png", "c d.png"))
    assert lines[3:] == [f"3 of 3 files done: {sum(sizes.values())} bytes, {share:.1%} of their sources"]
    assert inr.open(place / "packed" / "here" / "b.inr").decode().shape == (64, 64, 3)


def test_one_that_fails_stops_no_other(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = ("a.png", "cut.png", "nowhere.png", "b.png")
    lines, errors = said(capsys, 1, "compress", *inputs, "--out-dir", "d", *FAST)
    assert set(os.listdir(place / "d")) == {"a.inr", "b.inr"}
    assert lines[-1].startswith("2 of 4 files done, 2 failed: ")
    assert len(errors) == 2
    assert errors[0].startswith("inr: error: cut.png is damaged")
    assert errors[1] == "inr: error: cannot read nowhere.png: no such file or directory"
    assert main(["compress", *inputs, "--out-dir", "d", "--json", *FAST]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["done"], found["failed"]) == (2, 2)
    assert [row["input"] for row in found["files"]] == list(inputs)
    assert [row.get("output") for row in found["files"]] == ["d/a.inr", None, None, "d/b.inr"]
    assert [row["error_code"] for row in found["files"] if "error" in row] == ["bad_signal", "file_access"]
    assert found["bytes"] == sum(row["bytes"] for row in found["files"] if "bytes" in row)
    assert found["source_bytes"] == len(png_of(32)) + len(png_of(64))


def test_settings_that_are_wrong_for_all_are_said_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(place)
    for options, message in (
        (("--bpp", "0"), "bpp"),
        (("--model", "wyre"), "wyre"),
        (("--checkpoint", "c"), "one fit"),
    ):
        _, errors = said(capsys, 2, "compress", "a.png", "b.png", "--out-dir", "d", *options, *FAST)
        assert len(errors) == 1
        assert message in errors[0]
    assert contents(place) == before
    assert not (place / "d").exists()


def test_outputs_of_one_name_are_refused_before_any_work(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "old").mkdir()
    (place / "old" / "A.jpg").write_bytes(png_of(16))
    _, errors = said(capsys, 2, "compress", "a.png", "old/A.jpg", "b.png", "--out-dir", "d", *FAST)
    assert errors == ["inr: error: --out-dir: a.png and old/A.jpg would both become d/A; give each its own folder"]
    assert not (place / "d").exists()


def test_one_input_by_several_names_is_done_once(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "A.png").symlink_to("a.png")
    lines, _ = said(capsys, 0, "compress", "a.png", "./a.png", "a.png", "A.png", "--out-dir", "d", *FAST)
    assert lines[-1].startswith("1 of 1 files done")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("compress a.png .", 1, "cannot write .: it is a directory; --out-dir . writes into it"),
        ("compress - --out-dir d", 2, "standard input has no name"),
        ("compress a.png --out-dir b.png", 1, "cannot make the folder b.png: it is a file"),
        ("compress a.png --out-dir b.png/x", 1, "cannot make the folder b.png/x"),
        ("decompress a.inr b.png --suffix .jpg", 2, "--suffix: goes with --out-dir"),
    ],
)
def test_mistakes(place: Path, capsys: pytest.CaptureFixture[str], line: str, code: int, message: str) -> None:
    before = contents(place)
    _, errors = said(capsys, code, *line.split())
    assert len(errors) == 1
    assert message in errors[0]
    assert contents(place) == before


def test_nothing_is_left_of_a_folder_in_which_nothing_is(place: Path) -> None:
    assert main(["compress", "cut.png", "--out-dir", "d", *FAST]) == 1
    assert not (place / "d").exists()


def test_files_of_all_kinds_come_back_without_loss(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(place / "wave.npy", np.sin(np.arange(60.0).reshape(3, 4, 5)).astype(np.float32))
    np.save(place / "float.npy", photo(16).astype(np.float32) / 300)
    options = ("--model", "siren", "--bpp", "20", *FAST)
    assert main(["compress", "a.png", "wave.npy", "float.npy", "--out-dir", "d", *options]) == 0
    capsys.readouterr()
    lines, errors = said(
        capsys, 1, "decompress", "d/a.inr", "d/wave.inr", "d/float.inr", "d/none.inr", "--out-dir", "e"
    )
    assert lines == ["e/a.png: 32x32", "e/wave.npy: 3x4x5", "e/float.tif: 16x16", "3 of 4 files done, 1 failed"]
    assert errors == ["inr: error: cannot read d/none.inr: no such file or directory"]
    for name in ("a.png", "wave.npy", "float.tif"):
        decoded = inr.open(place / "d" / f"{Path(name).stem}.inr").decode()
        np.testing.assert_array_equal(inr.load(place / "e" / name).samples, decoded)


def test_originals_beside_the_files_are_not_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`inr compress *.png --out-dir .` and back again would leave copies in place of the photos."""
    assert main(["compress", "a.png", "b.png", "--out-dir", ".", *FAST]) == 0
    before = contents(place)
    _, errors = said(capsys, 1, "decompress", "a.inr", "b.inr", "--out-dir", ".")
    assert [line.split(": ", 3)[3] for line in errors] == [
        f"cannot write {name}: it is there already; name another file, or --force to replace it"
        for name in ("a.png", "b.png")
    ]
    assert contents(place) == before
    assert main(["decompress", "a.inr", "--out-dir", ".", "--suffix", "jpg", "--scale", "2"]) == 0
    assert inr.load(place / "a.jpg").samples.shape == (64, 64, 3)
    assert main(["decompress", "a.inr", "--out-dir", ".", "--force"]) == 0
    assert (place / "a.png").read_bytes() != before["a.png"]


def test_ctrl_c_says_what_was_written(place: Path) -> None:
    (place / "z.inr").write_bytes(compressed("siren").data)
    arguments = ("compress", "a.png", "b.png", "--out-dir", "d", *LONG)
    code, first, _, rest = interrupted(*arguments, cwd=place)
    assert first.startswith("1/2 a.png: ")
    assert code == 1
    assert rest.splitlines()[-1] == "inr: error: interrupted; 0 of 2 files were written"
    assert not (place / "d").exists()
