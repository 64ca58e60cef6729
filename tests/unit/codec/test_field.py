"""Fields as functions: called, differentiated, pickled, turned into arrays and modules, and shown."""

import base64
import copy
import io
import multiprocessing
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

import inr
from inr.codec.field import DecodedField, SignalField
from inr.errors import SpecError
from tests.support.cosine_coder import Cosine
from tests.support.small_fits import compressed, photo

Array = npt.NDArray[Any]

RANDOM = np.random.default_rng(0)


def made(samples: Array, **request: Any) -> inr.SignalField:
    """A field of an array, opened from its file."""
    options = {name: request.pop(name) for name in ("axes", "segment") if name in request}
    settings = {"steps": 6, "model": "siren", "settings": {"width": 16, "depth": 1}, **request}
    return inr.open(inr.compress(samples, **options, **settings).data)


def ramp(*shape: int, dtype: str = "float32") -> Array:
    grid = np.indices(shape).sum(axis=0) / sum(shape)
    found: Array = (100 * grid if np.dtype(dtype).kind == "f" else 200 * grid).astype(dtype)
    return found


FIELDS: dict[str, tuple[Array, dict[str, Any]]] = {
    "rgb": (photo(24), {}),
    "gray": (photo(24)[..., 0], {"model": "hashgrid", "settings": {}}),
    "gray and alpha": (photo(24)[..., :2], {}),
    "alpha": (np.concatenate([photo(24), photo(24)[..., :1]], axis=-1), {}),
    "16 bits": ((photo(24).astype(np.uint16) * 257), {}),
    "floats": ((photo(24) / np.float32(7) - 3).astype(np.float32), {}),
    "power": (photo(24), {"transform": "power"}),
    "line": (ramp(60), {"axes": 1}),
    "signed line": (ramp(60, dtype="int16") - np.int16(90), {"axes": 1}),
    "volume": (ramp(9, 10, 11), {}),
    "four axes": (ramp(5, 6, 7, 8), {}),
    "many channels": (RANDOM.random((16, 18, 6), dtype=np.float32), {"axes": 2}),
    "several outputs": (photo(24), {"model": "bacon", "settings": {}}),
    "separable": (photo(24), {"model": "finr", "settings": {}}),
    "bands": (photo(24), {"segment": 9}),
    "slabs": (ramp(20, 6, 7), {"segment": 6}),
}


@pytest.fixture(scope="module", params=FIELDS)
def field(request: pytest.FixtureRequest) -> inr.SignalField:
    samples, options = FIELDS[request.param]
    return made(samples.copy(), **options)


def inner_points(field: inr.SignalField, count: int = 40) -> npt.NDArray[np.float64]:
    """Random coordinates within the box, away from its borders and from those of tiles."""
    box = np.array(field.opened().domain.box)
    return RANDOM.uniform(0.9 * box[:, 0], 0.9 * box[:, 1], (count, len(box)))


def test_calls_at_the_samples_are_the_picture(field: inr.SignalField) -> None:
    """`decode` rounds and clamps what a call gives, in the units of the samples."""
    meta, decoded = field.opened().meta, field.decode()
    values = field(field.coordinates())
    assert values.dtype == np.dtype("float32")
    assert values.shape == field.shape
    low, high = meta.value_range
    rounded = np.clip(values.astype(np.float64), low, high)
    tolerance = 0.501 if np.dtype(meta.dtype).kind in "iu" else 1e-5 * (high - low)
    assert np.abs(rounded - decoded).max() <= tolerance + 1e-5 * (high - low)
    last = [n - 1 for n in field.opened().domain.shape]
    np.testing.assert_allclose(
        field.at(last), values.reshape(-1, values.shape[-1])[-1], rtol=1e-5, atol=1e-5 * (high - low)
    )


def test_shapes_of_points_are_kept(field: inr.SignalField) -> None:
    axes, channels = field.opened().domain.ndim, field.shape[-1]
    points = inner_points(field, 24)
    flat, slopes = field(points), field.gradient(points)
    for shape in ((24,), (4, 6), (2, 3, 4), (1, 24), (24, 1)):
        np.testing.assert_array_equal(field(points.reshape(*shape, axes)), flat.reshape(*shape, channels))
        found = field.gradient(points.reshape(*shape, axes))
        np.testing.assert_array_equal(found, slopes.reshape(*shape, channels, axes))
    np.testing.assert_allclose(field(points[0]), flat[0], rtol=1e-5, atol=1e-4)
    assert field(points[0].tolist()).shape == (channels,)
    assert field(np.zeros((0, axes))).shape == (0, channels)
    assert field.gradient(np.zeros((3, 0, axes))).shape == (3, 0, channels, axes)


