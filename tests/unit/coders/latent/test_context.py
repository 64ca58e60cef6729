"""The context model in fixed point."""

import numpy as np
import pytest

from inr.coders.latent.context import ACTIVATION_BITS, LARGEST, Context, Integers, Wavefront
from inr.coders.latent.spec import NEIGHBOURS, Grid, LatentSpec
from inr.coders.latent.stream import Networks, Pyramid
from inr.errors import CorruptStreamError
from tests.support.random_latents import SIZES, random_networks, random_pyramid


def _context(pyramid: Pyramid) -> Context:
    return Context(pyramid.spec, pyramid.networks.fixed(pyramid.spec))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_fronts_predict_what_the_whole_predicts(height: int, width: int) -> None:
    """Bit for bit, and each front knows all that it needs."""
    pyramid = random_pyramid(height, width, 3)
    context = _context(pyramid)
    for grid in pyramid.spec.grids(height, width):
        symbols = pyramid.grids[grid.name]
        mean, scale = (values.reshape(symbols.shape) for values in context.whole(grid, symbols, pyramid.grids))
        wave = Wavefront(context, grid, pyramid.grids)
        seen = 0
        for rows, columns in wave.fronts():
            found = wave.predict(rows, columns)
            np.testing.assert_array_equal(found[0], mean[rows, columns])
            np.testing.assert_array_equal(found[1], scale[rows, columns])
            wave.put(rows, columns, symbols[rows, columns])
            seen += len(rows)
        assert seen == grid.size
        np.testing.assert_array_equal(wave.symbols(), symbols)


def test_order_is_that_of_the_fronts() -> None:
    """What the encoder sorts by is what the decoder walks through."""
    grid = Grid(0, False, 5, 9)
    context = _context(random_pyramid(5, 9, 1))
    wave = Wavefront(context, grid, random_pyramid(5, 9, 1).grids)
    walked = np.concatenate([rows * 9 + columns for rows, columns in wave.fronts()])
    np.testing.assert_array_equal(walked, Wavefront.order(grid)[0])


@pytest.mark.parametrize("amplitude", [0.1, 3.0, 60.0])
def test_floats_carry_what_integers_give(amplitude: float) -> None:
    """Against Python's own integers, also where activations saturate."""
    spec = LatentSpec()
    rng = np.random.default_rng(5)
    networks = random_networks(spec, rng, amplitude)
    networks = Networks({k: np.clip(v, -(2**15), 2**15) for k, v in networks.integers.items()}, networks.exponents)
    fixed = networks.fixed(spec)
    inputs = rng.integers(-64 << ACTIVATION_BITS, 64 << ACTIVATION_BITS, (20, spec.inputs))
    mean, scale = Context(spec, fixed).indices(inputs.astype(np.float64))
    for k, row in enumerate(inputs.tolist()):
        assert _by_hand(spec, fixed, row) == (mean[k], scale[k])


def test_extreme_parameters_stay_exact() -> None:
    """All parameters at a bound, all inputs too: the largest sums there are."""
    spec = LatentSpec(features=16)
    for sign in (-1, 1):
        fixed = {t.name: np.full(t.shape, sign * LARGEST, dtype=np.int64) for t in spec.layout()}
        fixed["context.hidden0.weight"][:, ::2] *= -1
        row = [LARGEST if i % 2 else -LARGEST for i in range(spec.inputs)]
        mean, scale = Context(spec, fixed).indices(np.array([row], dtype=np.float64))
        assert _by_hand(spec, fixed, row) == (mean[0], scale[0])


def test_parameters_beyond_the_bounds_are_refused() -> None:
    """They could overflow."""
    spec = LatentSpec()
    fixed = random_networks(spec, np.random.default_rng(0)).fixed(spec)
    fixed["parents.level0.weight"][0, 0] = LARGEST + 1
    with pytest.raises(CorruptStreamError, match=r"parents\.level0"):
        Context(spec, fixed)


def test_parents_agree_with_the_map_in_floats() -> None:
    """At odd sizes, for every level that has parents: features are the linear map of what lies above each place."""
    height, width = 37, 21
    pyramid = random_pyramid(height, width, 8)
    spec, context, grids = pyramid.spec, _context(pyramid), pyramid.grids
    values = pyramid.networks.values(spec)
    for grid in spec.grids(height, width):
        found = context.features(grid, grids)
        if not spec.has_parents(grid.level, grid.hyper):
            assert found is None
            continue
        assert found is not None
        weight = values[f"parents.level{grid.level}.weight"]
        for r in range(grid.height):
            for c in range(grid.width):
                above = [
                    grids[f"{'hyper' if hyper else 'latent'}{level}"][
                        r >> (level - grid.level), c >> (level - grid.level)
                    ]
                    for level, hyper in spec.coarser(grid.level)
                ]
                np.testing.assert_allclose(found[r >> 1, c >> 1] / 4096, weight @ np.array(above), atol=1 / 4096)


def test_fixed_point_agrees_with_floats() -> None:
    """The mean to 1/256, the logarithm of the scale to 1/32, and a little for what is rounded on the way."""
    spec = LatentSpec()
    rng = np.random.default_rng(2)
    networks = random_networks(spec, rng)
    p = networks.values(spec)
    x = rng.integers(-3, 4, (200, spec.inputs)).astype(np.float64)
    hidden = x
    for i in range(spec.hidden):
        hidden = np.maximum(hidden @ p[f"context.hidden{i}.weight"].T + p[f"context.hidden{i}.bias"] + hidden, 0)
    out = hidden @ p["context.out.weight"].T + p["context.out.bias"] + x @ p["context.bypass.weight"].T
    mean, scale = Context(spec, networks.fixed(spec)).indices(x * 2**ACTIVATION_BITS)
    np.testing.assert_allclose(mean / 256, np.clip(out[:, 0], -64, 63), atol=0.6 / 256)
    np.testing.assert_allclose((scale - 160) / 32, np.clip(out[:, 1] - 4, -5, 5), atol=0.55 / 32)


def test_neighbours_are_already_known() -> None:
    """All of them belong to earlier fronts."""
    assert all(column + 3 * row < 0 for row, column in NEIGHBOURS)


def _by_hand(spec: LatentSpec, fixed: dict[str, Integers], row: list[int]) -> tuple[int, int]:
    def cut(value: int) -> int:
        return max(-LARGEST, min(LARGEST, value))

    def product(name: str, values: list[int]) -> list[int]:
        return [sum(w * v for w, v in zip(ws, values, strict=True)) for ws in fixed[name].tolist()]

    hidden = row
    for i in range(spec.hidden):
        sums = product(f"context.hidden{i}.weight", hidden)
        biases = fixed[f"context.hidden{i}.bias"].tolist()
        sums = [s + (b << 12) + (h << 16) for s, b, h in zip(sums, biases, hidden, strict=True)]
        hidden = [max(0, cut((s + (1 << 15)) >> 16)) for s in sums]
    out, bypass = product("context.out.weight", hidden), product("context.bypass.weight", row)
    mean, scale = (a + b + (c << 12) for a, b, c in zip(out, bypass, fixed["context.out.bias"].tolist(), strict=True))
    mean = (mean + (1 << 19)) >> 20
    scale = ((scale + (1 << 22)) >> 23) + 32
    return max(-64 * 256, min(63 * 256, mean)), max(0, min(320, scale))
