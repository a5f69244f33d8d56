import subprocess
import sys

import click
import pytest

from postroad.cli import COMMANDS, main
from postroad.cli.group import LazyGroup


def test_a_command_is_imported_only_when_it_is_asked_for() -> None:
    """Starting up must not pay for what the command does not use."""
    code = (
        "import sys, postroad.cli\n"
        "heavy = {'sqlalchemy', 'cryptography', 'argon2', 'dns', 'starlette', 'uvicorn', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


def test_commands_keep_the_order_of_the_manual() -> None:
    assert main.list_commands(click.Context(main)) == list(COMMANDS)


def test_an_unknown_command_is_none() -> None:
    assert main.get_command(click.Context(main), "nonsense") is None


def test_a_place_that_is_no_command_is_an_error() -> None:
    group = LazyGroup("x", {"y": "postroad.cli:COMMANDS"}, "")

    with pytest.raises(TypeError, match="is not a command"):
        group.get_command(click.Context(group), "y")
