"""The names of the package: each is what it says, however often and in whatever order it is used."""

import importlib
import importlib.util

import pytest

import inr


@pytest.mark.parametrize("name", inr.__all__)
def test_public_name_is_no_module(name: str) -> None:
    """Importing a sub-module of the same name would replace what users call."""
    assert importlib.util.find_spec(f"inr.{name}") is None
    assert callable(getattr(inr, name))
    importlib.import_module("inr.cli.app")
    assert getattr(inr, name).__name__ == name


def test_the_package_lists_its_names() -> None:
    listed = dir(inr)
    assert listed == sorted(listed)
    assert [name for name in listed if not name.startswith("__")] == sorted(inr.__all__)
    assert {"__version__", "__doc__", "__all__"} <= set(listed)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'inr' has no attribute 'squeeze'"):
        inr.squeeze  # noqa: B018
