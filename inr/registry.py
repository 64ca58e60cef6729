"""Named components: one registry a kind of component, filled by importing the files of one package.

Putting a file into the package is all it takes: the registry finds it, the command line lists it, the JSON
schema admits it and the conformance suite tests it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from pydantic import PlainSerializer, PlainValidator

from inr.errors import SpecError, UnknownComponentError
from inr.spec import Spec


class Component(Protocol):
    """What a class needs in order to be registered."""

    wire_id: ClassVar[int]
    """Literal number; the id of this component inside files and messages. Never reused."""

    model_fields: ClassVar[Any]


C = TypeVar("C", bound=Spec)


class Registry(Generic[C]):
    """Maps ``kind`` and ``wire_id`` to a spec class.

    Args:
        noun: what is registered, for messages ("model").
        package: dotted package whose modules register themselves when imported.
        module: of packages in it, the module that does; None if only modules do.
    """

    def __init__(self, noun: str, package: str, module: str | None = None) -> None:
        self.noun = noun
        self._package, self._module = package, module
        self._by_kind: dict[str, type[C]] = {}
        self._by_wire_id: dict[int, type[C]] = {}
        self._loaded = False

    def register(self, cls: type[C]) -> type[C]:
        """Class decorator. A second class with the same ``kind`` or ``wire_id`` raises `SpecError`."""
        kind, wire_id = kind_of(cls), int(cls.wire_id)  # type: ignore[attr-defined]
        for taken, other in ((kind, self._by_kind.get(kind)), (wire_id, self._by_wire_id.get(wire_id))):
            if other is not None:
                raise SpecError(f"{self.noun} {cls.__qualname__}: {taken!r} is already taken by {other.__qualname__}")
        self._by_kind[kind] = cls
        self._by_wire_id[wire_id] = cls
        return cls

    def unregister(self, cls: type[C]) -> None:
        """Undo `register`, for plug-ins that are switched off."""
        self._by_kind.pop(kind_of(cls), None)
        self._by_wire_id.pop(int(cls.wire_id), None)  # type: ignore[attr-defined]

    def get(self, kind: str) -> type[C]:
        """The class called `kind`; raises `UnknownComponentError` that lists the known kinds."""
        self._load()
        if kind not in self._by_kind:
            raise UnknownComponentError(f"unknown {self.noun} {kind!r}; known: {', '.join(self.kinds())}")
        return self._by_kind[kind]

    def by_wire_id(self, wire_id: int) -> type[C] | None:
        """The class with this id, or None."""
        self._load()
        return self._by_wire_id.get(wire_id)

    def kinds(self) -> list[str]:
        """All names, in the order of their wire ids."""
        self._load()
        return [kind_of(self._by_wire_id[i]) for i in sorted(self._by_wire_id)]

    def __iter__(self) -> Iterator[type[C]]:
        return (self._by_kind[kind] for kind in self.kinds())

    def make(self, value: Any) -> C:
        """A spec from a spec, a mapping with a ``kind``, or text ``kind`` or ``kind:name=value,...``.

        Raises:
            SpecError: it is none of these, or a setting is wrong.
        """
        if type(value) in self._by_kind.values():
            return cast(C, value)
        if isinstance(value, str):
            kind, _, settings = value.partition(":")
            return self.get(kind)(**settings_of(settings))
        if isinstance(value, dict) and isinstance(value.get("kind"), str):
            return self.get(value["kind"])(**value)
        raise SpecError(f"{self.noun}: give a name or an object with a 'kind'; known: {', '.join(self.kinds())}")

    def field(self) -> tuple[PlainValidator, PlainSerializer]:
        """Annotations that make a pydantic field hold any component of this registry."""
        dump: Callable[[C], dict[str, Any]] = lambda spec: spec.model_dump(mode="json")  # noqa: E731
        return PlainValidator(self.make), PlainSerializer(dump, return_type=dict[str, Any])

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            inside = f".{self._module}" if module.ispkg and self._module else ""
            importlib.import_module(f"{self._package}.{module.name}{inside}")


def settings_of(text: str) -> dict[str, Any]:
    """Settings as text, ``name=value,name=value``: numbers, true and false, or words; raises `SpecError`."""
    settings: dict[str, Any] = {}
    for pair in text.split(",") if text else []:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise SpecError(f"settings are name=value, separated by commas; got {pair!r}")
        settings[name] = value_of(value)
    return settings


def value_of(text: str) -> Any:
    """A number, True, False, or the text itself."""
    if text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def kind_of(cls: type[Spec]) -> str:
    """The literal ``kind`` of a component class."""
    return str(cls.model_fields["kind"].default)
