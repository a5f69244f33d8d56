"""From tokens to the parts of a template, by the grammar of handlebars.js 4.7 (recursive descent)."""

import re
from collections.abc import Callable
from typing import TypeVar

from postroad.templates.errors import TemplateError
from postroad.templates.lexer import Token, tokens
from postroad.templates.limits import NESTING_STOP
from postroad.templates.place import Source, shown
from postroad.templates.syntax import (
    NO_STRIP,
    Block,
    Call,
    Comment,
    Expression,
    Inline,
    Literal,
    Mustache,
    PartialCall,
    Path,
    Program,
    Statement,
    Strip,
    Text,
)

_Found = TypeVar("_Found")
_LITERALS = frozenset({"string", "number", "boolean", "undefined", "null"})
_NAMES = frozenset({"name", "bracketed"})
# What may follow a dot besides a name: handlebars.js wants brackets around these, as in items.[0].
_LATER_NAMES = _NAMES | {"number", "boolean", "undefined", "null"}
_PROGRAM_ENDS = frozenset({"end", "open_end", "inverse", "open_chain"})
_UNESCAPED_BRACKET = re.compile(r"\\([\\\]])")


def parse(source: Source) -> Program:
    """Return the template's statements; raises TemplateError."""
    parser = _Parser(source)
    program = parser.program()
    token = parser.token
    if token.kind == "open_end":
        source.refuse(token.offset, "This closes a block that was not opened.")
    if token.kind != "end":
        source.refuse(token.offset, "{{else}} stands outside of a block.")
    return program


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._depth = 0
        self.token = next(self._tokens)

    def program(self) -> Program:
        body: list[Statement] = []
        while self.token.kind not in _PROGRAM_ENDS:
            body.append(self._statement())
        return Program(body)

    def _statement(self) -> Statement:
        token = self.token
        match token.kind:
            case "text":
                self._next()
                return Text(token.text, token.text)
            case "comment":
                self._next()
                return Comment(_strip(token, token))
            case "open" | "open_ampersand" | "open_raw":
                return self._mustache(token)
            case "open_block":
                return (
                    self._nested(token, self._inline) if token.text.endswith("*") else self._nested(token, self._block)
                )
            case "open_inverse":
                return self._nested(token, self._inverted_block)
            case "open_raw_block":
                return self._raw_block()
            case "open_partial":
                return self._partial(token)
            case "open_partial_block":
                return self._nested(token, self._partial_block)
        raise self._unexpected()

    # -- tags --------------------------------------------------------------------------------------------------------

    def _mustache(self, opening: Token) -> Mustache:
        if opening.text.endswith("*"):
            self._source.refuse(opening.offset, 'There are no decorators but {{#*inline "name"}}.')
        self._next()
        call = self._call()
        closing = self._close("close_raw" if opening.kind == "open_raw" else "close")
        written = self._source.text[opening.offset : closing.offset + len(closing.text)]
        return Mustache(call, opening.kind == "open", _strip(opening, closing), written)

    def _block(self, opening: Token) -> Block:
        call, parameters, strip = self._block_head(opening)
        program = self.program()
        program.parameters = parameters
        inverse, inverse_strip = self._inverse_chain()
        close_strip = self._end_of(call.path.original, opening)
        _close_chain(inverse, close_strip)
        return Block(call, program, inverse, strip, inverse_strip, close_strip)

    def _inverted_block(self, opening: Token) -> Block:
        call, parameters, strip = self._block_head(opening)
        inverse = self.program()
        inverse.parameters = parameters
        program, inverse_strip = None, NO_STRIP
        if self.token.kind == "inverse":
            program, inverse_strip = self._else()
        close_strip = self._end_of(call.path.original, opening)
        return Block(call, program, inverse, strip, inverse_strip, close_strip)

    def _inverse_chain(self) -> tuple[Program | None, Strip]:
        if self.token.kind == "inverse":
            return self._else()
        if self.token.kind != "open_chain":
            return None, NO_STRIP
        return self._nested(self.token, self._chained)

    def _chained(self, opening: Token) -> tuple[Program, Strip]:
        call, parameters, strip = self._block_head(opening)
        program = self.program()
        program.parameters = parameters
        inverse, inverse_strip = self._inverse_chain()
        _close_chain(inverse, inverse_strip)
        block = Block(call, program, inverse, strip, inverse_strip, inverse_strip)
        return Program([block], is_chained=True), strip

    def _else(self) -> tuple[Program, Strip]:
        strip = _strip(self.token, self.token)
        self._next()
        return self.program(), strip

    def _block_head(self, opening: Token) -> tuple[Call, tuple[str, ...], Strip]:
        self._next()
        call = self._call()
        parameters = self._parameters()
        return call, parameters, _strip(opening, self._close("close"))

    def _inline(self, opening: Token) -> Inline:
        call, _, strip = self._block_head(opening)
        if call.path.original != "inline":
            self._source.refuse(opening.offset, 'There are no decorators but {{#*inline "name"}}.')
        if len(call.arguments) != 1 or not isinstance(call.arguments[0], Literal) or call.options:
            self._source.refuse(call.offset, 'An inline partial has its name in quotation marks: {{#*inline "name"}}.')
        program = self.program()
        return Inline(opening.offset, call.arguments[0].name, program, strip, self._end_of("inline", opening))

    def _raw_block(self) -> Block:
        self._next()
        call = self._call()
        self._close("close_raw_block")
        text: list[Statement] = []
        if self.token.kind == "text":
            text = [Text(self.token.text, self.token.text)]
            self._next()
        if self.token.text != call.path.original:
            self._source.refuse(
                self.token.offset, f"{shown(call.path.original)} is open here, not {shown(self.token.text)}."
            )
        self._next()
        return Block(call, Program(text), None, NO_STRIP, NO_STRIP, NO_STRIP)

    def _partial(self, opening: Token) -> PartialCall:
        self._next()
        name, context, options = self._partial_head()
        strip = _strip(opening, self._close("close"))
        return PartialCall(opening.offset, name, context, options, None, strip, strip)

    def _partial_block(self, opening: Token) -> PartialCall:
        self._next()
        name, context, options = self._partial_head()
        strip = _strip(opening, self._close("close"))
        program = self.program()
        written = name.path.original if isinstance(name, Call) else _original(name)
        close_strip = self._end_of(written, opening)
        return PartialCall(opening.offset, name, context, options, program, strip, close_strip)

    def _partial_head(
        self,
    ) -> tuple[Path | Literal | Call, Expression | None, tuple[tuple[str, Expression], ...]]:
        name = self._expression()
        arguments, options = self._arguments()
        if len(arguments) > 1:
            self._source.refuse(arguments[1].offset, "A partial takes one context; other values are named: key=value.")
        return name, arguments[0] if arguments else None, options

    # -- expressions -------------------------------------------------------------------------------------------------

    def _call(self) -> Call:
        offset = self.token.offset
        if self.token.kind == "open_call":
            self._source.refuse(offset, "A name must stand before the first parenthesis.")
        head = self._expression()
        path = head if isinstance(head, Path) else _as_path(head)
        return Call(offset, path, *self._arguments())

    def _arguments(self) -> tuple[tuple[Expression, ...], tuple[tuple[str, Expression], ...]]:
        """Read the arguments, and after them the options, ``key=value``."""
        arguments: list[Expression] = []
        options: list[tuple[str, Expression]] = []
        while self._starts_expression():
            expression = self._expression()
            if self.token.kind == "equals":
                options.append(self._option(expression))
            elif options:
                self._source.refuse(expression.offset, "Arguments stand before key=value, not after.")
            else:
                arguments.append(expression)
        return tuple(arguments), tuple(options)

    def _option(self, name: Expression) -> tuple[str, Expression]:
        if not isinstance(name, Path) or name.is_data or name.depth or len(name.parts) != 1 or name.is_scoped:
            self._source.refuse(name.offset, "A single name must stand before =.")
        self._next()
        if not self._starts_expression():
            self._source.refuse(self.token.offset, f"The value of {shown(name.original)}= is missing.")
        return name.original, self._expression()

    def _starts_expression(self) -> bool:
        kind = self.token.kind
        return kind in _LITERALS or kind in _NAMES or kind in {"at", "open_call"}

    def _expression(self) -> Expression:
        token = self.token
        if token.kind == "open_call":
            return self._nested(token, self._subexpression)
        if token.kind in _LITERALS:
            self._next()
            return _literal(token)
        if token.kind == "at":
            self._next()
            if self.token.kind not in _NAMES:
                self._source.refuse(token.offset, "A name must follow @, such as @index.")
            return self._path(token.offset, is_data=True)
        if token.kind not in _NAMES:
            raise self._unexpected()
        return self._path(token.offset, is_data=False)

    def _subexpression(self, opening: Token) -> Call:
        self._next()
        call = self._call()
        if self.token.kind != "close_call":
            if self.token.kind in {"close", "close_raw"}:
                self._source.refuse(opening.offset, "This parenthesis is not closed.")
            raise self._unexpected()
        self._next()
        return call

    def _path(self, offset: int, *, is_data: bool) -> Path:
        first = self.token
        original, parts, depth = "@" if is_data else "", list[str](), 0
        while True:
            name, is_bracketed = _name(self.token)
            original += name
            if not is_bracketed and name in {"..", ".", "this"}:
                if parts:
                    self._source.refuse(self.token.offset, f"{name} stands at the beginning of a path only.")
                depth += name == ".."
            else:
                parts.append(name)
            self._next()
            if self.token.kind != "separator":
                break
            original += self.token.text
            self._next()
            if self.token.kind not in _LATER_NAMES:
                raise self._unexpected()
        is_scoped = not is_data and first.text in {"..", ".", "this"}
        return Path(offset, original, is_data, depth, tuple(parts), is_scoped)

    def _parameters(self) -> tuple[str, ...]:
        if self.token.kind != "open_parameters":
            return ()
        self._next()
        names: list[str] = []
        while self.token.kind in _NAMES:
            names.append(_name(self.token)[0])
            self._next()
        if self.token.kind != "bar" or not names:
            self._source.refuse(self.token.offset, "Names between bars are meant here: as |item index|.")
        self._next()
        return tuple(names)

    # -- tokens ------------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        self.token = next(self._tokens)

    def _close(self, kind: str) -> Token:
        token = self.token
        if token.kind != kind:
            raise self._unexpected()
        self._next()
        return token

    def _end_of(self, name: str, opening: Token) -> Strip:
        token = self.token
        if token.kind == "end":
            self._source.refuse(opening.offset, f"This block is not closed: {{{{/{shown(name)}}}}} is missing.")
        if token.kind != "open_end":
            self._source.refuse(token.offset, "There is an {{else}} too many in this block.")
        self._next()
        closed = _original(self._expression())
        if closed != name:
            line = self._source.line_of(opening.offset)
            self._source.refuse(
                token.offset, f"{shown(closed)} is closed here, but {shown(name)} of line {line} is open."
            )
        return _strip(token, self._close("close"))

    def _nested(self, opening: Token, rule: Callable[[Token], _Found]) -> _Found:
        self._depth += 1
        if self._depth > NESTING_STOP:
            self._source.refuse(opening.offset, f"More than {NESTING_STOP} blocks stand in one another here.")
        found = rule(opening)
        self._depth -= 1
        return found

    def _unexpected(self) -> TemplateError:
        token = self.token
        if token.kind == "close_raw_block":
            return self._source.error(token.offset, "There is a } too many.")
        if token.kind in {"close", "close_raw", "close_call"}:
            return self._source.error(token.offset, f"A name or a value is missing before {token.text}.")
        if token.kind == "end":
            return self._source.error(token.offset, "The template ends in the middle of a tag.")
        return self._source.error(token.offset, f"{shown(token.text)} cannot stand here.")


