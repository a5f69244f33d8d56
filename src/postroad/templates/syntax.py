"""The parts of a template, as the parser finds them.

Texts are changed once more by ``whitespace`` before they are compiled; everything else stays as it was written.
"""

from typing import TypeAlias

import msgspec


class Strip(msgspec.Struct, frozen=True):
    """Whether a tag has ``~`` at its beginning and at its end."""

    open: bool = False
    close: bool = False


NO_STRIP = Strip()


class Path(msgspec.Struct, frozen=True):
    """A name such as ``order.items``, ``../name`` or ``@index``."""

    offset: int
    original: str
    """As written, without brackets around parts."""
    is_data: bool
    """It begins with ``@``."""
    depth: int
    """How often it says ``../``."""
    parts: tuple[str, ...]
    is_scoped: bool
    """It begins with ``this``, ``.`` or ``..``, so that it means data and nothing else."""


class Literal(msgspec.Struct, frozen=True):
    """A text, number, boolean, ``null`` or ``undefined`` (whose ``name`` tells it from ``null``)."""

    offset: int
    value: str | int | float | bool | None
    name: str
    """What handlebars.js looks up when the literal stands alone in a mustache."""


class Call(msgspec.Struct, frozen=True):
    """What stands in a mustache, at the head of a block, or in parentheses."""

    offset: int
    path: Path
    arguments: tuple["Expression", ...]
    options: tuple[tuple[str, "Expression"], ...]
    """The hash arguments, ``name=value``."""


Expression: TypeAlias = Path | Literal | Call


class Text(msgspec.Struct):
    """What stands between tags."""

    original: str
    value: str
    """What is left of it after whitespace control."""
    left_stripped: bool = False
    right_stripped: bool = False


class Comment(msgspec.Struct, frozen=True):
    """A comment; it matters to the whitespace around it only."""

    strip: Strip


class Mustache(msgspec.Struct, frozen=True):
    """``{{call}}`` or ``{{{call}}}``."""

    call: Call
    is_escaped: bool
    strip: Strip
    written: str
    """The tag as it stands in the source."""


class Block(msgspec.Struct):
    """``{{#call}} program {{else}} inverse {{/call}}``, or the other way round with ``{{^call}}``."""

    call: Call
    program: "Program | None"
    inverse: "Program | None"
    open_strip: Strip
    inverse_strip: Strip
    close_strip: Strip


class Inline(msgspec.Struct):
    """``{{#*inline "name"}} program {{/inline}}``: a partial for the program that it stands in."""

    offset: int
    name: str
    program: "Program"
    open_strip: Strip
    close_strip: Strip


class PartialCall(msgspec.Struct):
    """``{{> name context key=value}}``, or with a program ``{{#> name}} program {{/name}}``."""

    offset: int
    name: Path | Literal | Call
    context: Expression | None
    options: tuple[tuple[str, Expression], ...]
    program: "Program | None"
    open_strip: Strip
    close_strip: Strip
    indent: str = ""
    """What a partial that stands alone on its line is indented with."""


Statement: TypeAlias = Text | Comment | Mustache | Block | Inline | PartialCall


class Program(msgspec.Struct):
    """Statements after one another: a template, or one side of a block."""

    body: list[Statement]
    parameters: tuple[str, ...] = ()
    """The names between bars: ``as |item index|``."""
    is_chained: bool = False
    """It is what follows ``{{else if …}}``: one block and nothing else."""
