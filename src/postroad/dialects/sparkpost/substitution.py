"""SparkPost's substitution language: a text of it becomes literal pieces, and templates of our own language between them.

``{{name}}``, ``{{{name}}}`` without escaping, ``{{ name or 'default' }}``, comparisons with ``and``, ``or`` and ``not``,
``{{if}} … {{elseif}} … {{else}} … {{end}}``, and ``{{each list}} … {{end}}`` with ``loop_var``, ``loop_index`` and
``loop_vars.list``. Names are those of the data wherever they stand, also within a loop.

What a template is made of is mustaches alone: texts and literals are taken from the data, under a name that no client can
write, so that nothing of them has to be escaped and no white space goes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from postroad.templates import Limits, Template, TemplateError, compile_template

_CONSTANTS = "0"
"""The name of the texts and literals in the data."""
_MUSTACHE = re.compile(r"\{\{\{([^{}]*)\}\}\}|\{\{([^{}]*)\}\}|\{\{")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>-?\d+(?:\.\d+)?)|(?P<operator>==|!=|<=|>=|<|>|\(|\)|,)"
    r"|(?P<name>[A-Za-z_][\w-]*(?:\.[\w-]+|\[\d+\]|\['[^'\]]*'\]|\[\"[^\"\]]*\"\])*))"
)
_STEP = re.compile(r"[\w-]+|\[['\"]?([^'\"\]]*)['\"]?\]")
_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_WRITTEN = {
    "opening_double_curly": "{{",
    "closing_double_curly": "}}",
    "opening_triple_curly": "{{{",
    "closing_triple_curly": "}}}",
}
"""Functions that write what would be a mustache."""
_WORDS = frozenset({"and", "or", "not", "if", "elseif", "else", "end", "each"})
_LITERALS = frozenset({"true", "false", "null"})
_DEEPEST = 20
"""Blocks in one another, and parentheses."""
MOST_MUSTACHES = 2_000
"""Of one text."""
LONGEST_MUSTACHES = 100_000
"""Characters of all mustaches of one text; so much takes about half a second to read."""


class SubstitutionError(Exception):
    """A text is not understood, or cannot be rendered."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


class Dynamic(msgspec.Struct, frozen=True):
    """What depends on the data: a mustache, or a whole block."""

    template: Template
    constants: list[Any]
    line: int
    written: str
    """As the client wrote it, with its braces."""

    def rendered(self, data: Mapping[str, Any], budget: "Budget", *, escapes: bool) -> str:
        """Return its text for this data; raises SubstitutionError."""
        limits = Limits(steps=min(budget.steps, _MOST_STEPS), output_octets=min(budget.octets, _MOST_OCTETS))
        try:
            made = self.template.render({**data, _CONSTANTS: self.constants}, limits=limits, escape=escapes)
        except TemplateError as error:
            is_the_last = budget.steps < _MOST_STEPS or budget.octets < _MOST_OCTETS
            raise SubstitutionError(self.line, TOO_MUCH if is_the_last else error.sentence) from error
        if "\0" in made.text:
            raise SubstitutionError(self.line, "a value holds a NUL, which no message may hold")
        budget.steps -= made.steps
        budget.octets -= len(made.text)
        return made.text


_MOST_STEPS = 100_000
_MOST_OCTETS = 1_000_000
TOO_MUCH = "the substitutions of all recipients together take too much; send to fewer recipients in one call"


class Budget(msgspec.Struct):
    """What the substitutions of a call may still do, all recipients together."""

    steps: int = 2_000_000
    octets: int = 64 * 1024 * 1024


