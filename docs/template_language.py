"""The reference of the template language: its rules with examples, every function, and where it differs.

The examples are rendered by a test; functions and differences are read from where they are kept.
"""

import json
from pathlib import Path

import msgspec

from postroad.templates.functions import SUBJECTS
from postroad.templates.functions.dates import PATTERN_PIECES
from postroad.templates.functions.function import Function
from postroad.templates.limits import DEFAULT_LIMITS, NESTING_STOP, VALUE_STOP

_CASES = Path(__file__).parents[1] / "tests" / "conformance" / "handlebars_cases.json"


class Example(msgspec.Struct, frozen=True):
    """A template, the data that it is given, and what comes of them."""

    template: str
    data: str
    shows: str
    partials: dict[str, str] = {}


class Chapter(msgspec.Struct, frozen=True):
    """A part of the reference."""

    title: str
    text: str
    examples: tuple[Example, ...]


CHAPTERS = (
    Chapter(
        "Values",
        "`{{name}}` writes a value of the data as HTML: the characters `& < > \" ' `` ` `` =` are escaped. `{{{name}}}` and "
        "`{{&name}}` write it as it is. In a subject or a plain text nothing is escaped. Numbers are written as "
        "JavaScript prints them, lists with commas; null, and what is not in the data, is nothing.",
        (
            Example("{{name}} {{{name}}}", '{"name": "<b>"}', "&lt;b&gt; <b>"),
            Example("{{total}} {{paid}} [{{nothing}}]", '{"total": 12.50, "paid": true}', "12.5 true []"),
        ),
    ),
    Chapter(
        "Paths",
        "A dot leads into an object or a list; brackets hold names that are no words. `../` leads to the context around "
        "this one, `@root` to the data as a whole, and `this` or `.` is the context itself. `length` of a list or a text "
        "is how much it has.",
        (
            Example("{{order.items.[0].name}} {{order.[due date]}}", '{"order": {"items": [{"name": "Tea"}], "due date": "Monday"}}', "Tea Monday"),
            Example("{{#with order}}{{id}} {{../name}} {{@root.name}}{{/with}}", '{"name": "Ada", "order": {"id": 7}}', "7 Ada Ada"),
            Example("{{items.length}}", '{"items": ["a", "b"]}', "2"),
        ),
    ),
    Chapter(
        "Conditions",
        "`{{#if}}` takes what is there: null, what is not in the data, `false`, `0`, the empty text and the empty list count "
        "as false; `includeZero=true` makes 0 count as true. `{{else if …}}` and `{{else}}` (or `{{^}}`) follow, and "
        "`{{#unless}}` is the opposite. The comparisons below stand in parentheses, or at the head of a block themselves.",
        (
            Example("{{#if vip}}A{{else if points}}B{{else}}C{{/if}}", '{"points": 5}', "B"),
            Example("{{#unless items}}Nothing ordered.{{/unless}}", '{"items": []}', "Nothing ordered."),
            Example("{{#if (gt points 100)}}Gold{{else}}Silver{{/if}}", '{"points": 120}', "Gold"),
            Example("{{#if count includeZero=true}}{{count}} left{{/if}}", '{"count": 0}', "0 left"),
        ),
    ),
    Chapter(
        "Loops",
        "`{{#each}}` runs once for each item of a list, or each key of an object, with the item as its context; its "
        "`{{else}}` is for none. `@index` counts from 0, `@key` is the key, `@first` and `@last` are true at the ends; "
        "`@../index` is that of the loop around. `as |item index|` names the item and its place.",
        (
            Example("{{#each items}}{{@index}}:{{this}} {{else}}none{{/each}}", '{"items": ["a", "b"]}', "0:a 1:b "),
            Example("{{#each prices}}{{@key}} {{this}}{{#unless @last}}, {{/unless}}{{/each}}", '{"prices": {"tea": 3, "cake": 4}}', "tea 3, cake 4"),
            Example("{{#each rows as |row i|}}{{#each row.cells as |cell|}}{{i}}{{cell}} {{/each}}{{/each}}", '{"rows": [{"cells": ["x", "y"]}]}', "0x 0y "),
        ),
    ),
    Chapter(
        "Other contexts",
        "`{{#with}}` makes a value the context, if it is there. A block by the name of a value does what the value says: a "
        "list is a loop, an object is a context, true and false are a condition. `{{^name}}` is for what is not there.",
        (
            Example("{{#with person as |p|}}{{name}} {{p.name}}{{/with}}", '{"person": {"name": "Ada"}}', "Ada Ada"),
            Example("{{#items}}{{name}};{{/items}}{{^missing}}none{{/missing}}", '{"items": [{"name": "a"}, {"name": "b"}]}', "a;b;none"),
        ),
    ),
    Chapter(
        "Partials",
        "`{{> name}}` is another template of the same domain, with this context or another, and with values beside it "
        "(`key=value`). The name may be made: `{{> (concat \"footer-\" language)}}`. `{{#> name}}…{{/name}}` gives the partial a "
        "block, which it writes with `{{> @partial-block}}`; where the partial does not exist, the block stands for it. "
        "`{{#*inline \"name\"}}…{{/inline}}` makes a partial within a template. A partial that stands alone on its line is "
        "indented as that line is.",
        (
            Example("{{> greeting person mark=\"!\"}}", '{"person": {"name": "Ada"}}', "Hi Ada!", {"greeting": "Hi {{name}}{{mark}}"}),
            Example("{{#> layout}}Hello{{/layout}}", "{}", "<body>Hello</body>", {"layout": "<body>{{> @partial-block}}</body>"}),
            Example("{{#*inline \"row\"}}<li>{{this}}</li>{{/inline}}{{#each items}}{{> row}}{{/each}}", '{"items": [1, 2]}', "<li>1</li><li>2</li>"),
        ),
    ),
    Chapter(
        "Functions",
        "`{{function argument …}}` writes what a function makes; in parentheses it is the argument of another. Arguments are "
        "names and literals: `\"text\"`, `'text'`, `12.5`, `true`, `false`, `null`. A name without arguments is always a value of the "
        "data, so that data may have the names of functions.",
        (
            Example("{{upper (concat first \" \" last)}}", '{"first": "Ada", "last": "King"}', "ADA KING"),
            Example("{{length}} {{length items}}", '{"length": "own", "items": [1]}', "own 1"),
        ),
    ),
    Chapter(
        "Whitespace, comments, and text that looks like a tag",
        "`~` at either end of a tag takes the whitespace on that side. A block's tag, a comment or a partial that stands alone "
        "on its line takes the line with it. `{{! …}}` and `{{!-- … --}}` are comments. A backslash before `{{` makes it text, and "
        "so does `{{{{raw}}}} … {{{{/raw}}}}` with all that is in it.",
        (
            Example("a {{~b~}} c{{!-- not seen --}}", '{"b": "-"}', "a-c"),
            Example("<ul>\n{{#each items}}\n<li>{{this}}</li>\n{{/each}}\n</ul>", '{"items": [1]}', "<ul>\n<li>1</li>\n</ul>"),
            Example("\\{{name}} {{{{raw}}}}{{name}}{{{{/raw}}}}", '{"name": "Ada"}', "{{name}} {{name}}"),
        ),
    ),
)  # fmt: skip


