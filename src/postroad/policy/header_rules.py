"""What happens to each header field of a submission: one table, from which the reference page is made too.

A rule looks at the fields it is about and asks for edits; nothing else of the message is touched. Rules run in the
order of the table and each field is the business of one rule only.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from postroad.model.ids import text_of
from postroad.model.submission import ClientFacts
from postroad.policy.alignment import OrganisationalDomainOf, header_from_is_aligned
from postroad.policy.identifier import sign_identifier
from postroad.protocol.dkim.key import parse_tags
from postroad.protocol.mime.compose import json_field
from postroad.protocol.mime.date import format_date, is_date
from postroad.protocol.mime.header import Edit, Field, HeaderBlock, apply, fold, insert_at_end, insert_at_top
from postroad.protocol.mime.header import remove as remove_edit
from postroad.protocol.mime.header import replace as replace_edit
from postroad.protocol.mime.mailbox import ListFault, parse_address_list, without_comments
from postroad.protocol.mime.message_id import is_message_id, make_message_id

OPTION_PREFIXES = (b"x-ov-", b"x-mailgun-")
OPTION_DOCUMENTS = (b"x-msys-api", b"x-smtpapi")
"""Fields that are instructions to us, whichever platform the client was written for."""
VARIABLES_HEADER = "X-OV-Variables"
_VARIABLES = VARIABLES_HEADER.lower().encode()
IDENTIFIER_HEADER = "X-Postroad-ID"
IDENTIFIER_PURPOSE = "message"
MAX_RECEIVED = 50

_HOST_TOKEN = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.IPv]{1,64}\]")
# Four fields between colons, the last of 5 to 15 characters naming the sender: the form that feedback loops read.
_FEEDBACK_ID = re.compile(rb"(?:[^:\x00-\x1f]*:){3}[^:\x00-\x20]{5,15}")
_FEEDBACK_SENDER = "postroad"
# RFC 2369 §3, RFC 2919 §3, RFC 8058 §3.1
_LIST_FIELDS = frozenset(
    b"list-" + name
    for name in (b"help", b"subscribe", b"unsubscribe", b"unsubscribe-post", b"post", b"owner", b"archive", b"id")
)


def is_option(name: bytes) -> bool:
    """Whether a field (its name in lower case) is an instruction to us and not part of the message."""
    return name.startswith(OPTION_PREFIXES) or name in OPTION_DOCUMENTS


class HeaderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules need to know of a submission and of the installation."""

    sending_domain: str
    domain_id: int
    account_id: int
    hostname: str
    message_id: int
    now: int
    identifier_key: bytes
    organisational_domain_of: OrganisationalDomainOf
    client: ClientFacts
    shows_client_address: bool = False
    variables: Mapping[str, Any] = {}
    """The message's own variables, which it leaves with whatever header they came by."""


class HeaderEdits:
    """Gathers the edits of one header block, with a remark on each for the message's story."""

    def __init__(self, block: HeaderBlock) -> None:
        self.block = block
        self.notes: list[str] = []
        self.message_id = ""
        """The Message-ID that the content will have."""
        self.has_own_message_id = False
        """The client wrote it."""
        self._edits: list[Edit] = []

    def add(self, name: str, value: str) -> None:
        """Put a field below the last one."""
        self._edits.append(insert_at_end(self.block, f"{name}: {value}\r\n".encode()))
        self.notes.append(f"added {name}")

    def add_written(self, name: str, raw: bytes) -> None:
        """Put a field, written out, below the last one."""
        self._edits.append(insert_at_end(self.block, raw))
        self.notes.append(f"added {name}")

    def add_on_top(self, name: str, raw: bytes) -> None:
        """Put a field, written out, above the first one."""
        self._edits.append(insert_at_top(raw))
        self.notes.append(f"added {name}")

    def replace(self, field: Field, name: str, value: str) -> None:
        """Put another value in place of a field's."""
        self.replace_written(field, name, f"{name}: {value}\r\n".encode())

    def replace_written(self, field: Field, name: str, raw: bytes) -> None:
        """Put a field, written out, in place of another."""
        self._edits.append(replace_edit(field, raw))
        self.notes.append(f"replaced {name}")

    def remove(self, field: Field, why: str = "") -> None:
        """Take a field out."""
        self._edits.append(remove_edit(field))
        name = self.block.content[field.start : field.colon].decode("ascii")
        self.notes.append(f"removed {name}{f' ({why})' if why else ''}")

    def keep_first(self, name: bytes) -> Field | None:
        """Take every field of a name out but the topmost one, which is returned."""
        found = self.block.named(name)
        for duplicate in found[1:]:
            self.remove(duplicate, "a duplicate")
        return found[0] if found else None

    def applied(self) -> bytes:
        """Return the content with the edits made."""
        return apply(self.block, self._edits)


