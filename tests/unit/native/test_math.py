"""The compiled elementwise functions: the errors that ``inr/native/src/isa/math.h`` states hold on every set.

They were measured over all 32-bit floats with every 101st bit pattern; here about 1e5 arguments a function are tested.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from inr.layers import LAYERS as VOCABULARY
from inr.layers import (
    Activation,
    ComplexGabor,
    Concat,
    Constant,
    Finer,
    Fourier,
    GatedTanh,
    Gaussian,
    Layer,
    LeakyReLU,
    Linear,
    RealPart,
    ReLU,
    Sine,
    Tanh,
)
from inr.layers.network import Network
from tests.support.native_reference import KERNELS, Lowered, each_bf16_set, each_set, needs_kernels, values_of
from tests.support.torch_layers import TorchLayer, module_of

Floats = npt.NDArray[np.float32]
Exact = npt.NDArray[np.float64]

pytestmark = needs_kernels

NEAR = (0.0, -0.0, 1e-45, -1e-45, 1e-39, -1e-39, 1.2e-38, 1e-20, -1e-10, 0.625, -0.625, 43.9, 44.1, -43.9)
BORDERS = (87.3, -87.4, 88.71, 88.73, -88.73, 104.0, -104.0, 3.2e4, -3.3e4, 1048576.0, 6.6e6, -6.7e6, 8388608.0)
FAR = (1e10, -1e20, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan)
EXTREMES: Floats = np.array([*NEAR, *BORDERS, *FAR], dtype=np.float32)
LAYERS: dict[str, tuple[Activation, list[int], float]] = {
    "sine": (Sine(1.0), [0], 1.0),
    "relu": (ReLU(), [0], 0.0),
    "leaky relu": (LeakyReLU(0.25), [0], 0.25),
    "gaussian": (Gaussian(1.0), [0], 1.0),
    "finer": (Finer(1.0), [0], 1.0),
    "gated tanh": (GatedTanh(1.0), [0], 1.0),
    "tanh": (Tanh(), [0], 0.0),
}
for _cls in VOCABULARY:  # one that is not above is tried with the settings of its first example
    for _layer, _ in _cls.EXAMPLES[:1]:
        _told = _layer.operation(1)
        if isinstance(_layer, Activation) and _told is not None:
            LAYERS.setdefault(_told.kind, (_layer, [*_told.ints, 0][:1], [*_told.reals, 0.0][0]))


def operation(kind: str, setting: float = 1.0, whole: int = 0) -> Any:
    """An operation with as many settings as its kind takes."""
    known = next(known for known in KERNELS.operation_kinds() if known.name == kind)
    return KERNELS.Operation(kind, [0], ints=[whole] * known.ints[0], reals=[setting] * known.reals[0])


def elementwise(kind: str, x: Floats, setting: float = 1.0, whole: int = 0, bf16: bool = False) -> tuple[Exact, Exact]:
    """Values and slopes; ``bf16`` as they are computed beside 16-bit products."""
    y, slope = np.full_like(x, 7), np.full_like(x, 7)
    KERNELS.elementwise(operation(kind, setting, whole), x, y, slope, bf16)
    return y.astype(np.float64), slope.astype(np.float64)


def uniform(limit: float, n: int = 20_000, low: float | None = None) -> Floats:
    rng = np.random.Generator(np.random.PCG64(int(limit)))
    return rng.uniform(-limit if low is None else low, limit, n).astype(np.float32)


def any_floats(n: int = 50_000) -> Floats:
    """Random bits, so all magnitudes alike; finite."""
    bits = np.random.Generator(np.random.PCG64(1)).integers(0, 2**32, n, dtype=np.uint32)
    x: Floats = bits.view(np.float32)
    return x[np.isfinite(x)]


def contracted(isa: str) -> bool:
    """Whether products and sums are rounded once; what is portable may do either."""
    return isa != "portable"


@each_set
@pytest.mark.parametrize("omega", [1.0, 30.0, 0.1])
def test_sine_and_cosine(omega: float, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute error below 5e-7 and 8e-7, also of huge angles, and twice that without fused operations.

    Omega counts as the 64-bit number that it is; the slope is omega (rounded to 32 bits) times the cosine.
    """
    monkeypatch.setenv("INR_ISA", isa)
    for x in (uniform(1), uniform(10), uniform(1000), uniform(40_000), uniform(6e6), any_floats()):
        angle = omega * x.astype(np.float64)
        sine, slope = elementwise("sine", x, omega)
        factor = 1 if contracted(isa) else 2
        assert np.abs(sine - np.sin(angle)).max() <= factor * 5e-7
        assert np.abs(slope / omega - np.cos(angle)).max() <= factor * 8e-7 + 1.2e-7


