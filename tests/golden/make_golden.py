"""Writes the golden files. Run by hand, once for each new case: ``python -m tests.golden.make_golden``.

Old files decode for ever, so existing ones are never written again: a case whose files exist is left alone.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inr.codec.decode import open_field
from inr.codec.pack import pack, unpack
from inr.coders.base import Encoded
from inr.coders.latent.encoded import EncodedLatents
from inr.coders.weights.quantize import EncodedWeights, QuantSpec, quantize
from inr.container.file import InrFile, parse, to_bytes
from inr.domain import Domain
from inr.fitting.trained import FitReport, TrainedNetwork
from inr.meta import SignalMeta
from inr.models.base import ModelSpec
from inr.models.hashgrid import HashGridMlp
from inr.models.siren import Siren
from inr.signals.array.attributes import ArrayAttributes
from inr.signals.image.attributes import ImageAttributes
from tests.golden import latent_files, model_files

FOLDER = Path(__file__).parent

Facts = dict[str, Any]


def siren_rgb() -> InrFile:
    """SIREN, 8-bit RGB, uniform coding, one layer, all that is default left at its default."""
    field = _random(
        Siren(width=8, depth=1, omega_0=10.0), (12, 16), 3, SignalMeta("uint8", (0.0, 255.0), ImageAttributes()), 1
    )
    return pack(quantize(field, QuantSpec(bits=6)), psnr=(31.41,))


def hashgrid_layers() -> InrFile:
    """Hash grid in three quality layers, with a colour profile and an orientation."""
    model = HashGridMlp(log2_hashmap_size=5, finest_resolution=16, n_levels=4, base_resolution=4, width=8)
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes(icc_profile=b"a profile, as bytes", orientation=6))
    spec = QuantSpec(bits=7, layers=3, extra_bits={"0.table": (1.0, 0.5, 0.0, -1.0)})
    return pack(quantize(_random(model, (16, 12), 3, meta, 2), spec), psnr=(12.5, 20.25, 33.0))


def siren_float16() -> InrFile:
    """SIREN with weights as 16-bit floats; linear float samples over a range of their own."""
    meta = SignalMeta("float16", (-0.5, 12.0), ImageAttributes(colour_space="linear"))
    return pack(quantize(_random(Siren(width=6, depth=1, omega=15.0), (9, 7), 3, meta, 3), QuantSpec(coding="float16")))


def siren_float32() -> InrFile:
    """SIREN with weights as 32-bit floats, no hidden layers; 32-bit float gray samples of unknown colour space."""
    meta = SignalMeta("float32", (0.0, 1.0), ImageAttributes(colour_space="unknown"))
    return pack(quantize(_random(Siren(width=10, depth=0), (5, 11), 1, meta, 4), QuantSpec(coding="float32")))


def gray_uint16_range() -> InrFile:
    """16-bit gray over a part of the range, in two layers."""
    meta = SignalMeta("uint16", (100.0, 4095.0), ImageAttributes())
    field = _random(Siren(width=7, depth=2, omega_0=8.0, omega=5.0), (10, 10), 1, meta, 5)
    return pack(quantize(field, QuantSpec(bits=8, layers=2)))


def hashgrid_rgba() -> InrFile:
    """Hash grid, 8-bit RGBA, one feature a level, a box of its own."""
    model = HashGridMlp(
        log2_hashmap_size=6, finest_resolution=20, n_levels=3, n_features=1, base_resolution=3, width=5, depth=1
    )
    field = _random(model, (8, 20), 4, SignalMeta("uint8", (0.0, 255.0), ImageAttributes()), 6)
    domain = Domain((8, 20), ((-0.25, 0.5), (-1.0, 1.0)))
    field = replace(field, domain=domain)
    return pack(quantize(field, QuantSpec(bits=5, bias_bits=3)), psnr=(27.0,))


def gray_alpha_corner() -> InrFile:
    """Gray with alpha on a corner-aligned grid, in eight layers."""
    field = _random(
        Siren(width=4, depth=0, omega_0=6.0), (6, 6), 2, SignalMeta("uint8", (0.0, 255.0), ImageAttributes()), 7
    )
    domain = Domain((6, 6), ((-1.0, 1.0), (-1.0, 1.0)), alignment="corner")
    field = replace(field, domain=domain)
    return pack(quantize(field, QuantSpec(bits=12, layers=8)))


def picture_by_code_points() -> InrFile:
    """Colours by cICP, which header key 25 holds."""
    meta = SignalMeta("uint16", (0.0, 65535.0), ImageAttributes(cicp=(9, 16, 0, 1)))
    return pack(quantize(_random(Siren(width=6, depth=1), (8, 9), 3, meta, 21), QuantSpec(bits=6)))


def picture_by_gamma() -> InrFile:
    """Colours by gAMA and cHRM, which header key 25 holds."""
    corners = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    meta = SignalMeta("uint8", (0.0, 255.0), ImageAttributes(gamma=100_000, chromaticities=corners))
    return pack(quantize(_random(Siren(width=6, depth=1), (7, 8), 3, meta, 22), QuantSpec(bits=6)))


def array_axes_of_one() -> InrFile:
    """An array of shape (1, 6, 1, 5, 1), whose field has two inputs."""
    meta = SignalMeta("float32", (-1.0, 2.0), ArrayAttributes((0, 2, 4)))
    field = _random(Siren(width=6, depth=1), (6, 5), 1, meta, 25)
    field = replace(field, domain=Domain.of_shape((6, 5), ("axis0", "axis1")))
    return pack(quantize(field, QuantSpec(bits=6)))


CASES: tuple[Callable[[], InrFile], ...] = (
    siren_rgb,
    hashgrid_layers,
    siren_float16,
    siren_float32,
    gray_uint16_range,
    hashgrid_rgba,
    gray_alpha_corner,
    picture_by_code_points,
    picture_by_gamma,
    array_axes_of_one,
    *model_files.CASES,
    *latent_files.CASES,
)


def facts(data: bytes) -> Facts:
    """What has to stay as it is for the bytes of a file."""
    file = parse(data)
    samples = open_field(data, backend="torch", device="cpu").decode()
    return {
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "minor": file.minor,
        "header": json.loads(json.dumps(asdict(file.header))),
        "sections": [f"{section.type.decode()} {len(section.payload)}" for section in file.sections],
        "symbols_sha256": [
            symbols_sha256(unpack(file.truncated(layers))) for layers in range(1, file.layers_present + 1)
        ],
        "step_codes": steps_of(unpack(file)),
        "shape": list(samples.shape),
        "dtype": str(samples.dtype),
        "samples": [float(f"{value:.9g}") for value in samples.astype(np.float64).reshape(-1).tolist()],
    }


def symbols_sha256(encoded: Encoded) -> str:
    """SHA-256 of all symbols, tensor after tensor, then grid after grid, as little-endian 64-bit integers."""
    symbols: list[npt.NDArray[np.int64]] = []
    if isinstance(encoded, EncodedWeights):
        symbols += [tensor.symbols for tensor in encoded.tensors]
    if isinstance(encoded, EncodedLatents):
        pyramid = encoded.pyramid
        symbols += [pyramid.networks.integers[tensor.name] for tensor in pyramid.spec.layout()]
        names = [grid.name for grid in pyramid.spec.grids(pyramid.height, pyramid.width)]
        symbols += [pyramid.grids[name] for name in names if name in pyramid.grids]
    assert symbols
    return hashlib.sha256(b"".join(one.astype("<i8").tobytes() for one in symbols)).hexdigest()


def steps_of(encoded: Encoded) -> dict[str, list[int]]:
    """What the symbols are multiples of, as stored, by tensor or by network."""
    if isinstance(encoded, EncodedWeights):
        return {tensor.layout.name: tensor.step_codes.tolist() for tensor in encoded.tensors}
    assert isinstance(encoded, EncodedLatents)
    networks = encoded.pyramid.networks
    return {f"{module}{' biases' * bias}": [step] for (module, bias), step in networks.exponents.items()}


def write_case(folder: Path, name: str, data: bytes) -> None:
    """Write a golden file and its facts; raises `FileExistsError` rather than overwrite either."""
    with (folder / f"{name}.inr").open("xb") as binary:
        binary.write(data)
    with (folder / f"{name}.json").open("x", encoding="utf-8") as text:
        text.write(json.dumps(facts(data), indent=1, sort_keys=True) + "\n")


def main() -> int:
    """Write the cases that have no file yet."""
    for case in CASES:
        name = case.__name__
        if (FOLDER / f"{name}.inr").exists():
            sys.stdout.write(f"{name}: exists, left alone\n")
        else:
            write_case(FOLDER, name, to_bytes(case()))
            sys.stdout.write(f"{name}: written\n")
    return 0


def _random(model: ModelSpec, shape: tuple[int, int], channels: int, meta: SignalMeta, seed: int) -> TrainedNetwork:
    """Random weights; not shared with other tests, so that nobody changes them by accident."""
    rng = np.random.Generator(np.random.PCG64(seed))
    tensors = {
        layout.name: (0.7 / np.sqrt(layout.shape[-1]) * rng.standard_normal(layout.shape)).astype(np.float32)
        for layout in model.layout(Domain.of_shape((8, 8)), channels)
    }
    domain, report = Domain.of_shape(shape), FitReport(0, 0.0, "none", seed, ())
    return TrainedNetwork(model=model, tensors=tensors, channels=channels, domain=domain, meta=meta, report=report)


if __name__ == "__main__":
    sys.exit(main())
