"""Golden cases of the zoo: one small file of every model, and of every kind of signal.

Settings are written out in full: `EXAMPLES` may change, what a file says may not.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from inr.codec.pack import assemble, pack, with_psnr
from inr.codec.tiles import Tiling
from inr.coders.weights.header import part_of
from inr.coders.weights.quantize import QuantSpec, quantize
from inr.coders.weights.stream import encode
from inr.container.file import InrFile
from inr.domain import Domain
from inr.fitting.trained import FitReport, TrainedNetwork
from inr.meta import LightCurve, PowerTransform, SignalMeta
from inr.models.bacon import Bacon
from inr.models.bandpair import BandPair
from inr.models.base import ModelSpec
from inr.models.cafe import Cafe
from inr.models.densegrid import DenseGridMlp
from inr.models.finer import FinerMlp
from inr.models.finr import FInr
from inr.models.fkan import Fkan
from inr.models.gauss import Gauss
from inr.models.iterative import IterativeInr
from inr.models.poly import PolyInr
from inr.models.relu_pe import ReluPe
from inr.models.siren import Siren
from inr.models.sl2a import Sl2a
from inr.models.wire import WireMlp
from inr.models.wire2d import Wire2dMlp
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.image.attributes import ImageAttributes
from inr.signals.video.attributes import VideoAttributes

RGB8 = SignalMeta("uint8", (0.0, 255.0), ImageAttributes())

MODELS: dict[str, ModelSpec] = {
    "gauss": Gauss(width=8, depth=1, sigma=3.0),
    "wire": WireMlp(width=5, depth=1, omega_0=6.0, omega=4.0, sigma=3.0),
    "wire2d": Wire2dMlp(width=4, depth=1, omega_0=6.0, omega=4.0, sigma=3.0),
    "finer": FinerMlp(width=8, depth=1, omega_0=4.0, omega=3.0, first_bias=1.5),
    "fkan": Fkan(width=3, n_frequencies=5, omega=4.0),
    "poly": PolyInr(width=7, depth=3),
    "sl2a": Sl2a(degree=6, width=7, depth=2, rank=3),
    "finr_cp": FInr(format="cp", rank=4, axis_model=Siren(width=6, depth=1, omega_0=8.0), band=0),
    "finr_tt": FInr(format="tt", rank=3, axis_model=Gauss(width=6, depth=0, sigma=3.0), band=20, first_band=5),
    "finr_tucker": FInr(format="tucker", rank=3, axis_model=Siren(width=6, depth=0, omega_0=8.0), band=0),
    "relu_pe": ReluPe(n_features=6, sigma=1.5, width=8, depth=1, feature_seed=77),
    "densegrid": DenseGridMlp(nodes_0=7, nodes_1=9, nodes_2=2, extent_0=0.75, n_levels=2, width=6, depth=1),
    "cafe": Cafe(n_features=4, sigma=1.5, n_polynomials=3, width=6, depth=1, feature_seed=9),
    "bacon": Bacon(width=6, max_band=8, feature_seed=4),
    "iterative": IterativeInr(
        backbone=Siren(width=6, depth=1, omega_0=8.0), steps=3, feedback_width=4, fuse_width=5, cells=16, seed=3
    ),
    "bandpair": BandPair(
        low=Siren(width=5, depth=0, omega_0=4.0), band=WireMlp(width=4, depth=0, omega_0=6.0, omega=4.0, sigma=3.0)
    ),
}


def _case(name: str, model: ModelSpec, seed: int) -> Callable[[], InrFile]:
    def case() -> InrFile:
        return pack(quantize(_random(model, (9, 12), RGB8, seed), QuantSpec(bits=6)))

    case.__name__ = f"model_{name}"
    return case


def video_tiles() -> InrFile:
    """A video of seven frames in three segments, two quality layers."""
    model = Siren(width=6, depth=0, omega_0=5.0)
    meta = SignalMeta("uint8", (0.0, 255.0), VideoAttributes(Fraction(30000, 1001)))
    axes = ("t", "y", "x")
    tiling = Tiling(Domain.of_shape((7, 4, 6), axes), (3, 1, 1))
    tiles = []
    for tile in range(3):
        shape = tiling.local(tile).shape
        tiles.append(quantize(_random(model, shape, meta, 40 + tile, axes=axes), QuantSpec(bits=6, layers=2)))
    part = part_of(model, "uniform")
    return assemble(tiles[0], part, [encode(tile) for tile in tiles], tiling, (20.5, 31.25))


def array_int16() -> InrFile:
    """Two channels along four axes of 16-bit numbers."""
    axes = tuple(f"axis{i}" for i in range(4))
    meta = SignalMeta("int16", (-900.0, 1200.0), ArrayAttributes())
    field = _random(Siren(width=6, depth=0, omega_0=5.0), (3, 2, 4, 3), meta, 50, channels=2, axes=axes, gain=0.5)
    return pack(quantize(field, QuantSpec(bits=6)))


def power_transform() -> InrFile:
    """A line of floats fitted through a power transform."""
    meta = SignalMeta("float32", (0.0, 3.5), ArrayAttributes(), power=PowerTransform(-0.25, 3.75, 0.5))
    field = _random(Siren(width=8, depth=0, omega_0=9.0), (40,), meta, 53, channels=1, axes=("axis0",))
    return pack(quantize(field, QuantSpec(bits=7)))


def light_curve() -> InrFile:
    """A picture of high dynamic range with alpha, fitted on a curve of light, in two layers."""
    meta = SignalMeta("float32", (-0.25, 4096.0), ImageAttributes("linear"), light=LightCurve(0.03125, 3))
    field = _random(Siren(width=8, depth=0, omega_0=7.0), (7, 9), meta, 54, channels=4)
    return with_psnr(pack(quantize(field, QuantSpec(bits=7, layers=2))), (50.0, 61.5), (18.25, 30.75))


def channel_roles() -> InrFile:
    """Red, green, blue and infrared, with alpha behind them."""
    meta = SignalMeta("uint16", (0.0, 65535.0), ImageAttributes(channels=(3, 1)))
    field = _random(Siren(width=8, depth=0, omega_0=7.0), (6, 5), meta, 55, channels=5)
    return pack(quantize(field, QuantSpec(bits=7)))


def _random(
    model: ModelSpec,
    shape: tuple[int, ...],
    meta: SignalMeta,
    seed: int,
    channels: int = 3,
    axes: tuple[str, ...] = ("y", "x"),
    gain: float = 1.0,
) -> TrainedNetwork:
    """Random weights."""
    rng = np.random.Generator(np.random.PCG64(seed))
    tensors = {
        layout.name: (gain / np.sqrt(layout.shape[-1]) * rng.standard_normal(layout.shape)).astype(np.float32)
        for layout in model.layout(Domain.of_shape(shape), channels)
    }
    domain = Domain.of_shape(shape, axes)
    report = FitReport(0, 0.0, "none", seed, ())
    return TrainedNetwork(model=model, tensors=tensors, channels=channels, domain=domain, meta=meta, report=report)


CASES: tuple[Callable[[], InrFile], ...] = (
    *[_case(name, model, 10 + i) for i, (name, model) in enumerate(MODELS.items())],
    video_tiles,
    array_int16,
    power_transform,
    light_curve,
    channel_roles,
)
