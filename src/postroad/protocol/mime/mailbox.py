"""Address lists of header fields: mailboxes, groups, comments and quoted strings (RFC 5322 §3.4, RFC 6532 §3.2).

Obsolete forms (RFC 5322 §4.4) that readers take differently are refused: routes, white space or comments inside an
address, empty members of a list. Dots in an unquoted display name are obsolete too, and so common that they pass.
"""

import re

import msgspec

from postroad.protocol.mime import encoded_word
from postroad.protocol.smtp.address import AddressError, normal_domain

MAX_OCTETS = 16 * 1024
"""Of a value that is read; a longer one would hold up everybody else."""

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-"
_DOT_ATOM = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_PHRASE_WORD = re.compile(rf"[{_ATEXT}.]+")
_QUOTED = re.compile(r'"((?:[^"\\\r\n\0]|\\[^\r\n\0])*)"')
_LITERAL = re.compile(r"\[[!-Z^-~]*\]")
_SPACE = re.compile(r"[ \t]*")
_ESCAPE = re.compile(r"\\(.)")
# What nearly every From looks like: an address alone, or behind plain words or one quoted string.
_USUAL = re.compile(
    rf'[ \t]*+(?:(?:((?:[{_ATEXT}.]++[ \t]*+)*+)|"([^"\\\r\n\0]*+)"[ \t]*+)<([{_ATEXT}.]++)@([A-Za-z0-9.-]++)>'
    rf"|([{_ATEXT}.]++)@([A-Za-z0-9.-]++))[ \t]*+\Z"
)
# The parenthesis is not an escaped one, so that none is looked at again within a comment that is not closed.
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*+)\((?:[^()\\]|\\.)*+\)", re.DOTALL)
_COMMENT_DEPTH = 20
_QUOTES_ADVICE = "put a display name with special characters in quotes"


class Mailbox(msgspec.Struct, frozen=True):
    """One address with its display name."""

    display_name: str
    local_part: str
    domain: str
    """As A-labels in lower case."""

    @property
    def address(self) -> str:
        """The address as ``local@domain``."""
        return f"{self.local_part}@{self.domain}"


class Group(msgspec.Struct, frozen=True):
    """A named group, and which of the list's mailboxes stand in it: from ``begun`` to before ``ended``."""

    name: str
    begun: int
    ended: int


class AddressList(msgspec.Struct, frozen=True):
    """The mailboxes of a field, those within groups included."""

    mailboxes: tuple[Mailbox, ...]
    groups: tuple[Group, ...] = ()

    @property
    def group_count(self) -> int:
        """How many groups there are."""
        return len(self.groups)


class ListFault(msgspec.Struct, frozen=True):
    """Why an address list cannot be read, as the end of a sentence that begins with the field's name."""

    text: str


class _SyntaxFaultError(Exception):
    """Carries the words of a fault out of the grammar's functions."""


def without_comments(text: str) -> str:
    """Return a structured value with its comments taken out, the innermost first (RFC 5322 §3.2.2)."""
    for _ in range(_COMMENT_DEPTH):
        text, count = _COMMENT.subn(r"\1 ", text)
        if not count:
            break
    return text


def parse_address_list(value: bytes, *, most_octets: int = MAX_OCTETS) -> AddressList | ListFault:
    """Read the value of From, To, Cc, Sender or Reply-To; folding may still be in it."""
    if len(value) > most_octets:
        return ListFault(f"is longer than {most_octets} octets")
    try:
        text = value.replace(b"\r\n", b"").decode("utf-8")
    except UnicodeDecodeError:
        return ListFault("has octets that are not UTF-8")
    try:
        usual = _usual(text)
        return AddressList((usual,)) if usual else _Reader(text).address_list()
    except _SyntaxFaultError as fault:
        return ListFault(str(fault))
    except AddressError as error:
        return ListFault(f"holds an address with a wrong domain: {error}")


def _usual(text: str) -> Mailbox | None:
    found = _USUAL.match(text)
    if found is None:
        return None
    words, quoted, local, domain = found[1], found[2], found[3] or found[5], found[4] or found[6]
    if ".." in local or local[0] == "." or local[-1] == ".":
        return None
    name = quoted if quoted is not None else (words or "").strip(" \t")
    if "=?" in name:
        name = encoded_word.decode(name.encode())
    return Mailbox(name, local, normal_domain(domain))


