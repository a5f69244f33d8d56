"""Modules and functions stay small enough to be read: at most 600 lines and 60 lines."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_STOP = 600
FUNCTION_STOP = 60
BANNED_NAMES = {"utils", "helpers", "common", "manager", "misc"}
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def function_lengths(tree: ast.Module) -> dict[str, int]:
    """Return each function's length in lines, its docstring not counted."""
    lengths = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            end = node.end_lineno or node.lineno
            lengths[f"{node.name}:{node.lineno}"] = end - node.lineno + 1 - len((docstring or "").splitlines())
    return lengths


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_and_its_functions_stay_below_the_stops(path: Path) -> None:
    text = path.read_text()

    too_long = {name: length for name, length in function_lengths(ast.parse(text)).items() if length > FUNCTION_STOP}

    assert len(text.splitlines()) <= MODULE_STOP
    assert too_long == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in SOURCES if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES] == []


def test_no_work_is_left_for_others() -> None:
    """Source holds no markers of unfinished work."""
    marks = ("TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error", "pragma: no " + "cover")

    found = [(path.name, mark) for path in SOURCES for mark in marks if mark in path.read_text()]

    assert found == []
