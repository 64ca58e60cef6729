"""What a coder is: a way from a signal to integers, to payloads of a file, and back to a field."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from inr.backends.base import DEFAULT_RESOURCES, Field, Resources
from inr.container import ids
from inr.container.header import CoderPart, Header
from inr.errors import CorruptHeaderError, SpecError, UnsupportedFeatureError
from inr.meta import SignalMeta
from inr.registry import Registry, kind_of
from inr.signals.info import SignalInfo
from inr.signals.kind import KINDS, kind_for
from inr.signals.signal import Signal
from inr.spec import Spec, from_wire, to_wire, wire_fields

if TYPE_CHECKING:  # nothing that only compressing needs is loaded to decode
    from inr.coders.request import CompressSpec
    from inr.fitting.trained import Trained
    from inr.fitting.training import Training

DEFAULT = "weights"
"""The coder of a request that names none, for a kind of signal that has none of its own."""


class Plan(Spec):
    """Every setting of a training, and what its file is to be. A coder adds its own.

    With a budget in steps, a plan and a signal determine the bits of a training on a CPU.
    """

    coder: str
    """Kind of the coder."""
    size: int | None = None
    """Bytes that the file may have at most; None for no limit."""
    named: bool = False
    """True if a user named the size, so that it must be met."""
    psnr: float | None = None
    """PSNR in dB that the decoded file must have, or None."""
    model: str
    """What reports call it: the kind of model, or of the coder where there is none."""
    parameters: int
    """Numbers that the file will hold."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Encoded(SignalInfo):
    """A signal in integers, as far as its quality layers are there. Nothing after this type sees a float weight.

    A coder adds its integers.

    Attributes:
        coder: kind of the coder.
        layers: quality layers of the whole.
        missing: how many of them are not there.
        bits: of an average number, as the quantiser was told; 0 where nobody told it.
    """

    coder: ClassVar[str]
    layers: int = 1
    missing: int = 0
    bits: float = 0.0


@dataclass(frozen=True)
class Facts:
    """What reports say of an encoded signal.

    Attributes:
        model: kind of the model, or of the coder where there is none.
        settings: its settings.
        parameters: stored numbers.
    """

    model: str
    settings: Spec
    parameters: int


@dataclass(frozen=True, eq=False)
class Opened:
    """An encoded signal as a function.

    Attributes:
        field: coordinates to values: all that users need to call it, to show it, and to differentiate it by
            differences. A field that knows its derivative has `jacobian` (`DifferentiableField`), and one that was
            opened with backend "torch" may have `module` (`ModuleField`), for `inr.SignalField.module`. None need be
            picklable.
        limited: band-limited fields, coarse to fine, with their highest frequencies in cycles per unit; may be empty.
    """

    field: Field
    limited: tuple[tuple[float, Field], ...] = ()


class Files(Protocol):
    """What the files of one signal would be. A coder asks; who packs, parses and decodes them answers."""

    def framing(self, part: CoderPart, layers: int) -> int:
        """Bytes of a file whose payloads are empty."""

    def size(self, encoded: Encoded) -> int:
        """Bytes of the file."""

    def psnr(self, encoded: Encoded) -> float:
        """PSNR in dB of the decoded file, at the sample type of the signal."""


PlanT = TypeVar("PlanT", bound=Plan)
TrainedT = TypeVar("TrainedT", bound="Trained")
EncodedT = TypeVar("EncodedT", bound=Encoded)


