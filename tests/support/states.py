"""States of trainers."""

from typing import Any

import numpy as np


def plain_copy(state: Any) -> Any:
    """A copy; an error for anything but what states may hold: dicts and lists of arrays, numbers, texts and None."""
    if isinstance(state, dict):
        assert all(isinstance(key, str) for key in state)
        return {key: plain_copy(value) for key, value in state.items()}
    if isinstance(state, list):
        return [plain_copy(value) for value in state]
    assert state is None or type(state) in (np.ndarray, int, float, str, bool), type(state)
    return state.copy() if isinstance(state, np.ndarray) else state
