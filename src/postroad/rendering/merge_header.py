"""Header fields with placeholders: what each kind of field makes of a value."""

import json
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from postroad.protocol.mime.compose import json_field, phrase
from postroad.protocol.mime.encoded_word import Unread, decode, encode, encode_around, read, unread
from postroad.protocol.mime.header import Edit, Field, HeaderBlock, fold, insert_at_end, remove, replace
from postroad.protocol.mime.mailbox import AddressList, ListFault, Mailbox, parse_address_list
from postroad.rendering.merge_values import Values
from postroad.rendering.placeholder import PLACEHOLDER, segments_of

_KEPT_FIELDS = frozenset({b"received", b"date", b"message-id", b"mime-version", b"return-path", b"feedback-id",
                          b"dkim-signature", b"authentication-results", b"x-postroad-id"})  # fmt: skip
_KEPT_PREFIXES = (b"content-", b"arc-", b"resent-")
_ADDRESSES = frozenset({b"from", b"sender", b"to", b"cc", b"reply-to"})
_OWN_ADDRESSES = frozenset({b"from", b"sender"})
"""They were found to be the sender's; a value may change the name that is shown, never the address."""
_WEB_ADDRESSES = (b"list-",)
"""Fields of URLs, in which other characters than ASCII are written in percent (RFC 2369 §2)."""
_ANGLED = (*_WEB_ADDRESSES, b"references", b"in-reply-to")
"""Fields of what stands in angle brackets; these alone are no value."""
_URL = re.compile(r"<([^<>]*)>")
_LINE_END = re.compile("\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]")
"""All that some reader takes for one: a value has none of them in a header."""
_VARIABLES = b"x-ov-variables"
_LONGEST_IN_PLACE = 900
"""Octets of a line whose folding is kept: with its name it stays within RFC 5322 §2.1.1."""
_BETWEEN_URLS = re.compile(rb"(?<=,)[ \t]*(?=<)")
_LONG_WORD = re.compile(rb"[^ \t\r\n]{500}(?=[^ \t\r\n])")
_KEPT_IN_URLS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '<>"')
# While an address list is read, a placeholder stands in it as a word, and as an address where an address is wanted.
_STAND_IN = re.compile(r"(?i)zq(\d+)zq")
_ANY_STAND_IN = re.compile(r"(?i)(?=zq(\d+)zq)")
"""Also one that begins within another."""
_UNREAD = "=?utf-8?q?zq{}zq?="
"""What stands for encoded words that cannot be read: such a word, so that the same white space around it counts."""
_WORD_OR_STAND_IN = re.compile(r"(?i)(=\?utf-8\?q\?)?zq(\d+)zq(?(1)\?=)")
_NO_ADDRESS = "zq.invalid"
_ESCAPE = re.compile(r"\\(.)")
# A text whose quote is not closed is passed over to its end, and not begun again behind each escaped quote.
_WHOLE_ADDRESS = re.compile(r'"(?:[^"\\]|\\.)*+"?|(?<![^,:<\s])zq(\d+)zq(?=\s*(?:$|[,;>]))', re.DOTALL)


def may_change(block: HeaderBlock, field: Field) -> bool:
    """Whether a field holds a placeholder and is one in which values are put."""
    value = block.value(field)
    if b"%" not in value and b"=?" not in value:
        return False
    if field.name in _KEPT_FIELDS or field.name.startswith(_KEPT_PREFIXES):
        return False
    texts = (piece for piece in read(value) if isinstance(piece, str))
    return any(PLACEHOLDER.search(text.encode("utf-8", "replace")) for text in texts)


def filled_field(block: HeaderBlock, field: Field, values: Values) -> Edit | None:
    """Return a field with its values; None where it stays as it is.

    One that comes out without a value is left out: of the fields that a meaning is known of, Subject alone may be empty
    (RFC 5322 §3.6).
    """
    edit = field_edit(block, field, values)
    if edit is None or field.name == b"subject":
        return edit
    nothing = b" \t\r\n<>," if field.name.startswith(_ANGLED) else b" \t\r\n"
    return edit if edit.replacement.partition(b":")[2].strip(nothing) else remove(field)


