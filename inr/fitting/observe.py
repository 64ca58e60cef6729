"""What is measured of a field in training: its quality on a subset of the samples, and small pictures of it."""

import math

import numpy as np

from inr.backends.base import Field
from inr.backends.render import render
from inr.rng import generator
from inr.samplers.base import Block, Points, Selection
from inr.samplers.block import random_block
from inr.signals.kind import kind_for
from inr.signals.signal import Samples, Signal, denormalise

SUBSET = 32_768
"""Samples that a point of the curve looks at."""
GRID_SUBSET = 2**19
"""The same for a field to which whole grids are cheap and scattered points are not."""
NEWS_SUBSET = 4_096
"""Samples that the quality between two points of the curve is told from."""


def subset(signal: Signal, seed: int, on_grids: bool) -> Selection:
    """A fixed random subset of the samples for the curve."""
    n_samples = signal.domain.size
    if on_grids:
        return random_block(signal.domain.shape, GRID_SUBSET, generator(seed, "curve"))
    if n_samples <= SUBSET:
        return Points(np.arange(n_samples, dtype=np.int64))
    return Points(np.sort(generator(seed, "curve").integers(0, n_samples, SUBSET)))


def few(chosen: Selection) -> Selection:
    """Some of a subset's points; a block, which is cheap, stays whole."""
    if isinstance(chosen, Points) and len(chosen.index) > NEWS_SUBSET:
        return Points(chosen.index[:: -(-len(chosen.index) // NEWS_SUBSET)])
    return chosen


def subset_psnr(field: Field, signal: Signal, chosen: Selection) -> float:
    """PSNR in dB of a field at some of the samples, clamped and rounded to the sample type; see `Kind.decibels`."""
    if isinstance(chosen, Block):
        index = chosen.flat_index(signal.domain.shape)
        values = field.grid(signal.domain.block_coordinates(chosen.axes))
    else:
        index = chosen.index
        values = field(signal.domain.coordinates(index))
    reference = signal.samples.reshape(-1, signal.channels)[index]
    return _decibels(signal, reference[None], denormalise(values, signal.meta)[None])


def whole_psnr(field: Field, signal: Signal) -> float:
    """PSNR in dB at all samples."""
    return _decibels(signal, signal.samples, render(field, signal.domain, signal.meta, signal.channels))


def _decibels(signal: Signal, reference: Samples, other: Samples) -> float:
    metric, peak = kind_for(signal.meta).decibels(signal.meta), signal.meta.peak
    return metric.value(metric.tally(reference, other, peak), peak)


def preview(field: Field, signal: Signal, side: int) -> Samples:
    """A small picture of a field, of at most this many samples a side."""
    shrink = max(1, math.ceil(max(signal.domain.shape) / side))
    domain = signal.domain.resized(tuple(max(1, n // shrink) for n in signal.domain.shape))
    return render(field, domain, signal.meta, signal.channels)
