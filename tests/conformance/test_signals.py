"""Every model takes every kind of signal there and back through files."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import inr
from inr.cli.main import main
from inr.domain import Domain
from inr.errors import SpecError
from inr.meta import SignalMeta
from inr.models.base import MODELS
from inr.registry import kind_of
from inr.signals.signal import Signal
from inr.signals.video.attributes import VideoAttributes

Array = npt.NDArray[np.generic]

NOT_FOR = {("finr", "line"): "2 to 4 axes"}
"""What a model refuses, and the words it does so with."""


def samples(shape: tuple[int, ...]) -> Array:
    """Smooth bytes of a grid with three channels."""
    axes = np.meshgrid(*[np.linspace(0, 4, n) for n in shape], indexing="ij")
    phase = sum((i + 1) * x for i, x in enumerate(axes))
    wave = np.stack([np.sin(phase + c) for c in range(3)], axis=-1)
    bytes_: Array = np.rint(127.5 * (wave + 1)).astype(np.uint8)
    return bytes_


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("signals")
    inr.save(inr.load(samples((20, 30))), place / "picture.png")
    meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(25)))
    video = Signal(samples((5, 12, 16)), Domain.of_shape((5, 12, 16), ("t", "y", "x")), meta)  # type: ignore[arg-type]
    inr.save(video, place / "clip.mkv")
    np.save(place / "line.npy", samples((300,))[:, 0])
    np.save(place / "volume.npy", samples((9, 10, 11))[..., 0].astype(np.float32))
    return place


@pytest.mark.parametrize("source", ["picture.png", "clip.mkv", "line.npy", "volume.npy"])
@pytest.mark.parametrize("kind", [kind_of(cls) for cls in MODELS])
def test_there_and_back(kind: str, source: str, folder: Path, tmp_path: Path) -> None:
    path, name = folder / source, source.split(".")[0]
    request = {"model": kind, "size": 3000, "steps": 3, "batch": 512}
    if (kind, name) in NOT_FOR:
        with pytest.raises(SpecError, match=NOT_FOR[kind, name]):
            inr.compress(path, tmp_path / "x.inr", **request)  # type: ignore[arg-type]
        assert not (tmp_path / "x.inr").exists()
        return
    report = inr.compress(path, tmp_path / "x.inr", **request).report  # type: ignore[arg-type]
    assert report.model == kind
    assert 0.8 * 3000 < report.bytes <= 3000
    assert (tmp_path / "x.inr").stat().st_size == report.bytes
    back = tmp_path / f"back.{source.split('.')[1]}"
    assert main(["decompress", str(tmp_path / "x.inr"), str(back)]) == 0
    original, decoded = inr.load(path), inr.load(back)
    assert decoded.samples.shape == original.samples.shape
    assert decoded.samples.dtype == original.samples.dtype
    assert decoded.domain == original.domain
    np.testing.assert_array_equal(decoded.samples, inr.open(tmp_path / "x.inr").decode())
    assert inr.compare(path, tmp_path / "x.inr").psnr == pytest.approx(report.psnr, abs=1e-6)
