"""The backend: what it runs, and where."""

from typing import TYPE_CHECKING, ClassVar, final

from inr import native
from inr.backends.base import DEFAULT_RESOURCES, AbstractBackend, AbstractTrainer, Field, Resources, Tensors
from inr.backends.cuda import cuda_found
from inr.backends.lowering import Parameters, pulled_refusal, refusal
from inr.backends.native.field import Evaluator, NativeField, finite
from inr.errors import SpecError
from inr.layers.network import Network

if TYPE_CHECKING:
    from inr.losses.base import LossSpec
    from inr.optimisers.base import OptimiserSpec
    from inr.reparams.base import ReparamSpec


def _summary() -> str:
    module = native.load()
    best = f" ({module.instruction_sets()[0]})" if module is not None else ""
    return f"fused C++ kernels on the CPU{best}, float32 or with 16-bit products"


@final
class NativeBackend(AbstractBackend):
    """Runs networks on CPUs by the compiled kernels."""

    kind: ClassVar[str] = "native"
    summary: ClassVar[str] = _summary()

    def unavailable(self, device: str) -> str | None:
        """See the base class."""
        if device not in ("auto", "cpu", "cuda"):
            return f"device {device}: unknown; choose auto, cpu or cuda"
        if device == "cuda" or (device == "auto" and cuda_found()):
            return f"device {device}: the kernels run on CPUs; use --device cpu"
        return native.reason()

    def refuses(self, network: Network, loss: "LossSpec | None" = None, pulled: bool = False) -> str | None:
        """A layer that has no kernel; whole grids, which torch joins by matrix products; a loss stated in torch only.

        The kernels compute the squared error themselves. For another loss, or a pull-back, they are told the derivative
        by the values, which takes a second way through the network, and one output.
        """
        if network.contraction is not None:
            return (
                f"layer {network.contraction} ({type(network.layers[network.contraction]).__name__}): grids of a "
                "separable network are matrix products, which torch runs"
            )
        return (
            refusal(network)
            or (pulled_refusal(network) if pulled else None)
            or (None if loss is None else _loss_refusal(network, loss))
        )

    def trainer(
        self,
        network: Network,
        tensors: Tensors,
        loss: "LossSpec",
        optimiser: "OptimiserSpec",
        device: str,
        seed: int = 0,
        resources: Resources = DEFAULT_RESOURCES,
        reparam: "ReparamSpec | None" = None,
    ) -> AbstractTrainer:
        """See the base class."""
        from inr.backends.native.trainer import NativeTrainer

        del device
        problem = _loss_refusal(network, loss)
        if problem is not None:
            raise SpecError(f"native backend: {problem}")
        return NativeTrainer(network, tensors, loss, optimiser, seed, resources, reparam)

    def field(self, network: Network, tensors: Tensors, device: str, resources: Resources = DEFAULT_RESOURCES) -> Field:
        """See the base class; raises `SpecError` for weights that are not finite."""
        del device
        parameters = Parameters.of(network)
        return NativeField(
            Evaluator(network, network, parameters, resources), finite(parameters, parameters.flat(tensors))
        )


def _loss_refusal(network: Network, loss: "LossSpec") -> str | None:
    from inr.losses.mse import MeanSquaredError

    if isinstance(loss, MeanSquaredError) or loss.neighbours:  # the latter by a pull-back, asked for apart
        return None
    if not loss.stated:
        return f"loss {loss.kind}: its derivative is not stated, which the kernels need for every loss but mse"
    graph = network.training_graph or network
    if len(graph.heads) > 1:
        return f"loss {loss.kind}: a network of {len(graph.heads)} outputs is trained by the kernels towards mse only"
    return None
