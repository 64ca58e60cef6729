"""Pictures and arrays in parts: where they are cut, how they are read, what they agree on."""

import io
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import inr
from inr.codec.load_save import load, load_parts
from inr.domain import Domain
from inr.errors import FileAccessError, SignalError, SpecError
from inr.meta import SignalMeta
from inr.signals import uncompressed
from inr.signals.image.attributes import image_attributes
from inr.signals.image.kind import Image
from inr.signals.image.read import encode_image
from inr.signals.parts import MAX_PARTS, Parts, default_length, part_lengths
from inr.signals.signal import Signal
from inr.signals.source import Reading, Source
from inr.signals.video.attributes import VideoAttributes
from tests.support.commands import environment
from tests.support.image_files import PROFILE, meta_of, picture
from tests.support.small_fits import Array


@pytest.mark.parametrize(
    ("length", "most", "least", "expected"),
    [
        (10, 4, 1, (3, 3, 4)),
        (10, 5, 2, (5, 5)),
        (10, 100, 2, (10,)),
        (5, 2, 2, (2, 3)),  # the least number of rows has precedence
        (7, 2, 2, (2, 2, 3)),
        (3, 2, 2, (3,)),
        (1, 2, 2, (1,)),
        (4, 1, 1, (1, 1, 1, 1)),
    ],
)
def test_parts_are_as_equal_as_they_can_be(length: int, most: int, least: int, expected: tuple[int, ...]) -> None:
    assert part_lengths(length, most, least) == expected


def test_default_length() -> None:
    assert default_length((100, 10), 55) == 5
    assert default_length((100, 10), 3) == 2  # a part has two samples along its axis
    assert default_length((10 * MAX_PARTS, 1000), 2000) == 10  # and a file not more than so many parts
    assert len(part_lengths(10 * MAX_PARTS + 1, default_length((10 * MAX_PARTS + 1, 1000), 2000))) <= MAX_PARTS
    assert default_length((2**20,), 2**10) == 2**10


def test_only_what_is_huge_is_cut_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("inr.signals.parts.WHOLE_SAMPLES", 13 * 21)
    np.save(tmp_path / "a.npy", picture("uint8", 3))
    np.save(tmp_path / "b.npy", picture("uint8", 3, (14, 21)))
    assert load_parts(tmp_path / "a.npy").lengths == (13,)
    for source in (tmp_path / "b.npy", np.load(tmp_path / "b.npy"), inr.load(tmp_path / "b.npy")):
        assert load_parts(source).lengths == (7, 7)
    assert load_parts(tmp_path / "b.npy", segment=14).lengths == (14,)


def lies_there(path: Path) -> bool:
    """Whether the samples of a picture lie in its file as they are."""
    return Image().stored(Source.of(path), Reading()) is not None


def sources(samples: Array, folder: Path) -> dict[str, Any]:
    """The same picture as files that are read in parts, as files that are not, and in memory."""
    writers: dict[str, Callable[[Path], object]] = {
        "c.npy": lambda path: np.save(path, samples),
        "f.npy": lambda path: np.save(path, np.asfortranarray(samples)),
        "big.npy": lambda path: np.save(path, samples.astype(samples.dtype.newbyteorder(">"))),
        "one.tif": lambda path: tifffile.imwrite(path, samples, photometric="rgb", metadata=None),
        "strips.tif": lambda path: tifffile.imwrite(path, samples, photometric="rgb", rowsperstrip=4, metadata=None),
        "be.tif": lambda path: tifffile.imwrite(path, samples, photometric="rgb", byteorder=">", bigtiff=True),
        "zip.tif": lambda path: tifffile.imwrite(path, samples, photometric="rgb", compression="zlib", metadata=None),
        "tiles.tif": lambda path: tifffile.imwrite(path, samples, photometric="rgb", tile=(16, 16), metadata=None),
        "planes.tif": lambda path: tifffile.imwrite(
            path, np.moveaxis(samples, -1, 0), photometric="rgb", planarconfig="separate", metadata=None
        ),
    }
    if samples.dtype.kind == "u":
        writers["a.png"] = lambda path: path.write_bytes(encode_image(samples, meta_of(samples), "png"))
    for name, write in writers.items():
        write(folder / name)
    files: dict[str, Any] = {name: folder / name for name in writers}
    return files | {
        "array": samples.copy(),
        "bytes": (folder / "c.npy").read_bytes(),
        "signal": inr.load(samples.copy()),
    }


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_parts_are_the_whole(dtype: str, tmp_path: Path) -> None:
    """Whatever they are read from; and all parts say the same of their samples as the whole does."""
    samples = picture("uint16" if dtype == "uint16" else "float32" if dtype.startswith("f") else "uint8", 3).astype(
        dtype
    )
    mapped = []
    for name, source in sources(samples, tmp_path).items():
        whole = load(source)
        parts = load_parts(source, segment=5)
        assert (parts.lengths, parts.shape) == ((4, 4, 5), (13, 21)), name
        signals = list(parts.signals)
        assert all(signal.meta == whole.meta for signal in signals), name
        np.testing.assert_array_equal(np.concatenate([s.samples for s in signals]), whole.samples, name)
        for number, signal in enumerate(signals):
            assert signal.domain == Domain.of_shape((parts.lengths[number], 21))
            assert signal.samples.flags.writeable
            assert signal.samples.flags.c_contiguous
            np.testing.assert_array_equal(parts.signals[number].samples, signal.samples)
        with pytest.raises(IndexError):
            parts.signals[3]
        if isinstance(source, Path) and lies_there(source):
            mapped.append(name)
    assert mapped == ["c.npy", "f.npy", "big.npy", "one.tif", "strips.tif", "be.tif"]


