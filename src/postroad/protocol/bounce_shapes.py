"""The shapes of bounces that have no report for programs: who writes so, and where the reason stands.

Each shape is told by a sentence that its software always writes. The order matters: what says that a message is only
delayed stands before what speaks of the same software's failures.
"""

import re
from collections.abc import Mapping

import msgspec

_COPY = re.compile(
    r"^(?:-{2,}+.{0,20}(?:below this line is a copy|this is a copy of|original message|returned message|message header"
    r"|unsent message|message text follows).*|received: .*)$",
    re.IGNORECASE | re.MULTILINE,
)
"""Behind this stands the message that came back: whatever it says is not about its delivery."""
_SAID = re.compile(
    r"(?:said|says|responded|responded with|returned(?: was)?|replied|error (?:was|is)|response was|reason(?: was)?|remote server returned"
    r"|diagnostic(?: code| information)?(?: for administrators)?|error message|>>>|<<<)[ :]*+\s*+"
    r"((?:\S{1,100}: )?[\"'#<]?(?:smtp;)?[ ]?[245]\d\d[ \-#].{0,800})",
    re.IGNORECASE,
)
_CODED = re.compile(
    r"^.{0,200}?(?<![\d.])(?:[45]\d\d[ \-#](?:#?[45]\.\d{1,3}\.\d{1,3}|\D)|\(?#[45]\.\d{1,3}\.\d{1,3}).{0,600}$",
    re.MULTILINE,
)
_STATUS_LINE = re.compile(r"^.{0,300}?(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]).{0,600}$", re.MULTILINE)
_RECIPIENT = re.compile(r"<?([!#-'*+\-./0-9=?A-Z^-~]{1,64}@[A-Za-z0-9.-]{3,253})>?")
_FROM_MAIL_SYSTEM = re.compile(
    r"mailer[-_. ]?daemon|postmaster|mail delivery|mail ?server|delivery (?:sub)?system|mdaemon|mail administrator|system administrator"
    r"|microsoft exchange|mail-?er|noreply|no-reply",
    re.IGNORECASE,
)
_RETURNED = re.compile(
    r"undeliver|returned (?:mail|to sender)|failure notice|delivery (?:status notification|failure|failed|has failed|problem|error)"
    r"|non[- ]?delivery|mail (?:delivery )?fail|not delivered|could not be (?:sent|delivered)|message (?:blocked|rejected)"
    r"|unzustellbar|nicht zugestellt|non remis|no se pudo entregar|bounce",
    re.IGNORECASE,
)


class Shape(msgspec.Struct, frozen=True):
    """One way to write that a message was not delivered."""

    name: str
    action: str
    """``failed`` or ``delayed``."""
    sign: re.Pattern[str]
    """What the words for people always hold."""
    reason: re.Pattern[str] | None = None
    """Where the reason stands, in its first group; else it is looked for as everywhere."""

    def diagnosis_in(self, text: str) -> str:
        """Return why it was not delivered, on one line; empty where the text does not say."""
        text = without_copy(text)
        found = self.reason.search(text) if self.reason is not None else None
        said = found[1] if found is not None else ""
        if not re.search(r"[45]\d\d|[45]\.\d", said):
            better = _SAID.search(text)
            coded = _CODED.search(text) or _STATUS_LINE.search(text)
            said = better[1].partition("\n\n")[0] if better is not None else said or ("" if coded is None else coded[0])
        return " ".join("".join(letter if letter.isprintable() else " " for letter in said).split()).strip("\"'<> ")

    def recipient_in(self, text: str) -> str:
        """Return the first address in the text, which is mostly the recipient's; empty where there is none."""
        found = _RECIPIENT.search(without_copy(text))
        return "" if found is None else found[1].strip("'.")


def _shape(name: str, action: str, sign: str, reason: str = "") -> Shape:
    flags = re.IGNORECASE | re.DOTALL
    # A sentence may be broken anywhere, so that each blank stands for any white space.
    return Shape(
        name,
        action,
        re.compile(sign.replace(" ", r"\s{1,8}"), flags),
        re.compile(reason, flags) if reason else None,
    )


# Strangers write what these read: nothing in them may be looked for again from each of its own letters (hence the
# possessive ``+``), nor may an end that is missing make each beginning fail.
_PARAGRAPH = r"<?(?<![^\s<])[^\s<>@]{1,64}+@[^\s<>@]{3,253}+>?:?[ \t]*+\n?[ \t]*+((?:(?!\n[ \t]*+\n).){1,1000})"

