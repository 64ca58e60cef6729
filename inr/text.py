"""Text of strangers, made fit for a line on a terminal."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, what turns the direction of writing, halves of surrogate pairs, ends of lines and paragraphs."""
_JOINERS = "\u200c\u200d"
"""Hidden as well, but part of words and pictures."""


def printable(text: str) -> str:
    r"""The same text with every character written out that does more than show itself.

    It becomes ``\n``, ``\x1b``, ``\u202e``; a byte of a file name that is not Unicode, which Python holds as half of a
    surrogate pair, becomes ``\udcff``. Backslashes stay as they are, so doing it twice changes nothing.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN or character in _JOINERS:
        return character
    return character.encode("unicode_escape").decode()
