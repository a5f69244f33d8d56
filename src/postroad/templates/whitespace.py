r"""Takes whitespace from around tags, as handlebars.js 4.7 does (its ``whitespace-control.js``).

``{{~`` and ``~}}`` take all of it on their side. A block's tags, comments and partials that stand alone on their line
take the line with them. Whether a tag stands alone is judged by the texts as they were written, never by what is left.
"""

from collections.abc import Sequence

from postroad.templates.syntax import Block, Comment, Inline, Mustache, PartialCall, Program, Statement, Text

_SPACE = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"


class _Edges:
    """What a statement asks for at its two sides."""

    __slots__ = ("begins_alone", "close", "ends_alone", "is_one_line", "open")

    def __init__(
        self,
        open_: bool,
        close: bool,
        *,
        is_one_line: bool = False,
        begins_alone: bool = False,
        ends_alone: bool = False,
    ) -> None:
        self.open = open_
        self.close = close
        self.is_one_line = is_one_line
        self.begins_alone = begins_alone
        self.ends_alone = ends_alone


def control(program: Program, *, is_root: bool = True) -> None:
    """Change the texts of a program, and of the programs in it, in place."""
    body = program.body
    for index, statement in enumerate(body):
        edges = _edges(statement)
        if edges is not None:
            _apply(body, index, edges, is_root=is_root)


def _apply(body: list[Statement], index: int, edges: _Edges, *, is_root: bool) -> None:
    space_before = _is_space_before(body, index, is_root=is_root)
    space_after = _is_space_after(body, index, is_root=is_root)
    if edges.close:
        _omit_right(body, index + 1, everything=True)
    if edges.open:
        _omit_left(body, index - 1, everything=True)
    statement = body[index]
    if edges.is_one_line and space_before and space_after:
        _omit_right(body, index + 1)
        if _omit_left(body, index - 1) and isinstance(statement, PartialCall):
            statement.indent = _indent(body[index - 1])
    if not isinstance(statement, Block | Inline | PartialCall) or (
        statement.program is None and not isinstance(statement, Block)
    ):
        return
    first, last = _outer_programs(statement)
    if edges.begins_alone and space_before:
        _omit_right(first.body, 0)
        _omit_left(body, index - 1)
    if edges.ends_alone and space_after:
        _omit_right(body, index + 1)
        _omit_left(last.body, len(last.body) - 1)


def _edges(statement: Statement) -> _Edges | None:
    match statement:
        case Text():
            return None
        case Mustache(strip=strip):
            return _Edges(strip.open, strip.close)
        case Comment(strip=strip):
            return _Edges(strip.open, strip.close, is_one_line=True)
        case PartialCall(program=None, open_strip=strip):
            return _Edges(strip.open, strip.close, is_one_line=True)
        case _:
            return _block_edges(statement)


def _outer_programs(block: Block | Inline | PartialCall) -> tuple[Program, Program]:
    """Return the program behind the opening tag and the one before the closing tag."""
    inverse = block.inverse if isinstance(block, Block) else None
    first, last = block.program or inverse, inverse or block.program
    assert first is not None
    assert last is not None
    return first, last


def _block_edges(block: Block | Inline | PartialCall) -> _Edges:
    for inner in (block.program, block.inverse if isinstance(block, Block) else None):
        if inner is not None:
            control(inner, is_root=False)
    program, _ = _outer_programs(block)
    inverse = block.inverse if isinstance(block, Block) and block.program is not None else None
    first_inverse, last_inverse = _ends_of_chain(inverse)
    begins_alone = _is_space_after(program.body, -1, is_root=False)
    final = (first_inverse or program).body
    ends_alone = _is_space_before(final, len(final), is_root=False)
    if block.open_strip.close:
        _omit_right(program.body, 0, everything=True)
    if first_inverse is not None and last_inverse is not None:
        assert isinstance(block, Block)
        _between(block, program, first_inverse)
        if block.close_strip.open:
            _omit_left(last_inverse.body, len(last_inverse.body) - 1, everything=True)
        if _is_space_before(program.body, len(program.body), is_root=False) and _is_space_after(
            first_inverse.body, -1, is_root=False
        ):
            _omit_left(program.body, len(program.body) - 1)
            _omit_right(first_inverse.body, 0)
    elif block.close_strip.open:
        _omit_left(program.body, len(program.body) - 1, everything=True)
    return _Edges(block.open_strip.open, block.close_strip.close, begins_alone=begins_alone, ends_alone=ends_alone)


def _between(block: Block, program: Program, first_inverse: Program) -> None:
    if block.inverse_strip.open:
        _omit_left(program.body, len(program.body) - 1, everything=True)
    if block.inverse_strip.close:
        _omit_right(first_inverse.body, 0, everything=True)


def _ends_of_chain(inverse: Program | None) -> tuple[Program | None, Program | None]:
    """Return the programs behind the first and the last ``{{else …}}`` of a chain."""
    if inverse is None or not inverse.is_chained:
        return inverse, inverse
    first, last = _chained(inverse), inverse
    while last.is_chained:
        last = _chained(last)
    return first, last


def _chained(program: Program) -> Program:
    block = program.body[-1]
    assert isinstance(block, Block)
    assert block.program is not None
    return block.program


def _is_space_before(body: Sequence[Statement], index: int, *, is_root: bool) -> bool:
    if index == 0:
        return is_root
    before = body[index - 1]
    if not isinstance(before, Text):
        return False
    space = before.original[len(before.original.rstrip(_SPACE)) :]
    return "\n" in space or (is_root and index == 1 and len(space) == len(before.original))


def _is_space_after(body: Sequence[Statement], index: int, *, is_root: bool) -> bool:
    if index + 1 >= len(body):
        return is_root
    after = body[index + 1]
    if not isinstance(after, Text):
        return False
    space = after.original[: len(after.original) - len(after.original.lstrip(_SPACE))]
    return "\n" in space or (is_root and index + 2 >= len(body) and len(space) == len(after.original))


def _omit_right(body: Sequence[Statement], index: int, *, everything: bool = False) -> None:
    """Take whitespace from the beginning of the text at ``index``: all, or up to the end of the line."""
    text = body[index] if 0 <= index < len(body) else None
    if not isinstance(text, Text) or (text.right_stripped and not everything):
        return
    left = text.value.lstrip(_SPACE if everything else " \t")
    if not everything:
        left = left.removeprefix("\r").removeprefix("\n")
    text.right_stripped = left != text.value
    text.value = left


def _omit_left(body: Sequence[Statement], index: int, *, everything: bool = False) -> bool:
    """Take whitespace from the end of the text at ``index``: all, or the line's indentation; say whether some was."""
    text = body[index] if 0 <= index < len(body) else None
    if not isinstance(text, Text) or (text.left_stripped and not everything):
        return False
    left = text.value.rstrip(_SPACE) if everything else text.value.rstrip(" \t")
    text.left_stripped = left != text.value
    text.value = left
    return text.left_stripped


def _indent(before: Statement) -> str:
    assert isinstance(before, Text)
    return before.original[len(before.original.rstrip(" \t")) :]