class Coder(Spec, Generic[PlanT, TrainedT, EncodedT]):
    """A way from a signal to bytes and back: everything about compression but the container and the kind of signal.

    A concrete class adds ``kind``, ``wire_id`` and the class attributes below, and may have settings: fields with
    defaults, which a user gives as ``kind:name=value``, and which a header holds if they are marked (`inr.spec.Wire`).
    It must keep these promises, which the conformance suite tests:

    - The first payloads of a signal decode to a coarser one, and what decodes encodes to the same payloads again.
    - A file keeps within the size that a user named, or `TargetError` says why it cannot.
    - The same request, seed and number of threads give the same bytes, also if the training stops and goes on.
    - Payloads come from anybody: `parse` raises a `FormatError`, and checks counts before it allocates for them.
    - Decoding to integers is exact, on every machine, for ever.
    - `part`, `payloads`, `open` and `facts` follow from the `Encoded` alone: they are asked of a coder with default
      settings, whatever those that it was made with.
    """

    kind: str = ""
    wire_id: ClassVar[int]
    paper: ClassVar[str]
    """Author, year, title of the source."""
    takes: ClassVar[frozenset[str] | None]
    """Fields of `CompressSpec` that it heeds, beside those that all coders share (`SHARED`); None for all."""
    thread_invariant: ClassVar[bool] = False
    """True if the bytes do not even depend on the number of threads."""
    EXAMPLES: ClassVar[tuple[Mapping[str, Any], ...]] = ()
    """Small requests that the conformance suite carries out, as keywords of `CompressSpec`."""

    @abstractmethod
    def check(self, request: "CompressSpec") -> None:
        """Raise `SpecError` for a request that makes no sense for any signal; most coders call `refuse_others`."""

    @abstractmethod
    def plan(self, signal: SignalInfo, request: "CompressSpec", files: Files, like: CoderPart | None = None) -> PlanT:
        """Choose the settings that fit a signal and a target.

        Args:
            signal: what will be fitted, without its samples.
            request: what the user asks for.
            files: what files of this signal would be.
            like: what the header of the file says already, because the signal is a further part of one; None otherwise.

        Raises:
            SpecError: unknown names, settings out of range.
            TargetError: a size that no file can have.
        """

    @abstractmethod
    def again(self, signal: SignalInfo, request: "CompressSpec", plan: PlanT, files: Files) -> PlanT | None:
        """What to try after a plan with which the PSNR was not reached; None if there is nothing."""

    @abstractmethod
    def start(self, signal: Signal, plan: PlanT) -> "Training[TrainedT]":
        """The training before its first step; raises `SpecError` or `BackendUnavailableError`."""

    @abstractmethod
    def encode(self, trained: TrainedT, plan: PlanT, files: Files) -> EncodedT | None:
        """Quantise, with the rate that the plan's size or PSNR asks for, measured on files.

        Returns:
            The integers, with all layers; None if the PSNR cannot be reached with these floats.

        Raises:
            TargetError: a named size cannot be met.
        """

    @abstractmethod
    def part(self, encoded: EncodedT) -> CoderPart:
        """What the header says; a coder without a model calls `stored`, with the settings that `encoded` tells."""

    @abstractmethod
    def payloads(self, encoded: EncodedT) -> tuple[bytes, ...]:
        """One payload for each layer that is there, coarse to fine."""

    @abstractmethod
    def parse(self, header: Header, signal: SignalInfo, payloads: tuple[bytes, ...]) -> EncodedT:
        """The integers that the first payloads of a file, or of a part of one, stand for; the settings are the file's.

        Args:
            header: of the file; sound as the container understands it.
            signal: the part.
            payloads: of the layers that are there, coarse to fine; at least one.

        Raises:
            FormatError: they are not what a writer writes.
        """

    @abstractmethod
    def open(
        self,
        encoded: EncodedT,
        backend: str = "auto",
        device: str = "auto",
        resources: Resources = DEFAULT_RESOURCES,
    ) -> Opened:
        """The signal as a function; raises `BackendUnavailableError`."""

    @abstractmethod
    def facts(self, encoded: EncodedT) -> Facts:
        """What reports say."""


AnyCoder = Coder[Any, Any, Any]

CODERS: Registry[AnyCoder] = Registry("coder", "inr.coders", module="coder", names=ids.CODERS)

SHARED = frozenset({"coder", "preset", "seed", "transform"})
"""Fields of `CompressSpec` that are no coder's own business."""


def chosen(request: "CompressSpec", meta: SignalMeta | None = None) -> AnyCoder:
    """The coder of a request, which it makes sense for; raises `SpecError`.

    Args:
        request: if it names none, that of the kind of the signal is taken if it heeds all that is asked; else the usual
            one, which heeds everything: whoever names a model or how it is trained wants a network's weights.
        meta: of the signal; None for the usual coder.
    """
    own = None if meta is None or request.coder is not None else kind_for(meta).default_coder
    if own is not None:
        coder = CODERS.make(own)
        with suppress(SpecError):
            coder.check(request)
            return coder
    coder = CODERS.make(request.coder or DEFAULT)
    coder.check(request)
    return coder


def check_early(request: "CompressSpec") -> None:
    """Raise `SpecError` for a request that makes no sense for any signal: for its coder, or for that of any kind."""
    if request.coder is None:
        own = dict.fromkeys([DEFAULT, *(cls.default_coder for cls in KINDS if cls.default_coder is not None)])
    else:
        own = {request.coder: None}
    refusals = []
    for name in own:
        try:
            CODERS.make(name).check(request)
            return
        except SpecError as error:
            refusals.append(error)
    raise refusals[0]


def coder_of(encoded: Encoded) -> AnyCoder:
    """The coder that reads and writes an encoded signal, with default settings."""
    return CODERS.get(encoded.coder)()


def coder_in(part: CoderPart) -> AnyCoder:
    """The coder of a file, with the settings that `stored` wrote; raises a `FormatError`."""
    cls = CODERS.by_wire_id(part.coder)
    if cls is None:
        raise UnsupportedFeatureError(f"coder id {part.coder} is not known to this version")
    unknown = [number for number, _ in part.coder_fields if number not in wire_fields(cls)]
    if unknown:
        raise UnsupportedFeatureError(f"coder {kind_of(cls)} has no setting number {unknown[0]} in this version")
    try:
        return from_wire(cls, part.coder_fields, _no_component)
    except SpecError as error:
        raise CorruptHeaderError(f"header: coder {kind_of(cls)}: {error}") from None


def stored(coder: AnyCoder) -> CoderPart:
    """What a header says of a coder without a model: those of its settings that are marked (`inr.spec.Wire`)."""
    return CoderPart(coder.wire_id, tuple(to_wire(coder).items()))


def refuse_others(coder: AnyCoder, request: "CompressSpec") -> None:
    """Raise `SpecError` for a field of a request that a coder would not heed."""
    from inr.coders.request import CompressSpec

    if coder.takes is None:
        return
    known = coder.takes | SHARED
    for name, info in CompressSpec.model_fields.items():
        if name not in known and getattr(request, name) != info.get_default(call_default_factory=True):
            raise SpecError(f"{name}: the coder {coder.kind} has none; it takes {', '.join(sorted(coder.takes))}")


def _no_component(wire_id: int, fields: Any) -> Spec:
    del fields
    raise SpecError(f"a component (id {wire_id}) where a number is needed")
