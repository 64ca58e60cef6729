"""A server that is not there: how long it is waited for, and what is said meanwhile."""

import re
import socket
import time

import pytest

import inr
from inr.errors import UnavailableError


def test_a_long_wait_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        began = time.monotonic()
        client = inr.Client(f"127.0.0.1:{nobody.getsockname()[1]}", patience=6.0)
        with client, pytest.raises(UnavailableError, match="connection refused"):
            client.jobs()
        assert time.monotonic() - began < 6 + 3
    [said] = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(r"inr: the server cannot be reached: connection refused; .*; trying for [1234] s more", said)
