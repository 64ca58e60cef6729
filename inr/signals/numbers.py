"""Arrays, tensors and lists of any type as arrays that signals have.

| given | becomes |
|---|---|
| `torch.Tensor` | an array, wherever it lies and whether it needs gradients or not; channel-last |
| lists and tuples of numbers, anything with ``__array__`` | an array |
| bool | uint8, 0 and 255 |
| int32, int64, uint32, uint64 | the first of uint8, uint16, int8, int16 that holds all values; else refused |
| bfloat16, float64, longer floats | float32, as float64 always did |
| any byte order or stride, read-only, masked without masked samples | a plain array |

Refused: complex numbers, objects, text, dates, records; masked samples; sparse and quantised tensors; tensors with the
shape of channel-first pictures unless `axes` say that they are none.
"""

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import typing as npt

from inr.errors import SignalError, SpecError

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[Any]

INTEGERS = ("uint8", "uint16", "int8", "int16")
"""What wider integers become, in order of preference."""
CHANNELS = range(1, 5)
"""Of a picture."""


def array_given(source: Any, axes: int | None = None) -> Array:
    """An array of a type that signals have, as the table above says.

    Args:
        source: an array, a tensor, or what numpy makes one of.
        axes: how many axes are coordinates, if that was said.

    Raises:
        SpecError: nothing that is read.
        SignalError: an array that is no signal.
    """
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)  # another thread may be importing it
    if tensor is not None and isinstance(source, tensor):
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
    masked = int(np.ma.getmaskarray(source).sum()) if isinstance(source, np.ma.MaskedArray) else 0
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
