"""Where the links of an HTML text stand: one look over its octets, which stay as they are.

Tags are read as browsers do (HTML §13.2.5): quotes count in attribute values only, an unfinished tag at the end is none.
What stands in ``<!--[if mso]>`` is read as well, as Outlook does; other comments, styles and the like are passed over.
Every octet is looked at a bounded number of times, whatever the text is.
"""

import functools
import re
from collections.abc import Iterator
from html.entities import html5
from urllib.parse import quote

import msgspec

from postroad.protocol.mime.charset import read_as
from postroad.tracking.token import LONGEST_URL

_SPACE = rb"[\t\n\f\r ]"
_MARKUP = re.compile(rb"<(?:(!--)|/([A-Za-z][^\t\n\f\r />]*+)|([A-Za-z][^\t\n\f\r />]*+)|[!?/])")
_ORDINARY = re.compile(
    rb"(?:[^<]++|</?+(?!(?:a|area|form|body|html|style|script|title|textarea|xmp|iframe|noembed|noframes|svg|math)"
    rb"[\t\n\f\r />]|v:)"
    rb"[A-Za-z][^\t\n\f\r />\"'=<]*+(?:" + _SPACE + rb"++[A-Za-z:_-]++=\"[^\"<]*+\")*+" + _SPACE + rb"*+/?+>)*+",
    re.IGNORECASE,
)
"""Text, and tags of which nothing is wanted: most of a message is passed over in one step."""
_CONDITION = re.compile(rb"<!--[\t\n\f\r ]*+\[if[^\]>]{0,200}\]>", re.IGNORECASE)
_COMMENT_END = re.compile(rb"--!?>")
_ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*+(?:(?P<end>>)|(?P<name>=?[^\t\n\f\r />=]*+)"
    rb"(?:" + _SPACE + rb"*+=" + _SPACE + rb"*+"
    rb"(?:\"(?P<double>[^\"]*+)(?P<double_end>\"?)|'(?P<single>[^']*+)(?P<single_end>'?)|(?P<bare>[^\t\n\f\r >]*+)))?)"
)
_ORDINARY_REST = re.compile(rb"(?:" + _SPACE + rb"++[A-Za-z:_-]++=\"[^\"]*+\")*+" + _SPACE + rb"*+/?>")
_RAW = {
    name: re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.IGNORECASE)
    for name in (b"style", b"script", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes")
}
"""Elements whose content is no markup (HTML §13.2.5.2), unless they stand in one of those below."""
_FOREIGN = frozenset({b"svg", b"math"})
_FORM = b"action"
_WHERE = {b"a": b"href", b"area": b"href", b"form": _FORM}
_VML = b"v:"
"""Outlook's shapes may be links: buttons are often made of them."""
_LEFT_ALONE = b"data-ov-notrack"
_ENTITY = re.compile(r"&(?:#[xX]([0-9a-fA-F]{1,8});?|#([0-9]{1,8});?|([A-Za-z][A-Za-z0-9]{1,40};?))")
_WINDOWS_1252 = dict(
    zip(
        (*range(0x80, 0x81), *range(0x82, 0x8D), 0x8E, *range(0x91, 0x9D), *range(0x9E, 0xA0)),
        map(ord, "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"),
        strict=True,
    )
)
"""What numbers of control characters mean (HTML §13.2.5.80, numeric character reference end state)."""
_WEB = re.compile(r"https?://[^/?#\s]", re.IGNORECASE)
_NOT_ENCODED = re.compile(rb"&#([0-9]+);")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))
_LONGEST_VALUE = 4 * LONGEST_URL
"""Octets of a value that is looked at, references and all: whole pictures stand in attributes too."""


class WebLink(msgspec.Struct, frozen=True):
    """One link: where its value stands, and where it leads."""

    start: int
    end: int
    url: str
    """In ASCII: what is not is written in percent, as browsers send it (RFC 3987 §3.1)."""
    is_form: bool = False
    """A form is sent there."""


class Links(msgspec.Struct, frozen=True):
    """What a text holds of interest."""

    links: tuple[WebLink, ...]
    body_end: int
    """Where something put at the end of the body goes."""


def links_in(octets: bytes, codec: str = "utf-8") -> Links:
    """Return the links to web pages of an HTML text in a character set in which ASCII stands for itself."""
    scan = _Scan(octets, read_as(codec))
    links = tuple(scan.run())
    ends = [at for at in (scan.body_end, scan.html_end) if at is not None]
    return Links(links, ends[0] if ends else len(octets))