def _close_chain(inverse: Program | None, strip: Strip) -> None:
    """Give the block behind ``{{else if}}`` the end of the one that it stands in, or its own ``{{else}}``."""
    if inverse is not None and inverse.is_chained:
        [block] = inverse.body
        assert isinstance(block, Block)
        block.close_strip = strip


def _strip(opening: Token, closing: Token) -> Strip:
    return Strip(opening.text[2:3] == "~", closing.text[-3:-2] == "~")


def _name(token: Token) -> tuple[str, bool]:
    if token.kind != "bracketed":
        return token.text, False
    return _UNESCAPED_BRACKET.sub(r"\1", token.text)[1:-1], True


def _original(expression: Expression) -> str:
    match expression:
        case Path():
            return expression.original
        case Literal():
            return expression.name
        case Call():
            return expression.path.original


def _as_path(expression: Expression) -> Path:
    name = _original(expression)
    return Path(expression.offset, name, is_data=False, depth=0, parts=(name,), is_scoped=False)


def _literal(token: Token) -> Literal:
    text = token.text
    match token.kind:
        case "string":
            quote = text[0]
            value = text[1:-1].replace(f"\\{quote}", quote)
            return Literal(token.offset, value, value)
        case "number":
            return _number(token)
        case "boolean":
            return Literal(token.offset, text == "true", text)
        case _:
            return Literal(token.offset, None, text)


def _number(token: Token) -> Literal:
    value = float(token.text)
    number = int(value) if value.is_integer() and abs(value) < 2**53 else value
    return Literal(token.offset, number, str(number))
