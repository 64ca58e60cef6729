"""Text of strangers."""

import pytest

from inr.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photo (1).png", "photo (1).png"),
        ("Füße, 写真, \u00a0\u202f, 👩\u200d🚀", "Füße, 写真, \u00a0\u202f, 👩\u200d🚀"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b]0;title\x07\x1b[31m", "\\x1b]0;title\\x07\\x1b[31m"),
        ("\x7f\x9b\x00", "\\x7f\\x9b\\x00"),
        ("gpj.\u202egnp\ufeff\u2028\u2029", "gpj.\\u202egnp\\ufeff\\u2028\\u2029"),
        (b"\xff\xfe.png".decode("utf-8", "surrogateescape"), "\\udcff\\udcfe.png"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_nothing_does_more_than_show_itself(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown
    shown.encode()
