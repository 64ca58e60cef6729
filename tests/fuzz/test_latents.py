"""Damaged payloads of latents: refused with an error of the format, or read for what they stand for."""

import pytest

from inr import native
from tests.support.latent_fuzz import main

COUNT = 1500
"""More in a process of their own, and under sanitizers: `python -m tests.support.latent_fuzz`."""


@pytest.mark.skipif(native.load() is None, reason="no compiled kernels")
@pytest.mark.parametrize("seed", [1, 2])
def test_damage_is_refused_or_read(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Whatever is changed, by compiled kernels of the best instruction set and of the portable one."""
    monkeypatch.setenv("INR_ISA", "")
    ended = main(COUNT, seed)
    assert sum(ended.values()) == COUNT
    assert ended["CorruptStreamError"] > COUNT // 2
    assert ended["read"] > COUNT // 100
