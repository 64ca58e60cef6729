"""What a network is given to fit: a signal as it was read, or through another transform of its samples."""

from dataclasses import replace
from typing import Literal

from inr.meta import PowerTransform
from inr.signals.light import linear
from inr.signals.power import symmetric_power, with_power
from inr.signals.signal import Signal

Transform = Literal["auto", "none", "power"]


def transformed(
    signal: Signal, transform: Transform, power: PowerTransform | None = None, whole_range: bool = False
) -> Signal:
    """A signal as it will be fitted.

    Args:
        signal: or a part of one.
        transform: "auto" keeps the light curve of a picture of high dynamic range and does nothing else; "none" fits
            all values alike; "power" is the symmetric power transform.
        power: the power transform that another part of the signal was given.
        whole_range: other parts follow that will be given the same.

    Raises:
        SignalError: all samples are equal, which no power transform suits.
    """
    if transform == "auto":
        return signal
    plain = replace(signal, meta=linear(signal.meta, signal.channels))
    if transform == "none" or plain.meta.power is not None:
        return plain
    return with_power(plain, symmetric_power(plain, whole_range) if power is None else power)
