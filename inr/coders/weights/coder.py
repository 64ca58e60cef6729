"""The coder `weights`, put together from its parts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from inr.backends.base import DEFAULT_RESOURCES, Resources
from inr.coders.base import CODERS, Coder, Facts, Files, Opened
from inr.coders.weights.header import part_of
from inr.coders.weights.open import open_weights
from inr.coders.weights.parse import parse
from inr.coders.weights.quantize import EncodedWeights, quantize
from inr.coders.weights.stream import encode
from inr.container.header import WEIGHTS, CoderPart, Header
from inr.errors import TargetError
from inr.signals.info import SignalInfo
from inr.signals.signal import Signal

if TYPE_CHECKING:  # what only compressing needs is loaded by the methods that do it
    from inr.coders.request import CompressSpec
    from inr.coders.weights.plan import WeightsPlan
    from inr.fitting.trained import TrainedNetwork
    from inr.fitting.training import Training

    WeightsCoder = Coder[WeightsPlan, TrainedNetwork, EncodedWeights]
else:
    WeightsCoder = Coder


@final
@CODERS.register
class Weights(WeightsCoder):
    """A coordinate network is trained, and its weights are quantised and coded."""

    kind: Literal["weights"] = "weights"
    wire_id: ClassVar[int] = WEIGHTS
    paper: ClassVar[str] = "Dupont et al. 2021, COIN: COmpression with Implicit Neural representations"
    takes: ClassVar[frozenset[str] | None] = None
    EXAMPLES: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"model": "siren", "steps": 4, "size": 700},
        {"model": "hashgrid", "steps": 60, "size": 900, "layers": 3},
        {"model": "siren", "steps": 2, "bits": 16, "settings": {"width": 8}},
    )

    def check(self, request: "CompressSpec") -> None:
        """See `Coder`."""
        from inr.coders.weights import plan as plans

        plans.check(request)

    def plan(
        self, signal: SignalInfo, request: "CompressSpec", files: Files, like: CoderPart | None = None
    ) -> "WeightsPlan":
        """See `Coder`: the model that fills the file."""
        from inr.coders.weights import plan as plans

        return plans.plan(signal, request, files, like)

    def again(
        self, signal: SignalInfo, request: "CompressSpec", plan: "WeightsPlan", files: Files
    ) -> "WeightsPlan | None":
        """See `Coder`: a larger model."""
        from inr.coders.weights import plan as plans

        return plans.again(signal, request, plan, files)

    def start(self, signal: Signal, plan: "WeightsPlan") -> "Training[TrainedNetwork]":
        """See `Coder`."""
        from inr.fitting.steps import NetworkTraining

        return NetworkTraining(signal, plan.fit)

    def encode(self, trained: "TrainedNetwork", plan: "WeightsPlan", files: Files) -> EncodedWeights | None:
        """See `Coder`: bits are shared among tensors, then their average is searched."""
        from inr.coders.weights.rate import allocate, meet_quality, meet_size

        spec = plan.quant
        if plan.psnr is not None:
            if trained.report.curve[-1].psnr < plan.psnr:
                return None
            return meet_quality(trained, allocate(trained, spec), plan.psnr, files)
        if spec.coding != "uniform":
            encoded = quantize(trained, spec)
            size = files.size(encoded)
            if plan.named and plan.size is not None and size > plan.size:
                raise TargetError(f"size: the file has {size} bytes with {spec.coding}; asked {plan.size}")
            return encoded
        spec = allocate(trained, spec)
        if plan.size is None or (plan.keep_bits and not plan.named):
            return quantize(trained, spec)
        return meet_size(trained, spec, plan.size, files)

    def part(self, encoded: EncodedWeights) -> CoderPart:
        """See `Coder`: the model and its settings."""
        return part_of(encoded.model, encoded.coding)

    def payloads(self, encoded: EncodedWeights) -> tuple[bytes, ...]:
        """See `Coder`."""
        return encode(encoded)

    def parse(self, header: Header, signal: SignalInfo, payloads: tuple[bytes, ...]) -> EncodedWeights:
        """See `Coder`."""
        return parse(header, signal, payloads)

    def open(
        self,
        encoded: EncodedWeights,
        backend: str = "auto",
        device: str = "auto",
        resources: Resources = DEFAULT_RESOURCES,
    ) -> Opened:
        """See `Coder`."""
        return open_weights(encoded, backend, device, resources)

    def facts(self, encoded: EncodedWeights) -> Facts:
        """See `Coder`."""
        parameters = encoded.model.parameters(encoded.domain.ndim, encoded.channels)
        return Facts(encoded.model.kind, encoded.model, parameters)
