"""The compiled twins against numpy: grids bit for bit, pictures up to rounding, on every instruction set."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from inr import native
from inr.coders.latent.context import LARGEST, Context
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import GROUPS, Networks, Pyramid, decisions, decode, encode
from inr.coders.latent.synthesis import LARGEST as LARGEST_VALUE
from inr.coders.latent.synthesis import Synthesis
from inr.errors import CorruptStreamError, SpecError
from tests.support.random_latents import random_pyramid

KERNELS = native.load()
pytestmark = pytest.mark.skipif(KERNELS is None, reason="no compiled kernels")
SETS = () if KERNELS is None else tuple(KERNELS.instruction_sets())
SIZES = ((1, 1), (1, 37), (5, 3), (40, 2), (64, 48), (71, 131))
SPECS = (
    LatentSpec(),
    LatentSpec(channels=1, levels=1, hyper=(), features=0, hidden=0, residuals=0),
    LatentSpec(channels=5, levels=4, hyper=(1,), contexts=6, features=3, parent_levels=3, hidden=1, width=9),
    LatentSpec(channels=2, levels=9, hyper=(0, 8), contexts=13, features=16, hidden=3, width=30, residuals=3),
)
TOLERANCE = 2e-5
"""Of the largest value of a picture: some hundred roundings of 2^-24 each."""


def _context(pyramid: Pyramid) -> Context:
    return Context(pyramid.spec, pyramid.networks.fixed(pyramid.spec))


def _in_numpy(monkeypatch: pytest.MonkeyPatch, pyramid: Pyramid) -> tuple[Context, Synthesis]:
    with monkeypatch.context() as patch:
        patch.setenv("INR_NATIVE", "0")
        context, synthesis = _context(pyramid), _synthesis(pyramid)
    assert context.compiled is None
    return context, synthesis


def _synthesis(pyramid: Pyramid) -> Synthesis:
    values = pyramid.networks.values(pyramid.spec)
    return Synthesis(pyramid.spec, pyramid.height, pyramid.width, values, pyramid.grids)


def _assert_same_decisions(monkeypatch: pytest.MonkeyPatch, pyramid: Pyramid) -> None:
    reference, _ = _in_numpy(monkeypatch, pyramid)
    expected = [decisions(reference, grid, pyramid.grids) for grid in pyramid.spec.grids(pyramid.height, pyramid.width)]
    for name in SETS:
        monkeypatch.setenv("INR_ISA", name)
        context = _context(pyramid)
        for grid, (bits, probabilities) in zip(
            pyramid.spec.grids(pyramid.height, pyramid.width), expected, strict=True
        ):
            found = decisions(context, grid, pyramid.grids)
            np.testing.assert_array_equal(found[0], bits)
            np.testing.assert_array_equal(found[1], probabilities)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("spec", SPECS)
def test_decisions_are_the_same(monkeypatch: pytest.MonkeyPatch, spec: LatentSpec, height: int, width: int) -> None:
    """Every bit and every probability, in the same order."""
    _assert_same_decisions(monkeypatch, random_pyramid(height, width, 4, spec))


@pytest.mark.parametrize("amplitude", [1.0, 30.0, 128.0])
def test_decisions_of_extreme_networks_are_the_same(monkeypatch: pytest.MonkeyPatch, amplitude: float) -> None:
    """Where activations are cut, and at the largest sums there are."""
    spec = LatentSpec(features=16)
    pyramid = random_pyramid(31, 45, 5, spec)
    rng = np.random.default_rng(6)
    integers = {
        tensor.name: np.clip(np.rint(rng.normal(0, amplitude * 2**16, tensor.shape)), -LARGEST, LARGEST).astype(
            np.int64
        )
        for tensor in spec.layout()
    }
    networks = Networks(integers, dict.fromkeys(GROUPS, 16))
    grids = {name: np.where(grid % 2 == 0, -64, 63) for name, grid in pyramid.grids.items()}
    _assert_same_decisions(monkeypatch, dataclasses.replace(pyramid, networks=networks))
    _assert_same_decisions(monkeypatch, dataclasses.replace(pyramid, networks=networks, grids=grids))


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("spec", SPECS)
def test_grids_decode_to_what_was_coded(
    monkeypatch: pytest.MonkeyPatch, spec: LatentSpec, height: int, width: int
) -> None:
    """On every instruction set, of payloads that the best one wrote; also the first ones alone."""
    pyramid = random_pyramid(height, width, 7, spec)
    payloads = encode(pyramid, 2)
    for name in SETS:
        monkeypatch.setenv("INR_ISA", name)
        for count in (1, 2):
            found = decode(spec, height, width, payloads[:count], 2).grids
            for grid, symbols in found.items():
                np.testing.assert_array_equal(symbols, pyramid.grids[grid])
        assert set(found) == set(pyramid.grids)


@pytest.mark.parametrize("damage", ["cut", "changed", "longer"])
def test_damage_is_refused_in_the_same_words(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    """By both twins, or read to the same symbols."""
    pyramid = random_pyramid(24, 20, 8)
    payloads, rng = encode(pyramid, 8), np.random.default_rng(1)
    refused = 0
    for _ in range(25):
        last = bytearray(payloads[-1])
        if damage == "cut":
            del last[int(rng.integers(len(last))) :]
        elif damage == "longer":
            last += rng.bytes(int(rng.integers(1, 9)))
        else:
            last[int(rng.integers(len(last)))] ^= 1 << int(rng.integers(8))
        told = []
        for native_or_not in ("1", "0"):
            monkeypatch.setenv("INR_NATIVE", native_or_not)
            try:
                told.append(decode(pyramid.spec, 24, 20, (*payloads[:-1], bytes(last)), 8).grids["latent0"].tolist())
            except CorruptStreamError as error:
                told.append(str(error))
        refused += isinstance(told[0], str)
        assert told[0] == told[1]
    assert refused > 0


def test_coarser_grids_must_fit() -> None:
    """In shape and in range, whatever the caller says."""
    pyramid = random_pyramid(12, 10, 2)
    context, grid = _context(pyramid), pyramid.spec.grids(12, 10)[-1]
    assert context.compiled is not None
    with pytest.raises(SpecError, match=r"beyond -64\.\.63"):
        context.compiled.decisions(grid, {**pyramid.grids, "latent3": np.full((2, 2), 64)})
    with pytest.raises(ValueError, match="shape"):
        context.compiled.decisions(grid, {**pyramid.grids, "latent3": np.zeros((2, 1), np.int64)})


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("spec", SPECS)
def test_pictures_are_the_same_up_to_rounding(
    monkeypatch: pytest.MonkeyPatch, spec: LatentSpec, height: int, width: int
) -> None:
    """At pixels, between them, and in any order of rows and columns."""
    pyramid = random_pyramid(height, width, 9, spec)
    _, reference = _in_numpy(monkeypatch, pyramid)
    rng = np.random.default_rng(3)
    places: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = [
        (np.arange(height, dtype=np.float64), np.arange(width, dtype=np.float64)),
        (np.arange(2 * height) / 2 - 0.25, np.arange(3 * width) / 3 - 1 / 3),
        (rng.uniform(-1, height, 5), rng.uniform(-1, width, 70)),
        (np.array([height - 1.0, 0.0]), np.array([], dtype=np.float64)),
    ]
    expected = [reference.grid(rows, columns) for rows, columns in places]
    for name in SETS:
        monkeypatch.setenv("INR_ISA", name)
        synthesis = _synthesis(pyramid)
        for (rows, columns), values in zip(places, expected, strict=True):
            found = synthesis.grid(rows, columns)
            assert found.shape == values.shape
            np.testing.assert_allclose(found, values, rtol=0, atol=TOLERANCE * np.abs(expected[0]).max())


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("spec", SPECS)
def test_points_are_the_same_up_to_rounding(
    monkeypatch: pytest.MonkeyPatch, spec: LatentSpec, height: int, width: int
) -> None:
    """Anywhere, at pixels, and where arms of stencils are just about to be clamped."""
    pyramid = random_pyramid(height, width, 11, spec)
    _, reference = _in_numpy(monkeypatch, pyramid)
    rng = np.random.default_rng(4)
    rows, columns = (
        np.concatenate([rng.uniform(-1, size, 90), np.arange(0.0, 5.0, 0.5), size - 1 - np.arange(0.0, 5.0, 0.5)])
        for size in (height, width)
    )
    columns = rng.permutation(columns)
    expected = reference.points(rows, columns)
    for name in SETS:
        monkeypatch.setenv("INR_ISA", name)
        found = _synthesis(pyramid).points(rows, columns)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def test_threads_do_not_change_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several bands; nor points, of several groups."""
    pyramid = random_pyramid(300, 700, 10)
    pictures = []
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        synthesis = _synthesis(pyramid)
        places = np.linspace(0, 299, 20000)
        pictures.append((synthesis.picture(), synthesis.points(places, places * 2)))
    np.testing.assert_array_equal(pictures[0][0], pictures[1][0])
    np.testing.assert_array_equal(pictures[0][1], pictures[1][1])


