"""Pixels that are not square: their shape is read, kept in files, written again."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

import inr
from inr.cli.main import main
from inr.container.file import parse
from inr.errors import SpecError
from inr.meta import SignalMeta
from inr.signals.target import Target, TargetOptions
from inr.signals.video.attributes import VideoAttributes, video_attributes
from inr.signals.video.matroska import set_aspect
from inr.signals.video.read import probe_video, save_video
from tests.support.video_files import counting, h264, meta_of, moving, temporary, with_matrix

FIT: dict[str, Any] = {"model": "siren", "steps": 5, "batch": 128, "size": 1500}
SQUARE = Fraction(1)


def saved(path: Path, attributes: VideoAttributes) -> Path:
    save_video(path, counting(5, 48, 64), SignalMeta("uint8", (0.0, 255.0), attributes))
    return path


@pytest.mark.parametrize("aspect", [Fraction(0), Fraction(-1, 2), Fraction(65536, 1), Fraction(1, 65536)])
def test_pixels_have_a_shape(aspect: Fraction) -> None:
    with pytest.raises(SpecError, match="pixel aspect"):
        VideoAttributes(Fraction(25), None, aspect)


@pytest.mark.parametrize("aspect", [Fraction(64, 45), Fraction(16, 11), Fraction(8, 9), Fraction(2)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_shapes_of_pixels_go_through_a_file(tmp_path: Path, suffix: str, aspect: Fraction) -> None:
    source = saved(tmp_path / f"a{suffix}", VideoAttributes(Fraction(25), None, aspect))
    assert probe_video(source).pixel_aspect == aspect
    with av.open(str(source)) as file:  # what players see
        assert file.streams.video[0].sample_aspect_ratio == aspect
        assert "title" not in file.streams.video[0].metadata
    inr.compress(source, tmp_path / "a.inr", **FIT)
    assert parse((tmp_path / "a.inr").read_bytes()).header.pixel_aspect == aspect.as_integer_ratio()
    inr.decompress(tmp_path / "a.inr", tmp_path / f"b{suffix}")
    assert probe_video(tmp_path / f"b{suffix}").pixel_aspect == aspect


def test_gif_says_it_in_64ths_and_folders_not_at_all(tmp_path: Path) -> None:
    attributes = VideoAttributes(Fraction(25), None, Fraction(16, 11))
    assert probe_video(saved(tmp_path / "a.gif", attributes)).pixel_aspect == Fraction(93, 64)
    assert probe_video(saved(tmp_path / "frames", attributes)).pixel_aspect == 1


@pytest.mark.parametrize("container", ["mpegts", "avi", "mov", "mxf"])
def test_shapes_are_read_where_the_codec_says_them(container: str) -> None:
    codec = "mpeg2video" if container in ("mpegts", "mxf") else "mpeg4"
    stream = io.BytesIO()
    with temporary() as path:
        with av.open(str(path), "w", format=container) as output:
            video: Any = output.add_stream(codec, rate=25, options={"b": "2000000"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.codec_context.sample_aspect_ratio = Fraction(4, 3)
            for picture in counting(3, 48, 64):
                output.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")))
            output.mux(video.encode(None))
        stream.write(path.read_bytes())
    assert probe_video(stream.getvalue()).pixel_aspect == Fraction(4, 3)


def test_a_change_of_size_keeps_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(tmp_path / "a.mp4", VideoAttributes(Fraction(25), None, Fraction(4, 3)))
    inr.compress(tmp_path / "a.mp4", tmp_path / "a.inr", **FIT)
    field = inr.open(tmp_path / "a.inr")
    targets: list[tuple[TargetOptions, Fraction]] = [
        ({"scale": 2.0}, Fraction(4, 3)),
        ({"region": (8, 8, 20, 10)}, Fraction(4, 3)),
        ({"size": (64, 36)}, SQUARE),
        ({"size": (128, 48)}, Fraction(2, 3)),
        ({"size": (32, 24), "frame_rate": 10}, Fraction(4, 3)),
    ]
    for target, expected in targets:
        assert video_attributes(field.sampling(Target(**target)).meta).pixel_aspect == expected
    assert main(["info", str(tmp_path / "a.inr")]) == 0
    assert "at 25 frames a second, pixels 4:3" in capsys.readouterr().out
    square = saved(tmp_path / "b.mp4", VideoAttributes(Fraction(25)))
    stretched = inr.open(inr.compress(square, **FIT).data).sampling(Target(size=(64, 20)))
    assert video_attributes(stretched.meta).pixel_aspect == 1  # whoever asks for it gets it stretched


def test_a_turned_video_has_turned_pixels(tmp_path: Path) -> None:
    data = saved(tmp_path / "a.mp4", VideoAttributes(Fraction(25), None, Fraction(4, 3))).read_bytes()
    turned = probe_video(with_matrix(data, 0, 1, -1, 0))
    assert (turned.width, turned.height, turned.pixel_aspect) == (48, 64, Fraction(3, 4))
    assert probe_video(h264(moving(3, 16, 24))).pixel_aspect == 1


def test_wishes_beyond_a_title_are_refused(tmp_path: Path) -> None:
    """The place that the shape of pixels gets in Matroska is asked for when the file is begun."""
    path = tmp_path / "a.mkv"
    save_video(path, counting(3), meta_of(counting(3)))
    before = path.read_bytes()
    with pytest.raises(SpecError, match="does not fit into its place"):
        set_aspect(path, Fraction(4, 3))
    (tmp_path / "b.mkv").write_bytes(before[:40])
    with pytest.raises(SpecError, match="has no place in this file"):
        set_aspect(tmp_path / "b.mkv", Fraction(4, 3))
    assert path.read_bytes() == before
