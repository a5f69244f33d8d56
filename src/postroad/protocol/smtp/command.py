"""SMTP commands: one line in, one value out (RFC 5321 §4.1.1 and the extensions that the server offers)."""

import re
from collections.abc import Callable

import msgspec

from postroad.protocol.smtp.address import AddressError, parse_path
from postroad.protocol.smtp.future_release import Release, read_instant, read_interval
from postroad.protocol.smtp.reply import Reply


class Ehlo(msgspec.Struct, frozen=True):
    """The client introduces itself and asks what is offered."""

    name: str


class Helo(msgspec.Struct, frozen=True):
    """The client introduces itself the old way."""

    name: str


class Auth(msgspec.Struct, frozen=True):
    """The client wants to log in (RFC 4954 §4)."""

    mechanism: str
    initial_response: str | None
    """As written: base64, ``=`` for an empty one, null for none."""


class StartTls(msgspec.Struct, frozen=True):
    """The client wants to go on under TLS (RFC 3207)."""


class Mail(msgspec.Struct, frozen=True):
    """A transaction begins: the reverse path and its parameters."""

    reverse_path: str
    size: int | None = None
    is_eight_bit: bool = False
    is_utf8: bool = False
    ret: str | None = None
    envid: str | None = None
    release: Release | None = None
    """When it is to be sent (RFC 4865); null for at once."""


class Rcpt(msgspec.Struct, frozen=True):
    """One more recipient for the transaction."""

    forward_path: str
    notify: tuple[str, ...] = ()
    """NOTIFY keywords in upper case; empty where the parameter is absent (RFC 3461 §4.1)."""
    original_recipient: str | None = None


class Data(msgspec.Struct, frozen=True):
    """The message text follows, up to a dot on a line of its own."""


class Bdat(msgspec.Struct, frozen=True):
    """This many octets of the message text follow (RFC 3030 §2)."""

    size: int
    is_last: bool


class Rset(msgspec.Struct, frozen=True):
    """The transaction is given up."""


class Noop(msgspec.Struct, frozen=True):
    """Nothing is asked."""


class Vrfy(msgspec.Struct, frozen=True):
    """The client asks whether a mailbox exists."""


class Expn(msgspec.Struct, frozen=True):
    """The client asks who is on a list."""


class Help(msgspec.Struct, frozen=True):
    """The client asks for help."""


class Quit(msgspec.Struct, frozen=True):
    """The client leaves."""


class Unknown(msgspec.Struct, frozen=True):
    """A verb that is not known here."""

    verb: str


class Malformed(msgspec.Struct, frozen=True):
    """A known command with something wrong in it, and the reply that says what."""

    verb: str
    reply: Reply


Command = (
    Ehlo | Helo | Auth | StartTls | Mail | Rcpt | Data | Bdat | Rset | Noop | Vrfy | Expn | Help | Quit
) | Unknown | Malformed  # fmt: skip


class _SyntaxError(Exception):
    """Why a command cannot be taken, as the reply to it."""

    def __init__(self, code: int, enhanced_status: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced_status, text)


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PATH = re.compile(r'<(?:"(?:[^"\\]|\\.)*"|[^">])*>|[^ <>"]+')
_NAME_ODDITY = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_XTEXT_ESCAPE = re.compile(r"\+([0-9A-F]{2})")
_UNICODE_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})