def test_gradients_are_those_of_the_values(field: inr.SignalField) -> None:
    points, axes = inner_points(field), field.opened().domain.ndim
    low, high = field.opened().meta.value_range
    step, slopes = 2e-3, field.gradient(points)
    for axis in range(axes):
        shift = step * np.eye(axes)[axis]
        numeric = (field(points + shift).astype(np.float64) - field(points - shift)) / (2 * step)
        off = np.abs(numeric - slopes[..., axis]) / (high - low)
        assert np.median(off) < 2e-3, axis  # grids bend within a step here and there


def test_modules_do_the_same(field: inr.SignalField) -> None:
    points = inner_points(field).astype(np.float32)
    span = np.ptp(field.opened().meta.value_range)
    module = field.module()
    assert isinstance(module, torch.nn.Module)
    x = torch.tensor(points.reshape(4, 10, -1), requires_grad=True)
    values = module(x)
    expected = field(points.reshape(4, 10, -1))
    np.testing.assert_allclose(values.detach().numpy(), expected, rtol=0, atol=3e-5 * span)
    (slopes,) = torch.autograd.grad(values[..., -1].sum(), x)
    known = field.gradient(points).reshape(4, 10, *field.shape[-1:], -1)[..., -1, :]
    np.testing.assert_allclose(slopes.numpy(), known, rtol=1e-2, atol=2e-3 * np.abs(known).max() + 1e-6)


def test_pickles_and_copies_are_the_same_field(field: inr.SignalField) -> None:
    points = inner_points(field)
    for again in (pickle.loads(pickle.dumps(field)), copy.deepcopy(field), copy.copy(field)):  # noqa: S301
        np.testing.assert_array_equal(again(points), field(points))
        np.testing.assert_array_equal(np.asarray(again), np.asarray(field))
        assert repr(again) == repr(field)


def test_it_is_shown(field: inr.SignalField) -> None:
    page = field._repr_html_()
    found = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        sides = field.opened().domain.shape[-2:] if len(field.shape) > 2 else (32, field.shape[0])
        assert picture.size == sides[::-1]
    for text in (repr(field), page):
        assert len(text) < 60_000
        assert f"of {field.dtype}" in text
        assert "dB" in text
        assert "bytes" in text
        assert "\n" not in text
    assert repr(field).startswith("<DecodedField: ")


def test_the_array_is_the_picture(field: inr.SignalField) -> None:
    decoded = field.decode()
    whole = np.asarray(field)
    assert (whole.dtype, field.dtype, field.shape) == (decoded.dtype, decoded.dtype, decoded.shape)
    np.testing.assert_array_equal(whole, decoded)
    np.testing.assert_array_equal(np.asarray(field, dtype=np.float64), decoded.astype(np.float64))
    assert np.array(field, copy=True, dtype="float32").dtype == np.float32
    with pytest.raises(ValueError, match="decoded into a new one"):
        np.array(field, copy=False)


def test_a_picture_of_matplotlib_and_pillow() -> None:
    field = made(photo(24))
    assert Image.fromarray(np.asarray(field)).size == (24, 24)
    assert np.abs(np.subtract(field, photo(24), dtype=np.int64)).mean() < 120


@pytest.mark.parametrize("name", ["bands", "rgb", "several outputs", "separable", "gray"])
def test_a_field_serves_many_threads(name: str) -> None:
    """Nobody gets the values, or the slopes, that another one asked for; the first use is theirs, too."""
    samples, options = FIELDS[name]
    field, known = (pickle.loads(pickle.dumps(made(samples.copy(), **options))) for _ in range(2))  # noqa: S301
    points = [inner_points(known, 50) for _ in range(8)]
    expected = [(known(one), known.gradient(one)) for one in points]
    gate = threading.Barrier(len(points))

    def ask(number: int) -> int:
        gate.wait()
        values, slopes = expected[number]
        return sum(
            np.array_equal(field(points[number]), values) and np.array_equal(field.gradient(points[number]), slopes)
            for _ in range(10)
        )

    with ThreadPoolExecutor(len(points)) as pool:
        assert list(pool.map(ask, range(len(points)))) == [10] * len(points)


# What the conventions are, written down again.