@pytest.mark.parametrize(
    ("shape", "axes", "grid", "lengths"),
    [
        ((50,), None, (50,), (12, 13, 12, 13)),
        ((50, 3), 1, (50,), (12, 13, 12, 13)),
        ((38, 5, 6), None, (38, 5, 6), (12, 13, 13)),
        ((26, 4, 5, 2), 3, (26, 4, 5), (13, 13)),
        ((27, 3, 3, 3), None, (27, 3, 3, 3), (9, 9, 9)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_parts(
    shape: tuple[int, ...],
    axes: int | None,
    grid: tuple[int, ...],
    lengths: tuple[int, ...],
    order: Any,
    tmp_path: Path,
) -> None:
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    np.save(tmp_path / "a.npy", values.copy(order))
    whole = load(tmp_path / "a.npy", axes=axes)
    parts = load_parts(tmp_path / "a.npy", segment=13, axes=axes)
    assert (parts.lengths, parts.shape) == (lengths, grid)
    signals = list(parts.signals)
    assert all(signal.meta == whole.meta for signal in signals)
    assert [s.domain for s in signals] == [Domain.of_shape((n, *grid[1:]), whole.domain.axes) for n in parts.lengths]
    np.testing.assert_array_equal(np.concatenate([s.samples for s in signals]), whole.samples)


@pytest.mark.parametrize("values", [np.full((8, 3, 4, 5), 7, np.int16), np.full((9, 4), 32767, np.int16)])
def test_range_of_constant_samples(values: Array, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values)
    assert load_parts(tmp_path / "a.npy", segment=2).signals[1].meta == load(tmp_path / "a.npy").meta


def test_profile_and_colours_are_those_of_the_file(tmp_path: Path) -> None:
    """An orientation has to be applied to the whole; the file is then not read in parts, but still cut."""
    options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
    samples = picture("uint8", 3)
    tifffile.imwrite(tmp_path / "a.tif", samples, iccprofile=PROFILE, **options)
    parts = load_parts(tmp_path / "a.tif", segment=5)
    assert lies_there(tmp_path / "a.tif")
    assert [image_attributes(s.meta).icc_profile for s in parts.signals] == [PROFILE] * 3
    tifffile.imwrite(tmp_path / "b.tif", samples, extratags=[(274, 3, 1, 3, True)], **options)
    assert not lies_there(tmp_path / "b.tif")
    turned = list(load_parts(tmp_path / "b.tif", segment=5).signals)
    np.testing.assert_array_equal(np.concatenate([s.samples for s in turned]), samples[::-1, ::-1])
    assert {image_attributes(s.meta).orientation for s in turned} == {3}
    tifffile.imwrite(tmp_path / "c.tif", samples[..., 0], photometric="miniswhite", metadata=None)
    assert not lies_there(tmp_path / "c.tif")
    np.testing.assert_array_equal(
        load_parts(tmp_path / "c.tif", segment=5).signals[0].samples, 255 - samples[:4, :, :1]
    )


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.zeros((8, 6), np.uint8), {"segment": 1}, "segment: rows of a band: at least 2 needed; got 1"),
        (
            np.zeros((8, 6, 5), np.uint8),
            {"segment": 0},
            "samples of a slab along the first axis: at least 2 needed; got 0",
        ),
        (np.zeros((8, 6), np.uint8), {"segment": 4, "time": (0.0, 1.0)}, "only a video has times; this is a picture"),
        (np.zeros((8, 6, 5), np.uint8), {"segment": 4, "time": (0.0, 1.0)}, "only a video has times; this is an array"),
        (np.zeros((8, 6, 5), np.uint8), {"segment": 4, "axes": 7}, "axes: 1 to 4 may be coordinates; got 7"),
    ],
)
def test_wrong_settings(array: Array, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(SpecError, match=message):
        load_parts(tmp_path / "a.npy", **options)


def test_axes_are_for_arrays(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture("uint8", 1)[..., 0])
    with pytest.raises(SpecError, match="axes: only an array has a number of axes to choose; this is a picture"):
        load_parts(tmp_path / "a.tif", segment=4, axes=2)


def test_a_signal_with_a_box_of_its_own_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has no place for the box of a signal in parts."""
    whole = inr.load(picture("uint8", 3).copy())
    box = ((-1.0, 1.0), (-1.0, 1.0))
    signal = Signal(whole.samples, Domain((13, 21), box), whole.meta)
    with pytest.raises(SpecError, match="segment: only a signal with samples at cell centres of the default box"):
        load_parts(signal, segment=5)
    monkeypatch.setattr("inr.signals.parts.WHOLE_SAMPLES", 100)
    assert load_parts(signal).lengths == (13,)
    assert len(load_parts(whole).lengths) > 1


def test_a_video_in_memory_has_segments_of_any_length() -> None:
    samples = np.arange(7 * 4 * 6 * 3, dtype=np.uint16).astype(np.uint8).reshape(7, 4, 6, 3)
    meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(25)))
    video = Signal(samples, Domain.of_shape((7, 4, 6), ("t", "y", "x")), meta)
    assert load_parts(video).lengths == (7,)
    assert load_parts(video, segment=1).lengths == (1,) * 7
    assert load_parts(video, segment=3).signals[1].domain == Domain.of_shape((2, 4, 6), ("t", "y", "x"))
    with pytest.raises(SpecError, match="segment: frames of a segment: at least 1 needed; got 0"):
        load_parts(video, segment=0)


@pytest.mark.parametrize("order", ["C", "F"])
def test_samples_that_are_not_finite_are_found_in_any_part(order: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(uncompressed, "PIECE", 7)
    values = np.ones((9, 5, 4), np.float32)
    values[7, 2, 1], values[8, 0, 0] = np.nan, np.inf
    np.save(tmp_path / "a.npy", values.copy(order))
    first = "7, 2, 1" if order == "C" else "8, 0, 0"
    with pytest.raises(SignalError, match=rf"a\.npy has 1 samples that are NaN and 1 that .* index \({first}\)"):
        load_parts(tmp_path / "a.npy", segment=3).signals[0]
    values[7:] = 1
    values = values.astype(np.float64)
    values[3, 3, 3] = 1e300
    np.save(tmp_path / "a.npy", values.copy(order))
    with pytest.raises(SignalError, match=r"0 samples that are NaN and 1 that are infinite; .* index \(3, 3, 3\)"):
        load_parts(tmp_path / "a.npy", segment=3).signals[2]


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", picture("uint8", 3))
    np.save(tmp_path / "f.npy", np.asfortranarray(picture("uint8", 3)))
    for path in (tmp_path / "a.npy", tmp_path / "f.npy"):
        parts = load_parts(path, segment=5)
        path.write_bytes(path.read_bytes()[:600])
        with pytest.raises(SignalError, match="became shorter while it was read"):
            parts.signals[2]
        path.unlink()
        with pytest.raises(FileAccessError, match=r"cannot read .*npy: no such file or directory"):
            parts.signals[2]


@pytest.mark.parametrize("damage", ["cut", "header", "object"])
def test_damaged_files_are_refused_as_when_read_whole(damage: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", picture("uint8", 3))
    data = (tmp_path / "a.npy").read_bytes()
    bad = {"cut": data[:-9], "header": data[:40], "object": data.replace(b"'|u1'", b"'|O' ")}[damage]
    (tmp_path / "a.npy").write_bytes(bad)
    with pytest.raises(SignalError) as whole:
        load(tmp_path / "a.npy", axes=3)
    with pytest.raises(SignalError) as parts:
        load_parts(tmp_path / "a.npy", segment=4, axes=3)
    assert str(parts.value) == str(whole.value)


def test_damaged_tiff_is_refused_as_when_read_whole(tmp_path: Path) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, picture("uint8", 3), photometric="rgb", metadata=None)
    data = stream.getvalue()
    for length in (5, 20, 100, len(data) - 9):
        (tmp_path / "a.tif").write_bytes(data[:length])
        with pytest.raises(SignalError) as whole:
            load(tmp_path / "a.tif")
        with pytest.raises(SignalError) as parts:
            load_parts(tmp_path / "a.tif", segment=4)
        assert str(parts.value) == str(whole.value)


def sparse(path: Path, shape: tuple[int, ...], dtype: str = "uint8") -> Path:
    """A file of zeros that takes no space."""
    np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)
    return path


def test_limits_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    """A part may be as large as what is read whole; the whole as large as what a file holds."""
    flat = sparse(tmp_path / "long.npy", (2**25,))
    with pytest.raises(SignalError, match="has 33554432 samples; a file holds at most 16777216 along an axis"):
        load_parts(flat, segment=2**20)
    wide = sparse(tmp_path / "wide.npy", (84, 2**23))
    with pytest.raises(
        SignalError, match="42 rows of a band are 352321536 samples; at most 268435456 are read at once"
    ):
        load_parts(wide, segment=50)
    with pytest.raises(SignalError, match=r"84 rows of a band are 704643072 samples; .*: choose a smaller segment"):
        load_parts(wide, segment=84)
    thick = sparse(tmp_path / "thick.npy", (4, 2**14, 2**14), "int16")
    with pytest.raises(SignalError, match="2 samples of a slab along the first axis are 536870912 samples"):
        load_parts(thick)
    thin = np.zeros((8, 1), np.uint8)
    with pytest.raises(SignalError, match="a picture needs at least 2 pixels on each side; got 1x8"):
        load_parts(Image().load(Source.of(thin), Reading()), segment=4)
    many = sparse(tmp_path / "channels.npy", (64, 2**10, 2**10, 64))  # 2^26 samples, but 2^32 values
    assert max(load_parts(many, axes=3).lengths) * 2**20 * 64 <= 2**28


READ = """
import resource, sys
from inr.codec.load_save import load_parts
parts = load_parts(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
part = parts.signals[len(parts.lengths) - 1]
taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
taken *= 1 if sys.platform == "darwin" else 1024
sys.stdout.write(f"{len(parts.lengths)} {part.samples.nbytes} {taken}")
"""


def test_one_band_of_a_gigapixel_picture(tmp_path: Path) -> None:
    """4 GB on disk; what is taken is one band of 16 MB."""
    path = sparse(tmp_path / "a.npy", (2**16, 2**16))
    run = subprocess.run(
        [sys.executable, "-c", READ, str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    count, size, taken = (int(number) for number in run.stdout.split())
    assert (count, size) == (256, 2**24)
    assert taken < 1.2 * size + 2**24


@pytest.mark.parametrize("kind", ["npy", "fortran", "tif"])
def test_the_range_is_found_in_pieces(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All samples are looked at, a few at a time, and only once."""
    path, shape = tmp_path / "a", (4096, 4096)
    memory: Array
    if kind == "tif":
        memory = tifffile.memmap(path, shape=shape, dtype="float32", photometric="minisblack")
    else:
        memory = np.lib.format.open_memmap(path, "w+", "float32", shape, fortran_order=kind == "fortran")
    memory[4000, 3] = 5
    memory[1, 4000] = -2
    del memory
    parts: Parts = load_parts(path, segment=64)
    tracemalloc.start()
    signal = parts.signals[1]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert signal.meta.value_range == (-2.0, 5.0)
    assert peak < 2 * signal.samples.nbytes + 3 * 4 * uncompressed.PIECE  # of 64 MB
    monkeypatch.setattr(uncompressed, "value_range_of", None)
    assert parts.signals[63].meta is signal.meta
