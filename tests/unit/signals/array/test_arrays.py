"""Plain arrays as signals: through the library, the command line and ``.npy`` files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

import inr
import inr.codec.load_save
from inr.cli.main import main
from inr.codec.info import describe
from inr.container.file import parse, to_bytes
from inr.errors import CorruptHeaderError, SignalError, SpecError
from inr.signals.array.read import signal_of
from inr.signals.npy import npy_bytes, read_npy
from tests.support.small_fits import Array, one_colour_psnr


def wave(*shape: int) -> Array:
    """A smooth array of float32 in [-3, 3]."""
    grid = np.meshgrid(*[np.linspace(0, 3, n) for n in shape], indexing="ij")
    values: Array = (3 * np.sin(sum((i + 1) * x for i, x in enumerate(grid)))).astype(np.float32)
    return values


@pytest.mark.parametrize(
    ("shape", "axes", "grid", "channels"),
    [
        ((50,), None, (50,), 1),
        ((20, 3), 1, (20,), 3),
        ((9, 8, 7), None, (9, 8, 7), 1),
        ((9, 8, 3), 3, (9, 8, 3), 1),
        ((9, 8, 7, 2), 3, (9, 8, 7), 2),
        ((5, 4, 3, 6), None, (5, 4, 3, 6), 1),
    ],
)
def test_axes_and_channels(shape: tuple[int, ...], axes: int | None, grid: tuple[int, ...], channels: int) -> None:
    signal = inr.load(wave(*shape)) if axes is None else inr.codec.load_save.load(wave(*shape), axes=axes)
    assert signal.meta.kind == "array"
    assert signal.domain.shape == grid
    assert signal.channels == channels
    np.testing.assert_array_equal(signal.samples.reshape(shape), wave(*shape))


@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_types_that_pictures_lack_make_arrays(dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", (10 * wave(9, 8)).astype(dtype))
    assert inr.load(tmp_path / "a.npy").meta.kind == "array"
    inr.compress(tmp_path / "a.npy", tmp_path / "a.inr", model="siren", size=900, steps=5)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.npy")
    assert inr.compare(tmp_path / "a.npy", tmp_path / "b.npy").psnr > 0
    assert inr.compare(tmp_path / "a.npy", tmp_path / "a.inr").psnr > 0


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 70 + "), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 100000000000000000000000), }",
        "{'descr': '|S0', 'fortran_order': False, 'shape': (3, 4, 5), }",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (3, 4, 5), }",
        "{'descr': '<M8[s]', 'fortran_order': False, 'shape': (0,), }",
    ],
)
def test_headers_that_lie_are_refused(header: str) -> None:
    text = header.ljust(117).encode() + b"\n"
    data = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + bytes(32 if "-2" in header else 0)
    with pytest.raises(SignalError, match=r"^data (is damaged|holds|has)"):
        inr.load(data)


@pytest.mark.parametrize("shape", [(9, 8), (9, 8, 3), (9, 8, 1)])
def test_shapes_of_pictures_are_pictures(shape: tuple[int, ...]) -> None:
    assert inr.load(wave(*shape)).meta.kind == "image"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "int16", "float16", "float32", "float64", ">i2", ">f4"])
def test_sample_types(dtype: str, tmp_path: Path) -> None:
    """Kept in files of their own type; 64-bit floats and foreign byte orders become the machine's 32 bits."""
    array = np.linspace(3, 100, 30).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    signal = inr.load(tmp_path / "a.npy")
    assert signal.samples.dtype == np.dtype(
        "float32" if dtype == "float64" else dtype.lstrip(">").replace("i2", "int16")
    )
    limits = (0, 255) if dtype == "uint8" else (signal.samples.min(), signal.samples.max())
    assert signal.meta.value_range == limits
    inr.save(signal, tmp_path / "b.npy")
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), array, rtol=1e-6)


def test_fortran_order_and_scalars_of_one_channel() -> None:
    array = np.asfortranarray(wave(4, 5, 6))
    np.testing.assert_array_equal(inr.load(array).samples[..., 0], array)
    assert read_npy(npy_bytes(np.zeros((4, 5, 6, 1), dtype=np.float32)), "x").shape == (4, 5, 6)
    assert read_npy(npy_bytes(np.zeros((4, 5, 6, 2), dtype=np.float32)), "x").shape == (4, 5, 6, 2)


