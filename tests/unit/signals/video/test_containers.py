"""Which files are videos, told by what is in them; what FFmpeg may open, and what is said of everything else."""

import io
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inr
from inr.errors import FileAccessError, SignalError
from inr.signals.kind import KINDS, kind_of_source
from inr.signals.source import Reading, Source
from inr.signals.video.containers import demuxer_of
from inr.signals.video.read import is_video, load_video, probe_video
from tests.support.video_files import X265, counting, encoded, h264, message_of, moving, numbers, psnr

FRAMES = 9
# FFmpeg's names of the container, the codec and the pixel format, and of the demuxer.
CONTAINERS = [
    ("mpegts", "libx264", "yuv420p", "mpegts"),
    ("mpegts", "mpeg2video", "yuv420p", "mpegts"),
    ("mpeg", "mpeg1video", "yuv420p", "mpeg"),
    ("vob", "mpeg2video", "yuv420p", "mpeg"),
    ("asf", "wmv2", "yuv420p", "asf"),
    ("flv", "flv", "yuv420p", "flv"),
    ("flv", "libx264", "yuv420p", "flv"),
    ("mxf", "mpeg2video", "yuv420p", "mxf"),
    ("3gp", "mpeg4", "yuv420p", "mov"),
    ("webm", "libvpx", "yuv420p", "matroska"),
    ("avi", "mpeg4", "yuv420p", "avi"),
    ("avi", "libx264", "yuv420p", "avi"),  # out of order, without times of their own
    ("ogg", "libvpx", "yuv420p", "ogg"),
    ("yuv4mpegpipe", "rawvideo", "yuv420p", "yuv4mpegpipe"),
    ("ivf", "libvpx", "yuv420p", "ivf"),
    ("nut", "ffv1", "yuv420p", "nut"),
    ("rm", "rv10", "yuv420p", "rm"),
    ("wtv", "mpeg2video", "yuv420p", "wtv"),
    ("swf", "flv", "yuv420p", "swf"),
    ("h264", "libx264", "yuv420p", "h264"),
    ("hevc", "libx265", "yuv420p", "hevc"),
    ("mpeg1video", "mpeg1video", "yuv420p", "mpegvideo"),
    ("mpeg2video", "mpeg2video", "yuv420p", "mpegvideo"),
    ("m4v", "mpeg4", "yuv420p", "m4v"),
    ("mjpeg", "mjpeg", "yuvj420p", "mjpeg"),
]


def packed(container: str, codec: str, pixels: str, rate: Fraction = Fraction(25), **options: Any) -> bytes:
    coding = {"x265-params": X265} if codec == "libx265" else {"b": "2000000"} if "264" not in codec else {}
    return encoded(counting(FRAMES, 48, 96), container, codec, pixels, rate=rate, options=coding, **options)


@pytest.mark.parametrize(("container", "codec", "pixels", "demuxer"), CONTAINERS)
def test_every_container_is_known_by_its_content(
    tmp_path: Path, container: str, codec: str, pixels: str, demuxer: str
) -> None:
    data = packed(container, codec, pixels)
    assert demuxer_of(io.BytesIO(data)) == demuxer
    (tmp_path / "photo.png").write_bytes(data)
    signal = inr.load(tmp_path / "photo.png")
    assert signal.meta.kind == "video"
    assert numbers(signal.samples) == list(range(FRAMES))
    assert probe_video(data).frame_rate == 25
    assert probe_video(data).times is None
    assert numbers(load_video(data, frames=(4, 3)).samples) == [4, 5, 6]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_streams_without_a_container_state_their_rate(codec: str) -> None:
    data = packed(codec, "libx264" if codec == "h264" else "libx265", "yuv420p", Fraction(30))
    assert probe_video(data).frame_rate == 30


def test_camcorder_packets_of_192_bytes() -> None:
    data = packed("mpegts", "libx264", "yuv420p", muxing={"mpegts_m2ts_mode": "1"})
    assert data[4] == 0x47
    assert demuxer_of(io.BytesIO(data)) == "mpegts"
    assert numbers(load_video(data).samples) == list(range(FRAMES))


def test_a_transport_stream_may_begin_within_a_packet_and_within_a_film() -> None:
    data = encoded(counting(30), "mpegts", "libx264", "yuv420p", options={"g": "6", "bf": "2"})
    cut = data[188 * 12 + 100 :]
    assert demuxer_of(io.BytesIO(cut)) == "mpegts"
    found = numbers(load_video(cut).samples)
    assert found == list(range(found[0], 30))
    assert 0 < found[0] <= 18


