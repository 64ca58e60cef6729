"""Settings: JSON and the wire form give back what went in, for every component that is registered."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from inr.coders.request import CompressSpec
from inr.errors import SpecError, UnknownComponentError
from inr.fitting.schedules.base import SCHEDULES
from inr.fitting.spec import Budget, FitSpec
from inr.inits.base import INITS
from inr.losses.base import LOSSES
from inr.models.base import MODELS, ModelSpec
from inr.models.siren import Siren
from inr.optimisers.base import OPTIMISERS
from inr.registry import kind_of
from inr.reparams.base import REPARAMS
from inr.samplers.base import SAMPLERS
from inr.spec import Spec, Wire, from_wire, to_wire, wire_default, wire_fields

MODEL_SPECS = [spec for cls in MODELS for spec in (cls(), *cls.EXAMPLES)]


def components(registry: Any) -> st.SearchStrategy[Any]:
    """Each component of a registry, with its default settings and with random ones."""
    return st.sampled_from(list(registry)).flatmap(random_specs)


@st.composite
def random_specs(draw: st.DrawFn, cls: type[Spec]) -> Spec:
    """A spec whose numeric fields have any values that are allowed; the default if they contradict each other."""
    values = {
        name: draw(numbers(info)) for name, info in cls.model_fields.items() if name != "kind" and draw(st.booleans())
    }
    try:
        return cls(**values)
    except SpecError:
        return cls()


def numbers(info: FieldInfo) -> st.SearchStrategy[Any]:
    """Values of one field, within the limits of its JSON schema; what is no number, word or model keeps its default."""
    if isinstance(info.default, ModelSpec):
        return st.sampled_from([info.default, *Siren.EXAMPLES])
    schema = TypeAdapter(info.rebuild_annotation()).json_schema()
    schema = next((choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"), schema)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.integers(low, high)
        case "number":
            open_ends = ["exclusiveMinimum" in schema, "exclusiveMaximum" in schema]
            return st.floats(low, high, exclude_min=open_ends[0], exclude_max=open_ends[1])
        case "boolean":
            return st.booleans()
        case _:
            return st.just(info.default)


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    steps = draw(st.none() | st.integers(1, 10**8))
    seconds = draw(st.floats(1e-3, 1e7) if steps is None else st.none() | st.floats(1e-3, 1e7))
    return Budget(steps=steps, seconds=seconds, psnr=draw(st.none() | st.floats(1, 100)))


@st.composite
def fit_specs(draw: st.DrawFn) -> FitSpec:
    return FitSpec(
        model=draw(st.sampled_from(MODEL_SPECS) | components(MODELS)),
        init=draw(components(INITS)),
        sampler=draw(components(SAMPLERS)),
        reparam=draw(components(REPARAMS)),
        loss=draw(components(LOSSES)),
        optimiser=draw(components(OPTIMISERS)),
        schedule=draw(components(SCHEDULES)),
        budget=draw(budgets()),
        seed=draw(st.integers(0, 2**63 - 1)),
        device=draw(st.sampled_from(["auto", "cpu", "cuda"])),
    )


@given(fit_specs())
def test_fit_spec_survives_json(spec: FitSpec) -> None:
    again = FitSpec.from_json(spec.to_json())
    assert again == spec
    assert type(again.model) is type(spec.model)
    assert again.to_json() == spec.to_json()
    assert FitSpec(**spec.model_dump()) == spec


@pytest.mark.parametrize("model", MODEL_SPECS, ids=repr)
def test_fit_spec_of_every_model_survives_json(model: ModelSpec) -> None:
    spec = FitSpec(model=model)
    assert FitSpec.from_json(spec.to_json()) == spec
    assert FitSpec(model=model.model_dump()) == spec
    assert type(model).from_json(model.to_json()) == model


@given(components(MODELS))
def test_wire_form_gives_the_model_back(model: ModelSpec) -> None:
    stored = to_wire(model)
    assert from_wire(type(model), stored.items(), component) == model
    assert list(stored) == sorted(stored)
    for number, name in wire_fields(type(model)).items():
        assert (number in stored) == (getattr(model, name) != wire_default(type(model), number))


def component(wire_id: int, fields: Iterable[tuple[int, Any]]) -> Spec:
    cls = MODELS.by_wire_id(wire_id)
    assert cls is not None
    return from_wire(cls, fields, component)


@pytest.mark.parametrize("cls", list(MODELS), ids=kind_of)
def test_random_models_differ_from_the_default(cls: type[ModelSpec]) -> None:
    """The strategy above really changes settings."""
    assert find(random_specs(cls), lambda spec: len(to_wire(spec)) > 1) != cls()


def test_a_kind_alone_stands_for_the_defaults() -> None:
    for cls in MODELS:
        assert FitSpec(model=kind_of(cls)).model == cls()
        assert FitSpec(model={"kind": kind_of(cls)}).model == cls()


@pytest.mark.parametrize("value", [LOSSES.make("mse"), Budget(steps=1), 3, None, [], {}, {"kind": 3}])
def test_what_is_no_model_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match=r"model: .*known: siren"):
        FitSpec(model=value)
    with pytest.raises(SpecError, match="known: siren"):
        MODELS.make(value)


def test_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecError, match="unknown model 'sirn'; known: siren, hashgrid"):
        FitSpec(model="sirn")
    with pytest.raises(UnknownComponentError, match="known: siren, hashgrid"):
        MODELS.make("sirn")
    with pytest.raises(SpecError, match="unknown model 'sirn'"):
        FitSpec.from_json('{"model": {"kind": "sirn"}}')


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"model": "siren", "steps": 3}', '{"model": "siren", "seed": NaN}']
)
def test_json_that_is_no_spec_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        FitSpec.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", list(MODELS), ids=kind_of)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "wide", None, 10**30, -1])
def test_field_out_of_range_is_refused_with_name_and_value(cls: type[ModelSpec], value: object) -> None:
    for name in wire_fields(cls).values():
        with pytest.raises(SpecError, match=name) as caught:
            cls(**{name: value})
        assert repr(value)[:20] in str(caught.value)


def test_specs_do_not_change() -> None:
    spec = FitSpec(model="siren")
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 3  # type: ignore[misc]
    changed = spec.replace(seed=3)
    assert (spec.seed, changed.seed) == (0, 3)
    with pytest.raises(SpecError, match="seed"):
        spec.replace(seed=-1)


def test_two_fields_with_one_wire_number_are_refused() -> None:
    class Twice(Spec):
        a: Annotated[int, Wire(0)] = 1
        b: Annotated[int, Wire(0)] = 2

    with pytest.raises(SpecError, match="fields a and b share wire number 0"):
        wire_fields(Twice)


@pytest.mark.parametrize("name", ["init", "sampler", "loss", "task", "optimiser", "schedule", "reparam"])
def test_an_unknown_component_is_named_once(name: str) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        CompressSpec(**{name: "nope"})
    message = str(caught.value)
    assert message.startswith(f"unknown {name} 'nope'; known: ")
    assert (message.count(name), message.count("nope")) == (1, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sampler": "block:side"}, "sampler: settings are name=value, separated by commas; got 'side'"),
        ({"sampler": "block:nope=3"}, "sampler: block: nope: is not known; known: batch; got 3"),
        ({"optimiser": {"kind": "adam", "beta_1": 2}}, "optimiser: adam: beta_1: input should be less than 1; got 2"),
        ({"init": 3}, "init: give a name or an object with a 'kind'; known: .*; got 3"),
        ({"preset": "nope"}, "unknown preset 'nope'; known: fast, default, best"),
        ({"bpp": 0}, "bpp: input should be greater than 0; got 0"),
    ],
)
def test_what_a_component_says_is_not_said_again(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        CompressSpec(**settings)
    assert re.fullmatch(message, str(caught.value))
    assert str(caught.value).count("got ") <= 1
