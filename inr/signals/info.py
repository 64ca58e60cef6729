"""What is known of a signal without its samples."""

from dataclasses import dataclass

from inr.domain import Domain
from inr.meta import SignalMeta
from inr.signals.signal import Signal


@dataclass(frozen=True, eq=False, kw_only=True)
class SignalInfo:
    """A signal without its samples.

    Attributes:
        channels: values a sample.
        domain: grid of the samples.
        meta: meaning of the samples.
    """

    channels: int
    domain: Domain
    meta: SignalMeta

    @staticmethod
    def of(signal: Signal) -> "SignalInfo":
        """What is known of a signal."""
        return SignalInfo(channels=signal.channels, domain=signal.domain, meta=signal.meta)