SHAPES = (
    _shape("qmail-delay", "delayed", r"this is the qmail-\w+ program.{0,300}(?:delay|not yet been delivered|still trying)"),
    _shape("qmail", "failed", r"this is the [\w.-]{0,40}qmail[\w-]{0,20} program", _PARAGRAPH),
    # QSBMF, qmail-send Bounce Message Format: the first paragraph begins so, others than qmail write it too.
    _shape("qsbmf", "failed", r"\A\s*hi\. this is the .{1,200}(?:i'm afraid|wasn't able|couldn't deliver|given up)", _PARAGRAPH),
    _shape(
        "exim-delay",
        "delayed",
        r"created automatically by mail delivery software.{0,400}(?:has not (?:yet )?been delivered|delayed|been on the queue)",
    ),
    _shape(
        "exim",
        "failed",
        r"created automatically by mail delivery software.{0,600}(?:could not be delivered|permanent error|failed)",
        r"(?<![^\s<])[^\s<>@]{1,64}+@[^\s<>@]{3,253}+(?:[^\S\n]*+\n)++(?:\s*+\([^)]{1,200}\)(?:[^\S\n]*+\n)++)?((?:(?!\n[ \t]*+\n|\n--).){1,1000})",
    ),
    _shape("postfix-delay", "delayed", r"this is the mail system at host.{0,900}(?:this is a warning only|it will be retried)"),
    _shape("postfix", "failed", r"this is the (?:mail system at host|postfix program)", _PARAGRAPH),
    _shape(
        "sendmail-delay",
        "delayed",
        r"this is a warning message only|message still undelivered|transient non-fatal errors",
    ),
    _shape(
        "sendmail",
        "failed",
        r"(?:following addresses had )?permanent fatal errors|transcript of session follows|following addresses had delivery (?:problems|errors)",
        r"transcript of session follows.{0,20}\n((?:(?!\n[ \t]*+\n).){1,1000})",
    ),
    _shape("exchange-delay", "delayed", r"delivery to these recipients or groups (?:is|has been) delayed|delivery is delayed to these recipients"),
    _shape(
        "exchange",
        "failed",
        r"delivery has failed to these recipients|did not reach some or all of the intended recipients|following recipient\(s\) "
        r"(?:cannot|could not) be reached|your message (?:to \S{1,200} )?(?:couldn't|could not) be delivered|your message wasn't delivered to anyone",
        r"(?:remote server returned|diagnostic information|generating server|following recipient\(s\)).{0,800}?((?:#|'|<|\b)[45]\d\d(?:(?!\n[ \t]*+\n).){1,600})",
    ),
    _shape("lotus", "failed", r"was not delivered to: .{1,300} because:|not listed in (?:the )?(?:domino directory|public name)", r"because:\s*+((?:(?!\n[ \t]*+\n).){1,600})"),
    _shape("gmail-delay", "delayed", r"delivery incomplete|technical details of temporary failure|message delayed|gmail will (?:keep|retry)"),
    _shape(
        "gmail",
        "failed",
        r"delivery to the following recipients? failed permanently|your message wasn't delivered to|technical details of permanent failure"
        r"|couldn't be delivered to .{1,300} because|your message to \S{1,200} has been blocked",
        r"(?:response (?:from the remote server )?was:?|technical details of permanent failure:)\s*+((?:(?!\n[ \t]*+\n).){1,1000})",
    ),
    _shape("outlook", "failed", r"delivery to the following recipients? failed|automatically generated delivery status notification\.? .{0,80}failed"),
    _shape("yahoo", "failed", r"we were unable to deliver your message to the following address", _PARAGRAPH),
    _shape("groupwise", "failed", r"message that you sent was undeliverable to the following", r"following:\s*+((?:(?!\n[ \t]*+\n).){1,600})"),
    _shape("courier", "failed", r"undeliverable mail\.? .{0,200}(?:cannot be|could not be) delivered|your message to the following recipients cannot be delivered", _PARAGRAPH),
    _shape("mdaemon", "failed", r"the following (?:recipient|address)(?:\(s\)|s|es)? (?:failed|had permanent)|mdaemon has (?:identified|been unable)"),
    _shape("communigate", "failed", r"failed to deliver to '?[^\s']{3,320}'?", r"failed to deliver to '?[^\s']{3,320}+'?\s*+((?:(?!\n[ \t]*+\n).){1,600})"),
    _shape("imail", "failed", r"undeliverable to \S{3,320}|unknown user: \S{3,320}", r"((?:undeliverable to|unknown user: )[^\n]{1,300})"),
    _shape("german", "failed", r"(?:nachricht|e-?mail) konnte nicht (?:an .{1,200} )?zugestellt|nicht zustellbar|unzustellbar"),
    _shape("french", "failed", r"n'a pas pu (?:ê|e)tre (?:remis|livr|distribu|achemin)|(?:é|e)chec de (?:la )?remise"),
    _shape("spanish", "failed", r"no se (?:ha )?(?:pudo|podido) entregar"),
)  # fmt: skip


_RETRIED = re.compile(
    r"will (?:be )?(?:retr|try again|continue|keep)|still trying|no action is required|warning only", re.IGNORECASE
)
_GENERIC = Shape("generic", "failed", _RETURNED)
_GENERIC_DELAY = Shape("generic-delay", "delayed", _RETURNED)


def shape_of(header: Mapping[str, str], text: str) -> Shape | None:
    """Return the shape of a text, by its own sentence; without one, by who sent it under which subject."""
    words = without_copy(text)
    for shape in SHAPES:
        if shape.sign.search(words):
            return shape
    if _FROM_MAIL_SYSTEM.search(header["from"]) and _RETURNED.search(header["subject"]):
        is_delay = _RETRIED.search(words) or re.search(r"delay|warning", header["subject"], re.IGNORECASE)
        return _GENERIC_DELAY if is_delay else _GENERIC
    return None


def without_copy(text: str) -> str:
    """Return a text up to the message that it brings back."""
    found = _COPY.search(text)
    return text if found is None else text[: found.start()]
