"""What Python programs hand over in place of a path: files that are open, bytes of other types, pictures, tensors.

| given | becomes |
|---|---|
| `bytes`, `bytearray`, `memoryview` | the bytes of a file |
| anything with ``read``, opened as binary | the bytes from where it stands to its end |
| any `os.PathLike` | a path |
| `PIL.Image.Image` | its samples as `inr` reads that mode from a file; EXIF orientation applied, ICC profile kept |
| `torch.Tensor` | an array, wherever it lies and whether it needs gradients or not; channel-last |
| lists and tuples of numbers, anything with ``__array__`` | an array |
| bool | uint8, 0 and 255 |
| int32, int64, uint32, uint64 | the first of uint8, uint16, int8, int16 that holds all values; else refused |
| bfloat16, float64, longer floats | float32, as float64 always did |
| any byte order, stride, masked array without masked samples | a plain array |

Refused: complex numbers, objects, text, dates, records; masked samples; sparse and quantised tensors; tensors with the
shape of channel-first pictures unless `axes` say that they are none.
"""

import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from inr.errors import FileAccessError, SignalError, SpecError
from inr.signals.signal import Array, Signal

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

File = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path, the bytes of a file, or a file that is open."""

INTEGERS = ("uint8", "uint16", "int8", "int16")
"""What wider integers become, in order of preference."""
CHANNELS = range(1, 5)
"""Of a picture."""


def content_of(source: Any) -> str | Path | bytes | None:
    """The path or the bytes of a file, or None for what is no file.

    Raises:
        SpecError: a file that was opened as text.
        FileAccessError: an open file that cannot be read, or is at its end already.
    """
    if isinstance(source, str | Path | bytes):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, os.PathLike):
        return Path(os.fsdecode(os.fspath(source)))
    read = getattr(source, "read", None)
    return _read(source, read) if callable(read) else None


def _read(source: Any, read: Any) -> bytes:
    name = name_of(source)
    try:
        data = read()
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise FileAccessError(f"cannot read {name}: {error}") from None
    if not isinstance(data, bytes | bytearray | memoryview):
        raise SpecError(f"{name} must be opened as binary, with mode 'rb'; reading it gives {type(data).__name__}")
    if not len(data):
        raise FileAccessError(f"cannot read {name}: it is empty, or at its end; go back with seek(0)")
    return bytes(data)


def name_of(source: Any) -> str:
    """What messages call a file that is open."""
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "data"


def signal_given(source: Any) -> Signal | None:
    """A signal, or that of a picture of Pillow; None for anything else; raises `SignalError`."""
    if isinstance(source, Signal):
        return source
    pillow: Any = sys.modules.get("PIL.Image")
    if pillow is None or not isinstance(source, pillow.Image):
        return None
    from inr.signals.image.from_pillow import signal_of_pillow

    image: Image = source
    return signal_of_pillow(image)


def array_given(source: Any, axes: int | None = None) -> Array:
    """An array of a type that signals have, as the table at the top says.

    Args:
        source: an array, a tensor, or what numpy makes one of.
        axes: how many axes are coordinates, if that was said.

    Raises:
        SpecError: nothing that is read.
        SignalError: an array that is no signal.
    """
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        source = _of_tensor(source, axes)
    array = _as_array(source)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        return array.astype(np.float64) if array.dtype.itemsize > 8 else _native(array)
    if array.dtype.kind in "iu":
        return _native(array) if array.dtype.name in INTEGERS else _narrowed(array)
    if array.dtype.kind == "c":
        raise SignalError(
            f"array has complex samples ({array.dtype}); give their parts as channels: "
            f"numpy.stack([x.real, x.imag], axis=-1) with axes={array.ndim}"
        )
    raise SignalError(f"array has samples of type {array.dtype}; allowed are real numbers and booleans")


def _as_array(source: Any) -> Array:
    masked = int(np.ma.count_masked(source)) if isinstance(source, np.ma.MaskedArray) else 0
    if masked:
        raise SignalError(f"array has {masked} masked samples of {source.size}; fill them with array.filled(value)")
    numbers = isinstance(source, list | tuple | np.ndarray) or callable(getattr(source, "__array__", None))
    if not numbers:
        raise SpecError(
            f"source: give a path, the bytes of a file, an open file, an array, a tensor, a picture of Pillow or a "
            f"Signal; got {type(source).__name__}"
        )
    try:
        return np.asarray(source)
    except (ValueError, TypeError) as error:
        raise SignalError(f"{type(source).__name__} is no array of numbers: {error}") from None


def _of_tensor(tensor: "Tensor", axes: int | None) -> Array:
    shape = tuple(tensor.shape)
    if str(tensor.layout) != "torch.strided" or tensor.is_quantized:
        raise SignalError(f"tensor is {tensor.layout}, {tensor.dtype}; give a dense one: tensor.to_dense()")
    first = axes is None and len(shape) in (3, 4) and shape[-3] in CHANNELS and shape[-1] not in CHANNELS
    if first:
        order = (1, 2, 0) if len(shape) == 3 else (0, 2, 3, 1)
        raise SignalError(
            f"tensor of shape {shape} seems to have its channels first; give tensor.permute{order}, or "
            f"axes={len(shape)} if all its axes are coordinates"
        )
    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    array: Array = (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()
    return array


def _native(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _narrowed(array: Array) -> Array:
    if not array.size:
        return array.astype(np.uint8)
    low, high = int(array.min()), int(array.max())
    for name in INTEGERS:
        info = np.iinfo(name)
        if info.min <= low and high <= info.max:
            return array.astype(name)
    raise SignalError(
        f"array has integers from {low} to {high} ({array.dtype}); those of 8 and 16 bits are held, so convert them: "
        "array.astype(numpy.float32)"
    )
