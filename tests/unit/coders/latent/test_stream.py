"""Grids and networks as payloads."""

import dataclasses
import math
import time

import numpy as np
import pytest

from inr.coders.latent.context import Context
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import (
    GROUPS,
    MAX_PIXELS,
    MAX_SIDE,
    Networks,
    Pyramid,
    bits_of,
    check_holds,
    decode,
    encode,
    runs,
)
from inr.entropy.stream import PythonDecoder, PythonEncoder
from inr.errors import CorruptStreamError, FormatError, LimitExceededError, SpecError
from tests.support.random_latents import SIZES, random_pyramid


def _assert_same(found: Pyramid, expected: Pyramid, names: set[str]) -> None:
    assert set(found.grids) == names
    for name in names:
        np.testing.assert_array_equal(found.grids[name], expected.grids[name])
    assert set(found.networks.exponents.values()) <= set(expected.networks.exponents.values())
    for name, values in expected.networks.integers.items():
        np.testing.assert_array_equal(found.networks.integers[name], values)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("layers", [1, 3, 8])
def test_every_prefix_decodes_and_encodes_again(height: int, width: int, layers: int) -> None:
    """To the same integers, and to the same bytes."""
    pyramid = random_pyramid(height, width, 11)
    payloads = encode(pyramid, layers)
    assert len(payloads) == layers
    for count in range(1, layers + 1):
        there = {level for levels in runs(7, layers)[:count] for level in levels}
        names = {grid.name for grid in pyramid.spec.grids(height, width) if grid.level in there}
        found = decode(pyramid.spec, height, width, payloads[:count], layers)
        _assert_same(found, pyramid, names)
        assert encode(found, layers) == payloads[:count]


@pytest.mark.parametrize(
    "spec",
    [
        LatentSpec(channels=1, levels=1, hyper=(), features=0, hidden=0, residuals=0),
        LatentSpec(channels=4, levels=3, hyper=(1,), contexts=6, features=2, parent_levels=2, hidden=1, width=8),
        LatentSpec(channels=2, levels=9, hyper=(0, 8), contexts=10, features=16, parent_levels=9, hidden=3),
    ],
)
def test_other_shapes_of_networks(spec: LatentSpec) -> None:
    """Not only the largest one."""
    pyramid = random_pyramid(19, 30, 4, spec)
    payloads = encode(pyramid, 2)
    _assert_same(decode(spec, 19, 30, payloads, 2), pyramid, set(pyramid.grids))


def test_length_is_what_the_probabilities_say() -> None:
    """Within 1 %, and a few bytes a payload."""
    pyramid = random_pyramid(96, 80, 6)
    context = Context(pyramid.spec, pyramid.networks.fixed(pyramid.spec))
    payloads = encode(pyramid, 8)
    for levels, payload in zip(runs(7, 8)[1:], payloads[1:], strict=True):
        grids = [grid for grid in pyramid.spec.grids(96, 80) if grid.level in levels]
        ideal = sum(bits_of(context, grid, pyramid.grids) for grid in grids) / 8
        assert ideal - 1 <= len(payload) <= 1.01 * ideal + 2


def test_a_well_predicted_grid_costs_what_its_distribution_says() -> None:
    """Symbols drawn from the very distribution that the model predicts take its entropy, within 1 %."""
    spec = LatentSpec(levels=1, hyper=(), features=0)
    pyramid = random_pyramid(200, 200, 1, spec)
    for values in pyramid.networks.integers.values():
        values[:] = 0
    pyramid.networks.integers["context.out.bias"][:] = (64, 4 * 256)  # mean 1/4, scale 1
    rng = np.random.default_rng(9)
    symbols = np.clip(np.rint(rng.laplace(0.25, 1.0, (200, 200))), -64, 63).astype(np.int64)
    pyramid = dataclasses.replace(pyramid, grids={"latent0": symbols})

    def below(x: float) -> float:
        x -= 0.25
        return 0.5 * math.exp(x) if x < 0 else 1 - 0.5 * math.exp(-x)

    ideal = -sum(math.log2(below(x + 0.5) - below(x - 0.5)) for x in symbols.reshape(-1).tolist()) / 8
    assert len(encode(pyramid, 2)[1]) == pytest.approx(ideal, rel=0.01)


