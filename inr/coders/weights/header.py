"""What a header says of weights: the model, its settings, and how numbers are stored."""

from collections.abc import Iterable

from inr.coders.weights.quantize import Coding
from inr.container import ids
from inr.container.header import CoderPart, WireValue
from inr.errors import CorruptHeaderError, SpecError, UnsupportedFeatureError
from inr.models.base import MODELS, ModelSpec
from inr.registry import kind_of
from inr.spec import from_wire, to_wire, wire_fields


def part_of(model: ModelSpec, coding: Coding) -> CoderPart:
    """What the header says."""
    return CoderPart(
        model=model.wire_id, model_fields=tuple(to_wire(model).items()), coding=ids.id_of(ids.CODINGS, coding)
    )


def model_in(part: CoderPart) -> ModelSpec:
    """The model spec of a header; raises a `FormatError`."""
    if part.model is None:
        raise CorruptHeaderError("header lacks model")
    return _model(part.model, part.model_fields)


def _model(wire_id: int, fields: Iterable[tuple[int, WireValue]]) -> ModelSpec:
    cls = MODELS.by_wire_id(wire_id)
    if cls is None:
        raise UnsupportedFeatureError(f"model id {wire_id} is not known to this version")
    fields = tuple(fields)
    unknown = [number for number, _ in fields if number not in wire_fields(cls)]
    if unknown:
        raise UnsupportedFeatureError(f"model {kind_of(cls)} has no setting number {unknown[0]} in this version")
    try:
        return from_wire(cls, fields, _model)
    except SpecError as error:
        raise CorruptHeaderError(f"header: model {kind_of(cls)}: {error}") from None
