"""What notebooks and prompts show of a field: a small picture, and facts."""

import base64
import html
import io
from collections.abc import Mapping

import numpy as np

from inr.backends.base import Field
from inr.backends.render import render
from inr.domain import Domain
from inr.meta import SignalMeta
from inr.signals.kind import kind_for
from inr.signals.preview import eight_bits
from inr.signals.signal import Array

SIDE = 256
"""Samples of the longer side of the picture, at most."""
STRIP = 32
"""Rows of the picture of a signal with one axis."""


def picture_of(function: Field, domain: Domain, meta: SignalMeta, channels: int) -> Array | None:
    """A small 8-bit picture `(height, width, 1..4)` of the last two axes, in the middle of all others.

    Of a signal with one axis it is a strip; of more than four channels the first one is shown.
    """
    fixed = domain.ndim - 2
    sides = domain.shape[-2:]
    for axis in range(fixed):
        middle = domain.shape[axis] // 2
        domain = domain.window(axis, middle, middle + 1, 1)
    shrink = max(1.0, max(sides) / SIDE)
    grid = domain.resized((*[1] * fixed, *[max(1, round(n / shrink)) for n in sides]))
    means = tuple(1 if old == new else 2 for old, new in zip(domain.shape, grid.shape, strict=True))
    samples: Array = render(function, grid, meta, channels, means)
    if domain.ndim == 1:
        samples = np.repeat(samples[np.newaxis], STRIP, axis=0)
    picture = None if domain.ndim < 2 or channels > 4 else kind_for(meta).preview(samples)
    if picture is None:
        flat = samples.reshape(*samples.shape[-3:])
        picture = eight_bits(flat[..., :1] if channels > 4 else flat)
    return picture


def html_of(picture: Array | None, facts: Mapping[str, str]) -> str:
    """A picture, as PNG within the page, and facts below it."""
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts.items())
    shown = "" if picture is None else f'<img alt="" src="data:image/png;base64,{_png(picture)}">'
    return f"<figure>{shown}<figcaption><table>{rows}</table></figcaption></figure>"


def line_of(facts: Mapping[str, str]) -> str:
    """Facts in one line."""
    return ", ".join(facts[name] if name in ("signal", "size") else f"{name} {facts[name]}" for name in facts)


def _png(picture: Array) -> str:
    from PIL import Image

    stream = io.BytesIO()
    flat = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(np.ascontiguousarray(flat)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode("ascii")
