"""Samples of a signal in their own type: read by steps and written by fields as the reference does it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inr.backends.base import Field, Resources, SampleBatch, SampleField
from inr.backends.native.backend import NativeBackend
from inr.backends.render import render
from inr.backends.torch import TorchBackend
from inr.domain import Domain
from inr.losses.mse import MeanSquaredError
from inr.meta import INTEGER_RANGE, PowerTransform, SignalMeta
from inr.models.densegrid import DenseGridMlp
from inr.models.iterative import IterativeInr
from inr.models.siren import Siren
from inr.optimisers.adam import Adam
from inr.samplers.base import Wanted
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.signal import Signal, denormalise
from tests.support.model_checks import initialised, randomised
from tests.support.native_reference import each_set, each_thread_count, needs_kernels
from tests.support.torch_layers import told

pytestmark = needs_kernels

SHAPE = (11, 19)
METAS: dict[str, SignalMeta] = {
    **{name: SignalMeta(name, INTEGER_RANGE[name], ArrayAttributes()) for name in ("uint8", "uint16", "int8", "int16")},
    "uint8 part": SignalMeta("uint8", (16.0, 235.0), ArrayAttributes()),
    "uint16 part": SignalMeta("uint16", (100.0, 50_000.0), ArrayAttributes()),
    "int8 part": SignalMeta("int8", (-3.0, 4.0), ArrayAttributes()),
    "int16 part": SignalMeta("int16", (-1000.0, 31_000.0), ArrayAttributes()),
    "float32": SignalMeta("float32", (-2.5, 7.25), ArrayAttributes()),
    "float32 huge": SignalMeta("float32", (-3.0e38, 3.3e38), ArrayAttributes()),
    "float32 tiny": SignalMeta("float32", (1.0, 1.0000305), ArrayAttributes()),
    "float16": SignalMeta("float16", (-2.0, 3.0), ArrayAttributes()),
    "uint8 power": SignalMeta("uint8", (0.0, 255.0), ArrayAttributes(), power=PowerTransform(2.0, 250.0, 0.5)),
    "float32 power": SignalMeta("float32", (0.0, 1.0), ArrayAttributes(), power=PowerTransform(0.1, 0.9, 2.0)),
}
each_meta = pytest.mark.parametrize("name", METAS)


def samples_of(meta: SignalMeta, count: int, seed: int = 0) -> npt.NDArray[Any]:
    """Samples over the whole value range, both ends among them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    low, high = meta.value_range
    values = low + (high - low) * rng.uniform(0, 1, (count, 3))
    values[0], values[-1] = low, high
    return (np.rint(values) if meta.dtype in INTEGER_RANGE else values).astype(meta.dtype)


def signal_of(meta: SignalMeta, alignment: Any = "center") -> Signal:
    domain = Domain(SHAPE, ((-0.6, 0.55), (-1.0, 1.0)), alignment)
    return Signal(samples_of(meta, domain.size).reshape(*SHAPE, 3), domain, meta)


def batches(signal: Signal) -> dict[str, SampleBatch]:
    """Some samples, several of them twice, with all that a sampler may say of them; and one sample."""
    rng = np.random.Generator(np.random.PCG64(2))
    index = rng.integers(0, signal.domain.size, 150)
    index[:3] = 0, signal.domain.size - 1, 0
    offsets = rng.uniform(-0.5, 0.5, (150, 2)).astype(np.float32)
    weights = rng.uniform(0, 2, 150).astype(np.float32)
    return {
        "plain": SampleBatch(signal, index),
        "strayed": SampleBatch(signal, index, offsets),
        "weighted": SampleBatch(signal, index, offsets, weights),
        "every other": SampleBatch(signal, np.repeat(index, 2)[::2], offsets, weights),
        "one": SampleBatch(signal, index[1:2], offsets[1:2], weights[1:2]),
    }


def step_of(batch: Any, model: Any, wanted: Wanted = "gradients", threads: int = 1) -> tuple[Any, dict[str, Any]]:
    """What a step of the native backend finds, and the tensors after it."""
    resources = Resources(threads=threads)
    trainer = NativeBackend().trainer(*told(initialised(model)), MeanSquaredError(), Adam(), "cpu", 1, resources)
    result = trainer.step(batch, 1e-3, wanted)
    return result, trainer.tensors()


def check_same_step(found: tuple[Any, dict[str, Any]], expected: tuple[Any, dict[str, Any]]) -> None:
    """To the bit."""
    (one, tensors), (other, others) = found, expected
    assert one.loss == other.loss
    np.testing.assert_array_equal(one.residuals, other.residuals)
    np.testing.assert_array_equal(one.gradients, other.gradients)
    for name, tensor in tensors.items():
        assert tensor.tobytes() == others[name].tobytes()


