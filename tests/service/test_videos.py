"""Videos through a server: told by their content, with the times of their frames and the shape of their pixels."""

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from inr.errors import SignalError
from inr.meta import SignalMeta
from inr.signals.video.attributes import VideoAttributes, video_attributes
from inr.signals.video.read import save_video
from tests.service.conftest import SMALL
from tests.support.servers import alone
from tests.support.video_files import counting


def test_times_of_an_animated_picture(client: inr.Client, tmp_path: Path) -> None:
    stream = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in counting(4, 12, 16)]
    pictures[0].save(
        stream, "WEBP", save_all=True, append_images=pictures[1:], duration=[100, 500, 50, 50], lossless=True
    )
    (tmp_path / "shown.png").write_bytes(stream.getvalue())
    job = client.submit(tmp_path / "shown.png", **SMALL)
    data = job.result()
    assert data == alone(tmp_path / "shown.png", **SMALL).data
    times = video_attributes(inr.open(data).meta).times
    assert times is not None
    assert [float(ticks * times.tick) for ticks in np.diff(times.edges)] == [0.1, 0.5, 0.05, 0.05]
    assert client.decode(job, frame_rate=10).shape == (7, 12, 16, 3)
    assert client.decode(job, time=(0.1, 0.65)).shape == (2, 12, 16, 3)


def test_shape_of_pixels(client: inr.Client, tmp_path: Path) -> None:
    meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(25), None, Fraction(16, 11)))
    save_video(tmp_path / "wide.mp4", counting(3, 12, 16), meta)
    data = client.submit((tmp_path / "wide.mp4").read_bytes(), **SMALL).result()
    assert video_attributes(inr.open(data).meta).pixel_aspect == Fraction(16, 11)


def test_what_is_of_no_kind_is_refused_with_what_is_read(client: inr.Client, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("#EXTM3U\n#EXTINF:10,\n/etc/passwd\n")
    with pytest.raises(
        SignalError,
        match=r"^clip\.mp4 is text, which is not supported; inr reads pictures \(PNG, .*, videos \(MP4, .*, arrays",
    ):
        client.submit(tmp_path / "clip.mp4", **SMALL).result()
