"""Payloads of a file to a network in integers."""

import math
from typing import cast

from inr.coders.weights.header import model_in
from inr.coders.weights.quantize import Coding, EncodedWeights
from inr.coders.weights.stream import decode
from inr.container import ids, limits
from inr.container.header import Header
from inr.errors import CorruptHeaderError, LimitExceededError, SpecError
from inr.signals.info import SignalInfo


def parse(header: Header, signal: SignalInfo, payloads: tuple[bytes, ...]) -> EncodedWeights:
    """The network that the first payloads of a file hold; raises a `FormatError`."""
    model = model_in(header.coder_part)
    try:
        layouts = model.layout(signal.domain, signal.channels)
    except SpecError as error:
        raise CorruptHeaderError(f"header: {error}") from None
    entries = sum(math.prod(layout.shape) for layout in layouts)
    if entries > limits.MAX_PARAMETERS:
        raise LimitExceededError(f"a model of {entries} parameters; at most {limits.MAX_PARAMETERS} are allowed")
    coding = cast(Coding, ids.CODINGS[header.coding])
    return EncodedWeights(
        model=model,
        tensors=decode(payloads, layouts, coding),
        coding=coding,
        channels=signal.channels,
        domain=signal.domain,
        meta=signal.meta,
        layers=header.layers,
        missing=header.layers - len(payloads),
    )