class _Scan:
    def __init__(self, octets: bytes, codec: str) -> None:
        self._octets = octets
        self._codec = codec
        self.body_end: int | None = None
        self.html_end: int | None = None
        self._hidden_until = 0
        """Up to here it is a comment to everybody but Outlook."""
        self._foreign = 0
        """How many pictures and formulas are open."""

    def run(self) -> Iterator[WebLink]:
        position = 0
        while (found := self._next(position)) is not None:
            comment, end_tag, tag = found.groups()
            if tag is not None:
                name = tag.lower()
                link, position = self._start_tag(name, found.end())
                if link is not None:
                    yield link
            elif comment is not None:
                position = self._behind_comment(found)
            else:
                if end_tag is not None:
                    self._note_end(end_tag.lower(), found.start())
                position = self._octets.find(b">", found.end() if end_tag is not None else found.start() + 2) + 1
            if position <= 0:
                # It never ends, so nothing behind it is markup.
                return

    def _next(self, position: int) -> re.Match[bytes] | None:
        ordinary = _ORDINARY.match(self._octets, position)
        return _MARKUP.search(self._octets, position if ordinary is None else ordinary.end())

    def _note_end(self, name: bytes, at: int) -> None:
        if name in _FOREIGN:
            self._foreign = max(0, self._foreign - 1)
        elif at < self._hidden_until:
            return
        elif name == b"body":
            self.body_end = at
        elif name == b"html":
            self.html_end = at

    def _behind_comment(self, found: re.Match[bytes]) -> int:
        condition = _CONDITION.match(self._octets, found.start())
        if condition is not None:
            if found.start() >= self._hidden_until:
                shown = _COMMENT_END.search(self._octets, found.end())
                self._hidden_until = len(self._octets) if shown is None else shown.end()
            return condition.end()
        for short in (b"<!-->", b"<!--->"):
            if self._octets.startswith(short, found.start()):
                return found.start() + len(short)
        end = _COMMENT_END.search(self._octets, found.end())
        return 0 if end is None else end.end()

    def _start_tag(self, name: bytes, position: int) -> tuple[WebLink | None, int]:
        wanted = _WHERE.get(name) or (b"href" if name.startswith(_VML) else None)
        link, position = self._attributes(wanted, position)
        if name in _FOREIGN and not self._octets.endswith(b"/>", 0, position):
            self._foreign += 1
        # HTML §13.2.6.5: within a picture they are elements like any other, and may close themselves.
        raw = None if self._foreign else _RAW.get(name)
        if raw is not None and position > 0:
            end = raw.search(self._octets, position)
            position = 0 if end is None else end.start()
        return link, position

    def _attributes(self, wanted: bytes | None, position: int) -> tuple[WebLink | None, int]:
        """Return a tag's link and where the tag ends; 0 where it does not."""
        if wanted is None and (rest := _ORDINARY_REST.match(self._octets, position)) is not None:
            return None, rest.end()
        value: re.Match[bytes] | None = None
        is_left_alone = False
        while (found := _ATTRIBUTE.match(self._octets, position)) is not None and found.end() > position:
            position = found.end()
            if found["end"] is not None:
                return (None if value is None or is_left_alone else self._link(value, wanted)), position
            if found["double_end"] == b"" or found["single_end"] == b"":
                return None, 0
            name = found["name"].lower()
            is_left_alone = is_left_alone or name == _LEFT_ALONE
            if name == wanted and value is None:
                value = found
        return None, 0

    def _link(self, found: re.Match[bytes], attribute: bytes | None) -> WebLink | None:
        group = next((one for one in ("double", "single", "bare") if found[one] is not None), None)
        if group is None or found.end(group) - found.start(group) > _LONGEST_VALUE:
            return None
        try:
            url = destination(found[group].decode(self._codec), self._codec)
        except UnicodeDecodeError:
            return None
        return None if url is None else WebLink(*found.span(group), url, is_form=attribute == _FORM)


@functools.lru_cache(maxsize=4096)
def destination(value: str, codec: str = "utf-8") -> str | None:
    """Return where an attribute's value leads, as browsers read it; None where that is no web page, or is too long to be tracked.

    Args:
        value: The value, with its character references.
        codec: The character set of the document.
    """
    # URL Standard §4.4: space around it, and tabs and line ends within, are no part of it.
    url = re.sub(r"[\t\n\r]", "", unescaped(value).strip("\t\n\f\r "))
    url = _in_ascii(url, codec) if _WEB.match(url) else ""
    return url if 0 < len(url) <= LONGEST_URL else None


def _in_ascii(url: str, codec: str) -> str:
    before, mark, fragment = url.partition("#")
    path, question, query = before.partition("?")
    if query.isascii() or codec == "ascii":
        return quote(url, safe=_PRINTABLE)
    # URL Standard §4.4, query state: a query alone is in the document's character set, and what that lacks a reference.
    octets = _NOT_ENCODED.sub(rb"%26%23\1%3B", query.encode(codec, "xmlcharrefreplace"))
    return "".join([quote(one, safe=_PRINTABLE) for one in (path, question, octets, mark, fragment)])


def unescaped(value: str) -> str:
    """Return an attribute's value with its character references read.

    Unlike in text, ``&copy=1`` is none there: old names count without a semicolon only where nothing follows that could
    be a parameter (HTML §13.2.5.73).
    """
    return _ENTITY.sub(lambda found: _character(found, value), value) if "&" in value else value


def _character(found: re.Match[str], value: str) -> str:
    hexadecimal, decimal, name = found.groups()
    if name is None:
        code = int(hexadecimal, 16) if hexadecimal else int(decimal)
        code = _WINDOWS_1252.get(code, code)
        return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\N{REPLACEMENT CHARACTER}"
    if name.endswith(";") and name in html5:
        return html5[name]
    for length in range(len(name), 1, -1):
        if name[:length] in html5 and not name[:length].endswith(";"):
            after = name[length:] + value[found.end() : found.end() + 1]
            return found[0] if after[:1] == "=" or after[:1].isalnum() else html5[name[:length]] + name[length:]
    return found[0]
