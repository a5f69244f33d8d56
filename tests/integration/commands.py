"""Commands as a person gives them, against a real database in a data folder."""

import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from postroad.cli import main

Run = Callable[..., Result]


def commands_in(data: Path, *first: tuple[str, ...]) -> Run:
    """Return what gives commands on a folder, which is migrated and in which some were given first."""
    shutil.copytree(_pattern(first), data, dirs_exist_ok=True)
    return functools.partial(_invoke, data)


@functools.cache
def _pattern(first: tuple[tuple[str, ...], ...]) -> Path:
    """Give first commands once for all tests that begin with them; the folder lives as long as the process."""
    folder = tempfile.TemporaryDirectory(prefix="postroad-pattern-")
    _folders.append(folder)
    data = Path(folder.name) / "data"
    for command in (("migrate",), *first):
        _invoke(data, *command)
    return data


_folders: list[tempfile.TemporaryDirectory[str]] = []


def _invoke(data: Path, /, *arguments: str, expect: int = 0, given: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(main, [*arguments, "--data", str(data)], input=given)
    assert result.exit_code == expect, f"{result.output}\n{result.exception!r}"
    return result
