"""Every way in names its channel by a constant of ``model.channel``, which lists them all."""

import ast
from collections.abc import Iterator
from pathlib import Path

from postroad.model import channel
from postroad.model.channel import CHANNELS

ROOT = Path(__file__).parents[2]
TREES = {path: ast.parse(path.read_text()) for path in sorted((ROOT / "src").rglob("*.py"))}


def values_for_channel(tree: ast.Module) -> Iterator[ast.expr | None]:
    """Give what is said for a channel: by keyword, as a field's default, in an event's facts, and to ``sending_by``."""
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="channel", value=value) | ast.AnnAssign(target=ast.Name("channel"), value=value):
                yield value
            case ast.Dict(keys, values):
                named = zip(keys, values, strict=True)
                yield from (value for key, value in named if isinstance(key, ast.Constant) and key.value == "channel")
            case ast.Call(func=ast.Name("sending_by"), args=[*_, value]):
                yield value


def test_the_channel_of_every_door_is_in_the_list() -> None:
    said = [(path.name, value) for path, tree in TREES.items() for value in values_for_channel(tree)]
    literals = [(name, value.value) for name, value in said if isinstance(value, ast.Constant) and value.value]
    constants = {value.id for _, value in said if isinstance(value, ast.Name) and value.id.isupper()}

    assert literals == []
    assert {getattr(channel, name) for name in constants} == set(CHANNELS)


def test_the_glossary_names_every_channel() -> None:
    lines = (ROOT / "docs/glossary.md").read_text().splitlines()
    [row] = [line for line in lines if line.startswith("| channel |")]

    assert [one for one in CHANNELS if f"`{one}`" not in row] == []


def test_the_guide_names_every_channel() -> None:
    lines = (ROOT / "docs/guides/events.md").read_text().splitlines()
    [row] = [line for line in lines if line.startswith("| channel:")]

    assert row.startswith(f"| channel: {', '.join(f'`{one}`' for one in CHANNELS)} |")