@each_bf16_set
@pytest.mark.parametrize("omega", [1.0, 30.0, 0.1])
def test_sine_and_cosine_beside_16_bit_products(omega: float, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute error below 1.4e-5 and 2.7e-6 of omega, beside that of an angle in turns that is rounded to 32 bits."""
    monkeypatch.setenv("INR_ISA", isa)
    for limit in (0.01, 1, 10, 1000):
        x = uniform(limit)
        angle = omega * x.astype(np.float64)
        rounding = np.abs(angle).max() * 2.0**-22
        sine, slope = elementwise("sine", x, omega, bf16=True)
        assert np.abs(sine - np.sin(angle)).max() <= 1.4e-5 + rounding
        assert np.abs(slope / omega - np.cos(angle)).max() <= 2.7e-6 + 2e-7 + rounding
    for huge in (1e30, -1e36):
        sine, slope = elementwise("sine", np.full(5, huge, dtype=np.float32), omega, bf16=True)
        assert np.abs(sine).max() <= 1 + 1e-6
        assert np.abs(slope / omega).max() <= 1 + 1e-6
    sine, slope = elementwise("sine", np.array([np.nan, np.inf, 0.5], dtype=np.float32), omega, bf16=True)
    assert np.isnan(sine[:2]).all()
    assert np.isnan(slope[:2]).all()
    assert np.isfinite(sine[2])


@each_set
def test_a_huge_angle_does_not_change_its_neighbours(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    x = uniform(20, 64)
    alone = elementwise("sine", x, 30.0)
    for odd in (np.nan, np.inf, 1e30):
        mixed = x.copy()
        mixed[21] = odd
        for found, expected in zip(elementwise("sine", mixed, 30.0), alone, strict=True):
            np.testing.assert_array_equal(np.delete(found, 21), np.delete(expected, 21))


@each_set
def test_sine_and_cosine_of_turns(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute error below 8e-7; with the frequency 1 a coordinate is a number of turns.

    From 2^30 turns on all are whole.
    """
    monkeypatch.setenv("INR_ISA", isa)
    lowered = network(Fourier(np.array([[1.0]])), Linear(2, 2))
    for x in (uniform(0.5), uniform(2), uniform(1000), uniform(2.0**20), any_floats()):
        turns = x[:, None]
        found = values_of(lowered, turns, tile=4096).astype(np.float64)
        rest = 2 * np.pi * np.fmod(turns.astype(np.float64), 1)
        np.testing.assert_allclose(found, np.concatenate([np.sin(rest), np.cos(rest)], axis=1), rtol=0, atol=8e-7)
    whole = values_of(lowered, np.array([[2.0**23], [-(2.0**30)], [3e38]], dtype=np.float32))
    np.testing.assert_allclose(whole, [[0, 1]] * 3, rtol=0, atol=1e-6)


def network(*layers: Layer, sources: list[tuple[int, ...]] | None = None) -> Lowered:
    """Of one coordinate, where linear layers are identities."""
    made = module_of(Network(layers, sources))
    with torch.no_grad():
        for name, tensor in made.tensors().items():
            tensor.copy_(torch.eye(*tensor.shape) if name.endswith("weight") else torch.zeros(tensor.shape))
    return Lowered.of(made, 1)


@each_set
def test_exponential(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative error below 2e-7; infinite above 88.72, and zero below 1e-20 as `window` says.

    The size of a complex Gabor wavelet of i x with omega = -1 and sigma = 0 is the exponential of x.
    """
    monkeypatch.setenv("INR_ISA", isa)
    layers = [Constant(0.0, 1), Concat(), ComplexGabor(-1.0, 0.0), RealPart(), Linear(1, 1)]
    lowered = network(*layers, sources=[(0,), (1, 0), (2,), (3,), (4,)])
    for x in (uniform(88.7, low=-46), uniform(1), uniform(1e-3)):
        values = values_of(lowered, x[:, None], tile=4096)[:, 0].astype(np.float64)
        np.testing.assert_allclose(values, np.exp(x.astype(np.float64)), rtol=2e-7, atol=0)
    extreme = np.array([[0.0], [-46.1], [-104.0], [-200.0], [-1e10], [88.73], [200.0], [1e10]], dtype=np.float32)
    found = values_of(lowered, extreme)[:, 0]
    np.testing.assert_array_equal(found, [1, 0, 0, 0, 0, np.inf, np.inf, np.inf])


@each_set
def test_hyperbolic_tangent(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative error below 4e-7, of the slope absolute below 4e-7."""
    monkeypatch.setenv("INR_ISA", isa)
    for x in (uniform(0.7), uniform(1), uniform(10), uniform(100), any_floats()):
        found, slope = elementwise("tanh", x)
        exact = np.tanh(x.astype(np.float64))
        np.testing.assert_allclose(found, exact, rtol=4e-7, atol=0)
        np.testing.assert_allclose(slope, 1 - exact**2, rtol=0, atol=4e-7)


@each_set
def test_logistic_function(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute error below 1e-7: with omega = 0 the gated tanh is x times it, rounded once more."""
    monkeypatch.setenv("INR_ISA", isa)
    for x in (uniform(1), uniform(10), uniform(90), any_floats()):
        wide = x.astype(np.float64)
        found, slope = elementwise("gated tanh", x, 0.0)
        with np.errstate(over="ignore"):
            exact = 1 / (1 + np.exp(-wide))
        assert (np.abs(found - wide * exact) <= 1.6e-7 * np.abs(wide) + 1e-44).all()
        tame = np.abs(x) < 90
        derivative = exact + wide * exact * (1 - exact)
        assert (np.abs(slope - derivative)[tame] <= 5e-7 * (1 + np.abs(wide[tame]))).all()


@each_set
def test_gaussian(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the exponential and that of its argument, which is rounded twice; zero below 1e-20."""
    monkeypatch.setenv("INR_ISA", isa)
    for sigma in (1.0, 10.0):
        x = uniform(8 / sigma, 100_000)
        exponent = -((sigma * x.astype(np.float64)) ** 2)
        exact = np.exp(exponent)
        found, slope = elementwise("gaussian", x, sigma)
        allowed = exact * (2e-7 + 2e-7 * np.abs(exponent))
        kept = exact > 1.0001e-20
        assert (np.abs(found - exact) <= allowed)[kept].all()
        assert not found[exact < 0.9999e-20].any()
        derivative = -2 * sigma * sigma * x * exact
        assert (np.abs(slope - derivative) <= np.abs(derivative) * (5e-7 + 2e-7 * np.abs(exponent)) + 1e-30)[kept].all()


@each_set
@pytest.mark.parametrize("full", [0, 1])
def test_finer(full: int, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the sine and that of its angle, which is rounded three times."""
    monkeypatch.setenv("INR_ISA", isa)
    for omega in (1.0, 30.0):
        x = uniform(4.0, 100_000)
        wide = x.astype(np.float64)
        scale = omega * (np.abs(wide) + 1)
        found, slope = elementwise("finer", x, omega, full)
        allowed = 4e-7 + 3e-7 * np.abs(scale * wide)
        assert (np.abs(found - np.sin(scale * wide)) <= allowed).all()
        inner = scale + full * omega * np.abs(wide)
        assert (np.abs(slope - inner * np.cos(scale * wide)) <= inner * (allowed + 3e-7)).all()


@each_set
def test_rectifiers_are_exact(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INR_ISA", isa)
    x = np.concatenate([any_floats(), EXTREMES[np.isfinite(EXTREMES)]])
    for kind, slope in (("relu", 0.0), ("leaky relu", 0.25)):
        found, slopes = elementwise(kind, x, slope)
        np.testing.assert_array_equal(found, np.where(x > 0, x, np.float32(slope) * x))
        np.testing.assert_array_equal(slopes, np.where(x > 0, 1, slope))


@each_set
@pytest.mark.parametrize("kind", LAYERS)
def test_extremes_are_those_of_torch(kind: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros, denormal and huge numbers, infinities, and what is no number: finite, infinite and NaN where torch is."""
    monkeypatch.setenv("INR_ISA", isa)
    layer, integers, setting = LAYERS[kind]
    found, slopes = elementwise(kind, EXTREMES, setting, integers[0])
    expected = TorchLayer(layer)(torch.from_numpy(EXTREMES)).numpy().astype(np.float64)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    tame = np.isfinite(expected) & (np.abs(EXTREMES) < 3)
    np.testing.assert_allclose(found[tame], expected[tame], rtol=2e-6, atol=2e-6)
    assert np.isfinite(slopes[tame]).all()


def test_every_elementwise_operation_is_compared() -> None:
    assert {kind.name for kind in KERNELS.operation_kinds() if kind.elementwise} == set(LAYERS)
    with pytest.raises(ValueError, match=r"operation 0 \(sine\): reals: expected 1; got 2"):
        KERNELS.elementwise(KERNELS.Operation("sine", [0], reals=[1.0, 2.0]), EXTREMES, EXTREMES, EXTREMES)
    with pytest.raises(ValueError, match=r"operation 0 \(concat\): it is not elementwise"):
        KERNELS.elementwise(KERNELS.Operation("concat", [0]), EXTREMES, EXTREMES, EXTREMES)


@each_set
@pytest.mark.parametrize("kind", LAYERS)
def test_slopes_are_those_of_the_values(kind: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By differences of neighbours, whose rounding is divided by the step; rectifiers have a bend at 0."""
    monkeypatch.setenv("INR_ISA", isa)
    step, whole = 2.0**-8, 1
    x = (np.arange(-512, 513) * np.float32(2.0**-7) + np.float32(2.0**-9)).astype(np.float32)
    found = elementwise(kind, x, 0.5, whole)[1]
    above, below = (elementwise(kind, x + np.float32(side * step), 0.5, whole)[0] for side in (1, -1))
    smooth = np.abs(x) > step
    np.testing.assert_allclose(found[smooth], ((above - below) / (2 * step))[smooth], atol=2e-3)


@each_set
def test_every_length_is_computed_to_its_end(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No number beyond the end is read or written, and where one stands does not matter."""
    monkeypatch.setenv("INR_ISA", isa)
    x = uniform(3.0, 70)
    for kind in LAYERS:
        whole, slopes = elementwise(kind, x)
        for n in (0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 63, 64, 65):
            y, slope = np.full(n + 8, 7, dtype=np.float32), np.full(n + 8, 7, dtype=np.float32)
            KERNELS.elementwise(operation(kind), x[:n], y[:n], slope[:n])
            np.testing.assert_array_equal(y, [*whole[:n], *[7] * 8])
            np.testing.assert_array_equal(slope, [*slopes[:n], *[7] * 8])


def test_stated_errors_are_those_tested_here() -> None:
    """So that nobody changes one without the other."""
    source = Path(__file__).parents[3] / "inr" / "native" / "src" / "isa" / "math.h"
    stated = set(re.findall(r"error below ([0-9]e-[0-9]+)", source.read_text(encoding="utf-8")))
    assert {"2e-7", "4e-7", "1e-7"} <= stated