@pytest.mark.parametrize(("container", "codec"), [("mpegts", "libx264"), ("mpegts", "mpeg2video"), ("h264", "libx264")])
def test_recordings_may_end_within_a_frame_but_not_lack_one(container: str, codec: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (20, 48, 64, 3)).astype(np.uint8)
    data = encoded(noise, container, codec, "yuv420p", options={"g": "6", "bf": "2"})
    whole = load_video(data).samples
    packet = 188 if container == "mpegts" else 1
    count = len(data) // packet
    for part in (0.5, 0.7, 0.9):
        found = load_video(data[: int(part * count) * packet]).samples
        assert 20 * part - 6 <= len(found) <= 20 * part + 2
        np.testing.assert_array_equal(found[:-3], whole[: len(found) - 3])
    if container == "mpegts":  # whose packets are counted
        middle = data[: count // 3 * packet] + data[(count // 3 + 6) * packet :]
        with pytest.raises(SignalError, match="is damaged"):
            load_video(middle)


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_recordings_that_were_never_finished_are_told_so(container: str) -> None:
    data = packed(container, "mjpeg", "yuvj420p")
    unfinished = data[: data.index(b"moov") - 4]
    with pytest.raises(SignalError, match="has no movie header: it was never finished, or it is a segment of a stream"):
        inr.load(unfinished)


def box(kind: bytes, content: bytes = b"", *, large: bool = False) -> bytes:
    if large:
        return (1).to_bytes(4, "big") + kind + (16 + len(content)).to_bytes(8, "big") + content
    return (8 + len(content)).to_bytes(4, "big") + kind + content


FIRST_BOXES = {
    "skip": box(b"skip", bytes(40)),
    "free": box(b"free"),
    "wide": box(b"wide"),
    "pnot": box(b"pnot", bytes(12)),
    "uuid": box(b"uuid", bytes(range(16)) + b"anything"),
    "junk": box(b"junk", bytes(5000)),
    "a long free": box(b"free", bytes(100_000)),
    "a large skip": box(b"skip", bytes(40), large=True),
    "several": box(b"wide") + box(b"free", bytes(8)) + box(b"skip", bytes(3)),
}


# The places of the media are counted from their own boxes, not from the begin of the file.
RELATIVE = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


@pytest.mark.parametrize("container", ["mov", "mp4"])
@pytest.mark.parametrize("first", FIRST_BOXES)
def test_any_box_may_come_first(first: str, container: str) -> None:
    data = FIRST_BOXES[first] + packed(container, "mjpeg", "yuvj420p", muxing=RELATIVE)
    assert numbers(load_video(data).samples) == list(range(FRAMES))
    assert inr.load(data).meta.kind == "video"


def test_a_movie_without_a_brand() -> None:
    """As QuickTime wrote them first: the media, then the movie."""
    whole = packed("mov", "mjpeg", "yuvj420p")
    assert whole[4:8] == b"ftyp"
    length = int.from_bytes(whole[:4], "big")
    blank = box(b"skip", bytes(length - 8))  # the movie knows where its media lie
    assert numbers(load_video(blank + whole[length:]).samples) == list(range(FRAMES))


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 \0\0\0\x2djp2h" + bytes(37),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08meta",
        b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom\0\0\0\x08moov",
        b"\0\0\0\x0cJXL \r\n\x87\n",
        b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0\x68\x04\0\0\x16\0\0\0",  # an icon
        b"\0\0\0\x08skip\0\0\0\x08none",
        b"GGGG" * 300,
        b"\xff\xd8\xff\xe0 no picture",
        b"\0" * 500,
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x04\0\0\0WAVE",
    ],
)
def test_what_looks_a_little_like_a_video_is_none(data: bytes) -> None:
    assert not is_video(data)
    with pytest.raises(SignalError):
        load_video(data)


def jpeg(height: int, width: int, *, level: int = 90) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), level, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def test_photos_with_more_behind_them_are_still_pictures() -> None:
    photo = jpeg(48, 64)
    stills = io.BytesIO()
    pictures = [Image.fromarray(np.full((48, 64, 3), level, np.uint8)) for level in (50, 90)]
    pictures[0].save(stills, "MPO", save_all=True, append_images=pictures[1:])
    for data in (photo, photo + jpeg(12, 16), photo + b"trailing words", stills.getvalue(), photo + h264(counting(3))):
        assert not is_video(data)
        assert inr.load(data).meta.kind == "image"
    film = b"".join(jpeg(48, 64, level=level) for level in (50, 90, 130))
    assert inr.load(film).samples[:, 0, 0, 0].tolist() == [50, 90, 130]


def animated(format_: str, frames: int, **options: Any) -> bytes:
    stream = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in counting(frames, 24, 32)]
    pictures[0].save(stream, format_, save_all=True, append_images=pictures[1:], **options)
    return stream.getvalue()


ANIMATED: dict[str, Callable[[int], bytes]] = {
    "PNG": lambda n: animated("PNG", n, duration=40),
    "PNG with another still": lambda n: animated("PNG", n + 1, duration=40, default_image=True),
    "GIF": lambda n: animated("GIF", n, duration=40),
    "WebP": lambda n: animated("WEBP", n, duration=40, lossless=True),
    "lossy WebP": lambda n: animated("WEBP", n, duration=40),
    "AVIF": lambda n: animated("AVIF", n, duration=40, quality=90),
}