_Rule = Callable[[HeaderEdits, HeaderFacts], None]


class HeaderRule(msgspec.Struct, frozen=True):
    """One row of the table: the fields it is about, what happens to them, and why."""

    headers: str
    fate: str
    why: str
    edit: _Rule | None = None
    """None where the field is only kept, or refused by ``policy.admission``."""


def edit_header(block: HeaderBlock, facts: HeaderFacts) -> HeaderEdits:
    """Return the edits that the table asks for."""
    edits = HeaderEdits(block)
    for edit in _EDITS:
        edit(edits, facts)
    return edits


def _received(edits: HeaderEdits, facts: HeaderFacts) -> None:
    # RFC 5321 §4.4 asks for the client in "from"; it names people's home addresses, so it is left out by default.
    client = facts.client
    words: list[str] = []
    if facts.shows_client_address:
        greeting = client.greeting if _HOST_TOKEN.fullmatch(client.greeting) else "unknown"
        address = f"IPv6:{client.address}" if ":" in client.address else client.address
        words += ["from", greeting, f"([{address}])"]
    words += ["by", facts.hostname, "(Postroad)", "with", client.protocol]
    if client.tls_version and _HOST_TOKEN.fullmatch(client.tls_version):
        words.append(f"(using {client.tls_version})")
    words += ["id", f"{text_of(facts.message_id)};", format_date(facts.now)]
    edits.add_on_top("Received", fold("Received", words))


def _date(edits: HeaderEdits, facts: HeaderFacts) -> None:
    field = edits.keep_first(b"date")
    if field is None:
        edits.add("Date", format_date(facts.now))
    elif not is_date(_text(edits.block, field)):
        edits.replace(field, "Date", format_date(facts.now))


def _message_id(edits: HeaderEdits, facts: HeaderFacts) -> None:
    field = edits.keep_first(b"message-id")
    given = _text(edits.block, field) if field else ""
    if field and is_message_id(given):
        edits.message_id = given
        edits.has_own_message_id = True
        return
    edits.message_id = make_message_id(text_of(facts.message_id).lower(), facts.sending_domain)
    if field is None:
        edits.add("Message-ID", edits.message_id)
    else:
        edits.replace(field, "Message-ID", edits.message_id)


def _sender(edits: HeaderEdits, facts: HeaderFacts) -> None:
    field = edits.keep_first(b"sender")
    if field is None:
        return
    senders = parse_address_list(edits.block.value(field))
    if isinstance(senders, ListFault) or len(senders.mailboxes) != 1 or senders.group_count:
        edits.remove(field, "not one address")
    elif not header_from_is_aligned(facts.sending_domain, senders.mailboxes[0].domain, facts.organisational_domain_of):
        edits.remove(field, "not at the sending domain")


def _mime(edits: HeaderEdits, _: HeaderFacts) -> None:
    version = edits.keep_first(b"mime-version")
    names = {field.name for field in edits.block.fields if field.name.startswith(b"content-")}
    for name in sorted(names):
        edits.keep_first(name)
    # RFC 2045 §4: without MIME-Version readers need not look at Content-* at all.
    if names and version is None:
        edits.add("MIME-Version", "1.0")
    elif version is not None and edits.block.text(version) != b"1.0" and not _is_first_version(edits.block, version):
        edits.replace(version, "MIME-Version", "1.0")


def _is_first_version(block: HeaderBlock, field: Field) -> bool:
    # RFC 2045 §4: comments may stand anywhere in it.
    return "".join(without_comments(_text(block, field)).split()) == "1.0"