def field_edit(block: HeaderBlock, field: Field, values: Values) -> Edit | None:
    """Return a field with its values, which may come to nothing; None where it stays as it is."""
    name = block.content[field.start : field.colon].decode("ascii")
    value = block.value(field)
    if field.name == _VARIABLES:
        return _variables_edit(field, name, value, values)
    if field.name in _ADDRESSES:
        written = _address_field(name, value, values, is_own=field.name in _OWN_ADDRESSES)
        return None if written is None else replace(field, written)
    raw = _in_place(value, values, is_web_address=field.name.startswith(_WEB_ADDRESSES))
    if raw is not None:
        return replace(field, name.encode() + b":" + raw + b"\r\n")
    pieces = [values.replaced(piece) if isinstance(piece, str) else piece for piece in read(value)]
    return replace(field, fold(name, encode_around(_on_one_line(pieces), encode) or [""]))


def _variables_edit(field: Field, name: str, value: bytes, values: Values) -> Edit | None:
    if any(isinstance(piece, Unread) for piece in read(value)):
        return None
    try:
        # A TAB that only folds a line (RFC 5322 §2.2.3) stands for a space: JSON has no TAB inside a text.
        document = json.loads(decode(value.replace(b"\r\n\t", b"\r\n ")))
    except (ValueError, RecursionError):
        return None
    return replace(field, json_field(name, values.replaced_within(document)))


def recoding(block: HeaderBlock, *, is_html: bool, is_root: bool, is_utf8: bool) -> list[Edit]:
    """Return the edits that name quoted-printable, and UTF-8 where the text is that, in a part's header."""
    subtype = "html" if is_html else "plain"
    declared, coded = block.first(b"content-type"), block.first(b"content-transfer-encoding")
    kind = _with_charset(block.value(declared)) if declared else f" text/{subtype}; charset=utf-8".encode()
    edits: list[Edit] = []
    if is_root and block.first(b"mime-version") is None:
        edits.append(insert_at_end(block, b"MIME-Version: 1.0\r\n"))
    changes = [(coded, b"Content-Transfer-Encoding: quoted-printable\r\n")]
    if is_utf8:
        changes.insert(0, (declared, b"Content-Type:" + kind + b"\r\n"))
    for field, raw in changes:
        edits.append(replace(field, raw) if field else insert_at_end(block, raw))
    return edits


def display_names(block: HeaderBlock) -> dict[str, str]:
    """Return the names that To and Cc give to addresses, by address in lower case."""
    names: dict[str, str] = {}
    for header in (b"to", b"cc"):
        field = block.first(header)
        found = parse_address_list(block.value(field)) if field else None
        if isinstance(found, AddressList):
            names |= {one.address.lower(): one.display_name for one in found.mailboxes if _is_name(one.display_name)}
    return names


def _is_name(text: str) -> bool:
    is_readable = "\N{REPLACEMENT CHARACTER}" not in text
    return bool(text) and is_readable and not PLACEHOLDER.search(text.encode("utf-8", "replace"))


def _one_line(text: str) -> str:
    """Return a value on one line, without blanks at its ends: these could come to stand on a line of their own."""
    return _LINE_END.sub(" ", text).strip()


def _on_one_line(pieces: Sequence[str | Unread]) -> list[str | Unread]:
    """Return the same for a text with others between: their blanks are at no end of the value."""
    joined = [" ".join(f"{one}|".splitlines())[:-1] if isinstance(one, str) else one for one in pieces]
    if isinstance(joined[0], str):
        joined[0] = joined[0].lstrip()
    if isinstance(joined[-1], str):
        joined[-1] = joined[-1].rstrip()
    return joined