@pytest.mark.parametrize("name", ANIMATED)
def test_animated_pictures_are_videos(name: str) -> None:
    data = ANIMATED[name](5)
    assert [cls().kind for cls in KINDS if cls().sniff(Source.of(data))] == ["video"]
    assert kind_of_source(Source.of(data), Reading()).kind == "video"
    signal = inr.load(data)
    shift = 1 if "still" in name else 0
    assert numbers(signal.samples) == [n + shift for n in range(5)]
    assert numbers(load_video(data, frames=(3, 2)).samples) == [3 + shift, 4 + shift]
    assert (probe_video(data).frame_rate, probe_video(data).times) == (Fraction(25), None)
    assert inr.load(data, time=(0.08, 0.16)).samples.shape[0] == 2


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "AVIF", "GIF"])
def test_still_pictures_of_the_same_formats_are_pictures(format_: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(counting(1, 24, 32)[0]).save(stream, format_)
    assert inr.load(stream.getvalue()).meta.kind == "image"


def test_one_frame_of_an_animation_is_a_picture() -> None:
    data = animated("PNG", 2, duration=40)
    place = data.index(b"acTL") + 4
    control = b"acTL" + (1).to_bytes(4, "big") + data[place + 4 : place + 8]
    changed = data[: place - 4] + control + zlib.crc32(control).to_bytes(4, "big") + data[place + 12 :]
    assert not is_video(changed)
    assert inr.load(changed).meta.kind == "image"


def test_ten_bit_avif_keeps_its_depth() -> None:
    samples = moving(4, 64, 96)
    data = encoded(samples, "avif", "libsvtav1", "yuv420p10le", options={"crf": "10", "preset": "8"})
    signal = inr.load(data)
    assert signal.samples.dtype == np.uint16
    assert signal.samples.shape == (4, 64, 96, 3)
    assert psnr(signal.samples, samples.astype(np.float64) * 257) > 28


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{path}</BaseURL></MPD>',
        '<?xml version="1.0"?><CompositionPlaylist><Id>{path}</Id></CompositionPlaylist>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "# VobSub index file, v7 (do not modify this line!)\n{path}\n",
        "testsrc=size=64x48",
        'FFmpegSource2("{path}")',
    ],
)
def test_lists_of_other_files_are_refused(tmp_path: Path, text: str) -> None:
    """FFmpeg would open what they name."""
    (tmp_path / "secret.mp4").write_bytes(h264(counting(4)))
    for name in ("list.m3u8", "clip.mp4"):
        (tmp_path / name).write_text(text.format(path=tmp_path / "secret.mp4"))
        assert not is_video(tmp_path / name)
        for read in (inr.load, load_video):
            with pytest.raises(
                SignalError, match=r"is text, which is not supported; inr reads pictures \(PNG|is not a video"
            ):
                read(tmp_path / name)


def test_names_are_paths_and_no_addresses(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(h264(counting(4)))
    for name in (
        f"concat:{path}|{path}",
        f"file:{path}",
        "http://127.0.0.1:9/clip.mp4",
        f"subfile,,start,0,end,9,,:{path}",
    ):
        with pytest.raises(FileAccessError, match="no such file"):
            inr.load(name)


def test_what_is_of_no_kind_is_told_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(SignalError) as caught:
        inr.load(b"neither this nor that")
    assert message_of(caught).startswith("data is text, which is not supported; inr reads pictures (PNG, JPEG, ")
    assert ", videos (MP4, MOV, " in str(caught.value)
    assert str(caught.value).endswith(", arrays (.npy)")
    (tmp_path / "empty.mov").touch()
    with pytest.raises(SignalError, match=r"empty\.mov is empty \(0 bytes\)"):
        inr.load(tmp_path / "empty.mov")


def test_one_picture_in_a_folder_is_no_video(tmp_path: Path) -> None:
    samples = counting(2)
    inr.save(inr.load(samples[0]), tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(
        SignalError, match=r"has one picture, a\.png, and a video needs 2 frames: name the picture"
    ) as one:
        inr.load(tmp_path)
    message_of(one)
    inr.save(inr.load(samples[1]), tmp_path / "b.png")
    assert numbers(inr.load(tmp_path).samples) == [0, 1]


def test_frames_are_told_by_their_content(tmp_path: Path) -> None:
    for number, frame in enumerate(counting(3)):
        inr.save(inr.load(frame), tmp_path / f"{number}.png")
        (tmp_path / f"{number}.png").rename(tmp_path / f"frame{number}.{'dat' if number else 'png'}")
    assert numbers(inr.load(tmp_path).samples) == [0, 1, 2]
