"""Old files decode for ever: to the same symbols exactly, to the same samples within a level."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from inr.codec.decode import open_field
from inr.codec.pack import assemble, tiling_of, unpack, with_psnr
from inr.coders.base import coder_of
from inr.coders.latent.plan import ARRANGEMENTS
from inr.container.file import parse, to_bytes
from inr.models.base import MODELS
from tests.golden import latent_files
from tests.golden.make_golden import CASES, FOLDER, Facts, steps_of, symbols_sha256, write_case

MAX_BYTES = 4096
FILES = sorted(FOLDER.glob("*.inr"))

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def facts_of(path: Path) -> Facts:
    return dict(json.loads(path.with_suffix(".json").read_text("utf-8")))


def test_there_is_a_file_for_each_case() -> None:
    assert [path.stem for path in FILES] == sorted(case.__name__ for case in CASES)


@each_file
def test_bytes_are_untouched(path: Path) -> None:
    """Golden files are never written again, not even by a better encoder."""
    data = path.read_bytes()
    assert len(data) <= MAX_BYTES
    assert len(data) == facts_of(path)["bytes"]
    assert hashlib.sha256(data).hexdigest() == facts_of(path)["sha256"]


@each_file
def test_header_and_sections_read_the_same(path: Path) -> None:
    file, facts = parse(path.read_bytes()), facts_of(path)
    assert file.minor == facts["minor"]
    assert [f"{section.type.decode()} {len(section.payload)}" for section in file.sections] == facts["sections"]
    header = json.loads(json.dumps(asdict(file.header)))
    assert {name: header[name] for name in facts["header"]} == facts["header"]


@each_file
def test_symbols_of_every_layer_are_exactly_the_same(path: Path) -> None:
    file, facts = parse(path.read_bytes()), facts_of(path)
    assert len(facts["symbols_sha256"]) == file.header.layers
    for layers, expected in enumerate(facts["symbols_sha256"], start=1):
        assert symbols_sha256(unpack(file.truncated(layers))) == expected
    assert steps_of(unpack(file)) == facts["step_codes"]


@each_file
def test_picture_is_the_same_within_a_level(path: Path) -> None:
    """One level of 255 for the range of the samples: sines differ in their last bit from machine to machine."""
    facts = facts_of(path)
    field = open_field(path.read_bytes())
    samples = field.decode()
    assert list(samples.shape) == facts["shape"]
    assert str(samples.dtype) == facts["dtype"]
    expected = np.array(facts["samples"]).reshape(samples.shape)
    low, high = field.meta.value_range
    level = (high - low) / 255
    np.testing.assert_allclose(samples.astype(np.float64), expected, rtol=0, atol=level)
    assert expected.std() > 5 * level


@each_file
def test_writing_again_gives_the_same_bytes(path: Path) -> None:
    data = path.read_bytes()
    file = parse(data)
    assert to_bytes(file) == data
    tiling = tiling_of(file.header)
    tiles = [unpack(file, tile) for tile in range(tiling.count)]
    coder = coder_of(tiles[0])
    part, payloads = coder.part(tiles[0]), [coder.payloads(tile) for tile in tiles]
    psnr, seen = (
        tuple(value / 100 for value in stored) for stored in (file.header.psnr, (file.header.light or ())[2:])
    )
    assert to_bytes(with_psnr(assemble(tiles[0], part, payloads, tiling), psnr, seen)) == data


def test_every_model_has_a_file() -> None:
    stored = {parse(path.read_bytes()).header.model for path in FILES} - {None}
    assert stored == {cls.wire_id for cls in MODELS}


def test_every_arrangement_of_latents_is_one_that_files_have() -> None:
    cases = [latent_files.LARGE, latent_files.MIDDLE, latent_files.SMALL, latent_files.LEAST]
    assert [case for case in ARRANGEMENTS if case not in cases] == []


def test_golden_files_are_not_overwritten(tmp_path: Path) -> None:
    data = FILES[0].read_bytes()
    write_case(tmp_path, "new", data)
    assert (tmp_path / "new.inr").read_bytes() == data
    assert json.loads((tmp_path / "new.json").read_text("utf-8"))["bytes"] == len(data)
    with pytest.raises(FileExistsError):
        write_case(tmp_path, "new", data)
    (tmp_path / "new.inr").unlink()
    with pytest.raises(FileExistsError):
        write_case(tmp_path, "new", data)
