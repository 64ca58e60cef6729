"""Every component of every registry is described, numbered and found by name; mistakes are named."""

import importlib
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from inr.coders.base import CODERS
from inr.errors import InrError, SpecError, UnknownComponentError
from inr.fitting.schedules.base import SCHEDULES
from inr.inits.base import INITS
from inr.losses.base import LOSSES
from inr.models.base import MODELS
from inr.optimisers.base import OPTIMISERS
from inr.registry import Registry, kind_of
from inr.reparams.base import REPARAMS
from inr.samplers.base import SAMPLERS
from inr.spec import Spec
from inr.tasks.base import TASKS

REGISTRIES: tuple[Registry[Any], ...] = (
    CODERS,
    MODELS,
    INITS,
    SAMPLERS,
    LOSSES,
    OPTIMISERS,
    SCHEDULES,
    REPARAMS,
    TASKS,
)
COMPONENTS = [(registry, cls) for registry in REGISTRIES for cls in registry]

each_registry = pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.noun)
each_component = pytest.mark.parametrize(
    ("registry", "cls"), COMPONENTS, ids=[f"{registry.noun}-{kind_of(cls)}" for registry, cls in COMPONENTS]
)


class Part(Spec):
    """Base of the made-up components below."""

    kind: str
    wire_id: ClassVar[int]


class One(Part):
    """A made-up component."""

    kind: Literal["one"] = "one"
    wire_id: ClassVar[int] = 1
    size: Annotated[int, Field(ge=0)] = 3


class SameKind(Part):
    """Another with the same name."""

    kind: Literal["one"] = "one"
    wire_id: ClassVar[int] = 2


class SameId(Part):
    """Another with the same id."""

    kind: Literal["two"] = "two"
    wire_id: ClassVar[int] = 1


class Other(Part):
    """A component that goes with the first."""

    kind: Literal["other"] = "other"
    wire_id: ClassVar[int] = 7


@pytest.fixture
def parts() -> Registry[Part]:
    """A registry with one component; its package holds none."""
    registry: Registry[Part] = Registry("part", "tests.golden.empty")
    registry._own_loaded = True
    registry.register(One)
    return registry


@each_component
def test_component_is_described(registry: Registry[Any], cls: Any) -> None:
    assert cls.paper.strip()
    assert cls.__doc__.strip()
    assert cls.__doc__ != cls.__bases__[0].__doc__
    module = importlib.import_module(cls.__module__)
    assert (module.__doc__ or "").strip()
    assert cls.model_fields["kind"].annotation == Literal[kind_of(cls)]


@each_component
def test_component_is_found_by_name_and_id(registry: Registry[Any], cls: Any) -> None:
    kind = kind_of(cls)
    assert registry.get(kind) is cls
    assert registry.by_wire_id(cls.wire_id) is cls
    assert registry.make(kind) == cls()
    assert registry.make({"kind": kind}) == cls()
    assert registry.make(cls()) == cls()
    assert 0 <= cls.wire_id < 2**31
    assert cls.__final__


@each_component
def test_component_refuses_what_it_does_not_know(registry: Registry[Any], cls: Any) -> None:
    with pytest.raises(SpecError, match="nonsense"):
        cls(nonsense=1)
    with pytest.raises(SpecError, match="kind"):
        cls(kind="nonsense")


@each_registry
def test_ids_and_names_are_unique_and_in_order(registry: Registry[Any]) -> None:
    classes = list(registry)
    assert classes
    assert [kind_of(cls) for cls in classes] == registry.kinds()
    assert [cls.wire_id for cls in classes] == sorted({cls.wire_id for cls in classes})
    assert len({kind_of(cls) for cls in classes}) == len(classes)


@each_registry
def test_unknown_name_lists_the_known(registry: Registry[Any]) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        registry.get("nonsense")
    assert str(caught.value) == f"unknown {registry.noun} 'nonsense'; known: {', '.join(registry.kinds())}"
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InrError)
    assert registry.by_wire_id(2**31 - 1) is None


@each_registry
def test_component_of_another_registry_is_refused(registry: Registry[Any]) -> None:
    for other, cls in COMPONENTS:
        if other is not registry:
            with pytest.raises(SpecError, match=f"{registry.noun}: give a name"):
                registry.make(cls())


def test_duplicates_are_refused(parts: Registry[Part]) -> None:
    with pytest.raises(SpecError, match="part SameKind: 'one' is already taken by One"):
        parts.register(SameKind)
    with pytest.raises(SpecError, match="part SameId: 1 is already taken by One"):
        parts.register(SameId)
    with pytest.raises(SpecError, match="already taken"):
        parts.register(One)
    assert list(parts) == [One]


def test_failed_registration_leaves_nothing_behind(parts: Registry[Part]) -> None:
    with pytest.raises(SpecError):
        parts.register(SameId)
    with pytest.raises(UnknownComponentError):
        parts.get("two")
    parts.register(Other)
    assert list(parts) == [One, Other]


def test_component_can_be_taken_out_again(parts: Registry[Part]) -> None:
    parts.unregister(One)
    assert list(parts) == []
    assert parts.by_wire_id(1) is None
    with pytest.raises(SpecError, match="give a name"):
        parts.make(One())
    parts.register(SameId)
    assert parts.kinds() == ["two"]


def test_specs_come_from_names_and_mappings(parts: Registry[Part]) -> None:
    assert parts.make("one") == One()
    assert parts.make({"kind": "one", "size": 5}) == One(size=5)
    with pytest.raises(SpecError, match=r"one: size: .*greater than or equal to 0; got -1"):
        parts.make({"kind": "one", "size": -1})
    for value in (None, 3, {}, {"size": 3}, {"kind": 3}, ["one"]):
        with pytest.raises(SpecError, match="part: give a name or an object with a 'kind'; known: one"):
            parts.make(value)


def test_registering_in_a_shared_registry_is_checked_too() -> None:
    class Twin(Spec):
        kind: Literal["siren"] = "siren"
        wire_id: ClassVar[int] = 1_000_000

    before = list(MODELS)
    with pytest.raises(SpecError, match="'siren' is already taken by Siren"):
        MODELS.register(Twin)  # type: ignore[arg-type]
    assert list(MODELS) == before
