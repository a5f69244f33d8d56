"""What is made of a template's HTML once it is rendered: its text, and the HTML with its styles in its elements."""

import re

import css_inline
from turbohtml import PlainText, parse

_AS_TEXT = PlainText(links="inline")
# From the beginning of a word only: what is tried at each letter of a long word takes for ever.
_TWICE = re.compile(r"(?<!\S)(\S+) \((?:mailto:|tel:)?\1/?\)")
"""A link whose text is its address."""
_EMPTY = re.compile(r"\n{3,}")
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
_STYLE = re.compile(r"<(/?)style\b", re.IGNORECASE)
# What a medium or a state asks for cannot be written into elements and stays in the style element. Nothing is fetched.
_INLINER = css_inline.CSSInliner(
    keep_style_tags=True,
    keep_at_rules=True,
    keep_link_tags=True,
    remove_inlined_selectors=True,
    load_remote_stylesheets=False,
)
_MOST_INLINING = 8_000_000
"""Parts of rules times tags; so much takes about a third of a second."""


class TooMuchStyleError(ValueError):
    """Writing the styles into the elements would take too long."""


def text_of(html: str) -> str:
    """Return HTML as people read it without, links with their addresses behind them."""
    text = _TWICE.sub(r"\1", parse(html).to_text(_AS_TEXT))
    text = "\n".join(line.rstrip() for line in text.splitlines())
    return _EMPTY.sub("\n\n", text).strip("\n") + "\n"


def with_inlined_css(html: str) -> str:
    """Return HTML with its style elements' rules in style attributes; raises TooMuchStyleError, ValueError."""
    if _STYLE.search(html) is None:
        return html
    if _rule_parts(html) * html.count("<") > _MOST_INLINING:
        raise TooMuchStyleError("It has too many styles and elements for its CSS to be inlined.")
    try:
        inlined = _INLINER.inline(html)
    except css_inline.InlineError as error:
        raise ValueError(f"Its CSS cannot be inlined: {error}.") from error
    # The library writes every document type as HTML 5's; Outlook looks at the older ones.
    doctype, written = _DOCTYPE.match(html), _DOCTYPE.match(inlined)
    return inlined if doctype is None or written is None else doctype[0].lstrip() + inlined[written.end() :]


def _rule_parts(html: str) -> int:
    """Return how many selectors, declarations and the like its style elements hold, rather too many than too few."""
    count, begun = 0, None
    for edge in _STYLE.finditer(html):
        if not edge[1]:
            begun = edge.end() if begun is None else begun
        elif begun is not None:
            count += sum(html.count(mark, begun, edge.start()) for mark in "{,;")
            begun = None
    return count if begun is None else count + sum(html.count(mark, begun) for mark in "{,;")