def _list_fields(edits: HeaderEdits, _: HeaderFacts) -> None:
    kept: set[bytes] = set()
    for field in edits.block.fields:
        if field.name not in _LIST_FIELDS:
            continue
        # RFC 2369 §3: there is no more than one of each. What says nothing is in the way of the one that is added.
        if not edits.block.text(field):
            edits.remove(field, "empty")
        elif field.name in kept:
            edits.remove(field, "a duplicate")
        else:
            kept.add(field.name)


def _keep_first(*names: bytes) -> _Rule:
    def edit(edits: HeaderEdits, _: HeaderFacts) -> None:
        for name in names:
            edits.keep_first(name)

    return edit


def _remove_all(*names: bytes) -> _Rule:
    def edit(edits: HeaderEdits, _: HeaderFacts) -> None:
        for name in names:
            for field in edits.block.named(name):
                edits.remove(field)

    return edit


def _dkim_signature(edits: HeaderEdits, facts: HeaderFacts) -> None:
    for field in edits.block.named(b"dkim-signature"):
        tags = parse_tags(edits.block.value(field).decode("utf-8", "replace")) or {}
        if tags.get("d", "").lower() == facts.sending_domain:
            edits.remove(field, "this domain is signed for here")


def _authentication_results(edits: HeaderEdits, facts: HeaderFacts) -> None:
    # RFC 8601 §5: a field that claims to be of this host and is not would be believed.
    for field in edits.block.named(b"authentication-results"):
        words = without_comments(_text(edits.block, field)).partition(";")[0].split()
        if words and words[0].strip('"').lower() == facts.hostname.lower():
            edits.remove(field, "it claims to be ours")


def _travels(variables: bytes) -> bool:
    """Whether a field's JSON is read as it was meant, and by hosts without SMTPUTF8."""
    # Unfolding leaves the TAB (RFC 5322 §2.2.3), and in a text it is no JSON to whoever reads the message.
    return variables.isascii() and b"\r\n\t" not in variables


def _options(edits: HeaderEdits, facts: HeaderFacts) -> None:
    for field in edits.block.fields:
        if is_option(field.name) and field.name != _VARIABLES:
            edits.remove(field)
    kept = edits.block.first(_VARIABLES)
    if kept is not None and not _travels(edits.block.raw(kept)):
        edits.replace_written(kept, VARIABLES_HEADER, json_field(VARIABLES_HEADER, facts.variables))
    elif kept is None and facts.variables:
        edits.add_written(VARIABLES_HEADER, json_field(VARIABLES_HEADER, facts.variables))


def _feedback_id(edits: HeaderEdits, facts: HeaderFacts) -> None:
    field = edits.keep_first(b"feedback-id")
    made = f"{facts.client.channel}:{facts.domain_id}:{facts.account_id}:{_FEEDBACK_SENDER}"
    if field is None:
        edits.add("Feedback-ID", made)
    elif not _FEEDBACK_ID.fullmatch(edits.block.text(field)):
        edits.replace(field, "Feedback-ID", made)


def _identifier(edits: HeaderEdits, facts: HeaderFacts) -> None:
    for field in edits.block.named(IDENTIFIER_HEADER.lower().encode()):
        edits.remove(field)
    edits.add(IDENTIFIER_HEADER, sign_identifier(facts.message_id, IDENTIFIER_PURPOSE, facts.identifier_key))


def _text(block: HeaderBlock, field: Field) -> str:
    return block.text(field).decode("utf-8", "replace")


