"""CIELab as TIFF stores it, to sRGB. Source: TIFF 6.0, section 23; ISO 13655 for the equations; white is D50."""

import numpy as np

from inr.signals.image.codes import light_to_srgb, srgb_light_of_xyz
from inr.signals.refusal import Refusal
from inr.signals.signal import Array

_D50 = (0.3457, 0.3585)


def cielab_to_srgb(stored: Array, offset: bool) -> Array:
    """RGB of the same depth.

    Args:
        stored: `(height, width, 1 or 3)` of 8 or 16 bits: L from 0 to 100 over the whole range, then a and b.
        offset: whether a and b count from the middle of an unsigned range, as ICC has them, or are signed.
    """
    if stored.dtype.itemsize > 2 or stored.shape[-1] not in (1, 3):
        raise Refusal(f"is not supported: it has CIELab of {stored.shape[-1]} channels of {stored.dtype}")
    unsigned = stored.view(f"u{stored.dtype.itemsize}")
    top, unit = (255, 1) if stored.dtype.itemsize == 1 else (65280 if offset else 65535, 256)
    lightness = unsigned[..., 0] * (100 / top)
    if offset:
        a, b = (unsigned[..., i] / unit - 128 for i in (1, 2)) if stored.shape[-1] == 3 else (0.0, 0.0)
    else:
        signed = stored.view(f"i{stored.dtype.itemsize}")
        a, b = (signed[..., i] / unit for i in (1, 2)) if stored.shape[-1] == 3 else (0.0, 0.0)
    y = (lightness + 16) / 116
    xyz = np.stack([_undone(y + a / 500), _undone(y), _undone(y - b / 200)], axis=-1)
    rgb = light_to_srgb(srgb_light_of_xyz(xyz, _D50))
    return np.rint(rgb * np.iinfo(unsigned.dtype).max).astype(unsigned.dtype)


def _undone(values: Array) -> Array:
    """The inverse of the function f of CIELab."""
    return np.where(values > 6 / 29, values**3, 3 * (6 / 29) ** 2 * (values - 4 / 29))
