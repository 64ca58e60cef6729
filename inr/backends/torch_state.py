"""States of torch as numpy arrays and back, for checkpoints that need no torch."""

from typing import Any

import numpy as np
import torch


def to_arrays(state: Any) -> Any:
    """A copy of nested dicts and lists with tensors as arrays."""
    if isinstance(state, torch.Tensor):
        return state.detach().cpu().numpy().copy()
    if isinstance(state, dict):
        return {key: to_arrays(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [to_arrays(value) for value in state]
    return state


def to_tensors(state: Any) -> Any:
    """A copy of nested dicts and lists with arrays as tensors."""
    if isinstance(state, np.ndarray):
        return torch.from_numpy(state.copy())
    if isinstance(state, dict):
        return {key: to_tensors(value) for key, value in state.items()}
    if isinstance(state, list):
        return [to_tensors(value) for value in state]
    return state