def parse_command(line: bytes, *, is_utf8: bool = False) -> Command:
    """Read one command line without its CR LF; ``is_utf8`` says that the transaction is under SMTPUTF8."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        # Windows machines introduce themselves by names in whatever code page they run.
        text = line.decode("ascii", "replace")
        if text[:4].upper() not in ("EHLO", "HELO"):
            return Malformed("", Reply(500, "5.5.2", "The command is neither ASCII nor UTF-8"))
    verb, _, rest = text.rstrip(" ").partition(" ")
    verb = verb.upper()
    parser = _PARSERS.get(verb)
    if parser is None:
        return Unknown(_NAME_ODDITY.sub("?", verb[:32]))
    if _CONTROL.search(text):
        return Malformed(verb, Reply(500, "5.5.2", "The command has a control character in it; remove it"))
    try:
        return parser(rest.lstrip(" "), is_utf8)
    except _SyntaxError as error:
        return Malformed(verb, error.reply)


def decode_xtext(text: str) -> str:
    """Decode RFC 3461 §4 xtext; raises ValueError where it is none, or hides control characters."""
    if _XTEXT.fullmatch(text) is None:
        raise ValueError("not xtext: write other characters as + and two hexadecimal digits (RFC 3461 §4)")
    decoded = _XTEXT_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    # A decoded line break would become a line of its own in a delivery report.
    if not all(" " <= character <= "~" for character in decoded):
        raise ValueError("it has control characters or octets beyond ASCII in it")
    return decoded


def _ehlo(rest: str, _is_utf8: bool) -> Ehlo:
    return Ehlo(_client_name("EHLO", rest))


def _helo(rest: str, _is_utf8: bool) -> Helo:
    return Helo(_client_name("HELO", rest))


def _client_name(verb: str, rest: str) -> str:
    # RFC 5321 §4.1.4: mail is not refused for a bad name here, so only what could harm a header is replaced.
    name = rest.partition(" ")[0]
    if not name:
        raise _SyntaxError(501, "5.5.4", f"Say who you are: {verb} and your host name or [address]")
    return _NAME_ODDITY.sub("?", name[:255])


def _auth(rest: str, _is_utf8: bool) -> Auth:
    mechanism, *responses = rest.split(" ")
    if not mechanism or len(responses) > 1:
        raise _SyntaxError(501, "5.5.4", "Write AUTH, a mechanism, and at most one initial response")
    return Auth(mechanism.upper(), responses[0] if responses else None)


def _mail(rest: str, _is_utf8: bool) -> Mail:
    path, words = _path_and_parameters("MAIL", "FROM:", rest)
    size: int | None = None
    is_eight_bit = is_utf8 = False
    ret: str | None = None
    envid: str | None = None
    release: Release | None = None
    for name, value in words.items():
        match name:
            case "SIZE":
                size = _number("SIZE", value)
            case "BODY":
                is_eight_bit = _keyword("BODY", value, ("7BIT", "8BITMIME")) == "8BITMIME"
            case "SMTPUTF8":
                is_utf8 = True
                if value is not None:
                    raise _SyntaxError(501, "5.5.4", "SMTPUTF8 takes no value")
            case "RET":
                ret = _keyword("RET", value, ("FULL", "HDRS"))
            case "ENVID":
                # RFC 3461 §5.4: at most 100 characters.
                envid = _xtext("ENVID", value, 100)
            case "AUTH":
                # RFC 4954 §5: who first submitted the mail. It is read and not used: the login of this session counts.
                _xtext("AUTH", None if value is None else value.replace("<>", ""), 500, may_be_empty=True)
            case "HOLDFOR" | "HOLDUNTIL":
                release = _release(name, value, release)
            case _:
                raise _unknown_parameter("MAIL", name)
    return Mail(_parse("5.1.7", path, is_utf8), size, is_eight_bit, is_utf8, ret, envid, release)


def _release(name: str, value: str | None, before: Release | None) -> Release:
    if before is not None:
        # RFC 4865 §5
        raise _SyntaxError(501, "5.5.4", "HOLDFOR and HOLDUNTIL are given both; keep one")
    try:
        return Release(read_interval(value)) if name == "HOLDFOR" else Release(None, read_instant(value))
    except ValueError as error:
        raise _SyntaxError(501, "5.5.4", str(error)) from None


def _rcpt(rest: str, is_utf8: bool) -> Rcpt:
    path, words = _path_and_parameters("RCPT", "TO:", rest)
    notify: tuple[str, ...] = ()
    original_recipient: str | None = None
    for name, value in words.items():
        match name:
            case "NOTIFY":
                notify = _notify(value)
            case "ORCPT":
                original_recipient = _original_recipient(value, is_utf8)
            case _:
                raise _unknown_parameter("RCPT", name)
    forward_path = _parse("5.1.3", path, is_utf8)
    if not forward_path:
        raise _SyntaxError(501, "5.1.3", "RCPT TO needs an address; only MAIL FROM may be <>")
    return Rcpt(forward_path, notify, original_recipient)


def _path_and_parameters(verb: str, preposition: str, rest: str) -> tuple[str, dict[str, str | None]]:
    if rest[: len(preposition)].upper() != preposition:
        raise _SyntaxError(501, "5.5.4", f"Write {verb} {preposition}<local@domain>")
    # Real clients put a space behind the colon, which RFC 5321 §3.3 forbids.
    tail = rest[len(preposition) :].lstrip(" ")
    match = _PATH.match(tail)
    if match is None or tail[match.end() : match.end() + 1] not in ("", " "):
        raise _SyntaxError(501, "5.5.4", f"Write {verb} {preposition}<local@domain>, then parameters after a space")
    words: dict[str, str | None] = {}
    for word in tail[match.end() :].split():
        name, equals, value = word.partition("=")
        name = name.upper()
        if name in words:
            raise _SyntaxError(501, "5.5.4", f"{_shown(name)} is given twice")
        words[name] = value if equals else None
    return match[0], words


def _parse(enhanced_status: str, path: str, is_utf8: bool) -> str:
    try:
        return parse_path(path, is_utf8=is_utf8)
    except AddressError as error:
        if error.needs_smtputf8:
            # RFC 6531 §3.5
            raise _SyntaxError(553, "5.6.7", str(error)) from None
        raise _SyntaxError(501, enhanced_status, str(error)) from None


def _number(name: str, value: str | None) -> int:
    # RFC 1870 §3 and RFC 3030 §2: up to 20 digits.
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise _SyntaxError(501, "5.5.4", f"{name} needs a number of octets")
    return int(value)


def _keyword(name: str, value: str | None, allowed: tuple[str, ...]) -> str:
    word = (value or "").upper()
    if word not in allowed:
        raise _SyntaxError(501, "5.5.4", f"{name} is {' or '.join(allowed)} here")
    return word


def _xtext(name: str, value: str | None, longest: int, *, may_be_empty: bool = False) -> str:
    if value is None or len(value) > longest or not (value or may_be_empty):
        raise _SyntaxError(501, "5.5.4", f"{name} needs a value of at most {longest} characters")
    try:
        return decode_xtext(value)
    except ValueError as error:
        raise _SyntaxError(501, "5.5.4", f"{name} cannot be read: {error}") from None


def _notify(value: str | None) -> tuple[str, ...]:
    words = tuple((value or "").upper().split(","))
    # RFC 3461 §4.1: NEVER stands alone.
    if words != ("NEVER",) and (not _NOTIFY.issuperset(words) or len(set(words)) != len(words)):
        raise _SyntaxError(501, "5.5.4", "NOTIFY is NEVER, or SUCCESS, FAILURE and DELAY with commas between")
    return words


def _original_recipient(value: str | None, is_utf8: bool) -> str:
    kind, semicolon, address = (value or "").partition(";")
    # RFC 3461 §5.4: at most 500 characters.
    if not semicolon or not kind.isascii() or not kind.replace("-", "").isalnum() or len(value or "") > 500:
        raise _SyntaxError(501, "5.5.4", "Write ORCPT=rfc822;address, at most 500 characters")
    if kind.lower() != "utf-8":
        return f"{kind};{_xtext('ORCPT', address, 500)}"
    # RFC 6533 §3: the utf-8 address type may be raw under SMTPUTF8, or escaped as \x{...}.
    if is_utf8 and not address.isascii():
        return f"{kind};{address}"
    return f"{kind};{_UNICODE_ESCAPE.sub(_unescaped, _xtext('ORCPT', address, 500))}"


def _unescaped(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    is_text = 0xA0 <= point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF
    return chr(point) if is_text or 0x20 <= point <= 0x7E else match[0]


def _unknown_parameter(verb: str, name: str) -> _SyntaxError:
    # RFC 5321 §4.1.1.11: 555 for parameters that are not recognised.
    return _SyntaxError(555, "5.5.4", f"{verb} parameter {_shown(name)} is not offered here; leave it out")


def _bdat(rest: str, _is_utf8: bool) -> Bdat:
    size, *words = rest.split() or [""]
    if words and (len(words) > 1 or words[0].upper() != "LAST"):
        raise _SyntaxError(501, "5.5.4", "Write BDAT, a number of octets, and LAST on the last chunk")
    return Bdat(_number("BDAT", size), bool(words))


def _without_argument(command: Command) -> Callable[[str, bool], Command]:
    def parse(rest: str, _is_utf8: bool) -> Command:
        # RFC 5321 §4.1.1: these take no argument; RFC 3207 §4 asks for 501 at STARTTLS.
        if rest:
            raise _SyntaxError(501, "5.5.4", f"{type(command).__name__.upper()} takes no argument")
        return command

    return parse


def _with_any_argument(command: Command) -> Callable[[str, bool], Command]:
    return lambda _rest, _is_utf8: command


def _shown(text: str) -> str:
    return _NAME_ODDITY.sub("?", text[:40])


_PARSERS: dict[str, Callable[[str, bool], Command]] = {
    "EHLO": _ehlo,
    "HELO": _helo,
    "AUTH": _auth,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "BDAT": _bdat,
    "DATA": _without_argument(Data()),
    "RSET": _without_argument(Rset()),
    "QUIT": _without_argument(Quit()),
    "STARTTLS": _without_argument(StartTls()),
    "NOOP": _with_any_argument(Noop()),
    "VRFY": _with_any_argument(Vrfy()),
    "EXPN": _with_any_argument(Expn()),
    "HELP": _with_any_argument(Help()),
}
