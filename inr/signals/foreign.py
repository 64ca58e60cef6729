"""What a file is that is not read, told by its first bytes, and the words in which every reader refuses it."""

from inr.signals.refusal import Refusal

_STARTS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89INR\r\n\x1a\n", "a .inr file already"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"II\xbc", "a JPEG XR picture"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"qoif", "a QOI picture"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"\x8aMNG", "an MNG animation"),
    (0, b"\x59\xa6\x6a\x95", "a Sun raster picture"),
    (0, b"SDPX", "a DPX picture"),
    (0, b"XPDS", "a DPX picture"),
    (0, b"AT&TFORM", "a DjVu document"),
    (0, b"FUJIFILMCCD-RAW", "a camera raw file"),
    (0, b"IIRO", "a camera raw file"),
    (0, b"IIRS", "a camera raw file"),
    (0, b"IIU\0", "a camera raw file"),
    (0, b"FOVb", "a camera raw file"),
    (0, b"%PDF", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"PK\3\4", "a zip archive, as .npz files are"),
    (0, b"\x1f\x8b", "compressed by gzip"),
    (0, b"BZh", "compressed by bzip2"),
    (0, b"\xfd7zXZ\0", "compressed by xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"CDF\1", "a NetCDF file"),
    (0, b"CDF\2", "a NetCDF file"),
    (0, b"CDF\5", "a NetCDF file"),
    (0, b"MATLAB 5.0", "a MATLAB file"),
    (0, b"SIMPLE  =", "a FITS file"),
    (0, b"NRRD000", "an NRRD file"),
    (128, b"DICM", "a DICOM file"),
    (344, b"n+1\0", "a NIfTI file"),
    (344, b"ni1\0", "a NIfTI file"),
    (0, b"fLaC", "a sound file"),
    (0, b"ID3", "a sound file"),
    (0, b"\x7fELF", "a program"),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "a HEIC picture"),
    b"crx ": "a camera raw file",
}


def not_read(head: bytes, reads: str) -> Refusal:
    """The refusal of a file of another format.

    Args:
        head: its first bytes; none of an empty one.
        reads: what is read instead, as `plural` puts it.
    """
    if not head:
        return Refusal("is empty (0 bytes)")
    what = described(head)
    is_what = "is of a format that is not supported" if what is None else f"is {what}, which is not supported"
    return Refusal(f"{is_what}; inr reads {reads}")


def plural(noun: str, formats: str) -> str:
    """What is read in so many formats: "pictures (PNG, JPEG and GIF)" of "a picture"."""
    return f"{noun.partition(' ')[2]}s ({formats})"


def described(head: bytes) -> str | None:
    """What a file is that begins so, for a message; None for what is not known."""
    for start, magic, words in _STARTS:
        if head[start : start + len(magic)] == magic:
            return words
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "a sound file"
    return "text" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """True for UTF-8 without control characters, of which the last character may be cut."""
    for end in range(len(head), max(len(head) - 4, 0), -1):
        try:
            text = head[:end].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return all(c.isprintable() or c in "\t\n\r\f\ufeff" for c in text)
    return False
