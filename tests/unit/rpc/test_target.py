"""What a decoder is asked for gets through a request unchanged."""

import json
import math
from dataclasses import fields
from typing import Any

import pytest

from inr.rpc.target import put, taken
from inr.rpc.v1 import field_pb2
from inr.signals.target import Target

TARGETS: list[dict[str, Any]] = [
    {},
    {"scale": 2.5},
    {"size": (5, 4), "region": (0, 1, 2, 3)},
    {"time": (0.0, 1.5), "frame_rate": 12.5},
    {"time": (0.5, math.inf)},
]


@pytest.mark.parametrize("target", TARGETS)
def test_there_and_back(target: dict[str, Any]) -> None:
    request = field_pb2.DecodeRequest()
    put(vars(Target(**target)), request)
    got = json.loads(json.dumps(taken(field_pb2.DecodeRequest.FromString(request.SerializeToString()))))
    assert {name: tuple(value) if isinstance(value, list) else value for name, value in got.items()} == target


def test_every_field_is_tried() -> None:
    assert {name for target in TARGETS for name in target} == {item.name for item in fields(Target)}