class _Reader:
    """Walks an unfolded value from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def address_list(self) -> AddressList:
        mailboxes: list[Mailbox] = []
        groups: list[Group] = []
        while True:
            self._skip()
            if not self._peek() and not mailboxes and not groups:
                raise _SyntaxFaultError("has no address")
            if self._peek() in {",", ""}:
                raise _SyntaxFaultError("has an empty place in its list; write addresses with single commas between")
            self._address(mailboxes, groups)
            self._skip()
            if not self._peek():
                return AddressList(tuple(mailboxes), tuple(groups))
            self._expect(",")

    def _address(self, mailboxes: list[Mailbox], groups: list[Group]) -> None:
        """Read a mailbox or a group."""
        start = self._at
        name, is_phrase = self._phrase()
        match self._peek():
            case "<":
                mailboxes.append(self._angle(name))
            case ":" if is_phrase:
                begun = len(mailboxes)
                self._group(mailboxes)
                groups.append(Group(name, begun, len(mailboxes)))
            case _:
                self._at = start
                mailboxes.append(self._bare())

    def _group(self, mailboxes: list[Mailbox]) -> None:
        self._expect(":")
        self._skip()
        while self._peek() != ";":
            name, _ = self._phrase_before_angle()
            mailboxes.append(self._angle(name) if self._peek() == "<" else self._bare())
            self._skip()
            if not self._peek():
                raise _SyntaxFaultError(
                    f'has a group that does not end with ";", or a colon in a name; {_QUOTES_ADVICE}'
                )
            if self._peek() != ";":
                self._expect(",")
                self._skip()
        self._expect(";")

    def _phrase_before_angle(self) -> tuple[str, bool]:
        start = self._at
        name, is_phrase = self._phrase()
        if self._peek() != "<":
            self._at = start
        return name, is_phrase

    def _phrase(self) -> tuple[str, bool]:
        """Read words as far as they go, and the space behind them."""
        words: list[str] = []
        is_encoded = False
        while True:
            self._skip()
            if quoted := _QUOTED.match(self._text, self._at):
                words.append(_ESCAPE.sub(r"\1", quoted[1]))
                self._at = quoted.end()
            elif atom := _PHRASE_WORD.match(self._text, self._at):
                is_encoded = is_encoded or atom[0].startswith("=?")
                words.append(atom[0])
                self._at = atom.end()
            else:
                name = " ".join(words)
                return (encoded_word.decode(name.encode()) if is_encoded else name), bool(words)

    def _angle(self, name: str) -> Mailbox:
        self._expect("<")
        self._skip()
        if self._peek() == "@":
            raise _SyntaxFaultError("has an address with a route; leave out what stands before the colon")
        mailbox = self._addr_spec(name)
        self._skip()
        self._expect(">")
        return mailbox

    def _bare(self) -> Mailbox:
        self._skip()
        start = self._at
        mailbox = self._addr_spec("")
        self._skip()
        if self._peek() == "<":
            # A name that looks like an address, or begins as one.
            self._at = start
            raise self._no_address()
        return mailbox

    def _addr_spec(self, name: str) -> Mailbox:
        local = _QUOTED.match(self._text, self._at) or _DOT_ATOM.match(self._text, self._at)
        if local is None:
            raise _SyntaxFaultError(f"has no address where one is expected{self._here()}")
        self._at = local.end()
        if self._peek() != "@":
            raise self._no_address()
        self._at += 1
        domain = _LITERAL.match(self._text, self._at) or _DOT_ATOM.match(self._text, self._at)
        if domain is None:
            raise _SyntaxFaultError(f"has an address without a domain{self._here()}")
        self._at = domain.end()
        return Mailbox(name, local[0], normal_domain(domain[0]))

    def _skip(self) -> None:
        """Pass over white space and comments (RFC 5322 §3.2.2)."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._peek() != "(":
                return
            self._comment()

    def _comment(self) -> None:
        depth = 0
        while self._at < len(self._text):
            letter = self._text[self._at]
            self._at += 2 if letter == "\\" else 1
            depth += (letter == "(") - (letter == ")")
            if depth > _COMMENT_DEPTH:
                raise _SyntaxFaultError(f"has comments nested more than {_COMMENT_DEPTH} deep")
            if depth == 0:
                return
        raise _SyntaxFaultError("has a comment that is not closed")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _expect(self, letter: str) -> None:
        if self._peek() != letter:
            raise _SyntaxFaultError(f'lacks "{letter}"{self._here()}')
        self._at += 1

    def _no_address(self) -> _SyntaxFaultError:
        return _SyntaxFaultError(
            f"has something other than an address{self._here()}; write local@domain without spaces, and {_QUOTES_ADVICE}"
        )

    def _here(self) -> str:
        rest = self._text[self._at : self._at + 20]
        return f' at "{rest}"' if rest else " at its end"