HEADER_RULES = (
    HeaderRule(
        "From",
        "refused unless there is exactly one, with exactly one address, at the sending domain or a parent of it "
        "down to the organisational domain",
        "large mailbox providers refuse mail with several, and nobody may write in another's name",
    ),
    HeaderRule("To, Cc, Subject", "refused where one stands twice; otherwise kept", "RFC 5322 §3.6 allows one each"),
    HeaderRule(
        "Received",
        f"kept; refused with 554 5.4.6 where there are more than {MAX_RECEIVED}; ours is added on top, without the "
        "client's address unless the domain's setting show_client_address is on",
        "it shows the way of the message and stops loops (RFC 5321 §6.3)",
        _received,
    ),
    HeaderRule(
        "Date", "added when missing, replaced when malformed; of several the first is kept", "RFC 5322 §3.6.1", _date
    ),
    HeaderRule(
        "Message-ID",
        "added when missing, replaced when malformed; of several the first is kept",
        "RFC 5322 §3.6.4",
        _message_id,
    ),
    HeaderRule(
        "Sender",
        "kept when it is one address aligned like From; removed otherwise; of several the first is kept",
        "it is shown to the reader, so it may not be another's",
        _sender,
    ),
    HeaderRule(
        "Reply-To, In-Reply-To, References",
        "kept; of several the first",
        "RFC 5322 §3.6 allows one each",
        _keep_first(b"reply-to", b"in-reply-to", b"references"),
    ),
    HeaderRule(
        "MIME-Version, Content-*",
        "kept; of several of a name the first; MIME-Version is added where a Content-* field stands without it, and replaced "
        "where it is not 1.0",
        "readers differ in which of several they follow (RFC 2045 §4 and §5)",
        _mime,
    ),
    HeaderRule(
        "Bcc, Resent-Bcc", "removed", "it names those who are to stay unseen (RFC 5322 §3.6.3)",
        _remove_all(b"bcc", b"resent-bcc"),
    ),
    HeaderRule(
        "Return-Path", "removed", "the delivering host writes it (RFC 5321 §4.4)", _remove_all(b"return-path")
    ),
    HeaderRule("Errors-To", "removed", "returned mail goes to the return path alone", _remove_all(b"errors-to")),
    HeaderRule(
        "DKIM-Signature",
        "removed where d= is the sending domain; kept otherwise",
        "a message leaves with one signature for its domain: the one made last",
        _dkim_signature,
    ),
    HeaderRule(
        "Authentication-Results",
        "removed where it names this host; kept otherwise",
        "RFC 8601 §5: it would pass for a judgement of ours",
        _authentication_results,
    ),
    HeaderRule("ARC-Authentication-Results, ARC-Message-Signature, ARC-Seal", "kept", "RFC 8617 §5: a chain is whole"),
    HeaderRule("Resent-*", "kept, but for Resent-Bcc", "they tell of an earlier way (RFC 5322 §3.6.6)"),
    HeaderRule(
        "List-*",
        "kept, and signed; of several of a name the first, and no empty one; List-Unsubscribe and List-Unsubscribe-Post are "
        "added on leaving, where the message or its domain offers to unsubscribe and has neither",
        "readers unsubscribe by them (RFC 2369 §3, RFC 8058 §4)",
        _list_fields,
    ),
    HeaderRule(
        "X-OV-*, X-Mailgun-*, X-MSYS-API, X-SMTPAPI",
        "removed, but for X-OV-Variables, which is kept (written anew where it holds UTF-8 or a TAB folds it), and added "
        "where another platform's header holds the variables",
        "options are for this host, not for the reader",
        _options,
    ),
    HeaderRule(
        "Feedback-ID",
        "kept where it has four fields, the last of 5 to 15 characters; replaced otherwise, added when missing: "
        f"<channel>:<domain id>:<account id>:{_FEEDBACK_SENDER}",
        "feedback loops count complaints by it",
        _feedback_id,
    ),
    HeaderRule(
        IDENTIFIER_HEADER,
        "added; one that the client wrote is removed",
        "a signed identifier of the message, by which a complaint is matched whose addresses were removed",
        _identifier,
    ),
    HeaderRule("every other field", "kept as it is", "what needs no change is not changed"),
)  # fmt: skip
_EDITS = tuple(rule.edit for rule in HEADER_RULES if rule.edit)


def reference_page() -> str:
    """Return the page ``docs/reference/headers.md``: the table, for people."""
    lines = [
        "# What happens to each header field",
        "",
        "Every change is an edit of the header block alone; the body stays byte for byte. What was done to a message is",
        "kept with its story (`postroad message show`). This page is made from `postroad.policy.header_rules`.",
        "",
        "| Header | What happens | Why |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {rule.headers} | {rule.fate} | {rule.why} |" for rule in HEADER_RULES]
    return "\n".join(lines).replace("<", "\\<") + "\n"