def test_coordinates_are_cell_centres_in_array_order() -> None:
    samples = np.zeros((6, 12, 3), dtype=np.uint8)
    field = made(samples + photo(24)[:6, :12])
    found = field.coordinates()
    assert found.shape == (6, 12, 2)
    np.testing.assert_allclose(found[:, 0, 0], (2 * np.arange(6) - 5) / 12)
    np.testing.assert_allclose(found[0, :, 1], (2 * np.arange(12) - 11) / 12)
    positions = np.array([[0, 0], [-0.5, -0.5], [5.5, 11.5], [2.5, 5.5]])
    expected = np.array([[-5 / 12, -11 / 12], [-0.5, -1], [0.5, 1], [0, 0]])
    np.testing.assert_allclose(field.coordinates(positions), expected, atol=1e-12)


def test_positions_between_samples() -> None:
    """A finer grid has its samples at the centres of finer cells."""
    field = made(photo(24))
    finer = field.decode(scale=4)
    y, x = np.meshgrid(*[(np.arange(96) + 0.5) / 4 - 0.5] * 2, indexing="ij")
    values = np.clip(field.at(np.stack([y, x], axis=-1)), 0, 255)
    assert np.abs(values - finer).max() <= 0.501


def test_values_are_not_clamped_or_rounded() -> None:
    stripes = np.zeros((32, 32), dtype=np.uint8)
    stripes[:, ::2] = 255
    field = made(stripes, steps=150, bpp=20.0, model="hashgrid", settings={})
    values = field.at(np.random.default_rng(0).uniform(-0.5, 31.5, (4000, 2)))
    assert values.max() > 255 or values.min() < 0
    assert not np.array_equal(values, np.rint(values))


def test_videos_have_frames_first(tmp_path: Any) -> None:
    frames = np.stack([np.roll(photo(16), shift, axis=1) for shift in range(6)])
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number:03}.png")
    request: dict[str, Any] = {"model": "siren", "steps": 4, "settings": {"width": 12, "depth": 1}}
    for segment in (None, 3):
        clip = inr.open(inr.compress(folder, segment=segment, **request).data)
        assert clip.shape == (6, 16, 16, 3)
        np.testing.assert_allclose(clip.coordinates()[:, 0, 0, 0], (2 * np.arange(6) - 5) / 6)
        decoded = clip.decode()
        for frame in (0, 2, 3, 5):  # on both sides of where segments meet
            assert np.abs(clip.at([frame, 3, 4]) - decoded[frame, 3, 4]).max() <= 0.51
        assert clip.gradient([0.1, 0.2, 0.3]).shape == (3, 3)
        assert clip.module()(torch.zeros(5, 3)).shape == (5, 3)
        assert 'src="data:image/png' in clip._repr_html_()
        assert "6 frames" in repr(clip) or "6" in repr(clip)


# Results of compressing and fitting are fields too.


def results() -> dict[str, inr.SignalField]:
    request: dict[str, Any] = {"model": "siren", "steps": 5, "settings": {"width": 16, "depth": 1}}
    return {
        "compressed": inr.compress(photo(24).copy(), bits=16, **request),
        "fitted": inr.fit(photo(24).copy(), **request),
        "fitted bands": inr.fit(photo(24).copy(), **{**request, "model": "bandpair", "settings": {}}),
    }


@pytest.mark.parametrize("name", ["compressed", "fitted", "fitted bands"])
def test_results_are_fields(name: str) -> None:
    found = results()[name]
    assert isinstance(found, SignalField)
    points = inner_points(found)
    again = pickle.loads(pickle.dumps(found))  # noqa: S301
    for other in (again, copy.deepcopy(found)):
        np.testing.assert_array_equal(other(points), found(points))
        assert vars(other)["report"] == vars(found)["report"]
    assert np.asarray(found).shape == (24, 24, 3)
    there = found.module()(torch.tensor(points, dtype=torch.float32)).detach().numpy()
    np.testing.assert_allclose(there, found(points), rtol=0, atol=0.01)
    assert found.gradient(points).shape == (40, 3, 2)
    assert "dB" in repr(found)
    assert len(repr(found)) < 300
    assert "<img" in found._repr_html_()


def test_a_fit_is_its_weights() -> None:
    fitted = inr.fit(photo(24).copy(), model="siren", steps=5, settings={"width": 16, "depth": 1})
    stored = inr.open(inr.store(fitted))
    points = inner_points(fitted)
    np.testing.assert_allclose(stored(points), fitted(points), rtol=0, atol=1e-3)


def _values(field: inr.SignalField, points: Array) -> Array:
    return field(points)


