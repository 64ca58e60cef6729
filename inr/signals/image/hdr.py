"""Reading Radiance HDR."""

import re

from inr.signals.image.picture import Picture, check_size
from inr.signals.refusal import Refusal, damaged
from inr.signals.signal import Array

_HDR_SIZE = re.compile(rb"\n\n([-+])([XY]) +(\d{1,9}) +([-+])([XY]) +(\d{1,9})\n")
_HDR_SEARCHED = 2**16


def read_hdr(data: bytes) -> Picture:
    """Read Radiance HDR with scanlines in any of the eight orders."""
    size = _HDR_SIZE.search(data, 0, _HDR_SEARCHED)
    if size is None or size[2] == size[5]:
        raise damaged("its header lacks the size of the picture")
    if b"32-bit_rle_xyze" in data[: size.start()]:
        raise Refusal("stores XYZ colours; RGB is read")
    sign1, axis1, length1, sign2, _, length2 = size.groups()
    lines, length = int(length1), int(length2)
    check_size(lines, length)
    import imagecodecs

    # The codec knows the usual order alone, so it gets a header in that order.
    header = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y %d +X %d\n" % (lines, length)
    samples: Array = imagecodecs.rgbe_decode(header + data[size.end() :])
    usual1, usual2 = (b"-", b"+") if axis1 == b"Y" else (b"+", b"-")
    samples = samples[::-1] if sign1 != usual1 else samples
    samples = samples[:, ::-1] if sign2 != usual2 else samples
    return Picture(samples if axis1 == b"Y" else samples.swapaxes(0, 1), "linear")
