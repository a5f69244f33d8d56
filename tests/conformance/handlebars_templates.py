"""Templates made at random, of everything that the language has, for comparing two that know it.

Null is not among the data: what handlebars.js makes of it as a context is one of the listed differences.
"""

import random
from collections.abc import Callable
from typing import Any

DATA: dict[str, Any] = {
    "1": "one", "a": "A&", "b": {"a": "BA", "n": 3}, "c": [[1, 2], [3]], "list": [{"n": 1, "a": "l1"}, {"n": 2, "x": "<"}, "str", 7],
    "obj": {"x": "ox", "y": {"z": "oz"}, "n": 1.5}, "empty": [], "zero": 0, "yes": True, "text": "t's", "items": [{"n": 9}], "n": -0.1,
}  # fmt: skip
PARTIALS = {
    "p": "[p {{a}}\n  {{b}} {{@index}}{{#each list}}{{n}}{{/each}}]\n",
    "q": "  q{{n}}{{> p}}\n",
    "layout": "L\n  {{> @partial-block}}\nM{{#if inner}}{{/if}}",
}
_NAMES = [
    "a",
    "b",
    "c",
    "list",
    "obj",
    "this",
    "../a",
    "./b",
    "obj.x",
    "obj.y.z",
    "list.length",
    "../../b",
    "@index",
    "@key",
    "@first",
    "@last",
    "@root.a",
    "@../index",
    "empty",
    "zero",
    "yes",
    "text",
    "items.[0].n",
    "x",
    "y",
    "n",
    ".",
    "..",
    "list.[1]",
    "@root",
    "this.a",
    "../this",
    "obj/x",
    "item",
    "place",
    "item.n",
    "../list",
]
_TELLING = (
    "a",
    "@root.a",
    "@root.obj.x",
    "@root.text",
    "n",
    "this",
    "@index",
    "@root.list.length",
    "@root.items.[0].n",
)
"""Names that mostly have a value wherever they stand: what writes nothing shows no difference."""
_SPACE = ("", " ", "\n", "  ", "\n\n", "x", "-", "\t\n", "<b>\n", "\r\n", " y ", "  \n  ", "q\n")
_LITERALS = ('"s"', "1", "0", "-2.5", "true", "false", "undefined", "'q\"'", "12")
_ODDITIES = (
    "{{! c }}", "{{!-- d }} --}}", "{{~! c ~}}", "\\{{a}}", "\\\\{{a}}", "{{{{raw}}}} {{a}} {{{{/raw}}}}", '{{"a"}}', "{{1}}",
)  # fmt: skip
_HEADS = ("if {}", "unless {}", "each {}", "with {}", "eq {} {}", "each {} as |item place|", "with {} as |item|")


_DEPTH = 4


class Maker:
    """Makes templates, the same ones for the same chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def template(self, depth: int = _DEPTH) -> str:
        """Return statements with blocks in one another up to a depth."""
        kinds: tuple[Callable[[], str], ...] = (self._text, self._text, lambda: self._statement(depth))
        fewest = 2 if depth == _DEPTH else 0
        return "".join(self._chance.choice(kinds)() for _ in range(self._chance.randint(fewest, 6)))

    def _text(self) -> str:
        return "".join(self._chance.choice(_SPACE) for _ in range(self._chance.randint(0, 3)))

    def _tag(self, inside: str) -> str:
        tildes = ["~" if self._chance.random() < 0.1 else "" for _ in range(2)]
        return f"{{{{{tildes[0]}{inside}{tildes[1]}}}}}"

    def _name(self) -> str:
        return self._chance.choice(_NAMES)

    def _written(self) -> str:
        return self._chance.choice(_TELLING) if self._chance.random() < 0.6 else self._name()

    def _expression(self, depth: int = 0) -> str:
        kind = self._chance.random()
        if kind < 0.6 or depth > 2:
            return self._name()
        if kind < 0.8:
            return self._chance.choice(_LITERALS)
        inner = [self._expression(depth + 1) for _ in range(2)]
        return self._chance.choice(
            (f"(eq {inner[0]} {inner[1]})", f"(not {inner[0]})", f"(lookup {self._name()} {inner[1]})")
        )

    def _statement(self, depth: int) -> str:
        if depth > 0 and self._chance.random() < 0.5:
            return self._chance.choice((self._block, self._block, self._section, self._partial))(depth - 1)
        kind = self._chance.random()
        if kind < 0.7:
            return self._tag(self._written())
        if kind < 0.85:
            return self._chance.choice(("{{{%s}}}", "{{&%s}}")) % self._written()
        if kind < 0.93:
            return f"{{{{lookup {self._name()} {self._expression(1)}}}}}"
        return self._chance.choice(_ODDITIES)

    def _block(self, depth: int) -> str:
        head = self._chance.choice(_HEADS)
        word = head.split()[0]
        written = head.format(self._expression(), self._expression())
        return self._tag(f"#{written}") + self.template(depth) + self._otherwise(depth) + self._tag(f"/{word}")

    def _otherwise(self, depth: int) -> str:
        written = ""
        while self._chance.random() < 0.25:
            head = self._chance.choice(("if {}", "each {}", "with {}", "{}"))
            written += self._tag(f"else {head.format(self._name())}") + self.template(depth)
        if self._chance.random() < 0.5:
            written += self._tag(self._chance.choice(("else", "^"))) + self.template(depth)
        return written

    def _section(self, depth: int) -> str:
        name, sign = self._name(), self._chance.choice("##^")
        inverse = self._otherwise(depth) if sign == "#" else ""
        return self._tag(sign + name) + self.template(depth) + inverse + self._tag(f"/{name}")

    def _partial(self, depth: int) -> str:
        kind = self._chance.random()
        if kind < 0.5:
            name = self._chance.choice(("p", "q", '"p"', '(concat "p" "")', "inner"))
            context = self._chance.choice(("", f" {self._name()}"))
            options = self._chance.choice(("", f" a={self._expression()}", " a=1 b=list"))
            return self._tag(f"> {name}{context}{options}")
        if kind < 0.7:
            return self._tag('#*inline "inner"') + self.template(depth) + self._tag("/inline")
        name = self._chance.choice(("p", "layout", "none", "layout"))
        # The text before it keeps the block a text where it holds nothing but a list.
        return self._tag(f"#> {name}") + "t" + self.template(depth) + self._tag(f"/{name}")
