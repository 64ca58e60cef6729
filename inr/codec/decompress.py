"""From a ``.inr`` file to a file of the original kind. Loads nothing that only compressing needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from inr.backends.base import Resources
from inr.codec.decode import bytes_of, open_field, open_prefix
from inr.codec.load_save import check_name, save_blocks
from inr.codec.pack import unpack
from inr.errors import FormatError, SpecError
from inr.files import check_nothing_there
from inr.signals.given import File
from inr.signals.kind import kind_for
from inr.signals.target import Target, TargetOptions


@dataclass(frozen=True)
class Decompressed:
    """What `decompress` did.

    Attributes:
        width: of the picture or the frames that were written; None for what has none.
        height: likewise.
        shape: samples along each axis that were written, in array order.
        layers: quality layers used.
        damage: what was wrong with the part of the file that was left out, or None.
    """

    width: int | None
    height: int | None
    shape: tuple[int, ...]
    layers: int
    damage: FormatError | None


def decompress(
    source: File,
    destination: str | Path,
    *,
    layers: int | None = None,
    max_bytes: int | None = None,
    partial: bool = False,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    precision: str = "fp32",
    overwrite: bool = False,
    **target: Unpack[TargetOptions],
) -> Decompressed:
    """Decode a ``.inr`` file into an image, a video or a ``.npy`` file.

    Args:
        source: path (``-``: standard input), bytes, or a file opened as binary.
        destination: file to write; its suffix names the format (``-``: PNG or ``.npy`` to standard output). A video
            without a suffix becomes a folder of frames.
        layers: use only the first quality layers.
        max_bytes: use only this many bytes of the file.
        partial: decode what is intact of a damaged file, instead of raising.
        backend: "auto" or a backend's name.
        device: "auto", "cpu" or "cuda".
        threads: of the compiled kernels; None for ``OMP_NUM_THREADS``, or else one for each core.
        precision: "bf16" rounds operands to 16 bits where that is faster, which moves values by about 1e-3 of their
            range.
        overwrite: True to replace a file that is there; a picture may be somebody's original.
        **target: scale, size, region, time, frame_rate: see `Target`.

    Raises:
        FormatError: the file is damaged.
        SpecError: settings out of range, or a format that cannot hold the signal.
        FileAccessError: a path that cannot be read or written, or a file that is there and would be lost.
    """
    check_name(source, destination)
    if precision not in ("fp32", "bf16"):
        raise SpecError(f"precision: must be fp32 or bf16; got {precision!r}")
    file, damage = open_prefix(bytes_of(source), max_bytes)
    if damage is not None and not partial:
        raise type(damage)(f"{damage}; --partial decodes the {file.layers_present} intact layers before it")
    field = open_field(file, layers, backend, device, Resources(threads, precision == "bf16"))
    sampling = field.sampling(Target(**target))
    shape = sampling.grid.shape
    if not overwrite:
        check_nothing_there(destination)
    save_blocks(destination, field.sampled(sampling), shape, field.channels, sampling.meta)
    kind = kind_for(sampling.meta)
    height, width = kind.sides(shape)
    return Decompressed(width, height, kind.outward(shape, sampling.meta), layers or file.layers_present, damage)


def usual_suffix(source: File) -> str:
    """Suffix of a file in which the samples of a ``.inr`` file lose nothing; raises a `FormatError`."""
    file, _ = open_prefix(bytes_of(source))
    meta = unpack(file.truncated(1)).meta
    return kind_for(meta).suffix_for(meta)