def test_corrupted_payloads_raise_format_errors() -> None:
    """Whatever is changed, cut off or added."""
    pyramid = random_pyramid(12, 10, 2)
    payloads = encode(pyramid, 8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        which = int(rng.integers(len(payloads)))
        data = bytearray(payloads[which])
        for _ in range(int(rng.integers(1, 4))):
            if data:
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        if rng.random() < 0.3:
            data = data[: int(rng.integers(len(data) + 1))]
        if rng.random() < 0.2:
            data += rng.bytes(3)
        changed = (*payloads[:which], bytes(data), *payloads[which + 1 :])
        try:
            found = decode(pyramid.spec, 12, 10, changed, 8)
        except FormatError:
            refused += 1
        else:
            assert encode(found, 8) == changed
    assert refused > 0


def test_promises_that_cannot_be_kept_are_refused_early() -> None:
    """Before anything of their size is allocated."""
    spec, payloads = LatentSpec(), encode(random_pyramid(4, 4, 2), 1)
    started = time.perf_counter()
    with pytest.raises(LimitExceededError, match="pixels"):
        decode(spec, 2**20, 2**20, payloads, 1)
    with pytest.raises(LimitExceededError, match="a side"):
        decode(spec, MAX_SIDE + 1, 1, payloads, 1)
    with pytest.raises(CorruptStreamError, match="cannot hold"):
        check_holds(0, MAX_PIXELS)
    with pytest.raises(CorruptStreamError, match="ends before"):
        decode(spec, MAX_SIDE, MAX_PIXELS // MAX_SIDE, (encode(random_pyramid(4, 4, 2), 8)[0], *[b""] * 7), 8)
    with pytest.raises(LimitExceededError, match="layers"):
        decode(spec, 4, 4, payloads, 9)
    with pytest.raises(CorruptStreamError):
        decode(spec, 4, 4, (b"\xff" * 40,), 1)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("pure", [False, True])
def test_a_picture_of_256_by_256_decodes(pure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the same integers without compiled kernels, in seconds; the payloads are the same, too."""
    pyramid = random_pyramid(256, 256, 5)
    payloads = encode(pyramid, 8)
    if pure:
        monkeypatch.setattr("inr.coders.latent.stream.encoder", PythonEncoder)
        monkeypatch.setattr("inr.coders.latent.stream.decoder", PythonDecoder)
        assert encode(pyramid, 8) == payloads
    _assert_same(decode(pyramid.spec, 256, 256, payloads, 8), pyramid, set(pyramid.grids))


@pytest.mark.parametrize("value", [-65, 64])
def test_symbols_out_of_range_cannot_be_written(value: int) -> None:
    """Nor grids of another shape."""
    pyramid = random_pyramid(6, 6, 2)
    grids = {**pyramid.grids, "latent0": np.full((6, 6), value)}
    with pytest.raises(SpecError, match=r"beyond -64\.\.63"):
        encode(dataclasses.replace(pyramid, grids=grids), 8)
    with pytest.raises(SpecError, match="shape"):
        encode(dataclasses.replace(pyramid, grids={**pyramid.grids, "latent0": np.zeros((6, 5), np.int64)}), 8)


def test_symbols_out_of_range_cannot_be_read() -> None:
    """A mean at the border and a distance beyond it make a symbol that no grid may hold."""
    spec = LatentSpec(levels=1, hyper=(), features=0)
    pyramid = random_pyramid(1, 40, 1, spec)
    for values in pyramid.networks.integers.values():
        values[:] = 0
    pyramid.networks.integers["context.out.bias"][:] = (63 * 256, 9 * 256)
    first = encode(dataclasses.replace(pyramid, grids={"latent0": np.full((1, 40), 60)}), 2)[0]
    rng = np.random.default_rng(3)
    with pytest.raises(CorruptStreamError, match=r"beyond -64\.\.63"):
        decode(spec, 1, 40, (first, bytes(255 - b // 9 for b in rng.bytes(60))), 2)


def test_networks_beyond_the_bounds_cannot_be_written() -> None:
    """Neither steps nor parameters."""
    pyramid = random_pyramid(2, 2, 2)
    exponents = {**dict.fromkeys(GROUPS, 8), ("synthesis", False): 25}
    with pytest.raises(SpecError, match="exponents"):
        encode(dataclasses.replace(pyramid, networks=Networks(pyramid.networks.integers, exponents)), 8)
    integers = {**pyramid.networks.integers, "synthesis.mix0.bias": np.full(48, 2**16)}
    with pytest.raises(SpecError, match="beyond"):
        encode(dataclasses.replace(pyramid, networks=Networks(integers, pyramid.networks.exponents)), 8)
