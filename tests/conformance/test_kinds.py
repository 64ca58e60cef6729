"""Every kind of signal: it knows its own files, brings them back, names its parts, targets and measures.

The suite runs over the registry, and over a kind of another package that is registered for the time of a test.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
from inr.cli.main import main
from inr.codec.info import describe
from inr.codec.load_save import load_parts
from inr.codec.measures import measures, tallied
from inr.codec.pack import pack, unpack
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.container import ids
from inr.container.attributes import FileAttributes
from inr.container.file import parse, to_bytes
from inr.errors import InrError, SignalError, SpecError
from inr.models.siren import Siren
from inr.registry import kind_of
from inr.signals.kind import KINDS, Kind, all_read, kind_for, kind_of_source, refuse_reading
from inr.signals.signal import Signal
from inr.signals.source import Reading, Source
from inr.signals.target import Target
from tests.support.random_fields import random_field
from tests.support.tone_kind import Tone

CLASSES: tuple[type[Kind], ...] = (*KINDS, Tone)
EXAMPLES = [(cls, number) for cls in CLASSES for number in range(len(cls().examples()))]
OPTIONS: dict[str, Any] = {
    "scale": 0.5,
    "size": (9, 8, 7, 6),
    "region": (0,) * 8,
    "time": (0.0, 0.1),
    "frame_rate": 4,
    "axes": 1,
}


def registered(cls: type[Kind]) -> Iterator[Kind]:
    """A kind that is in the registry for as long as a test takes."""
    foreign = cls not in list(KINDS)
    if foreign:
        KINDS.register(cls)
    yield cls()
    if foreign:
        KINDS.unregister(cls)


@pytest.fixture(params=CLASSES, ids=kind_of)
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    yield from registered(request.param)


@pytest.fixture(params=EXAMPLES, ids=lambda example: f"{kind_of(example[0])}-{example[1]}")
def signal(request: pytest.FixtureRequest) -> Iterator[Signal]:
    cls, number = request.param
    for kind in registered(cls):
        yield kind.examples()[number]


def saved(signal: Signal, folder: Path) -> Path:
    """A file in which the signal comes back as it was."""
    path = folder / f"signal{kind_for(signal.meta).suffix}"
    inr.save(signal, path)
    return path


def alike(found: Signal, signal: Signal) -> bool:
    """Two signals are the same."""
    return (
        (found.meta, found.domain) == (signal.meta, signal.domain)
        and found.samples.dtype == signal.samples.dtype
        and np.array_equal(found.samples, signal.samples)
    )


def test_described(kind: Kind) -> None:
    cls = type(kind)
    assert (cls.__doc__ or "").strip()
    assert cls.__doc__ != Kind.__doc__
    assert cls.__final__  # type: ignore[attr-defined]
    assert kind.noun.startswith(("a ", "an "))
    assert kind.formats
    assert kind.attributes.kind == kind.kind
    assert kind.targets <= vars(Target()).keys()
    assert kind.reading <= vars(Reading()).keys()
    names = [metric.name for metric in kind.metrics]
    assert names
    assert len(set(names)) == len(names)
    if kind.wire_id >= ids.FIRST_FOREIGN_KIND:
        assert kind.kind not in ids.SIGNAL_KINDS.values()
    else:
        assert ids.SIGNAL_KINDS[kind.wire_id] == kind.kind


def test_what_is_read_is_listed_in_every_refusal(kind: Kind, tmp_path: Path) -> None:
    assert kind.formats
    assert kind.formats in all_read()
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(SignalError, match=r"notes.txt is text, which is not supported; inr reads ") as caught:
        inr.load(tmp_path / "notes.txt")
    assert all(cls.formats in str(caught.value) for cls in KINDS)


def test_the_table_of_extras_names_the_attributes() -> None:
    for wire_id, names in ids.EXTRAS.items():
        cls = KINDS.by_wire_id(wire_id)
        assert cls is not None
        assert cls.attributes.names() == names


def test_the_table_of_ids_lists_the_kinds() -> None:
    assert {cls.wire_id: kind_of(cls) for cls in KINDS} == ids.SIGNAL_KINDS
    for name, axes in ids.SIGNAL_AXES.items():
        assert KINDS.get(name)().axes(len(axes)) == axes
        with pytest.raises(SpecError, match=f"{name}: has {len(axes)} axes; got 1"):
            KINDS.get(name)().axes(1)


def test_files_are_known_by_their_kind_alone(signal: Signal, tmp_path: Path) -> None:
    path = saved(signal, tmp_path)
    unnamed = tmp_path / "unnamed"
    unnamed.write_bytes(path.read_bytes())
    for source in (Source.of(path), Source.of(unnamed), Source.of(path.read_bytes())):
        assert [cls().kind for cls in KINDS if cls().sniff(source)] == [signal.meta.kind]
        assert kind_of_source(source, Reading()).kind == signal.meta.kind
    assert not kind_for(signal.meta).sniff(Source.of(b"neither this nor that"))
    assert not kind_for(signal.meta).sniff(Source.of(b""))


def test_files_come_back(signal: Signal, tmp_path: Path) -> None:
    path = saved(signal, tmp_path)
    assert alike(inr.load(path), signal)
    assert alike(inr.load(path.read_bytes()), signal)


def test_samples_go_into_npy_files(signal: Signal, tmp_path: Path) -> None:
    inr.save(signal, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy").reshape(signal.samples.shape), signal.samples)


def test_blocks_make_the_same_file(signal: Signal, tmp_path: Path) -> None:
    path = saved(signal, tmp_path)
    blocks = [signal.samples[:3], signal.samples[3:]]
    again = tmp_path / f"blocks{path.suffix}"
    kind_for(signal.meta).save(again, blocks, signal.domain.shape, signal.channels, signal.meta)
    assert alike(inr.load(again), signal)


def test_parts_are_the_whole(signal: Signal, tmp_path: Path) -> None:
    for source in (saved(signal, tmp_path), signal):
        parts = load_parts(source, segment=4)
        assert len(parts.lengths) > 1
        assert (sum(parts.lengths), parts.shape) == (signal.domain.shape[0], signal.domain.shape)
        found = list(parts.signals)
        assert [part.domain.shape[0] for part in found] == list(parts.lengths)
        assert all(part.meta == signal.meta for part in found)
        assert np.array_equal(np.concatenate([part.samples for part in found]), signal.samples)
        assert np.array_equal(parts.signals[1].samples, found[1].samples)


def test_too_short_parts_are_refused(signal: Signal) -> None:
    rule = kind_for(signal.meta).parts_are
    with pytest.raises(SpecError, match=f"segment: {rule.noun}: at least {rule.least} needed; got {rule.least - 1}"):
        load_parts(signal, segment=rule.least - 1)


def packed(signal: Signal) -> bytes:
    """A small file of a field with the meaning and the grid of a signal."""
    field = random_field(Siren(width=4, depth=0), signal.domain.shape, signal.channels, signal.meta, seed=1)
    return to_bytes(pack(quantize(field, QuantSpec(bits=6)), psnr=(20.0,)))


def test_attributes_come_back_from_a_file(signal: Signal) -> None:
    kind = kind_for(signal.meta)
    assert kind.from_file(kind.to_file(signal.meta)) == signal.meta.attributes
    data = packed(signal)
    found = unpack(parse(data))
    assert (found.meta, found.domain) == (signal.meta, signal.domain)
    assert to_bytes(pack(found, psnr=(20.0,))) == data


def test_unknown_attributes_are_refused(signal: Signal) -> None:
    kind = kind_for(signal.meta)
    found = kind.to_file(signal.meta)
    with pytest.raises(InrError) as caught:
        kind.from_file(replace(found, own=(*found.own, (255, 1))))
    assert kind.kind in str(caught.value)


def test_a_file_says_what_it_is(signal: Signal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = packed(signal)
    (tmp_path / "a.inr").write_bytes(data)
    info = describe(parse(data), len(data))
    shape = kind_for(signal.meta).outward(signal.domain.shape, signal.meta)
    assert (info.kind, info.shape, info.channels) == (signal.meta.kind, shape, signal.channels)
    own = signal.meta.attributes
    told_by_shape = {"ones"} if len(shape) > signal.domain.ndim else set()
    stored = {own.names()[number]: value for number, value in own.to_wire()}
    assert info.attributes == {name: value for name, value in stored.items() if name not in told_by_shape}
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert f"inr 1.0, {signal.meta.kind} " in capsys.readouterr().out
    assert main(["info", str(tmp_path / "a.inr"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == signal.meta.kind
    assert ("attributes" in told) == bool(info.attributes)


def test_targets(signal: Signal) -> None:
    kind, domain, meta = kind_for(signal.meta), signal.domain, signal.meta
    whole = kind.sampling(Target(), domain, meta, signal.channels)
    assert (whole.grid, whole.meta, whole.means) == (domain, meta, (1,) * domain.ndim)
    field = inr.open(packed(signal))
    for scale in (2.0, 0.5):
        sampling = kind.sampling(Target(scale=scale), domain, meta, signal.channels)
        pairs = list(zip(sampling.grid.shape, domain.shape, strict=True))
        assert all(new == old or abs(new - scale * old) <= 0.5 for new, old in pairs)
        assert any(new != old for new, old in pairs)
        assert (max(sampling.means) > 1) == (scale < 1)
        samples = field.decode(scale=scale)
        shape = kind.outward(sampling.grid.shape, meta)
        assert (samples.shape, samples.dtype) == ((*shape, signal.channels), signal.samples.dtype)
    if "time" in kind.targets:
        rate = kind.rate(meta)
        assert rate is not None
        part = kind.sampling(Target(time=(0.0, float(4 / rate))), domain, meta, signal.channels)
        assert part.grid.shape == (4, *domain.shape[1:])
    with pytest.raises(SpecError, match="give a scale or a size, not both"):
        kind.sampling(Target(scale=2.0, size=kind.outward(domain.shape, meta)), domain, meta, signal.channels)
    with pytest.raises(SpecError, match="scale: must be more than 0; got -1"):
        field.decode(scale=-1.0)


def test_targets_that_a_kind_has_not_are_refused(kind: Kind) -> None:
    signal = kind.examples()[0]
    for name in vars(Target()).keys() - kind.targets - {"region"}:
        with pytest.raises(SpecError, match=kind.noun):
            kind.sampling(Target(**{name: OPTIONS[name]}), signal.domain, signal.meta, signal.channels)
    for name in vars(Reading()).keys() - kind.reading:
        with pytest.raises(SpecError, match=f"{name}: only .*; this is {kind.noun}"):
            refuse_reading(Reading(**{name: OPTIONS[name]}), kind.noun, kind.reading)


def test_measures(signal: Signal) -> None:
    same = measures([tallied(signal, signal.samples.copy())], signal.meta)
    assert same["psnr"] == 100
    assert kind_for(signal.meta).decibels(signal.meta).name in same
    kind_for(signal.meta).check_alike(signal.meta, signal.meta, signal.channels)
    assert next(iter(same)) == kind_for(signal.meta).metrics[0].name
    other = np.roll(signal.samples, 3, axis=0)
    worse = measures([tallied(signal, other)], signal.meta)
    assert worse["psnr"] < 60
    assert all(worse[name] != same[name] for name in same)
    parts = load_parts(signal, segment=5)
    ends = np.cumsum([0, *parts.lengths])
    found = [tallied(part, other[a:b]) for part, a, b in zip(parts.signals, ends, ends[1:], strict=False)]
    assert measures(found, signal.meta)["psnr"] == pytest.approx(worse["psnr"])


def test_damaged_files_are_refused_in_one_line(signal: Signal, tmp_path: Path) -> None:
    path = saved(signal, tmp_path)
    data = path.read_bytes()
    for length in (0, 3, 12, 30, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(InrError) as caught:
            inr.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_formats_that_do_not_exist_are_refused(signal: Signal, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nonsense"):
        inr.save(signal, tmp_path / "a.nonsense")
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_it(signal: Signal) -> None:
    kind = kind_for(signal.meta)
    preview = kind.preview(signal.samples, signal.meta)
    height, width = kind.sides(signal.domain.shape)
    if preview is not None:
        assert (preview.dtype.name, preview.ndim) == ("uint8", 3)
        assert 1 <= preview.shape[-1] <= 4
    if height is None:
        with pytest.raises(SpecError, match=f"format: {kind.noun} has no PNG form; ask for raw samples"):
            kind.pngs(signal.meta)
        return
    assert preview is not None
    assert list(preview.shape[:2]) == [height, width]
    tiles = list(kind.pngs(signal.meta)(signal.samples))
    assert sum(count for count, _ in tiles) == len(signal.samples)
    first = inr.load(tiles[0][1]).samples
    frame = signal.samples if tiles[0][0] > 1 else signal.samples[0]
    assert np.array_equal(first, frame)


def test_compressed_decoded_and_compared(signal: Signal, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind, path, packed_path = kind_for(signal.meta), saved(signal, tmp_path), tmp_path / "a.inr"
    steps = ["--steps", "20", "--batch", "256", "--size", "2000", "--quiet", "--json"]
    assert main(["compress", str(path), str(packed_path), *steps]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["shape"]) == (kind.kind, list(kind.outward(signal.domain.shape, signal.meta)))
    assert report["model"] == (kind.default_model or "hashgrid")
    assert ("metrics" in report) == (not {metric.name for metric in kind.metrics} <= {"psnr", "ssim"})
    assert (report["height"], report["width"]) == kind.sides(signal.domain.shape)
    back = tmp_path / f"back{kind.suffix}"
    assert main(["decompress", str(packed_path), str(back)]) == 0
    assert np.array_equal(inr.load(back).samples, inr.open(packed_path).signal().samples)
    assert inr.load(back).meta.attributes == signal.meta.attributes
    found = inr.compare(path, packed_path)
    assert found.psnr == pytest.approx(report["psnr"], abs=1e-6)
    assert inr.compare(path, back).metrics == pytest.approx(found.metrics)
    assert next(iter(found.metrics)) == kind.metrics[0].name
    capsys.readouterr()
    assert main(["compare", str(path), str(packed_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["psnr"] == found.psnr
    assert ("metrics" in told) == (not found.metrics.keys() <= {"psnr", "ssim"})
    in_parts = inr.compress(path, segment=-(-len(signal.samples) // 2), size=6000, steps=3, batch=256)
    assert in_parts.report.segments > 1
    assert inr.open(in_parts.data).signal().samples.shape == signal.samples.shape


def test_one_kind_is_not_compared_with_another(tmp_path: Path) -> None:
    paths = [saved(cls().examples()[0], tmp_path) for cls in KINDS]
    for path in paths:
        inr.compress(path, path.with_suffix(".inr"), model="siren", steps=1, batch=64, size=900)
        for other in paths:
            if other != path:
                with pytest.raises(InrError, match=r"cannot compare .*: one is an? \w+, the other an? \w+"):
                    inr.compare(other, path)
        path.with_suffix(".inr").unlink()


def test_attributes_of_pictures_and_videos_stay_where_they_were() -> None:
    assert FileAttributes() == kind_for(KINDS.get("image")().examples()[0].meta).to_file(
        KINDS.get("image")().examples()[0].meta
    )
    video = KINDS.get("video")()
    assert video.to_file(video.examples()[0].meta) == FileAttributes(frame_rate=(25, 2))
