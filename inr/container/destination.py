"""Where a ``.inr`` file may be written: not over anything else, unless told to."""

from pathlib import Path

from inr.container.file import SIGNATURE
from inr.errors import FileAccessError, SpecError
from inr.files import check_writable, first_bytes

OTHER_FORMATS = frozenset(
    f".{suffix}"
    for suffixes in (
        # pictures
        "png apng jpg jpeg jpe jfif webp tif tiff bmp dib gif avif heic heif jxl jp2 j2k jpf jpx ppm pgm pbm pnm pam",
        "pfm exr hdr pic tga ico psd xcf svg dng cr2 cr3 nef arw orf raf rw2 dcm qoi",
        # videos and sound
        "mp4 m4v mkv webm mov avi mts m2ts ts mpg mpeg m2v wmv asf flv mxf ogv ogg 3gp vob h264 h265 hevc mjpeg y4m",
        "wav mp3 flac aac m4a opus aiff",
        # arrays, tables and text
        "npy npz h5 hdf5 nc nii mat parquet csv tsv json xml yaml yml toml txt md log pt pth ckpt safetensors onnx",
        # documents, archives and code
        "pdf ps eps doc docx odt xls xlsx ppt pptx htm html zip gz bz2 xz zst tar tgz 7z py ipynb c h cpp sh pem key",
    )
    for suffix in suffixes.split()
)
"""Suffixes by which people and programs take a file for something else."""


def check_destination(path: str | Path, overwrite: bool = False) -> None:
    """Check, before any work, that a ``.inr`` file may be written to a path (``-``: standard output).

    Args:
        path: where to.
        overwrite: True to replace whatever file is there, and to take any suffix.

    Raises:
        SpecError: the suffix is that of another format.
        FileAccessError: it cannot be written, or a file is there that is no ``.inr`` file.
    """
    check_writable(path)
    if overwrite:
        return
    head = first_bytes(path)
    if head and not head.startswith(SIGNATURE):
        raise FileAccessError(
            f"cannot write {path}: it is there already and no .inr file; name another file, or --force to lose it "
            "(several inputs need --out-dir)"
        )
    check_suffix(path, "a .inr file")


def check_suffix(path: str | Path, what: str, allowed: tuple[str, ...] = ()) -> None:
    """Raise `SpecError` if a path has the suffix of another format than that of `what` is written there."""
    suffix = Path(path).suffix.lower()
    if suffix in OTHER_FORMATS and suffix not in allowed:
        raise SpecError(
            f"output {path}: {suffix} is no suffix of {what}; name another file, or --force to use it all the same"
        )