Piece = str | Dynamic


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Return a text cut at what depends on the data; raises SubstitutionError."""
    if "{{" not in text:
        return (text,) if text else ()
    return _Reader(text).pieces()


class _Block(msgspec.Struct):
    """A block that has been opened."""

    is_loop: bool
    line: int
    name: str = ""
    """Of a loop, the last step of its list."""
    number: int = 0
    has_else: bool = False


class _Reader:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[Piece] = []
        self._blocks: list[_Block] = []
        self._source: list[str] = []
        self._constants: list[Any] = []
        self._begun_at = 0
        self._begun_line = 1
        self._ended_at = 0
        self._counted_to = 0
        self._line_there = 1
        self._room = LONGEST_MUSTACHES
        self._loops = 0

    def pieces(self) -> tuple[Piece, ...]:
        position = 0
        for number, found in enumerate(_MUSTACHE.finditer(self._text)):
            if number >= MOST_MUSTACHES:
                self._refuse(found.start(), f"there are more than {MOST_MUSTACHES} substitutions")
            self._literal(self._text[position : found.start()])
            position = self._ended_at = found.end()
            inner = found[1] if found[1] is not None else found[2]
            if inner is None:
                self._refuse(
                    found.start(), "'{{' has no '}}'; write {{opening_double_curly()}} for the braces themselves"
                )
            self._room -= len(inner)
            if self._room < 0:
                self._refuse(found.start(), f"the substitutions have more than {LONGEST_MUSTACHES:,} characters")
            self._mustache(inner.strip(), found.start(), is_raw=found[1] is not None)
        self._literal(self._text[position:])
        if self._blocks:
            block = self._blocks[-1]
            raise SubstitutionError(block.line, f"{{{{{'each' if block.is_loop else 'if'}}}}} has no {{{{end}}}}")
        return tuple(self._found)

    def _literal(self, text: str) -> None:
        if not text:
            return
        if self._blocks:
            self._source.append("{{{" + self._constant(text) + "}}}")
        else:
            self._found.append(text)

    def _constant(self, value: Any) -> str:
        self._constants.append(value)
        return f"@root.[{_CONSTANTS}].[{len(self._constants) - 1}]"

    def _mustache(self, inner: str, at: int, *, is_raw: bool) -> None:
        word = inner.split(None, 1)[0] if inner else ""
        rest = inner[len(word) :].strip()
        if word in {"if", "each"}:
            self._open(word, rest, at)
        elif word in {"elseif", "else", "end"}:
            self._continue(word, rest, at)
        else:
            self._begin_where_outermost(at)
            # A call at the head of a mustache stands without its parentheses.
            written = self._expression(inner, at).removeprefix("(").removesuffix(")")
            self._source.append("{{{" + written + "}}}" if is_raw else "{{" + written + "}}")
            self._close_where_outermost()

    def _open(self, word: str, rest: str, at: int) -> None:
        if len(self._blocks) >= _DEEPEST:
            self._refuse(at, f"blocks are nested more than {_DEEPEST} times")
        self._begin_where_outermost(at)
        written = self._expression(rest, at)
        if word == "if":
            self._source.append("{{#if " + written + "}}")
            self._blocks.append(_Block(False, self._line(at)))
            return
        self._loops += 1
        names = _steps(rest)
        self._source.append("{{#each " + written + f" as |lv{self._loops} li{self._loops}|" + "}}")
        self._blocks.append(_Block(True, self._line(at), names[-1] if names else "", self._loops))

    def _continue(self, word: str, rest: str, at: int) -> None:
        if not self._blocks:
            self._refuse(at, f"{{{{{word}}}}} stands outside a block")
        block = self._blocks[-1]
        if word == "end":
            if rest:
                self._refuse(at, f"{{{{end}}}} takes nothing behind it, not {rest[:40]!r}")
            self._blocks.pop()
            self._source.append("{{/each}}" if block.is_loop else "{{/if}}")
            self._close_where_outermost()
            return
        if block.has_else or (word == "elseif" and block.is_loop):
            self._refuse(at, f"{{{{{word}}}}} cannot stand here")
        if word == "else":
            block.has_else = True
            self._source.append("{{else}}")
        else:
            self._source.append("{{else if " + self._expression(rest, at) + "}}")

    def _begin_where_outermost(self, at: int) -> None:
        if not self._blocks:
            self._begun_at, self._begun_line = at, self._line(at)

    def _close_where_outermost(self) -> None:
        if self._blocks:
            return
        line, written = self._begun_line, self._text[self._begun_at : self._ended_at]
        try:
            template = compile_template("".join(self._source), name="content")
        except TemplateError as error:
            raise SubstitutionError(line, error.sentence) from error
        self._found.append(Dynamic(template, self._constants, line, written))
        self._source, self._constants = [], []

    def _expression(self, text: str, at: int) -> str:
        if not text:
            self._refuse(at, "a name is missing")
        tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                self._refuse(at, f"syntax error near {text[position:].strip()[:40]!r}")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        expression = _Expression(tokens, self._constant, self._loop_name)
        try:
            return expression.whole()
        except ValueError as error:
            self._refuse(at, str(error))

    def _loop_name(self, steps: Sequence[str]) -> list[str] | None:
        """Return what a name of a loop is in our language; None where it is one of the data's."""
        loops = [one for one in self._blocks if one.is_loop]
        if not loops:
            return None
        if steps[0] == "loop_var":
            return [f"lv{loops[-1].number}", *map(_bracketed, steps[1:])]
        if steps[0] == "loop_index":
            return [f"li{loops[-1].number}"]
        if steps[0] == "loop_vars" and len(steps) > 1:
            named = next((one for one in reversed(loops) if one.name == steps[1]), None)
            if named is not None:
                return [f"lv{named.number}", *map(_bracketed, steps[2:])]
        return None

    def _line(self, at: int) -> int:
        # Places are asked for in their order: a long text with many mustaches is counted through once.
        self._line_there += self._text.count("\n", self._counted_to, at)
        self._counted_to = at
        return self._line_there

    def _refuse(self, at: int, sentence: str) -> NoReturn:
        raise SubstitutionError(self._line(at), sentence)


