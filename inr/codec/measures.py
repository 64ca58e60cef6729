"""How good decoded samples are, by the metrics that the kind of signal names."""

from collections.abc import Iterable, Mapping

from inr.meta import SignalMeta
from inr.metrics.base import Metric, Tally, tallies
from inr.metrics.psnr import Psnr
from inr.signals.kind import kind_for
from inr.signals.signal import Samples, Signal


def tallied(signal: Signal, samples: Samples) -> dict[str, Tally]:
    """What each metric finds in what was decoded of a signal, or of a part of it, by name."""
    return tallies(_metrics(signal.meta), signal.samples, samples, signal.meta.peak)


def measures(parts: Iterable[Mapping[str, Tally]], meta: SignalMeta) -> dict[str, float]:
    """The measures of a signal by name, those of its kind first, from the tallies of its parts."""
    found = list(parts)
    return {
        metric.name: metric.value(sum((tally[metric.name] for tally in found), Tally()), meta.peak)
        for metric in _metrics(meta)
    }


def decibels(meta: SignalMeta) -> tuple[Metric, Metric]:
    """PSNR, and what decibels of a signal are: for most the same, see `Kind.decibels`."""
    return Psnr(), kind_for(meta).decibels(meta)


def in_decibels(signal: Signal, samples: Samples) -> dict[str, Tally]:
    """What `decibels` find in what was decoded of a signal, by name."""
    return tallies(decibels(signal.meta), signal.samples, samples, signal.meta.peak)


def _metrics(meta: SignalMeta) -> tuple[Metric, ...]:
    """Those of the kind, and PSNR, which fits and targets are about."""
    own = kind_for(meta).metrics_of(meta)
    return own if any(isinstance(metric, Psnr) for metric in own) else (*own, Psnr())
