r"""From a template's text to its tokens, by the rules of handlebars.js 4.7.

The rules are those of its ``handlebars.l``, in the same order, because the first one that matches wins there. Between
tags everything is text, up to ``{{``; a backslash before that makes it text too.
"""

import re
from collections.abc import Generator, Iterator

import msgspec

from postroad.templates.place import Source

SPACE = "\\t\\n\\v\\f\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
"""What JavaScript calls whitespace, for a character class."""
_NOT_IN_NAMES = f'{SPACE}!"#%-,./;->@\\[-^`{{-~'
_NAME = f"[^{_NOT_IN_NAMES}]+(?=[=~}}{SPACE}/.)|\\]])"
_LITERAL_END = f"(?=[~}}{SPACE})\\]])"
_IN_TAG = re.compile(
    "|".join(
        f"(?P<{kind}>{pattern})"
        for kind, pattern in (
            ("open_call", r"\("),
            ("close_call", r"\)"),
            ("open_raw_block", r"\{\{\{\{"),
            ("close_raw_block", r"\}\}\}\}"),
            ("open_partial", r"\{\{~?>"),
            ("open_partial_block", r"\{\{~?\#>"),
            ("open_block", r"\{\{~?\#\*?"),
            ("open_end", r"\{\{~?/"),
            ("inverse", rf"\{{\{{~?\^[{SPACE}]*~?\}}\}}|\{{\{{~?[{SPACE}]*else[{SPACE}]*~?\}}\}}"),
            ("open_inverse", r"\{\{~?\^"),
            ("open_chain", rf"\{{\{{~?[{SPACE}]*else(?![A-Za-z0-9_])"),
            ("open_raw", r"\{\{~?\{"),
            ("open_ampersand", r"\{\{~?&"),
            ("comment", r"\{\{~?!(?!--)[\s\S]*?\}\}|\{\{~?!(?=--)[\s\S]*?--~?\}\}"),
            ("open", r"\{\{~?\*?"),
            ("equals", r"="),
            ("name", rf"\.\.|\.(?=[=~}}{SPACE}/.)|])"),
            ("separator", r"[/.]"),
            ("space", rf"[{SPACE}]+"),
            ("close_raw", r"\}~?\}\}"),
            ("close", r"~?\}\}"),
            ("string", r'"(?:\\"|[^"])*"' + "|" + r"'(?:\\'|[^'])*'"),
            ("at", "@"),
            ("boolean", f"(?:true|false){_LITERAL_END}"),
            ("undefined", f"undefined{_LITERAL_END}"),
            ("null", f"null{_LITERAL_END}"),
            ("number", rf"-?[0-9]+(?:\.[0-9]+)?{_LITERAL_END}"),
            ("open_parameters", rf"as[{SPACE}]+\|"),
            ("bar", r"\|"),
            ("word", _NAME),
            ("bracketed", r"\[(?:\\\]|[^\]])*\]"),
        )
    )
)
_NAME_ALONE = re.compile(f"[^{_NOT_IN_NAMES}]+")
_AFTER_ESCAPE = re.compile(r"\{\{|\\\{\{|\\\\\{\{|\Z")
_RAW_CLOSE = re.compile(rf"\{{\{{\{{\{{/([^{_NOT_IN_NAMES}]+)(?=[=}}{SPACE}/.])\}}\}}\}}\}}")
_ENDS_TAG = frozenset({"close", "close_raw", "comment", "inverse", "close_raw_block"})


class Token(msgspec.Struct, frozen=True):
    """A token, where it begins, and its text as written."""

    kind: str
    text: str
    offset: int


def tokens(source: Source) -> Iterator[Token]:
    """Yield the tokens of a template, at last one of kind ``end``; raises TemplateError."""
    text, at = source.text, 0
    while (found := text.find("{{", at)) >= 0:
        content = text[at:found]
        if content.endswith("\\") and not content.endswith("\\\\"):
            if content != "\\":
                yield Token("text", content[:-1], at)
            match = _AFTER_ESCAPE.search(text, found + 2)
            assert match is not None
            yield Token("text", text[found : match.start()], found)
            # Another backslash belongs to the next tag, which is looked at from the text before it.
            at = match.start()
            continue
        if content:
            # Two backslashes are an escaped one, before a tag.
            yield Token("text", content[:-1] if content.endswith("\\\\") else content, at)
        at = yield from _tag(source, found)
    if at < len(text):
        yield Token("text", text[at:], at)
    yield Token("end", "", len(text))


def _tag(source: Source, start: int) -> Generator[Token, None, int]:
    text, at = source.text, start
    while True:
        match = _IN_TAG.match(text, at)
        if match is None:
            source.refuse(*_not_understood(text, start, at))
        kind = match.lastgroup or ""
        if kind != "space":
            yield Token("name" if kind == "word" else kind, match[0], at)
        at = match.end()
        if kind == "close_raw_block":
            at = yield from _raw_content(source, start, at)
        if kind in _ENDS_TAG:
            return at


def _not_understood(text: str, start: int, at: int) -> tuple[int, str]:
    name = _NAME_ALONE.match(text, at)
    if name is not None:
        # A name that may stand here, but not before what follows it.
        at = name.end()
    if at >= len(text):
        return start, "This tag is not closed: }} is missing."
    if text.startswith(("{{!", "{{~!"), start):
        return start, "This comment is not closed."
    if text[at] in "\"'":
        return at, "This text has no closing quotation mark."
    if text[at] == "[":
        return at, "This bracket is not closed."
    return at, f"{text[at]!r} cannot stand here in a tag."


def _raw_content(source: Source, start: int, at: int) -> Generator[Token, None, int]:
    """Yield what stands in a raw block as one text, and its end; raw blocks in it are text and must be closed."""
    depth, begin = 1, at
    while (found := source.text.find("{{{{", at)) >= 0:
        match = _RAW_CLOSE.match(source.text, found)
        if match is not None:
            depth -= 1
            at = match.end()
            if depth == 0:
                if found > begin:
                    yield Token("text", source.text[begin:found], begin)
                yield Token("end_raw_block", match[1], found)
                return at
        else:
            depth += source.text[found + 4 : found + 5] != "/"
            at = found + 4
    source.refuse(start, "This raw block is not closed.")
