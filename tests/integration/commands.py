"""Commands as a person gives them, against a real database in a data folder."""

from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from postroad.cli import main

Run = Callable[..., Result]


def commands_in(data: Path, *first: tuple[str, ...]) -> Run:
    """Return what gives commands on a folder, which is migrated and in which some were given first."""

    def invoke(*arguments: str, expect: int = 0, given: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(main, [*arguments, "--data", str(data)], input=given)
        assert result.exit_code == expect, f"{result.output}\n{result.exception!r}"
        return result

    for command in (("migrate",), *first):
        invoke(*command)
    return invoke