@pytest.mark.parametrize(
    ("array", "axes", "message"),
    [
        (np.zeros((3, 3, 3, 3, 3), np.float32), None, r"shape \(3, 3, 3, 3, 3\) with 5 axes .*1 to 4 axes"),
        (np.zeros(5, np.int64), None, "samples of type int64; allowed are uint8"),
        (np.zeros(5, np.complex64), None, "samples of type complex64"),
        (np.zeros((5, 6, 7), np.float32), 1, "with 1 axes"),
        (np.zeros((5, 65), np.float32), 1, "channels are 1 to 64"),
        (np.zeros(1, np.float32), None, "an axis needs 2 samples"),
        (np.zeros(0, np.float32), None, "an axis needs 2 samples"),
        (np.zeros((1, 1, 1), np.float32), None, "an axis needs 2 samples"),
        (np.zeros((1, 0, 9), np.float32), None, "none may be empty"),
        (
            np.zeros((1, 3, 3, 3, 1, 3, 3), np.float32),
            None,
            "allowed are 1 to 4 axes of coordinates, beside any of one",
        ),
        (np.zeros((1, 1, 1, 1, 1, 1, 1, 1, 9), np.float32), None, "with 9 axes"),
        (np.array([1.0, np.nan, 2.0], np.float32), None, r"array has 1 samples that are NaN .* index \(1"),
        (np.array([1.0, 1e300]), None, "infinite"),
    ],
)
def test_other_arrays_are_refused(array: Array, axes: int | None, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        signal_of(array, axes)


@pytest.mark.parametrize("axes", [0, 5, 9])
def test_number_of_axes_out_of_range_is_a_wrong_setting(axes: int) -> None:
    with pytest.raises(SpecError, match=f"axes: 1 to 4 may be coordinates; got {axes}"):
        signal_of(np.zeros((5, 5, 5), np.float32), axes)


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SignalError, match="Python objects"):
        inr.load(tmp_path / "x.npy")