@each_set
@each_thread_count
@each_meta
def test_steps_on_samples_are_those_on_their_points(
    name: str, threads: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same coordinates and targets, to the bit, so the same step; but for a product that is contracted or not.

    A coordinate that strays is a sum of a product: rounding it once or twice differs by 6e-8, and the step by 1e-5.
    """
    monkeypatch.setenv("INR_ISA", isa)
    for kind, batch in batches(signal_of(METAS[name])).items():
        found = step_of(batch, Siren.EXAMPLES[0], threads=threads)
        expected = step_of(batch.points(), Siren.EXAMPLES[0], threads=threads)
        if batch.offsets is None:
            check_same_step(found, expected)
            continue
        assert found[0].loss == pytest.approx(expected[0].loss, rel=1e-5), kind
        np.testing.assert_allclose(found[0].residuals, expected[0].residuals, rtol=0, atol=1e-5)
        scale = max(1.0, float(np.abs(expected[0].gradients).max()))
        np.testing.assert_allclose(found[0].gradients, expected[0].gradients, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("alignment", ["center", "corner"])
@pytest.mark.parametrize("shape", [(23,), (5, 7), (3, 4, 5), (2, 3, 4, 5)], ids=len)
def test_samples_of_grids_with_any_axes(shape: tuple[int, ...], alignment: Any) -> None:
    meta = METAS["uint8"]
    domain = Domain(shape, ((-0.9, 0.8),) * len(shape), alignment, tuple("abcd"[: len(shape)]))
    signal = Signal(samples_of(meta, domain.size).reshape(*shape, 3), domain, meta)
    index = np.arange(domain.size)[::-1].copy()
    network = initialised(Siren.EXAMPLES[0], len(shape))
    found, expected = (
        NativeBackend().trainer(*told(network), MeanSquaredError(), Adam(), "cpu").step(batch, 0.0, "residuals")
        for batch in (SampleBatch(signal, index), SampleBatch(signal, index).points())
    )
    assert found.loss == expected.loss
    assert found.residuals is not None
    assert expected.residuals is not None
    np.testing.assert_array_equal(found.residuals, expected.residuals)


@pytest.mark.parametrize("model", [IterativeInr.EXAMPLES[0], DenseGridMlp.EXAMPLES[0]], ids=lambda m: str(m.kind))
def test_samples_for_what_reads_more_than_coordinates(model: Any) -> None:
    """A graph that is trained on targets and random numbers, and a grid."""
    batch = batches(signal_of(METAS["uint8"]))["plain"]
    check_same_step(step_of(batch, model), step_of(batch.points(), model))


def test_the_next_signal_is_not_taken_for_the_last_one() -> None:
    trainer = NativeBackend().trainer(*told(initialised(Siren.EXAMPLES[0])), MeanSquaredError(), Adam(), "cpu")
    index = np.arange(9)
    for name in ("uint8", "int16", "float32", "uint8"):
        signal = signal_of(METAS[name])
        found = trainer.step(SampleBatch(signal, index), 0.0, "residuals").residuals
        expected = trainer.field()(signal.domain.coordinates(index)) - signal.targets(index)
        assert found is not None
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def fields() -> list[Field]:
    """One that overshoots the value range on both sides, and one with weights that make it infinite or no number."""
    wild = randomised(Siren.EXAMPLES[0])
    tensors = list(wild.tensors().values())
    tensors[-2].data.mul_(8)
    broken = randomised(Siren.EXAMPLES[0])
    list(broken.tensors().values())[-2].data.mul_(3e38)
    list(broken.tensors().values())[-1].data.mul_(3e38)
    return [NativeBackend().field(*told(network), "cpu") for network in (wild, broken)]


@each_set
@each_meta
def test_samples_of_a_field_are_its_values_denormalised(name: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, or None where the field leaves it to others; what is no number is the lowest value."""
    monkeypatch.setenv("INR_ISA", isa)
    meta, domain = METAS[name], Domain((23, 41), ((-0.9, 0.9), (-1.0, 1.0)))
    for field in fields():
        assert isinstance(field, SampleField)
        values = field.grid([domain.axis_coordinates(axis) for axis in range(2)])
        expected = denormalise(values, meta)
        found = field.samples(domain, meta)
        assert (found is None) == (meta.power is not None or meta.dtype == "float16")
        if found is not None:
            assert found.dtype == np.dtype(meta.dtype)
            assert found.tobytes() == expected.tobytes()
        rendered = render(field, domain, meta, 3)
        assert rendered.tobytes() == expected.tobytes()
    assert len(np.unique(expected)) > 1


@pytest.mark.parametrize("size", [(1, 1), (1, 65), (64, 1), (127, 1), (2, 64), (3, 43)])
def test_every_sample_of_a_grid_is_written(size: tuple[int, int]) -> None:
    domain = Domain.of_shape(size)
    field = NativeBackend().field(*told(randomised(Siren.EXAMPLES[0])), "cpu")
    expected = (
        TorchBackend()
        .field(*told(randomised(Siren.EXAMPLES[0])), "cpu")
        .grid([domain.axis_coordinates(axis) for axis in range(2)])
    )
    assert isinstance(field, SampleField)
    found = field.samples(domain, METAS["uint16"])
    assert found is not None
    assert found.shape == (domain.size, 3)
    exact = denormalise(expected, METAS["uint16"]).astype(np.int64)
    assert np.abs(found.astype(np.int64) - exact).max() <= 1
