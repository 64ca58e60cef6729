"""Domain: one convention for coordinates, which no resizing, cropping or splitting shifts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.backends.render import axis_coordinates, mesh
from inr.domain import Alignment, Domain
from inr.errors import SpecError

AXES = ("a", "b", "c", "d")
ALIGNMENTS: tuple[Alignment, ...] = ("center", "corner")
TIGHT = 1e-12


@st.composite
def domains(draw: st.DrawFn, alignment: Alignment | None = None) -> Domain:
    """Default domains and ones with boxes of their own, of one to four axes."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    domain = Domain.of_shape(shape, AXES[: len(shape)])
    if draw(st.booleans()):
        edges = st.tuples(st.floats(-2, 1), st.floats(0.01, 3))
        pairs = [draw(edges) for _ in shape]
        domain = replace(domain, box=tuple((low, low + width) for low, width in pairs))
    chosen: Alignment = draw(st.sampled_from(ALIGNMENTS)) if alignment is None else alignment
    return replace(domain, alignment=chosen)


def all_coordinates(domain: Domain) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return domain.coordinates(np.arange(domain.size, dtype=np.int64))


@given(st.lists(st.integers(1, 2**24), min_size=1, max_size=4))
def test_default_coordinates_lie_within_the_unit_box(sides: list[int]) -> None:
    domain = Domain.of_shape(tuple(sides), AXES[: len(sides)])
    assert domain.is_default()
    for low, high in domain.box:
        assert -1 <= low < high <= 1
        assert low == -high
    longest = sides.index(max(sides))
    assert domain.box[longest] == (-1.0, 1.0)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_default_cells_are_as_wide_as_high_and_centred(sides: list[int]) -> None:
    domain = Domain.of_shape(tuple(sides), AXES[: len(sides)])
    step = 2 / max(sides)
    for axis, n in enumerate(sides):
        values = domain.axis_coordinates(axis)
        assert values.shape == (n,)
        assert (np.abs(values) < 1).all()
        np.testing.assert_allclose(np.diff(values), step, rtol=1e-9)
        np.testing.assert_allclose(values, -values[::-1], atol=TIGHT)
        np.testing.assert_allclose(values[0], -n / max(sides) + step / 2, atol=TIGHT)


@given(domains("center"))
def test_doubling_does_not_shift(domain: Domain) -> None:
    """Two fine samples lie symmetrically around each coarse one."""
    fine = domain.resized(tuple(2 * n for n in domain.shape))
    assert fine.box == domain.box
    for axis in range(domain.ndim):
        pairs = fine.axis_coordinates(axis).reshape(-1, 2)
        np.testing.assert_allclose(pairs.mean(axis=1), domain.axis_coordinates(axis), atol=TIGHT)


@given(domains(), st.data())
def test_resizing_keeps_box_and_mean(domain: Domain, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.integers(1, 40)) for _ in domain.shape)
    other = domain.resized(shape)
    assert (other.box, other.alignment, other.axes, other.shape) == (domain.box, domain.alignment, domain.axes, shape)
    for axis, (low, high) in enumerate(domain.box):
        values = other.axis_coordinates(axis)
        np.testing.assert_allclose(values.mean(), (low + high) / 2, atol=TIGHT)
        assert (low <= values).all()
        assert (values <= high + TIGHT).all()


@given(domains("corner"))
def test_corner_alignment_touches_both_ends(domain: Domain) -> None:
    for axis, (low, high) in enumerate(domain.box):
        values = domain.axis_coordinates(axis)
        if len(values) > 1:
            np.testing.assert_allclose(values[[0, -1]], [low, high], atol=TIGHT)
        else:
            np.testing.assert_allclose(values, [(low + high) / 2], atol=TIGHT)


@given(domains())
def test_centred_twin_has_the_same_samples(domain: Domain) -> None:
    twin = domain.centred()
    assert twin.alignment == "center"
    for axis in range(domain.ndim):
        np.testing.assert_allclose(twin.axis_coordinates(axis), domain.axis_coordinates(axis), atol=TIGHT)


