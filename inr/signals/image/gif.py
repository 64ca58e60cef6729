"""How many pictures a GIF has: one is a picture, more are a video."""

import io
from typing import BinaryIO


def gif_frames(file: BinaryIO, enough: int | None = None) -> tuple[int, bool]:
    """Count the frames of a GIF, up to `enough`, and say whether its end mark was found."""
    file.seek(0)
    head = file.read(13)
    if len(head) < 13:
        return 0, False
    file.seek(_table_bytes(head[10]), io.SEEK_CUR)
    frames = 0
    while frames != enough:
        match file.read(1):
            case b"\x3b":
                return frames, True
            case b"\x21":
                file.seek(1, io.SEEK_CUR)
            case b"\x2c":
                descriptor = file.read(9)
                if len(descriptor) < 9:
                    return frames, False
                file.seek(_table_bytes(descriptor[8]) + 1, io.SEEK_CUR)
                frames += 1
            case _:
                return frames, False
        if not _skip_blocks(file):
            return frames, False
    return frames, False


def _table_bytes(flags: int) -> int:
    """Length of the colour table that the flags of a GIF announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(file: BinaryIO) -> bool:
    """Skip the data blocks of a GIF up to the empty one; False if the file ends before."""
    while length := file.read(1):
        if length == b"\0":
            return True
        file.seek(length[0], io.SEEK_CUR)
    return False