def test_missing_levels_are_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the reference has it, the lowest one too."""
    pyramid = random_pyramid(20, 24, 3)
    for missing in ({"latent0"}, {"latent0", "latent1", "latent4"}, {f"latent{level}" for level in range(7)}):
        part = dataclasses.replace(pyramid, grids={k: v for k, v in pyramid.grids.items() if k not in missing})
        expected = _in_numpy(monkeypatch, part)[1].picture()
        np.testing.assert_allclose(_synthesis(part).picture(), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_hostile_values_are_cut(monkeypatch: pytest.MonkeyPatch, sign: float) -> None:
    """Sums overflow 32-bit floats, and infinities meet: results are finite on every instruction set."""
    spec = LatentSpec(levels=12, width=7)
    pyramid = random_pyramid(9, 37, 1, spec)
    values = {tensor.name: np.full(tensor.shape, 128, dtype=np.float32) for tensor in spec.layout()}
    values["synthesis.mix1.weight"][::2] *= sign
    values["synthesis.bypass.weight"][::2] *= -1
    for name in SETS:
        monkeypatch.setenv("INR_ISA", name)
        picture = Synthesis(spec, 9, 37, values, pyramid.grids).picture()
        assert np.isfinite(picture).all()
        assert np.abs(picture).max() <= LARGEST_VALUE