@given(domains(), st.data())
def test_crop_has_the_coordinates_of_the_whole(domain: Domain, data: st.DataObject) -> None:
    start = tuple(data.draw(st.integers(0, n - 1)) for n in domain.shape)
    shape = tuple(data.draw(st.integers(1, n - first)) for n, first in zip(domain.shape, start, strict=True))
    crop = domain.cropped(start, shape)
    assert crop.shape == shape
    for axis, (first, count) in enumerate(zip(start, shape, strict=True)):
        expected = domain.axis_coordinates(axis)[first : first + count]
        np.testing.assert_allclose(crop.axis_coordinates(axis), expected, atol=TIGHT)


@given(domains(), st.data())
def test_crop_outside_is_refused(domain: Domain, data: st.DataObject) -> None:
    start, shape = [0] * domain.ndim, list(domain.shape)
    axis = data.draw(st.integers(0, domain.ndim - 1))
    n = domain.shape[axis]
    start[axis], shape[axis] = data.draw(st.sampled_from([(-1, 1), (0, n + 1), (n, 1), (1, n), (0, 0), (0, -1)]))
    with pytest.raises(SpecError, match=rf"axis {AXES[axis]} has samples 0\.\.{n - 1}"):
        domain.cropped(tuple(start), tuple(shape))


@given(domains(), st.integers(1, 5000))
def test_row_blocks_partition_the_rows(domain: Domain, most: int) -> None:
    blocks = list(domain.row_blocks(most))
    assert sum(block.shape[0] for block in blocks) == domain.shape[0]
    for block in blocks:
        assert block.shape[1:] == domain.shape[1:]
        assert block.size <= most or block.shape[0] == 1
    together = np.concatenate([mesh(axis_coordinates(block)) for block in blocks])
    np.testing.assert_allclose(together, all_coordinates(domain), atol=1e-6)


@given(domains())
def test_flat_indices_and_grids_agree(domain: Domain) -> None:
    coordinates = all_coordinates(domain)
    assert coordinates.shape == (domain.size, domain.ndim)
    assert coordinates.dtype == np.float32
    np.testing.assert_array_equal(coordinates, mesh(axis_coordinates(domain)))
    assert domain.size == math.prod(domain.shape)


@given(domains(), st.data())
def test_coordinates_of_some_samples(domain: Domain, data: st.DataObject) -> None:
    index = np.array(data.draw(st.lists(st.integers(0, domain.size - 1), max_size=20)), dtype=np.int64)
    np.testing.assert_array_equal(domain.coordinates(index), all_coordinates(domain)[index])


@pytest.mark.parametrize(
    ("shape", "box", "axes", "message"),
    [
        ((), (), (), "at least 1 sample"),
        ((0, 3), ((-1.0, 1.0), (-1.0, 1.0)), ("y", "x"), "at least 1 sample"),
        ((2, 3), ((-1.0, 1.0),), ("y", "x"), "differ in length"),
        ((2, 3), ((-1.0, 1.0), (-1.0, 1.0)), ("y",), "differ in length"),
        ((2,), ((1.0, 1.0),), ("y",), "finite low < high"),
        ((2,), ((-1.0, math.inf),), ("y",), "finite low < high"),
        ((2,), ((math.nan, 1.0),), ("y",), "finite low < high"),
    ],
)
def test_bad_domains_are_refused(
    shape: tuple[int, ...], box: tuple[tuple[float, float], ...], axes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        Domain(shape, box, axes=axes)


def test_known_values() -> None:
    domain = Domain.of_shape((2, 4))
    np.testing.assert_array_equal(domain.axis_coordinates(0), [-0.25, 0.25])
    np.testing.assert_array_equal(domain.axis_coordinates(1), [-0.75, -0.25, 0.25, 0.75])
    corner = replace(domain, alignment="corner", box=((-1.0, 1.0), (-1.0, 1.0)))
    np.testing.assert_array_equal(corner.axis_coordinates(0), [-1, 1])
    assert not corner.is_default()