def differences() -> list[tuple[str, str]]:
    """Return each intended difference from handlebars.js: a template that shows it, and the reason."""
    cases = json.loads(_CASES.read_text("utf-8"))
    return [(case["template"], case["differs"]["reason"]) for case in cases if "differs" in case]


def render(note: str) -> str:
    """Return the page."""
    parts = [
        "# The template language",
        note,
        (
            "Templates are written in Handlebars, as its users know it. What a template makes is compared with handlebars.js 4.7 "
            "by a test over some two thousand templates; the differences are listed at the end."
        ),
        (
            "A template sees plain data and nothing else. What time it is comes with the data too, so that a message that is "
            "rendered again is the same."
        ),
    ]
    for chapter in CHAPTERS:
        parts.append(f"## {chapter.title}")
        parts.append(chapter.text)
        parts.extend(_example(example) for example in chapter.examples)
    parts.extend(_functions())
    parts.extend(_rest())
    return "\n\n".join(parts) + "\n"


def _example(example: Example) -> str:
    lines = [f"```handlebars\n{example.template}\n```"]
    lines.extend(f"with the partial `{name}`: `{text}`" for name, text in example.partials.items())
    given = f"and `{example.data}` makes" if example.data != "{}" else "makes"
    lines.append(f"{given}\n\n```text\n{example.shows}\n```")
    return "\n\n".join(lines)


def _functions() -> list[str]:
    parts = [
        "## The functions, which Handlebars calls helpers",
        "A question mark follows what may be left out; `name=` is an option, written by its name.",
    ]
    for subject, functions in SUBJECTS.items():
        parts.append(f"### {subject}")
        parts.extend(_function(function) for function in functions)
    meanings = ", ".join(f"`{letters}` {meaning}" for letters, meaning in PATTERN_PIECES.items())
    parts.append(f"A date's pattern is made of: {meanings}.")
    return parts


def _function(function: Function) -> str:
    data = f" with `{function.data}`" if function.data != "{}" else ""
    block = " It may stand at the head of a block, with an else." if function.is_condition else ""
    shows = function.shows.replace("\u00a0", " ")
    return (
        f"#### `{function.name} {function.usage}`\n\n{function.summary}{block}\n\n"
        f"`{function.example}`{data} makes `{shows}`"
    )


def _rest() -> list[str]:
    limits = DEFAULT_LIMITS
    return [
        "## What is missing, and what is refused",
        (
            "A variable that is to be written but is not in the data is noted with the message. What stands in its place is a "
            "choice: nothing, or the tag as it was written. Asking whether something is there (`if`, `each`, `default`, "
            "comparisons) is no miss, and neither is a null. A function of nothing that would make a number or a date makes nothing."
        ),
        (
            "A template that is not understood is refused when it is stored, with line and column; one that cannot be rendered "
            "with its data refuses the message. A rendering is bounded:"
        ),
        (
            f"- {limits.steps:,} steps: a statement is one, in a loop once for each item, and work on long texts adds to them;\n"
            f"- {limits.output_octets:,} octets of output, and {VALUE_STOP:,} characters of any text on the way;\n"
            f"- {NESTING_STOP} blocks and partials in one another, and {limits.partials} partials that call one another."
        ),
        "## Differences from handlebars.js",
        "\n".join(f"- `{' '.join(template.split())}`: {reason}" for template, reason in differences()).replace(
            "\0", "NUL"
        ),
    ]
