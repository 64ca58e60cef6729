"""The base of every settings object: immutable, validated, JSON in and out, with a compact wire form."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from inr.errors import SpecError

_SHOWN = 80


@dataclass(frozen=True)
class Wire:
    """Marks a field that a ``.inr`` header stores, under this number. Numbers are never reused.

    A value is stored as it is if it is a number, as its place in `names` if it is one of several words, and as the
    pair (wire id, stored fields) if it is a component of its own.
    """

    number: int
    names: tuple[str, ...] = ()
    """The words that the field may hold, in an order that never changes; empty for numbers and components."""
    absent: Any = None
    """What the field is in a file that does not have it, if that is no longer its default; None for the default."""


Nested = tuple[int, tuple[tuple[int, Any], ...]]
"""A stored component: its wire id and its stored fields, by number."""


class Spec(BaseModel):
    """Immutable settings. Unknown fields, NaN and infinity are refused with a one-line `SpecError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, /, **data: Any) -> None:  # a field, or a mistake, may be called self
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise explained(type(self), error) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read the JSON that `to_json` wrote; raises `SpecError`."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise explained(cls, error) from None

    def to_json(self) -> str:
        """All fields as one line of JSON."""
        return self.model_dump_json()

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some fields changed; raises `SpecError`."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})


SpecT = TypeVar("SpecT", bound=Spec)


def wire_marks(cls: type[Spec]) -> dict[int, tuple[str, Wire]]:
    """Wire number -> name and mark, for the fields of `cls` that a file stores."""
    marks: dict[int, tuple[str, Wire]] = {}
    for name, info in cls.model_fields.items():
        for mark in info.metadata:
            if isinstance(mark, Wire):
                if mark.number in marks:
                    raise SpecError(
                        f"{cls.__name__}: fields {marks[mark.number][0]} and {name} share wire number {mark.number}"
                    )
                marks[mark.number] = (name, mark)
    return marks


def wire_fields(cls: type[Spec]) -> dict[int, str]:
    """Wire number -> field name, for the fields of `cls` that a file stores."""
    return {number: name for number, (name, _) in wire_marks(cls).items()}


def wire_default(cls: type[Spec], number: int) -> Any:
    """What a field is in a file that does not have it."""
    name, mark = wire_marks(cls)[number]
    return cls.model_fields[name].default if mark.absent is None else mark.absent


def to_wire(spec: Spec) -> dict[int, Any]:
    """The stored fields that differ from what they are in a file without them, by wire number, as `Wire` describes."""
    cls = type(spec)
    return {
        number: _stored(getattr(spec, name), mark)
        for number, (name, mark) in sorted(wire_marks(cls).items())
        if getattr(spec, name) != wire_default(cls, number)
    }


def _stored(value: Any, mark: Wire) -> Any:
    if isinstance(value, Spec):
        return (value.wire_id, tuple(to_wire(value).items()))  # type: ignore[attr-defined]
    return mark.names.index(value) if mark.names else value


def from_wire(
    cls: type[SpecT], stored: Iterable[tuple[int, Any]], component: Callable[[int, Iterable[tuple[int, Any]]], Spec]
) -> SpecT:
    """The spec whose `to_wire` is `stored`.

    Args:
        cls: its class.
        stored: numbers and values.
        component: makes a component of its wire id and stored fields.

    Raises:
        SpecError: a number that `cls` does not know, a value out of range, or not what `to_wire` writes.
    """
    marks = wire_marks(cls)
    settings: dict[str, Any] = {name: mark.absent for name, mark in marks.values() if mark.absent is not None}
    pairs = tuple(stored)
    for number, value in pairs:
        if number not in marks:
            raise SpecError(f"setting number {number} is not known to this version")
        name, mark = marks[number]
        settings[name] = component(*value) if isinstance(value, tuple) else _word(name, mark, value)
    spec = cls(**settings)
    if repr(tuple(to_wire(spec).items())) != repr(pairs):  # 16.0 is not 16
        raise SpecError("settings are not in canonical form")
    return spec


def _word(name: str, mark: Wire, value: Any) -> Any:
    if not mark.names:
        return value
    if not (isinstance(value, int) and 0 <= value < len(mark.names)):
        raise SpecError(f"{name}: must be within 0..{len(mark.names) - 1}; got {value}")
    return mark.names[value]


def explained(cls: type[Spec], error: ValidationError) -> SpecError:
    """The first problem of a validation error in one line: component and field, what is allowed, value seen.

    What a component inside says of itself is whole, and is not said again: only where it stands is put before it.
    """
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"] if "[" not in str(part))  # not how a union was tried
    inner = problem.get("ctx", {}).get("error")
    message = problem["msg"].removeprefix("Value error, ")
    if not where:
        return type(inner)(message) if isinstance(inner, SpecError) else SpecError(message)
    kind = cls.model_fields.get("kind")
    owner = f"{kind.default}: " if kind is not None else ""
    if isinstance(inner, SpecError):
        named = message.startswith((f"{where}:", f"unknown {where} "))
        return type(inner)(f"{owner}{message}" if named else f"{owner}{where}: {message}")
    if problem["type"] == "extra_forbidden":
        known = [name for name in cls.model_fields if name != "kind"]
        message = f"is not known; known: {', '.join(known)}" if known else "is not known; there are no settings"
    seen = repr(problem["input"])
    shown = seen if len(seen) <= _SHOWN else seen[: _SHOWN - 3] + "..."
    return SpecError(f"{owner}{where}: {message[:1].lower()}{message[1:]}; got {shown}")
