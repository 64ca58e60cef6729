"""The coder `latent`, put together from its parts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, final

from pydantic import Field as Limits

from inr.backends.base import DEFAULT_RESOURCES, Resources
from inr.coders.base import CODERS, Coder, Facts, Files, Opened, coder_in, refuse_others, stored
from inr.coders.latent.encoded import EncodedLatents, field_of
from inr.coders.latent.spec import LatentSpec
from inr.coders.latent.stream import decode, encode
from inr.container.header import CoderPart, Header
from inr.errors import CorruptHeaderError, TargetError
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal
from inr.spec import Wire

if TYPE_CHECKING:  # what only compressing needs is loaded by the methods that do it
    from inr.coders.latent.fit import TrainedLatents
    from inr.coders.latent.plan import LatentPlan
    from inr.coders.request import CompressSpec
    from inr.fitting.training import Training

    LatentCoder = Coder[LatentPlan, TrainedLatents, EncodedLatents]
else:
    LatentCoder = Coder


@final
@CODERS.register
class Latent(LatentCoder):
    """A pyramid of integer grids with small networks that predict and show them, all fitted to one picture.

    It is the usual one of pictures, see `inr.coders.base.chosen`; what is fitted at once has at most 2^24 pixels.
    """

    kind: Literal["latent"] = "latent"
    wire_id: ClassVar[int] = 1
    paper: ClassVar[str] = "Ladune et al. 2023, COOL-CHIC: Coordinate-based Low Complexity Hierarchical Image Codec"
    takes: ClassVar[frozenset[str] | None] = frozenset(
        {"size", "bpp", "psnr", "quality", "lmbda", "steps", "layers", "threads"}
    )
    thread_invariant: ClassVar[bool] = True
    EXAMPLES: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"coder": "latent", "size": 900, "steps": 30},
        {"coder": "latent:width=8,contexts=4", "lmbda": 2e-3, "steps": 24, "layers": 2},
    )

    contexts: Annotated[int, Limits(ge=1, le=14), Wire(0)] = 14
    """See `LatentSpec`, here and below. If none is given, they suit the size of the file."""
    features: Annotated[int, Limits(ge=0, le=16), Wire(1)] = 6
    hidden: Annotated[int, Limits(ge=0, le=3), Wire(2)] = 2
    width: Annotated[int, Limits(ge=1, le=64), Wire(3)] = 48
    residuals: Annotated[int, Limits(ge=0, le=3), Wire(4)] = 2

    def check(self, request: "CompressSpec") -> None:
        """See `Coder`; it is trained on the CPU."""
        refuse_others(self, request.replace(device="auto") if request.device == "cpu" else request)

    def plan(
        self, signal: SignalInfo, request: "CompressSpec", files: Files, like: CoderPart | None = None
    ) -> "LatentPlan":
        """See `Coder`: networks that suit the size, unless settings or the first part of the file say which."""
        from inr.coders.latent import plan as plans

        chosen: Latent = self
        first = None if like is None else coder_in(like)
        if isinstance(first, Latent):
            chosen = first
        elif not self.model_fields_set - {"kind"}:
            chosen = Latent(**plans.arrangement(signal.channels, plans.expected_size(signal, request)))
        return plans.plan(signal, request, chosen.spec(signal.channels), files, stored(chosen))

    def again(
        self, signal: SignalInfo, request: "CompressSpec", plan: "LatentPlan", files: Files
    ) -> "LatentPlan | None":
        """See `Coder`: nothing, the training itself has tried all it could."""
        del signal, request, plan, files
        return None

    def start(self, signal: Signal, plan: "LatentPlan") -> "Training[TrainedLatents]":
        """See `Coder`."""
        from inr.coders.latent.fit import LatentFit

        return LatentFit(signal, plan)

    def encode(self, trained: "TrainedLatents", plan: "LatentPlan", files: Files) -> EncodedLatents:
        """See `Coder`: the training has met the target already."""
        encoded = EncodedLatents(
            pyramid=trained.pyramid,
            channels=trained.channels,
            domain=trained.domain,
            meta=trained.meta,
            layers=plan.layers,
        )
        if plan.size is not None and files.size(encoded) > plan.size:
            raise TargetError(f"size: the file has {files.size(encoded)} bytes; asked {plan.size}")
        if plan.psnr is not None and (reached := files.psnr(encoded)) < plan.psnr:
            raise TargetError(
                f"psnr: {plan.psnr:g} dB was not reached, the file has {reached:.2f} dB; allow more steps"
            )
        return encoded

    def part(self, encoded: EncodedLatents) -> CoderPart:
        """See `Coder`: what the networks are like."""
        return stored(_like(encoded.pyramid.spec))

    def payloads(self, encoded: EncodedLatents) -> tuple[bytes, ...]:
        """See `Coder`."""
        return encode(encoded.pyramid, encoded.layers)

    def parse(self, header: Header, signal: SignalInfo, payloads: tuple[bytes, ...]) -> EncodedLatents:
        """See `Coder`."""
        if signal.domain.ndim != 2:
            raise CorruptHeaderError(f"header: latents of {signal.domain.ndim} axes; pictures have 2")
        height, width = signal.domain.shape
        return EncodedLatents(
            pyramid=decode(self.spec(signal.channels), height, width, payloads, header.layers),
            channels=signal.channels,
            domain=signal.domain,
            meta=signal.meta,
            layers=header.layers,
            missing=header.layers - len(payloads),
        )

    def open(
        self,
        encoded: EncodedLatents,
        backend: str = "auto",
        device: str = "auto",
        resources: Resources = DEFAULT_RESOURCES,
    ) -> Opened:
        """See `Coder`."""
        del backend, device
        return Opened(field_of(encoded, resources.threads))

    def facts(self, encoded: EncodedLatents) -> Facts:
        """See `Coder`."""
        spec = encoded.pyramid.spec
        symbols = sum(grid.size for grid in spec.grids(*encoded.domain.shape))
        return Facts(self.kind, _like(spec), symbols + spec.parameters)

    def spec(self, channels: int) -> LatentSpec:
        """Of a picture with so many channels."""
        return LatentSpec(
            channels=channels,
            contexts=self.contexts,
            features=self.features,
            hidden=self.hidden,
            width=self.width,
            residuals=self.residuals,
        )


def _like(spec: LatentSpec) -> Latent:
    """The coder whose settings a file of this pyramid has."""
    return Latent(**{name: getattr(spec, name) for name in ("contexts", "features", "hidden", "width", "residuals")})
