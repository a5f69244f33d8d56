"""From a template's statements to one function that writes its text.

A program (the statements of a template, or of one side of a block) becomes a format with the fixed texts in it and
the functions that write what is between them; writing it is one formatting operation.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from postroad.templates import blocks, mustaches, partial_calls
from postroad.templates.errors import TemplateError
from postroad.templates.expressions import work
from postroad.templates.limits import NESTING_STOP
from postroad.templates.place import Source, shown
from postroad.templates.run import InlinePartial, Scope, Write
from postroad.templates.syntax import Block, Comment, Inline, Mustache, PartialCall, Program, Statement, Text

_UNROLLED = 6


class Compiled(msgspec.Struct, frozen=True):
    """A program that can be written."""

    write: Write
    cost: int
    """Steps for one run, with both sides of its conditions."""
    parameters: int = 0
    """How many block parameters it names."""
    inlines: "tuple[tuple[str, Compiled], ...]" = ()
    depth: int = 0
    """How deeply blocks and subexpressions are nested in it."""


NOTHING = Compiled(lambda _this, _scope: "", 0)


class Compiler:
    """Compiles one template, for HTML or for plain text."""

    def __init__(self, source: Source, *, is_escaped: bool) -> None:
        self.source = source
        self.is_escaped = is_escaped
        self.data_uses = 0
        """How many names such as ``@index``, and partials, were met: a loop without any needs no frame for them."""
        self.partial_names: set[str] = set()
        self.makes_partial_names = False
        self.depth = 0
        self._deepest = 0
        self._base = 0
        self._parameters: list[tuple[str, ...]] = []

    def template(self, program: Program) -> Compiled:
        """Compile a whole template."""
        return msgspec.structs.replace(self._program(program), depth=self._deepest)

    def side(
        self, program: Program | None, offset: int, *, may_name: bool = False, is_entered: bool = False
    ) -> Compiled:
        """Compile one side of a block, or the absence of one.

        Args:
            program: The side.
            offset: Where the block begins.
            may_name: Whether block parameters (``as |item|``) have a meaning here.
            is_entered: Whether it is written from elsewhere, as the block of a partial is.
        """
        if program is None:
            return NOTHING
        names = program.parameters
        if names and not may_name:
            self.source.refuse(offset, f"as |{shown(' '.join(names))}| has no meaning in this block.")
        before, self._deepest = self._deepest, self.depth + 1
        base = self._base
        if is_entered:
            self._base = self.depth + 1
        self._parameters.append(names)
        with self.nested(offset):
            compiled = self._program(program)
        self._parameters.pop()
        self._base = base
        depth, self._deepest = self._deepest - self.depth, max(before, self._deepest)
        return msgspec.structs.replace(compiled, parameters=len(names), depth=depth)

    @contextmanager
    def nested(self, offset: int) -> Iterator[None]:
        """Count what is compiled within as one level deeper."""
        self.depth += 1
        self._deepest = max(self._deepest, self.depth)
        if self.depth > NESTING_STOP:
            make_error = self.too_deep(offset)
            raise make_error()
        yield
        self.depth -= 1

    def depth_here(self) -> int:
        """Return how deeply this is nested in what is written as a whole: a template, or a partial in it."""
        return self.depth - self._base

    def parameter(self, name: str) -> tuple[int, int] | None:
        """Return how many blocks up, and at which place there, a block parameter stands; None where it is none."""
        for up, names in enumerate(names for names in reversed(self._parameters) if names):
            if name in names:
                return up, names.index(name)
        return None

    # -- errors that a running template may need -----------------------------------------------------------------------

    def too_long(self, offset: int) -> Callable[[], TemplateError]:
        """Return what makes the error of a template that takes too many steps."""
        return lambda: self.source.error(offset, "The template takes more steps than one message may.")

    def too_large(self, offset: int) -> Callable[[], TemplateError]:
        """Return what makes the error of a template whose result is too large."""
        return lambda: self.source.error(offset, "The result is larger than one message may be.")

    def too_deep(self, offset: int) -> Callable[[], TemplateError]:
        """Return what makes the error of blocks and partials that are nested too deeply."""
        return lambda: self.source.error(offset, "Blocks and partials are nested too deeply here.")

    # -- programs ------------------------------------------------------------------------------------------------------

    def _program(self, program: Program) -> Compiled:
        inlines = tuple(
            (node.name, self.side(node.program, node.offset, is_entered=True))
            for node in program.body
            if isinstance(node, Inline)
        )
        texts, parts, cost = [""], list[Write](), 1 + len(inlines)
        for statement in program.body:
            if isinstance(statement, Text):
                texts[-1] += statement.value
            elif not isinstance(statement, Comment | Inline):
                part, steps = self._statement(statement)
                parts.append(part)
                texts.append("")
                cost += steps
        write = _joined(texts, parts, self.too_large(0))
        if not all(isinstance(one, Text | Comment | Inline | Mustache) for one in program.body):
            write = _bounded(write, self.too_large(0))
        return Compiled(_with_inlines(write, inlines) if inlines else write, cost, inlines=inlines)

    def _statement(self, statement: Statement) -> tuple[Write, int]:
        match statement:
            case Mustache():
                return mustaches.mustache(self, statement), 1 + work(statement.call)
            case Block():
                write, steps = blocks.block(self, statement)
                return write, steps + work(statement.call)
            case PartialCall():
                return partial_calls.partial_call(self, statement)
        raise AssertionError(f"{statement!r} writes nothing")


def _with_inlines(write: Write, inlines: Sequence[tuple[str, Compiled]]) -> Write:
    """Return what writes a program while the partials that are written in it are known."""

    def within(this: Any, scope: Scope) -> str:
        run = scope.run
        before = run.partials
        run.partials = {**before, **{name: InlinePartial(one, scope) for name, one in inlines}}
        text = write(this, scope)
        run.partials = before
        return text

    return within


def _bounded(write: Write, too_large: Callable[[], TemplateError]) -> Write:
    """Return what writes a program with blocks in it, whose texts may add up."""

    def bounded(this: Any, scope: Scope) -> str:
        text = write(this, scope)
        if len(text) > scope.run.size_stop:
            raise too_large()
        return text

    return bounded


def _joined(texts: Sequence[str], parts: Sequence[Write], too_large: Callable[[], TemplateError]) -> Write:
    """Return what writes ``parts`` between ``texts``, of which there is one more."""
    if not parts:
        [text] = texts
        return lambda _this, _scope: text
    if len(parts) <= _UNROLLED:
        return _formatted("%s".join(text.replace("%", "%%") for text in texts), parts)
    groups = []
    for at in range(0, len(parts), _UNROLLED):
        group = parts[at : at + _UNROLLED]
        groups.append(_joined((*texts[at : at + len(group)], ""), group, too_large))
    return _concatenated(groups, texts[-1], too_large)


def _concatenated(groups: Sequence[Write], end: str, too_large: Callable[[], TemplateError]) -> Write:
    def write(this: Any, scope: Scope) -> str:
        found: list[str] = []
        size, stop = len(end), scope.run.size_stop
        for group in groups:
            text = group(this, scope)
            found.append(text)
            size += len(text)
            if size > stop:
                raise too_large()
        found.append(end)
        return "".join(found)

    return write


def _formatted(pattern: str, parts: Sequence[Write]) -> Write:
    match parts:
        case [a]:
            return a if pattern == "%s" else lambda this, scope: pattern % a(this, scope)
        case [a, b]:
            return lambda this, scope: pattern % (a(this, scope), b(this, scope))
        case [a, b, c]:
            return lambda this, scope: pattern % (a(this, scope), b(this, scope), c(this, scope))
        case [a, b, c, d]:
            return lambda this, scope: pattern % (a(this, scope), b(this, scope), c(this, scope), d(this, scope))
        case _:
            return lambda this, scope: pattern % tuple([part(this, scope) for part in parts])
