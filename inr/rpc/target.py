"""What a decoder is asked for, as keywords of `inr.signals.target.Target` and in a `DecodeRequest`.

Both directions stand here, so that the client and the server agree on what is left out.
"""

import math
from collections.abc import Mapping
from typing import Any

from inr.rpc.v1 import field_pb2


def put(target: Mapping[str, Any], request: field_pb2.DecodeRequest) -> None:
    """Fill in a request; an end of infinity is that of the signal."""
    for name in ("scale", "frame_rate"):
        if target.get(name) is not None:
            setattr(request, name, float(target[name]))
    request.size.extend(target.get("size") or ())
    request.region.extend(target.get("region") or ())
    if target.get("time") is not None:
        request.time_start, end = target["time"]
        if not math.isinf(end):
            request.time_end = end


def taken(request: field_pb2.DecodeRequest) -> dict[str, Any]:
    """The keywords that a request has values for, of types that JSON has."""
    time = None
    if request.HasField("time_start") or request.HasField("time_end"):
        time = [request.time_start, request.time_end if request.HasField("time_end") else math.inf]
    target = {
        "scale": request.scale or None,
        "size": list(request.size) or None,
        "region": list(request.region) or None,
        "time": time,
        "frame_rate": request.frame_rate or None,
    }
    return {name: value for name, value in target.items() if value is not None}
