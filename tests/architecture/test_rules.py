"""The whole tree keeps the house rules, and each rule catches an offender."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import rules

ROOT = Path(__file__).parents[2]
LIBRARY = ("inr", "service")
EVERYTHING = (*LIBRARY, "examples", "tests")

Rule = Callable[[str], list[str]]

RULES: list[tuple[Rule, tuple[str, ...]]] = [
    (rules.tests_without_assertion, ("tests",)),
    (rules.discarded_comparisons, EVERYTHING),
    (rules.oversized, EVERYTHING),
    (rules.prints, LIBRARY),
    (rules.assert_statements, LIBRARY),
    (rules.unnamed_errors, LIBRARY),
    (rules.unfinished, LIBRARY),
]

OFFENDERS: list[tuple[Rule, str]] = [
    (rules.tests_without_assertion, "def test_runs():\n    decode(data)"),
    (rules.tests_without_assertion, "async def test_runs():\n    await decode(data)"),
    (rules.tests_without_assertion, "class TestCodec:\n    def test_runs(self):\n        self.decode()"),
    (rules.tests_without_assertion, "def test_nothing():\n    assert True"),
    (rules.tests_without_assertion, "def test_close():\n    np.allclose(a, b)"),
    (rules.discarded_comparisons, "np.allclose(a, b)"),
    (rules.discarded_comparisons, "def f():\n    torch.equal(a, b)"),
    (rules.discarded_comparisons, "array_equal(a, b)"),
    (rules.oversized, "\n" * (rules.MAX_FILE_LINES + 1)),
    (rules.oversized, "def f():\n" + "    x = 1\n" * rules.MAX_FUNCTION_LINES),
    (rules.oversized, "class C:\n    async def f(self):\n" + "        x = 1\n" * rules.MAX_FUNCTION_LINES),
    (rules.prints, "def f():\n    print('done')"),
    (rules.assert_statements, "def f(x):\n    assert x > 0"),
    (rules.unnamed_errors, "raise Exception('no')"),
    (rules.unnamed_errors, "raise BaseException"),
    (rules.unfinished, "x = 1  # TODO: later"),
    (rules.unfinished, '"""FIXME"""'),
]

INNOCENT: list[tuple[Rule, str]] = [
    (rules.tests_without_assertion, "def test_sum():\n    assert 1 + 1 == 2"),
    (
        rules.tests_without_assertion,
        "def test_raises():\n    with pytest.raises(SpecError, match='shape'):\n        f()",
    ),
    (rules.tests_without_assertion, "def test_array():\n    np.testing.assert_array_equal(a, b)"),
    (rules.tests_without_assertion, "def test_tensor():\n    torch.testing.assert_close(a, b)"),
    (rules.tests_without_assertion, "def test_helper():\n    check_round_trip(data)"),
    (rules.tests_without_assertion, "def helper():\n    return 1"),
    (rules.discarded_comparisons, "assert np.allclose(a, b)"),
    (rules.discarded_comparisons, "same = torch.equal(a, b)"),
    (rules.oversized, "\n" * rules.MAX_FILE_LINES),
    (rules.oversized, "def f():\n" + "    x = 1\n" * (rules.MAX_FUNCTION_LINES - 1)),
    (rules.prints, "console.print('done')"),
    (rules.unnamed_errors, "try:\n    f()\nexcept OSError:\n    raise"),
    (rules.unnamed_errors, "raise SpecError('no')"),
    (rules.unfinished, "mastodon = 1"),
]


@pytest.mark.parametrize(("rule", "folders"), RULES, ids=lambda value: getattr(value, "__name__", ""))
def test_tree_keeps_rule(rule: Rule, folders: tuple[str, ...]) -> None:
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert files
    offences = [f"{path.relative_to(ROOT)}: {offence}" for path in files for offence in rule(path.read_text("utf-8"))]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(("rule", "source"), OFFENDERS)
def test_rule_catches_offender(rule: Rule, source: str) -> None:
    assert len(rule(source)) == 1


@pytest.mark.parametrize(("rule", "source"), INNOCENT)
def test_rule_spares_innocent(rule: Rule, source: str) -> None:
    assert rule(source) == []


def test_every_rule_has_an_offender_and_is_applied() -> None:
    assert {rule for rule, _ in OFFENDERS} == {rule for rule, _ in RULES}


def test_test_folders_are_packages() -> None:
    """Two test modules may then share a basename."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