@pytest.mark.parametrize("model", ["siren", "hashgrid"])
@pytest.mark.parametrize("shape", [(400,), (12, 14, 16)])
def test_compressed_and_decoded(model: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", wave(*shape))
    result = inr.compress(tmp_path / "a.npy", tmp_path / "a.inr", model=model, size=8000, steps=150, batch=1024)
    report = result.report
    assert (report.kind, report.shape, report.ssim, report.width) == ("array", shape, None, None)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.npy")
    back = np.load(tmp_path / "b.npy")
    assert back.shape == shape
    assert back.dtype == np.float32
    error = float(np.mean((back.astype(np.float64) - wave(*shape)) ** 2))
    span = float(wave(*shape).max() - wave(*shape).min())
    assert report.psnr == pytest.approx(10 * np.log10(span**2 / error), abs=1e-3)
    assert report.psnr > one_colour_psnr(wave(*shape)[..., None], span) + 5
    assert inr.compare(tmp_path / "a.npy", tmp_path / "a.inr").psnr == pytest.approx(report.psnr, abs=1e-6)


def test_parts_of_an_array_at_any_size(tmp_path: Path) -> None:
    field = inr.open(inr.compress(wave(8, 9, 10), model="siren", size=900, steps=40).data)
    whole = field.decode()
    np.testing.assert_allclose(field.decode(region=(2, 3, 4, 5, 4, 3)), whole[2:7, 3:7, 4:7], atol=1e-6)
    assert field.decode(size=(3, 5, 20)).shape == (3, 5, 20, 1)
    assert field.decode(scale=2.0).shape == (16, 18, 20, 1)
    means = whole.astype(np.float64).reshape(4, 2, 9, 10, 1).mean(axis=1)  # a smaller array is box-filtered
    np.testing.assert_allclose(field.decode(size=(4, 9, 10)), means, atol=1e-5)
    for bad, message in (
        ({"size": (3, 5)}, "size: needs 3 numbers of samples, at least 1 each; got 3x5"),
        ({"size": (3, 5, 0)}, "got 3x5x0"),
        ({"region": (1, 2, 3, 4)}, "region: needs 3 starts and 3 counts"),
        ({"region": (7, 0, 0, 2, 1, 1)}, r"axis0 has samples 0\.\.7"),
        ({"time": (0.0, 1.0)}, "only a video has them; this is an array"),
    ):
        with pytest.raises(SpecError, match=message):
            field.decode(**bad)
    with pytest.raises(SpecError, match=r"x\.png: an array is written as \.npy"):
        inr.save(field.signal(), tmp_path / "x.png")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", wave(30, 2))
    common = ["--model", "siren", "--steps", "30", "--quiet"]
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.inr"), *common, "--axes", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [30]
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert "array 30x2 float32, unknown" in capsys.readouterr().out
    decode = ["decompress", str(tmp_path / "a.inr"), str(tmp_path / "b.npy"), "--size", "45", "--json"]
    assert main(decode) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [45]
    assert np.load(tmp_path / "b.npy").shape == (45, 2)
    assert main(["compare", str(tmp_path / "a.npy"), str(tmp_path / "a.inr")]) == 0
    assert "SSIM" not in capsys.readouterr().out


SHAPES = [(12, 10, 9, 1), (1, 16, 16), (16, 1), (1, 16), (9, 1, 12), (1, 3, 1, 8, 8), (2, 1, 2, 3, 1, 4, 1), (1, 16, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_of_one_sample_are_kept_and_cost_nothing(
    shape: tuple[int, ...], order: Literal["C", "F"], tmp_path: Path
) -> None:
    array = np.asarray(wave(*shape), order=order)
    inner = tuple(n for n in shape if n > 1)
    np.save(tmp_path / "a.npy", array)
    fast: dict[str, Any] = {"model": "siren", "settings": {"width": 8, "depth": 1}, "steps": 5}
    result = inr.compress(tmp_path / "a.npy", tmp_path / "a.inr", **fast)
    assert result.report.shape == shape
    without = inr.compress(array.reshape(inner, order="A"), axes=len(inner), **fast)
    assert (result.report.parameters, result.report.psnr) == (without.report.parameters, without.report.psnr)
    assert 0 < len(result.data) - len(without.data) <= 5 + len(shape) - len(inner)

    field = inr.open(result.data)
    assert field.decode().shape == (*shape, 1)
    np.testing.assert_array_equal(field.decode().ravel(), inr.open(without.data).decode().ravel())
    assert field.decode(scale=2.0).shape == (*[n if n == 1 else 2 * n for n in shape], 1)
    assert field.decode(size=tuple(n if n == 1 else 5 for n in shape)).shape == (
        *[n if n == 1 else 5 for n in shape],
        1,
    )
    region = (*[n // 2 for n in shape], *[n - n // 2 for n in shape])
    parts = tuple(slice(n // 2, None) for n in shape)
    np.testing.assert_allclose(field.decode(region=region), field.decode()[parts], atol=1e-6)

    inr.decompress(tmp_path / "a.inr", tmp_path / "b.npy")
    assert np.load(tmp_path / "b.npy").shape == shape
    for other in ("a.inr", "b.npy"):
        compared = inr.compare(tmp_path / "a.npy", tmp_path / other)
        assert compared.psnr == pytest.approx(result.report.psnr, abs=1e-3)


def test_requests_about_axes_of_one_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", wave(9, 1, 8))
    common = ["--model", "siren", "--steps", "3", "--quiet"]
    assert main(["compress", str(tmp_path / "a.npy"), str(tmp_path / "a.inr"), *common]) == 0
    capsys.readouterr()
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert "array 9x1x8x1 float32, unknown\n" in capsys.readouterr().out
    assert main(["decompress", str(tmp_path / "a.inr"), str(tmp_path / "b.npy"), "--size", "4x1x3"]) == 0
    assert "b.npy: 4x1x3\n" in capsys.readouterr().out
    field = inr.open(tmp_path / "a.inr")
    for bad, message in (
        ({"size": (3, 5)}, "size: needs 3 numbers of samples, Nx1xN; got 3x5"),
        ({"size": (3, 2, 5)}, "size: needs 3 numbers of samples, Nx1xN; got 3x2x5"),
        ({"region": (1, 2, 3, 4)}, "region: needs 3 starts and 3 counts"),
        ({"region": (0, 0, 0, 2, 2, 2)}, "region: axis 1 has the sample 0 alone; got 2 from 0"),
        ({"region": (0, 1, 0, 2, 1, 2)}, "region: axis 1 has the sample 0 alone; got 1 from 1"),
    ):
        with pytest.raises(SpecError, match=message):
            field.decode(**bad)


def test_an_axis_of_one_channel_comes_back(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", wave(9, 8, 7, 1))
    inr.compress(tmp_path / "a.npy", tmp_path / "a.inr", axes=3, model="siren", steps=3)
    inr.decompress(tmp_path / "a.inr", tmp_path / "b.npy")
    assert np.load(tmp_path / "b.npy").shape == (9, 8, 7, 1)


def test_a_picture_of_one_channel_keeps_its_axis(tmp_path: Path) -> None:
    for name, shape in (("a", (9, 8, 1)), ("b", (9, 8))):
        np.save(tmp_path / f"{name}.npy", wave(*shape))
        fast: dict[str, Any] = {"model": "siren", "settings": {"width": 8, "depth": 1}, "steps": 3}
        inr.compress(tmp_path / f"{name}.npy", tmp_path / f"{name}.inr", **fast)
        inr.decompress(tmp_path / f"{name}.inr", tmp_path / f"{name}2.npy", scale=2.0)
        assert np.load(tmp_path / f"{name}2.npy").shape == (18, 16, *shape[2:])
    assert 0 < (tmp_path / "a.inr").stat().st_size - (tmp_path / "b.inr").stat().st_size <= 5


def test_a_long_array_with_axes_of_one_sample_is_read_in_slabs(tmp_path: Path) -> None:
    array = wave(1, 40, 1, 6)
    np.save(tmp_path / "a.npy", array)
    parts = inr.codec.load_save.load_parts(tmp_path / "a.npy", segment=10)
    assert (parts.lengths, parts.shape) == ((10,) * 4, (40, 6))
    np.testing.assert_array_equal(np.concatenate([part.samples for part in parts.signals]).ravel(), array.ravel())
    data = inr.compress(tmp_path / "a.npy", segment=10, model="siren", steps=3).data
    assert inr.open(data).decode().shape == (1, 40, 1, 6, 1)


@pytest.mark.parametrize("places", [(1, 0), (8,), (0, 0), 3, (1.0,)])
def test_places_that_lie_are_refused_and_described(places: Any) -> None:
    file = parse(inr.compress(wave(9, 1, 8), model="siren", steps=3).data)
    data = to_bytes(replace(file, header=replace(file.header, extras=((0, places),))))
    with pytest.raises(CorruptHeaderError, match="ones"):
        inr.open(data)
    assert len(describe(parse(data), len(data)).shape) >= 2
