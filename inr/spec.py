"""The base of every settings object: immutable, validated, JSON in and out, with a compact wire form."""

from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from inr.errors import SpecError

_SHOWN = 80


@dataclass(frozen=True)
class Wire:
    """Marks a field that a ``.inr`` header stores, under this number. Numbers are never reused."""

    number: int


class Spec(BaseModel):
    """Immutable settings. Unknown fields, NaN and infinity are refused with a one-line `SpecError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise SpecError(explain(type(self), error)) from None

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read the JSON that `to_json` wrote; raises `SpecError`."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise SpecError(explain(cls, error)) from None

    def to_json(self) -> str:
        """All fields as one line of JSON."""
        return self.model_dump_json()

    def replace(self, **changes: Any) -> Self:
        """A validated copy with some fields changed; raises `SpecError`."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**fields, **changes})


def wire_fields(cls: type[Spec]) -> dict[int, str]:
    """Wire number -> field name, for the fields of `cls` that a file stores."""
    numbers: dict[int, str] = {}
    for name, info in cls.model_fields.items():
        for mark in info.metadata:
            if isinstance(mark, Wire):
                if mark.number in numbers:
                    raise SpecError(
                        f"{cls.__name__}: fields {numbers[mark.number]} and {name} share wire number {mark.number}"
                    )
                numbers[mark.number] = name
    return numbers


def to_wire(spec: Spec) -> dict[int, Any]:
    """The stored fields that differ from their defaults, by wire number."""
    cls = type(spec)
    return {
        number: getattr(spec, name)
        for number, name in sorted(wire_fields(cls).items())
        if getattr(spec, name) != cls.model_fields[name].default
    }


def explain(cls: type[Spec], error: ValidationError) -> str:
    """The first problem of a validation error in one line: component and field, what is allowed, value seen."""
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in problem["loc"])
    if not where:
        return message
    kind = cls.model_fields.get("kind")
    owner = f"{kind.default}: " if kind is not None else ""
    seen = repr(problem["input"])
    shown = seen if len(seen) <= _SHOWN else seen[: _SHOWN - 3] + "..."
    return f"{owner}{where}: {message[:1].lower()}{message[1:]}; got {shown}"
