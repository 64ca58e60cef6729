"""Samples as something to look at."""

import numpy as np

from inr.signals.signal import Array, Samples


def eight_bits(picture: Samples) -> Array | None:
    """Samples `(height, width, channels)` as 8 bits; None unless there are 1 to 4 channels."""
    if picture.shape[-1] > 4:
        return None
    if picture.dtype == np.uint8:
        return picture
    values = picture.astype(np.float64)
    low, high = (0.0, 65535.0) if picture.dtype == np.uint16 else (float(values.min()), float(values.max()))
    return np.round(255 * np.clip((values - low) / max(high - low, 1e-30), 0, 1)).astype(np.uint8)
