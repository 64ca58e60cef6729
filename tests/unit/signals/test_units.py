"""Values of fields in the units of the samples, and their slopes."""

import numpy as np
import pytest
import torch

from inr.meta import PowerTransform, SampleType, SignalMeta
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.signal import denormalise
from inr.signals.units import in_units, unit_slope

METAS = {
    "8 bits": SignalMeta("uint8", (0.0, 255.0), ArrayAttributes()),
    "part of 16 bits": SignalMeta("int16", (-700.0, 9000.0), ArrayAttributes()),
    "floats": SignalMeta("float32", (-3.5, 1e9), ArrayAttributes()),
    "root": SignalMeta("uint8", (0.0, 255.0), ArrayAttributes(), PowerTransform(-4.0, 260.0, 0.4)),
    "power": SignalMeta("float32", (0.0, 10.0), ArrayAttributes(), PowerTransform(0.0, 10.0, 5.0)),
}
metas = pytest.mark.parametrize("meta", METAS.values(), ids=METAS)


@metas
def test_samples_are_these_values_rounded_and_clamped(meta: SignalMeta) -> None:
    values = np.linspace(-1.2, 1.2, 241)[:, np.newaxis]
    units = np.clip(in_units(values, meta), *meta.value_range)
    kept: SampleType = meta.dtype
    off = np.abs(units - denormalise(values.astype(np.float32), meta))
    assert off.max() <= (0.501 if kept != "float32" else 1e-6 * (meta.value_range[1] - meta.value_range[0]))


@metas
def test_slopes_are_those_of_the_values(meta: SignalMeta) -> None:
    values = np.linspace(-0.99, 0.99, 199)
    step = 1e-6
    numeric = (in_units(values + step, meta) - in_units(values - step, meta)) / (2 * step)
    np.testing.assert_allclose(unit_slope(values, meta), numeric, rtol=1e-5)


@metas
def test_tensors_are_mapped_as_arrays_are(meta: SignalMeta) -> None:
    values = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64, requires_grad=True)
    units = in_units(values, meta)
    array = values.detach().numpy()
    np.testing.assert_allclose(units.detach().numpy(), in_units(array, meta), rtol=1e-12)
    (slopes,) = torch.autograd.grad(units.sum(), values)
    np.testing.assert_allclose(slopes.numpy(), unit_slope(array, meta), rtol=1e-9)
    assert np.isfinite(slopes.numpy()).all()
