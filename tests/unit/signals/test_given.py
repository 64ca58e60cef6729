"""What Python programs hand over: open files, bytes of all types, pictures of Pillow, tensors, arrays of any type."""

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import inr
from inr.errors import FileAccessError, InrError, SignalError, SpecError
from tests.support.commands import ROOT
from tests.support.small_fits import compressed, photo

Array = npt.NDArray[Any]

PICTURE = photo(16)
GRAY = PICTURE[..., :1]


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PICTURE).save(stream, "PNG")
    return stream.getvalue()


class AnyPath:
    """A path that is no `Path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


FILES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "an open file": lambda path: path.open("rb"),
    "an unbuffered file": lambda path: path.open("rb", buffering=0),
    "PathLike": AnyPath,
    "text": str,
    "Path": lambda path: path,
}


@pytest.mark.parametrize("made", FILES.values(), ids=FILES)
def test_files_of_all_sorts(made: Callable[[Path], Any], tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png())
    (tmp_path / "photo.inr").write_bytes(compressed("siren").data)
    given = made(tmp_path / "photo.png")
    signal = inr.load(given)
    np.testing.assert_array_equal(signal.samples, PICTURE)
    packed = made(tmp_path / "photo.inr")
    np.testing.assert_array_equal(inr.open(packed).decode(), inr.open(compressed("siren").data).decode())
    again = made(tmp_path / "photo.inr")
    inr.decompress(again, tmp_path / "back.png")
    assert inr.load(tmp_path / "back.png").samples.shape == (64, 64, 3)
    for stream in (given, packed, again):
        if isinstance(stream, io.IOBase):
            stream.close()


def test_a_file_is_read_from_where_it_stands(tmp_path: Path) -> None:
    stream = io.BytesIO(b"before" + png())
    stream.seek(6)
    np.testing.assert_array_equal(inr.load(stream).samples, PICTURE)
    with tempfile.SpooledTemporaryFile() as spooled:
        spooled.write(png())
        spooled.seek(0)
        np.testing.assert_array_equal(inr.load(spooled).samples, PICTURE)


def test_compress_takes_what_load_takes() -> None:
    settings: dict[str, Any] = {"model": "siren", "steps": 3, "settings": {"width": 8, "depth": 1}}
    wanted = inr.compress(PICTURE.copy(), **settings).data
    for given in (io.BytesIO(png()), Image.fromarray(PICTURE), torch.tensor(PICTURE), PICTURE.astype(np.int64)):
        assert inr.compress(given, **settings).data == wanted
    fitted = inr.fit(torch.tensor(PICTURE), **settings)
    assert fitted.domain.shape == (16, 16)


def frozen(array: Array) -> Array:
    array = array.copy()
    array.setflags(write=False)
    return array


CONVERTED: dict[str, tuple[Any, Array]] = {
    "int64": (PICTURE.astype(np.int64), PICTURE),
    "int32": (PICTURE.astype(np.int32) * 200, PICTURE.astype(np.uint16) * 200),
    "uint32": (PICTURE.astype(np.uint32), PICTURE),
    "uint64": (PICTURE.astype(np.uint64) * 257, PICTURE.astype(np.uint16) * 257),
    "negative int64": (-GRAY[..., 0].astype(np.int64) // 2, (-GRAY.astype(np.int64) // 2).astype(np.int8)),
    "small int64": (-GRAY[..., 0].astype(np.int64) * 100, (-GRAY.astype(np.int64) * 100).astype(np.int16)),
    "bool": (GRAY[..., 0] > 99, ((GRAY > 99) * 255).astype(np.uint8)),
    "big-endian": (PICTURE.astype(">u2"), PICTURE.astype(np.uint16)),
    "big-endian floats": (PICTURE.astype(">f4"), PICTURE.astype(np.float32)),
    "float64": (PICTURE / 3, (PICTURE / 3).astype(np.float32)),
    "long double": (PICTURE.astype(np.longdouble) / 3, (PICTURE.astype(np.float64) / 3).astype(np.float32)),
    "float16": (PICTURE.astype(np.float16), PICTURE.astype(np.float16)),
    "strided": (PICTURE[::2, ::-1], PICTURE[::2, ::-1]),
    "turned": (PICTURE.swapaxes(0, 1), PICTURE.swapaxes(0, 1)),
    "Fortran order": (np.asfortranarray(PICTURE), PICTURE),
    "read-only": (frozen(PICTURE), PICTURE),
    "broadcast": (np.broadcast_to(GRAY, (16, 16, 3)), np.repeat(GRAY, 3, axis=-1)),
    "masked without masks": (np.ma.array(PICTURE), PICTURE),
    "nested lists": (PICTURE.tolist(), PICTURE),
    "tuples of floats": (((0.5, 1.0), (2.0, 3.0)), np.array([[[0.5], [1]], [[2], [3]]], dtype=np.float32)),
    "tensor": (torch.tensor(PICTURE), PICTURE),
    "tensor of int64": (torch.tensor(PICTURE).long(), PICTURE),
    "tensor of bool": (torch.tensor(GRAY[..., 0]) > 99, ((GRAY > 99) * 255).astype(np.uint8)),
    "tensor that needs gradients": (
        torch.tensor(PICTURE.astype(np.float32), requires_grad=True),
        PICTURE.astype(np.float32),
    ),
    "bfloat16": (torch.tensor(PICTURE).bfloat16(), torch.tensor(PICTURE).bfloat16().float().numpy()),
    "half": (torch.tensor(PICTURE).half(), PICTURE.astype(np.float16)),
    "turned tensor": (torch.tensor(PICTURE).permute(2, 0, 1).permute(1, 2, 0), PICTURE),
    "expanded tensor": (torch.tensor(GRAY).expand(16, 16, 3), np.repeat(GRAY, 3, axis=-1)),
    "parameter": (torch.nn.Parameter(torch.tensor(PICTURE.astype(np.float32))), PICTURE.astype(np.float32)),
    "Pillow RGB": (Image.fromarray(PICTURE), PICTURE),
    "Pillow gray": (Image.fromarray(GRAY[..., 0]), GRAY),
    "Pillow of one bit": (Image.fromarray(GRAY[..., 0] > 99), ((GRAY > 99) * 255).astype(np.uint8)),
    "Pillow of 16 bits": (Image.fromarray(GRAY[..., 0].astype(np.uint16) * 200), GRAY.astype(np.uint16) * 200),
    "Pillow of 32 bits": (Image.fromarray(GRAY[..., 0].astype(np.int32)), GRAY),
    "Pillow floats": (Image.fromarray(GRAY[..., 0].astype(np.float32)), GRAY.astype(np.float32)),
    "Pillow RGBA": (
        Image.fromarray(PICTURE).convert("RGBA"),
        np.concatenate([PICTURE, np.full_like(GRAY, 255)], axis=-1),
    ),
    "Pillow CMYK": (
        Image.fromarray(PICTURE).convert("CMYK"),
        np.asarray(Image.fromarray(PICTURE).convert("CMYK").convert("RGB")),
    ),
    "Pillow palette": (
        Image.fromarray(PICTURE).convert("P"),
        np.asarray(Image.fromarray(PICTURE).convert("P").convert("RGB")),
    ),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_what_is_converted(name: str) -> None:
    given, samples = CONVERTED[name]
    before = given.copy() if isinstance(given, np.ndarray) else None
    signal = inr.load(given)
    assert signal.samples.dtype == samples.dtype
    assert signal.samples.dtype.isnative
    np.testing.assert_array_equal(signal.samples, samples)
    if before is not None:
        np.testing.assert_array_equal(given, before)


def test_a_picture_of_pillow_comes_upright_with_its_profile() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(PICTURE[:8]).save(stream, "PNG", exif=exif.tobytes(), icc_profile=profile)
    with Image.open(stream) as picture:
        given = inr.load(picture)
    read = inr.load(stream.getvalue())
    np.testing.assert_array_equal(given.samples, read.samples)
    assert given.samples.shape == (16, 8, 3)
    assert given.meta == read.meta


REFUSED: dict[str, tuple[Any, type[InrError], str]] = {
    "text file": (io.StringIO("x"), SpecError, "must be opened as binary, with mode 'rb'; reading it gives str"),
    "file at its end": (io.BytesIO(), FileAccessError, r"it is empty, or at its end; go back with seek\(0\)"),
    "None": (None, SpecError, "give a path, .* got NoneType"),
    "number": (5, SpecError, "got int"),
    "dict": ({}, SpecError, "got dict"),
    "generator": ((x for x in [1]), SpecError, "got generator"),
    "class": (Path, SpecError, "got type"),
    "paths": (["a.png", "b.png"], SignalError, "type <U5; allowed are real numbers and booleans"),
    "ragged": ([[1], [2, 3]], SignalError, "list is no array of numbers"),
    "wide integers": (np.full((8, 8), 2**40), SignalError, r"from 1099511627776 to 1099511627776 \(int64\)"),
    "mixed integers": (np.arange(-5, 59).reshape(8, 8) * 3000, SignalError, r"array.astype\(numpy.float32\)"),
    "complex": (np.zeros((8, 8), complex), SignalError, r"numpy.stack\(\[x.real, x.imag\], axis=-1\) with axes=2"),
    "objects": (np.zeros((8, 8), object), SignalError, "type object"),
    "dates": (np.zeros((8, 8), "M8[s]"), SignalError, "type datetime64"),
    "records": (np.zeros((8, 8), [("a", "f4")]), SignalError, "allowed are real numbers"),
    "masked": (np.ma.masked_greater(PICTURE, 200), SignalError, r"masked samples of 768; fill them with array.filled"),
    "NaN": (np.full((8, 8), np.nan), SignalError, "64 samples that are NaN"),
    "too long doubles": (np.full((8, 8), np.longdouble("1e400")), SignalError, "infinite"),
    "scalar": (np.float32(1), SignalError, r"shape \(\)"),
    "channel-first": (torch.zeros(3, 16, 20), SignalError, r"tensor.permute\(1, 2, 0\), or axes=3"),
    "batch": (torch.zeros(1, 3, 16, 20), SignalError, r"tensor.permute\(0, 2, 3, 1\), or axes=4"),
    "complex tensor": (torch.zeros(8, 8, dtype=torch.complex64), SignalError, "complex samples"),
    "sparse": (torch.eye(8).to_sparse(), SignalError, r"tensor.to_dense\(\)"),
    "Pillow LAB": (Image.fromarray(PICTURE).convert("LAB"), SignalError, "colour model LAB"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_in_one_line(name: str) -> None:
    given, error, words = REFUSED[name]
    for call in (inr.load, lambda source: inr.compress(source, steps=1)):
        if isinstance(given, io.IOBase):
            given.seek(0)
        with pytest.raises(error, match=words) as caught:
            call(given)
        assert "\n" not in str(caught.value)


def test_a_closed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png())
    with (tmp_path / "photo.png").open("rb") as file:
        pass
    with pytest.raises(FileAccessError, match=r"photo\.png: .*closed"):
        inr.load(file)


def test_channels_first_may_be_meant() -> None:
    tensor = torch.rand(3, 16, 20)
    assert inr.load(tensor, axes=3).domain.shape == (3, 16, 20)
    assert inr.load(torch.rand(3, 16, 4)).domain.shape == (3, 16)  # nobody can tell


def test_what_is_no_file_is_not_opened() -> None:
    for given in (None, 5, PICTURE, Image.fromarray(PICTURE)):
        with pytest.raises(SpecError, match="give a path, bytes or an open file; got"):
            inr.open(given)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"destination: give a path, or none and take the bytes .* got BytesIO"):
        inr.compress(PICTURE.copy(), io.BytesIO(), steps=1)  # type: ignore[arg-type]


def test_reading_needs_no_torch() -> None:
    """What is no tensor is told without loading torch, and pictures of Pillow without loading Pillow."""
    code = (
        "import sys, numpy as np, inr; inr.load(np.zeros((8, 8), np.int64)); inr.load([[1, 2], [3, 4]])\n"
        "assert not {'torch', 'PIL.Image'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=60, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["torch", "PIL.Image"])
def test_a_package_that_another_thread_has_begun_to_import(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is there, but has no classes yet."""
    field = inr.open(compressed("siren").data)
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    np.testing.assert_array_equal(inr.load(PICTURE).samples, PICTURE)
    assert field([[0.0, 0.0]]).shape == (1, 3)
