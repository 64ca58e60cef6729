"""Netpbm formats and PFM: what each header says, both byte orders, and what is refused for what it is."""

import io

import numpy as np
import pytest
from PIL import Image

from inr.errors import SignalError
from inr.signals.image.attributes import image_attributes
from inr.signals.image.read import decode_image, encode_image
from tests.support.image_files import SHAPE, meta_of, picture, read

BITS = picture("uint8", 1)[..., 0] // 8 % 2
HEIGHT, WIDTH = SHAPE
ALPHA = "WIDTH 21\nHEIGHT 13\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\n"


def test_bitmaps_binary_and_text() -> None:
    """1 is black; rows of a binary file end at a byte, digits of a text need no space between them."""
    size = f"{WIDTH} {HEIGHT}\n".encode()
    packed = np.packbits(BITS, axis=1).tobytes()
    tight = "\n".join("".join(map(str, row)) for row in BITS).encode()
    loose = " ".join(map(str, BITS.ravel())).encode()
    for data in (
        b"P4\n" + size + packed,
        b"P4 # comment\n# another\n" + size + packed + b"\n",
        b"P1\n" + size + tight,
        b"P1\n# comment\n" + size + b"# one more\n" + loose + b"\n",
    ):
        signal = decode_image(data, "x")
        assert signal.meta.dtype == "uint8"
        np.testing.assert_array_equal(signal.samples[..., 0], 255 * (1 - BITS))
    with Image.open(io.BytesIO(b"P4\n" + size + packed)) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("L")), 255 * (1 - BITS))
    again = encode_image(
        read(b"P1\n" + size + tight), meta_of(255 * (1 - BITS)[..., np.newaxis].astype(np.uint8)), "pbm"
    )
    assert again == b"P4\n" + size + packed


@pytest.mark.parametrize("maximum", [1, 15, 255, 1023, 65535])
@pytest.mark.parametrize(
    ("channels", "kind"), [(1, "GRAYSCALE"), (2, "GRAYSCALE_ALPHA"), (3, "RGB"), (4, "RGB_ALPHA"), (3, "")]
)
def test_arbitrary_maps(channels: int, kind: str, maximum: int) -> None:
    stored = picture("uint16", channels).astype(np.int64) % (maximum + 1)
    meaning = f"TUPLTYPE {kind}\n" if kind else ""
    header = (
        f"P7\n# made by hand\nHEIGHT {HEIGHT}\nWIDTH {WIDTH}\nMAXVAL {maximum}\nDEPTH {channels}\n{meaning}ENDHDR\n"
    )
    body = stored.astype("u1" if maximum < 256 else ">u2").tobytes()
    signal = decode_image(header.encode() + body, "x")
    top = 255 if maximum < 256 else 65535
    np.testing.assert_array_equal(signal.samples, np.floor(stored * (top / maximum) + 0.5))
    assert encode_image(signal.samples, signal.meta, "pam").endswith(
        signal.samples.astype("u1" if top == 255 else ">u2").tobytes()
    )


def test_black_and_white_maps_are_no_bitmaps() -> None:
    """Of PAM, 1 is white, and each pixel has a byte."""
    header = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n"
    np.testing.assert_array_equal(read(header.encode() + BITS.tobytes())[..., 0], 255 * BITS)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_float_maps_in_both_orders(channels: int, order: str) -> None:
    samples = picture("float32", channels) - 1
    kind, scale = "f" if channels == 1 else "F", {"<": "-1.0", ">": "2.5e0"}[order]
    for line in (f"P{kind}\n{WIDTH} {HEIGHT}\n{scale}\n", f"P{kind} {WIDTH} {HEIGHT} {scale} "):
        signal = decode_image(line.encode() + samples[::-1].astype(f"{order}f4").tobytes(), "x")
        np.testing.assert_array_equal(signal.samples, samples)
        assert image_attributes(signal.meta).colour_space == ("linear" if channels == 3 else "unknown")
    np.testing.assert_array_equal(read(encode_image(samples, signal.meta, "pfm")), samples)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P4 9 2\n\0\0\0", "damaged: pixels end at byte 11, the file at byte 10"),
        (b"P1 2 2\n1 0 1", "damaged: it has 3 pixels; its header needs 4"),
        (b"P1 2 2\n1 0 1 2", "damaged: a pixel is neither 0 nor 1"),
        (b"P1 2\n", "damaged: its header needs a width"),
        (b"P7\n", "damaged: its header needs a width"),
        (
            b"P7\nWIDTH 2\nHEIGHT 2\nMAXVAL 9\nENDHDR\n" + bytes(4),
            "damaged: its header needs WIDTH, HEIGHT, DEPTH and MAXVAL",
        ),
        (
            b"P7\n" + ALPHA.encode() + b"ENDHDR\n" + bytes(1091),
            "damaged: pixels end at byte 1159, the file at byte 1158",
        ),
        (
            b"P7\n" + ALPHA.replace("RGB_ALPHA", "CMYK").encode() + b"ENDHDR\n" + bytes(1092),
            "not supported: it has 4 channels 'CMYK'; gray and RGB are read, with or without alpha",
        ),
        (b"P7\n" + ALPHA.replace("DEPTH 4", "DEPTH 7").encode() + b"ENDHDR\n", "not supported: it has 7 channels"),
        (b"P7\n" + ALPHA.replace("255", "70000").encode() + b"ENDHDR\n", "damaged: its maximum is 70000"),
        (b"PF\n2 2\n", "damaged: its header needs a width, a height and a scale factor"),
        (b"PF\n2 2\n-1\n" + bytes(47), "damaged: pixels end at byte 58, the file at byte 57"),
        (b"Pf\n2 1\n-1\n" + np.array([np.inf, 1], "<f4").tobytes(), "1 that are infinite"),
        (b"PF 99999 99999 -1 ", "too large: 99999"),
        (b"P4 99999 99999 ", "too large: 99999"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, message: str) -> None:
    with pytest.raises(SignalError) as caught:
        decode_image(data, "x")
    assert message in str(caught.value)
