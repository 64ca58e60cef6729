"""The networks that the kernels are measured with, and how fast they are asked to be."""

from dataclasses import dataclass

from inr.models.base import ModelSpec
from inr.models.finer import FinerMlp
from inr.models.fkan import Fkan
from inr.models.gauss import Gauss
from inr.models.hashgrid import HashGridMlp
from inr.models.poly import PolyInr
from inr.models.siren import Siren
from inr.models.sl2a import Sl2a
from inr.models.wire import WireMlp

PICTURE = (512, 768)
"""Height and width of what is decoded."""


@dataclass(frozen=True)
class Asked:
    """The ratios that are asked for, or None: of the time of eager PyTorch, and of that of its best mode."""

    over_eager: float | None = None
    over_best: float | None = None


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        title: what it is, in words.
        model: the network, with two coordinates and three values.
        batch: samples of a training step; None for a decode.
        shape: samples of the picture that is decoded, rows first.
        asked: with products in bf16, where the processor has tiles (AMX).
        asked_fp32: with products in fp32, where it has AVX-512.
    """

    title: str
    model: ModelSpec
    batch: int | None = None
    shape: tuple[int, int] = PICTURE
    asked: Asked = Asked()
    asked_fp32: Asked = Asked()

    @property
    def samples(self) -> int:
        """Of a step, or of the picture."""
        return self.shape[0] * self.shape[1] if self.batch is None else self.batch


def _step(title: str, model: ModelSpec, over: tuple[float, float | None], fp32: float | None = None) -> Case:
    return Case(title, model, 16_384, asked=Asked(*over), asked_fp32=Asked(fp32))


CASES = {
    "siren256": _step("SIREN 2-256x4-3", Siren(width=256, depth=3), (12, 5), 1.8),
    "siren64": _step("SIREN 2-64x4-3", Siren(width=64, depth=3), (15, 8), 4),
    "gauss": _step("Gauss 256", Gauss(width=256), (8, 4), 1.8),
    "finer": _step("FINER 256", FinerMlp(width=256), (8, 4), 1.8),
    "fkan": _step("FKAN 256", Fkan(width=128), (8, 4), 1.8),  # its layers have twice the width, the last four times
    "poly": _step("Poly 256", PolyInr(width=256), (8, 4), 1.8),
    "sl2a": _step("SL2A 256", Sl2a(width=256), (8, 4), 1.8),
    "wire": _step("WIRE 181 complex", WireMlp(width=181), (8, None)),
    "hashgrid": Case("hash grid L16 F2 + 64x2", HashGridMlp(), 65_536, asked=Asked(8, 5)),
    "decode-siren": Case("decode SIREN 256", Siren(width=256, depth=3), asked=Asked(8, 4)),
    "decode-hashgrid": Case("decode hash grid", HashGridMlp(finest_resolution=768), asked=Asked(8, 4)),
}
"""By the names that ``--only`` takes."""
