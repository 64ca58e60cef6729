"""House rules as functions from source text to a list of offences, so that the rules themselves can be tested."""

import ast
import re
from collections.abc import Iterator

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef

ASSERTING_CALLS = frozenset({"raises", "warns", "deprecated_call"})
COMPARISONS = frozenset({"allclose", "array_equal", "array_equiv", "isclose", "equal"})


def tests_without_assertion(source: str) -> list[str]:
    """Test functions that cannot fail on a wrong result."""
    functions = (f for f in _functions(source) if f.name.startswith("test_"))
    return [f"line {f.lineno}: {f.name} asserts nothing" for f in functions if not any(map(_asserts, ast.walk(f)))]


def discarded_comparisons(source: str) -> list[str]:
    """Comparisons such as `np.allclose(a, b)` whose result nobody looks at."""
    return [
        f"line {node.lineno}: the result of {ast.unparse(node.value.func)} is discarded"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _called(node.value) in COMPARISONS
    ]


def oversized(source: str) -> list[str]:
    """Files and functions that are too long to read at once."""
    lines = len(source.splitlines())
    found = [f"{lines} lines, at most {MAX_FILE_LINES} are allowed"] if lines > MAX_FILE_LINES else []
    for function in _functions(source):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > MAX_FUNCTION_LINES:
            found.append(
                f"line {function.lineno}: {function.name} has {length} lines, at most {MAX_FUNCTION_LINES} are allowed"
            )
    return found


def prints(source: str) -> list[str]:
    """Calls of `print`: a library returns values and raises errors."""
    return [
        f"line {node.lineno}: print"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def assert_statements(source: str) -> list[str]:
    """`assert` statements, which `python -O` removes: input is checked with named errors."""
    return [f"line {node.lineno}: assert" for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def unnamed_errors(source: str) -> list[str]:
    """`raise Exception` and `raise BaseException`, which no caller can tell apart."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            error = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            if isinstance(error, ast.Name) and error.id in {"Exception", "BaseException"}:
                found.append(f"line {node.lineno}: raise {error.id}")
    return found


def unfinished(source: str) -> list[str]:
    """Marks of work left undone."""
    return [
        f"line {number}: {match[0]}"
        for number, line in enumerate(source.splitlines(), start=1)
        if (match := re.search(r"\b(TODO|FIXME)\b", line))
    ]


def _functions(source: str) -> Iterator[Function]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, Function))


def _asserts(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return not isinstance(node.test, ast.Constant)
    if isinstance(node, ast.Call):
        name = _called(node)
        return name in ASSERTING_CALLS or name.lstrip("_").startswith(("assert_", "check_"))
    return False


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""