def _in_place(value: bytes, values: Values, *, is_web_address: bool) -> bytes | None:
    """Return the value with its folding as it was; None where it has to be written anew."""
    if b"=?" in value:
        return None
    pieces: list[bytes] = []
    is_in_url = False
    for segment in segments_of(value):
        if isinstance(segment, bytes):
            octets = segment
        else:
            text = _LINE_END.sub(" ", values.text(segment))
            if is_web_address:
                text = _with_urls(text, is_in_url=is_in_url)
            if not text.isascii() or not text.isprintable() or "=?" in text:
                return None
            octets = text.encode()
        pieces.append(octets)
        if b"<" in octets or b">" in octets:
            is_in_url = octets.rfind(b"<") > octets.rfind(b">")
    filled = b"".join(pieces)
    if is_web_address and _longest_line(filled) > _LONGEST_IN_PLACE:
        # RFC 2369 §2: white space within the angle brackets is ignored.
        filled = _LONG_WORD.sub(rb"\g<0>\r\n ", _BETWEEN_URLS.sub(b"\r\n ", filled))
    return filled if _longest_line(filled) <= _LONGEST_IN_PLACE and _is_folded(filled) else None


def _with_urls(text: str, *, is_in_url: bool) -> str:
    """Return a value for a field of URLs: it may be part of one, or be or hold whole ones in their angle brackets."""
    if is_in_url:
        return quote(text, safe=_KEPT_IN_URLS)
    return _URL.sub(lambda found: f"<{quote(found[1].strip(), safe=_KEPT_IN_URLS)}>", text)


def _is_folded(value: bytes) -> bool:
    """Whether no line is blank but, at most, the first: some readers take such a line for the header's end."""
    lines = value.split(b"\r\n")
    return all(line.strip() for line in (lines[1:] or lines))


def _longest_line(value: bytes) -> int:
    return max(map(len, value.split(b"\r\n")))


def _address_field(name: str, value: bytes, values: Values, *, is_own: bool) -> bytes | None:
    """Write an address list whose syntax is that of the field as it was: no value can add to it.

    A mailbox whose address the values make none of is left out; the field stays as it is where it cannot be read.
    """
    mask = _Mask(values)
    found = parse_address_list(mask.put_on(value.replace(b"\r\n", b"")).encode())
    if isinstance(found, ListFault):
        return None
    if is_own and (found.groups or any(_STAND_IN.search(one.address) for one in found.mailboxes)):
        return None
    written = list(_addresses(found, mask))
    if not written and name.lower() == "to":
        # RFC 5322 §3.4: an empty group is how a field says that nobody is named.
        return fold(name, ["undisclosed-recipients:;"])
    return fold(name, _listed(written))


def _addresses(found: AddressList, mask: "_Mask") -> Iterator[list[str]]:
    """Yield the words of each mailbox and group (RFC 5322 §3.4); a group may come to be empty."""

    def filled(begun: int, ended: int) -> Iterator[list[str]]:
        words = (_mailbox(one, mask) for one in found.mailboxes[begun:ended])
        return (list(one) for one in words if one is not None)

    position = 0
    for group in found.groups:
        yield from filled(position, group.begun)
        title = encode_around(_on_one_line(mask.pieces(group.name)), phrase) or phrase("")
        words = [*title[:-1], f"{title[-1]}:", *_listed(list(filled(group.begun, group.ended)))]
        yield [*words[:-1], f"{words[-1]};"]
        position = group.ended
    yield from filled(position, len(found.mailboxes))


def _listed(addresses: list[list[str]]) -> list[str]:
    """Return the words of addresses with commas between these."""
    words = [word for one in addresses for word in (*one[:-1], f"{one[-1]},")]
    return [*words[:-1], words[-1].removesuffix(",")] if words else []