class _Expression:
    """Turns the tokens of one mustache into our language; raises ValueError."""

    def __init__(self, tokens: list[tuple[str, str]], constant: Any, loop_name: Any) -> None:
        self._tokens = tokens
        self._constant = constant
        self._loop_name = loop_name
        self._at = 0
        self._depth = 0

    def whole(self) -> str:
        """Return the expression as an argument of our language."""
        written = self._any()
        if self._at < len(self._tokens):
            raise ValueError(f"syntax error near {self._tokens[self._at][1]!r}")
        return written

    def _any(self) -> str:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"parentheses are nested more than {_DEEPEST} times")
        written = self._joined("or", lambda: self._joined("and", self._negated))
        self._depth -= 1
        return written

    def _joined(self, word: str, operand: Any) -> str:
        operands = [operand()]
        while self._takes(word):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else f"({word} {' '.join(operands)})"

    def _negated(self) -> str:
        count = 0
        while self._takes("not"):
            count += 1
        written = self._compared()
        if not count:
            return written
        return f"(not {written})" if count % 2 else f"(not (not {written}))"

    def _compared(self) -> str:
        one = self._operand()
        if self._at < len(self._tokens) and self._tokens[self._at][1] in _COMPARISONS:
            function = _COMPARISONS[self._next()[1]]
            return f"({function} {one} {self._operand()})"
        return one

    def _operand(self) -> str:
        kind, text = self._next()
        match kind:
            case "text":
                return str(self._constant(text[1:-1]))
            case "number":
                return str(self._constant(float(text) if "." in text else int(text)))
            case "operator" if text == "(":
                written = self._any()
                if not self._takes(")"):
                    raise ValueError("a closing parenthesis is missing")
                return written
            case "name" if self._at < len(self._tokens) and self._tokens[self._at][1] == "(":
                return self._call(text)
            case "name" if text in _LITERALS:
                return str(self._constant({"true": True, "false": False, "null": None}[text]))
            case "name" if text not in _WORDS:
                return self._name(text)
        raise ValueError(f"syntax error near {text!r}")

    def _name(self, text: str) -> str:
        steps = _steps(text)
        of_loop = self._loop_name(steps)
        return ".".join(of_loop if of_loop is not None else ["@root", *map(_bracketed, steps)])

    def _call(self, name: str) -> str:
        self._next()
        if name in _WRITTEN:
            written = str(self._constant(_WRITTEN[name]))
        elif name == "empty":
            written = f"(not {self._any()})"
        else:
            raise ValueError(
                f"there is no function {name}(); there are empty() and {', '.join(one + '()' for one in _WRITTEN)}"
            )
        if not self._takes(")"):
            raise ValueError("a closing parenthesis is missing")
        return written

    def _takes(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1] == text:
            self._at += 1
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise ValueError("the expression breaks off")
        self._at += 1
        return self._tokens[self._at - 1]


def _steps(name: str) -> list[str]:
    return [found[0] if found[1] is None else found[1] for found in _STEP.finditer(name)]


def _bracketed(step: str) -> str:
    return f"[{step}]"