def test_pickles_reach_other_processes() -> None:
    field, context = made(photo(24), segment=9), multiprocessing.get_context("spawn")
    points = inner_points(field)
    with context.Pool(1) as pool:
        there = pool.apply(_values, (field, points))
    np.testing.assert_array_equal(there, field(points))


def test_modules_are_trained_and_saved() -> None:
    field = made(photo(24))
    module, other = field.module(), field.module()
    points = torch.tensor(field.coordinates().reshape(-1, 2), dtype=torch.float32)
    target = torch.tensor(photo(24).reshape(-1, 3).astype(np.float32))
    optimiser = torch.optim.Adam(module.parameters(), lr=2e-3)
    losses = []
    for _ in range(20):
        loss = ((module(points) - target) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    before = field(points.numpy())
    np.testing.assert_allclose(other(points).detach().numpy(), before, rtol=0, atol=0.01)  # a copy of its own
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(other(points), module(points))
    assert sum(p.numel() for p in module.parameters()) == 16 * 2 + 16 + 16 * 16 + 16 + 3 * 16 + 3


# What cannot be done is said in one line.

REFUSED: dict[str, tuple[Any, str]] = {
    "too few axes": (np.zeros((5, 1)), r"the last axis holds 2 numbers, one for each axis of the signal \(y, x\)"),
    "too many axes": (np.zeros((5, 3)), r"got shape \(5, 3\)"),
    "one number": (0.5, r"got shape \(\)"),
    "not finite": (np.array([[0.0, np.nan]]), "must be finite and within ±1e.06; got nan"),
    "infinite": (np.array([[0.0, -np.inf]]), "got -inf"),
    "far away": (np.array([[1e30, 0]]), "got 1e.30"),
    "complex": (np.zeros((5, 2), dtype=complex), "needs real numbers; got complex128"),
    "booleans": (np.zeros((5, 2), dtype=bool), "needs real numbers; got bool"),
    "objects": (np.array([[None, 1]]), "needs real numbers; got object"),
    "text": (["a", "b"], "needs real numbers; got <U1"),
    "ragged": ([[1, 2], [3]], "needs an array; got list"),
    "masked": (np.ma.masked_greater(np.array([[0.0, 1.0]]), 0.5), "some are masked"),
    "needs gradients": (torch.zeros(5, 2, requires_grad=True), r"differentiate field.module\(\) instead"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_points_that_make_no_sense_are_refused(name: str) -> None:
    field, (points, words) = inr.open(compressed("siren").data), REFUSED[name]
    for ask in (field, field.gradient, field.at, field.coordinates):
        with pytest.raises(SpecError, match=words) as caught:
            ask(points)
        assert "\n" not in str(caught.value)


def test_tensors_and_integers_are_coordinates() -> None:
    field = inr.open(compressed("siren").data)
    for points in (torch.zeros(5, 2), torch.zeros(5, 2, dtype=torch.float16), np.zeros((5, 2), dtype=np.int64)):
        np.testing.assert_array_equal(field(points), field(np.zeros((5, 2))))


# Fields of coders that know no derivative and no torch.


class Plain:
    """What every coder has to offer: values at points and on grids."""

    def __call__(self, coordinates: Array) -> Array:
        found: Array = np.sin(coordinates @ np.array([[3.0, 1.0], [2.0, -4.0]])).astype(np.float32)
        return found

    def grid(self, axes: Any) -> Array:
        return self(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2))


def test_any_function_is_differentiated_by_differences() -> None:
    own = inr.load(np.zeros((100, 100, 2), dtype=np.uint8))
    field = DecodedField(Plain(), own.domain, own.meta, 2)
    points = inner_points(field)
    weights = np.array([[3.0, 1.0], [2.0, -4.0]])
    expected = np.cos(points @ weights)[..., np.newaxis] * weights.T * 127.5
    np.testing.assert_allclose(field.gradient(points), expected, rtol=0, atol=0.5)
    with pytest.raises(SpecError, match="cannot be opened again"):
        field.module()


def test_fields_of_other_coders(registered_cosine: None) -> None:
    field = inr.compress(photo(24).copy(), coder="cosine", size=600)
    points = inner_points(field)
    again = pickle.loads(pickle.dumps(field))  # noqa: S301
    np.testing.assert_array_equal(again(points), field(points))
    assert np.isfinite(field.gradient(points)).all()
    assert "model cosine" in repr(field)
    with pytest.raises(SpecError, match="the coder of this field has no form in torch"):
        field.module()


@pytest.fixture
def registered_cosine() -> Any:
    from inr.coders.base import CODERS

    CODERS.register(Cosine)
    yield
    CODERS.unregister(Cosine)
