"""A training, its bytes and its picture: the torch twin, the integer stream and the numpy synthesis agree."""

import numpy as np
import pytest
import torch

from inr.coders.latent.schedule import TrainingSpec
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import Pyramid, decode, encode
from inr.coders.latent.synthesis import Synthesis
from inr.coders.latent.training import LatentTraining
from inr.coders.latent.twin import Twin


@pytest.mark.parametrize(("height", "width", "channels"), [(40, 37, 3), (23, 64, 1)])
def test_a_file_is_what_was_trained(height: int, width: int, channels: int) -> None:
    spec = LatentSpec(channels=channels)
    y, x = np.mgrid[:height, :width] / 5
    picture = (0.5 + 0.4 * np.stack([np.sin(x * y + c) for c in range(channels)])).astype(np.float32)
    settings = TrainingSpec(iterations=60, warm_up=((1, 10),), validate_every=10)
    training = LatentTraining(picture, spec, settings)
    trained, twin = training.run(), Twin(spec, height, width)
    symbols = torch.from_numpy(trained.symbols).float()
    result = training.quantised()

    parts = twin.split(torch.from_numpy(trained.symbols.astype(np.int64)))
    grids = {grid.name: part.numpy() for grid, part in zip(twin.grids, parts, strict=True)}
    payloads = encode(Pyramid(spec, height, width, result.networks, grids), 4)
    decoded = decode(spec, height, width, payloads, 4)
    assert all(np.array_equal(decoded.grids[name], grid) for name, grid in grids.items())

    values = decoded.networks.values(spec)
    quantised = {name: torch.from_numpy(value) for name, value in values.items()}
    estimate = float(twin.bits(symbols, quantised).sum()) + result.bits
    assert 8 * sum(map(len, payloads)) == pytest.approx(estimate, rel=0.12)
    shown = Synthesis(spec, height, width, values, decoded.grids).picture().transpose(2, 0, 1)
    np.testing.assert_allclose(shown, twin.synthesise(symbols, quantised).numpy(), atol=2e-5)
