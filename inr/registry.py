"""Named components: one registry a kind of component, filled by importing the files of one package.

Putting a file into the package is all it takes: the registry finds it, the command line lists it, the JSON
schema admits it and the conformance suite tests it. Other packages add theirs by entry points, see `inr.plugins`.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from pydantic import PlainSerializer, PlainValidator

from inr import plugins
from inr.errors import SpecError, UnknownComponentError
from inr.spec import Spec


class Component(Protocol):
    """What a class needs in order to be registered."""

    wire_id: ClassVar[int]
    """Literal number; the id of this component inside files and messages. Never reused."""

    model_fields: ClassVar[Any]


C = TypeVar("C", bound=Spec)


class Registry(Generic[C]):
    """Maps ``kind`` and ``wire_id`` to a spec class; loads the classes on first use, from any thread.

    Args:
        noun: what is registered, for messages ("model").
        package: dotted package whose modules register themselves when imported.
        group: of the entry points with which other packages add more, each a class, or a module that registers some;
            default: the name of the package.
        module: of packages in it, the module that registers; None if only modules do.
        names: kind of each wire id of the library's own components, so that files need only load what they name.
        first_foreign: smallest wire id that components of other packages may have.
    """

    def __init__(
        self,
        noun: str,
        package: str,
        group: str | None = None,
        module: str | None = None,
        names: Mapping[int, str] | None = None,
        first_foreign: int = 0,
    ) -> None:
        self.noun, self.group, self._first_foreign = noun, group or package, first_foreign
        self._package, self._module, self._names = package, module, names or {}
        self._by_kind: dict[str, type[C]] = {}
        self._by_wire_id: dict[int, type[C]] = {}
        self._own_loaded = False
        self._load = plugins.Loading(self.group, self._load_own, self._add, self._by_kind.values, self.unregister)

    def register(self, cls: type[C]) -> type[C]:
        """Class decorator.

        Raises:
            SpecError: another class has the same ``kind`` or ``wire_id``, or the id is none for other packages.
        """
        kind, wire_id = kind_of(cls), int(cls.wire_id)  # type: ignore[attr-defined]
        if not cls.__module__.startswith(f"{self._package}."):
            self._load_own()  # names and ids of the library are its own, whoever comes first
            if wire_id < self._first_foreign:
                raise SpecError(
                    f"{self.noun} {cls.__qualname__}: wire ids of other packages are {self._first_foreign} or more; "
                    f"got {wire_id}"
                )
        # Without a lock, which a fork in another thread would leave locked in the child for ever.
        if self._by_kind.get(kind) or self._by_wire_id.setdefault(wire_id, cls) is not cls:
            raise self._taken(cls, kind, wire_id)
        if self._by_kind.setdefault(kind, cls) is not cls:
            del self._by_wire_id[wire_id]
            raise self._taken(cls, kind, wire_id)
        return cls

    def _taken(self, cls: type[C], kind: str, wire_id: int) -> SpecError:
        other = self._by_kind.get(kind)
        taken = wire_id if other is None else kind
        name = (other or self._by_wire_id[wire_id]).__qualname__
        return SpecError(f"{self.noun} {cls.__qualname__}: {taken!r} is already taken by {name}")

    def unregister(self, cls: type[C]) -> None:
        """Undo `register`, for plug-ins that are switched off."""
        self._by_kind.pop(kind_of(cls), None)
        self._by_wire_id.pop(int(cls.wire_id), None)  # type: ignore[attr-defined]

    def get(self, kind: str) -> type[C]:
        """The class called `kind`; raises `UnknownComponentError` that lists the known kinds."""
        self._load_one(kind)
        if kind not in self._by_kind:
            raise UnknownComponentError(f"unknown {self.noun} {kind!r}; known: {', '.join(self.kinds())}")
        return self._by_kind[kind]

    def by_wire_id(self, wire_id: int) -> type[C] | None:
        """The class with this id, or None."""
        self._load_one(self._names.get(wire_id))
        return self._by_wire_id.get(wire_id)

    def kinds(self) -> list[str]:
        """All names, in the order of their wire ids."""
        self._load()
        return [kind_of(cls) for _, cls in sorted(self._by_wire_id.copy().items())]

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
        known = ", ".join(self.kinds())
        raise SpecError(f"{self.noun}: give a name or an object with a 'kind'; known: {known}; got {value!r:.80}")

    def field(self) -> tuple[PlainValidator, PlainSerializer]:
        """Annotations that make a pydantic field hold any component of this registry."""
        dump: Callable[[C], dict[str, Any]] = lambda spec: spec.model_dump(mode="json")  # noqa: E731
        return PlainValidator(self.make), PlainSerializer(dump, return_type=dict[str, Any])

    def _load_one(self, kind: str | None) -> None:
        """Load the module that is called as this kind, if there is one; everything if that does not help."""
        if kind is not None and kind not in self._by_kind and kind.isidentifier():
            name = f"{self._package}.{kind}" + (f".{self._module}" if self._module else "")
            if _exists(name):
                importlib.import_module(name)
        if kind not in self._by_kind:
            self._load()

    def _load_own(self) -> None:
        """Load what comes with the library."""
        if self._own_loaded:
            return
        package = importlib.import_module(self._package)
        for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda m: m.name):
            inside = f".{self._module}" if module.ispkg and self._module else ""
            importlib.import_module(f"{self._package}.{module.name}{inside}")
        self._own_loaded = True

    def _add(self, found: Any) -> bool:
        """Register what an entry point names, if loading it has not; a module has registered what it holds."""
        if isinstance(found, type) and found not in self._by_kind.values():
            try:
                self.register(found)
            except SpecError:
                if found not in self._by_kind.values():  # else another thread has been quicker
                    raise
        return True


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        return False


def settings_of(text: str) -> dict[str, Any]:
    """Settings as text, ``name=value,name=value``: numbers, true, false, none, or words; raises `SpecError`."""
    settings: dict[str, Any] = {}
    for pair in text.split(",") if text else []:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise SpecError(f"settings are name=value, separated by commas; got {pair!r}")
        settings[name] = value_of(value)
    return settings


_WORDS = {"true": True, "false": False, "none": None}


def value_of(text: str) -> Any:
    """A number, True, False, None, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def kind_of(cls: type[Spec]) -> str:
    """The literal ``kind`` of a component class."""
    return str(cls.model_fields["kind"].default)