class _Mask:
    """Words that stand for placeholders, and for what cannot be read, while a list is read; and what is put in their place."""

    def __init__(self, values: Values) -> None:
        self.values = values
        self.stood_for: dict[str, str | Unread] = {}
        """By the number in their word: as text, for a stranger's may be of any length."""

    def put_on(self, value: bytes) -> str:
        """Return a value with a word, or an address, for each placeholder; one that has such words already stays."""
        if _STAND_IN.search(value.decode("utf-8", "replace")) or _STAND_IN.search(decode(value)):
            return ""
        masked = "".join(
            one.decode("utf-8", "replace") if isinstance(one, bytes) else self._stand_in(one)
            for one in segments_of(self._with_words(value.decode("utf-8", "replace")).encode())
        )
        # The reader of lists takes the escapes out of quotes, and only then looks for encoded words.
        for text in (masked, _ESCAPE.sub(r"\1", masked)):
            if not (self._has_only_ours(text) and self._has_only_ours(decode(text.encode()))):
                return ""
        return _WHOLE_ADDRESS.sub(lambda found: f"{found[0]}@{_NO_ADDRESS}" if found[1] else found[0], masked)

    def taken_off(self, text: str) -> str:
        """Return a text with its values."""
        return "".join(one if isinstance(one, str) else " ".join(one.words) for one in self.pieces(text))

    def pieces(self, text: str) -> list[str | Unread]:
        """Return a text with its values, and what cannot be read between two texts, which may be empty."""
        pieces: list[str | Unread] = []
        texts: list[str] = []
        position = 0
        for found in _WORD_OR_STAND_IN.finditer(text):
            stood_for = self.stood_for.get(found[2])
            if stood_for is None:
                continue
            # Encoded words may hold placeholders that were not seen before.
            texts.append(self.values.replaced(text[position : found.start()]))
            if isinstance(stood_for, str):
                texts.append(self.values.text(stood_for))
            elif found[1]:
                # In quotes it is no encoded word (RFC 2047 §5).
                texts.append(" ".join(stood_for.words))
            else:
                pieces += ("".join(texts), stood_for)
                texts = []
            position = found.end()
        return [*pieces, "".join([*texts, self.values.replaced(text[position:])])]

    def _with_words(self, text: str) -> str:
        pieces: list[str] = []
        position = 0
        for piece, start, end in unread(text):
            pieces += (text[position:start], _UNREAD.format(self._number(piece)))
            position = end
        return "".join([*pieces, text[position:]])

    def _stand_in(self, placeholder: str) -> str:
        return f"zq{self._number(placeholder)}zq"

    def _number(self, stood_for: str | Unread) -> str:
        number = str(len(self.stood_for))
        self.stood_for[number] = stood_for
        return number

    def _has_only_ours(self, text: str) -> bool:
        """Whether nothing looks like a word that was put on but these, each once: ``zq0`` before one would."""
        found = _ANY_STAND_IN.findall(text)
        return len(found) == len(set(found)) and self.stood_for.keys() >= set(found)


def _mailbox(mailbox: Mailbox, mask: _Mask) -> tuple[str, ...] | None:
    """Return the words of a mailbox for one recipient; None where its address comes to nothing."""
    names, address = mask.pieces(mailbox.display_name), mailbox.address
    stand_in = _STAND_IN.fullmatch(mailbox.local_part) if mailbox.domain == _NO_ADDRESS else None
    if stand_in is None:
        address = mask.taken_off(address)
    elif mask.stood_for.get(stand_in[1]) == "recipient":
        own_name, address = mask.values.mailbox()
        names = names if any(names) else [own_name]
    else:
        address = mask.taken_off(mailbox.local_part)
    # What is read below is what is written: the reader takes folding for none, and a value has none.
    address = _one_line(address)
    found = parse_address_list(f"<{address}>".encode("utf-8", "replace"))
    if isinstance(found, ListFault) or len(found.mailboxes) != 1 or found.mailboxes[0].display_name:
        return None
    shown = encode_around(_on_one_line(names), phrase)
    return (*shown, f"<{address}>") if shown else (address,)


def _with_charset(value: bytes) -> bytes:
    """Return a Content-Type's value with its charset made UTF-8 and its other parameters kept."""
    kept = [part for part in _parameters(value) if not part.strip().lower().startswith(b"charset")]
    return b";".join(kept).rstrip() + b"; charset=utf-8"


def _parameters(value: bytes) -> list[bytes]:
    """Cut a structured value at the semicolons outside quotes."""
    parts, is_quoted, begun = [], False, 0
    for at, octet in enumerate(value):
        if octet == 0x22 and value[at - 1 : at] != b"\\":
            is_quoted = not is_quoted
        elif octet == 0x3B and not is_quoted:
            parts.append(value[begun:at])
            begun = at + 1
    return [*parts, value[begun:]]
