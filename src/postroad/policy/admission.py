"""Whether a submission may be accepted, and the bytes that will be stored of it.

The checks run from what concerns the whole text to what concerns one field; the first that does not hold is told,
by its stable rule and a sentence that says what to change.
"""

import unicodedata
from datetime import UTC, datetime

import msgspec

from postroad.model.channel import NOTICE_CHANNEL
from postroad.model.credential import Principal
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.envelope import Envelope
from postroad.model.options import OptionFault, Options
from postroad.model.submission import Admitted, Rejected, Submission
from postroad.policy import quota
from postroad.policy.alignment import OrganisationalDomainOf, header_from_is_aligned
from postroad.policy.header_rules import MAX_RECEIVED, HeaderFacts, edit_header, is_option
from postroad.policy.options import HostTest, resolved, stray_variables
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, split
from postroad.protocol.mime.long_line import repair
from postroad.protocol.mime.mailbox import ListFault, Mailbox, parse_address_list
from postroad.protocol.mime.structure import Part, parse
from postroad.protocol.smtp.data import LONGEST_LINE, ContentScanner, Fault

LONGEST_SUBJECT = 255
"""Characters of a subject that are kept for people."""
_SUBJECT_OCTETS = 8192
"""More than 255 characters take in encoded words; what follows is not looked at."""
_MAX_NOTES = 40
_LONGEST_NOTE = 200
_LONGEST_SHOWN_NAME = 76
_CHUNK = 256 * 1024
_MOST_SHOWN = 3
"""Addresses that a refusal names: a reply line has its bounds."""

RULES: dict[str, tuple[str, str]] = {
    "reverse_path_null": ("5.7.1", "MAIL FROM is the null path"),
    "reverse_path_not_at_domain": ("5.7.1", "MAIL FROM is not at exactly the sending domain"),
    "domain_not_active": ("5.7.1", "the sending domain is not verified, or was stopped"),
    "domain_paused": ("4.7.1", "the sending domain is paused, by hand or because too much of its mail bounced"),
    "message_too_large": ("5.3.4", "the message is larger than the installation accepts"),
    "bare_cr": ("5.6.0", "a CR stands without LF"),
    "bare_lf": ("5.6.0", "a LF stands without CR"),
    "nul_octet": ("5.6.0", "a NUL octet"),
    "line_too_long": ("5.6.0", f"a line of more than {LONGEST_LINE} octets"),
    "header_block_too_large": ("5.6.0", "the header block is larger than 256 KB"),
    "too_many_header_fields": ("5.6.0", "the header block has more than 1,000 fields"),
    "header_begins_folded": ("5.6.0", "the first header line begins with white space"),
    "header_line_not_ended": ("5.6.0", "a header line does not end with CRLF"),
    "header_bare_cr_or_lf": ("5.6.0", "a CR or LF alone within the header block"),
    "header_space_before_colon": ("5.6.0", "white space between a field's name and its colon"),
    "header_line_without_colon": ("5.6.0", "a header line without a colon"),
    "header_name_empty": ("5.6.0", "a field without a name"),
    "header_name_invalid": ("5.6.0", "a field name with characters other than printable ASCII"),
    "header_not_ascii": ("5.6.0", "octets beyond ASCII in the header block, option headers aside, without SMTPUTF8"),
    "header_not_utf8": ("5.6.0", "octets in the header block that are not UTF-8"),
    "too_many_received": ("5.4.6", f"more than {MAX_RECEIVED} Received fields: the message goes in circles"),
    "header_from_missing": ("5.7.1", "there is no From field"),
    "header_from_duplicate": ("5.7.1", "there are several From fields"),
    "header_from_malformed": ("5.7.1", "From cannot be read as an address"),
    "header_from_not_single": ("5.7.1", "From has no address, several, or a group"),
    "header_from_not_aligned": ("5.7.1", "From is not at the sending domain or a parent of it"),
    "header_from_not_allowed": ("5.7.1", "From is none of the addresses that the SMTP user may use"),
    "header_to_duplicate": ("5.6.0", "there are several To fields"),
    "header_cc_duplicate": ("5.6.0", "there are several Cc fields"),
    "call_malformed": ("5.6.0", "a call of an HTTP API whose parameters are not understood, or not all there"),
    "option_malformed": ("5.6.0", "an option header whose value is not understood"),
    "idempotency_key_reused": (
        "5.6.0",
        "the idempotency key was used for the same recipient within the window, with another content",
    ),
    "call_key_reused": ("5.6.0", "the idempotency key of a call was used for another call within its window"),
    "template_unknown": (
        "5.6.0",
        "the sending domain has no template, or no version of it, of the name that was asked for",
    ),
    "template_failed": ("5.6.0", "the template cannot be rendered with the message's data"),
    "header_subject_duplicate": ("5.6.0", "there are several Subject fields"),
}
"""Every rule by its stable name: its enhanced status code, and what it refuses."""


class AdmissionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What admission needs to know besides the submission."""

    domain: SendingDomain
    hostname: str
    """The name of this installation, as its Received fields give it."""
    message_id: int
    now: int
    identifier_key: bytes
    organisational_domain_of: OrganisationalDomainOf
    max_size: int = 25 * 1024 * 1024
    is_private_host: HostTest | None = None
    """Tells the hosts that callbacks must not lead to; None lets them lead anywhere."""
    faults: Fault | None = None
    """What a scan of the content in chunks has shown; None has it scanned here."""


def admit(submission: Submission, facts: AdmissionFacts) -> Admitted | Rejected:
    """Decide on one submission; a pure function, which may run off the loop for large content."""
    refusal = (
        _domain_refusal(facts.domain)
        or check_reverse_path(submission.principal, submission.envelope.reverse_path)
        or _size_refusal(submission.content, facts.max_size)
    )
    if refusal:
        return refusal
    notes: list[str] = []
    content = _sound_content(submission.content, facts, notes)
    if isinstance(content, Rejected):
        return content
    is_read = submission.block is not None and content is submission.content
    block = submission.block if is_read and submission.block is not None else split(content)
    if isinstance(block, HeaderFault):
        return _rejected(block.rule, block.text)
    refusal = _charset_refusal(block, is_utf8=submission.envelope.is_utf8) or _count_refusal(block)
    if refusal:
        return refusal
    header_from = _header_from(block, facts)
    if isinstance(header_from, Rejected):
        return header_from
    refusal = _allowance_refusal(submission.principal, header_from)
    if refusal:
        return refusal
    options = _options(submission, facts)
    if isinstance(options, Rejected):
        return options
    notes += submission.option_notes
    stray = stray_variables(options, (one.forward_path for one in submission.envelope.recipients))
    notes += [stray] if stray else []
    return _admitted(submission, facts, block, header_from=header_from, options=options, notes=notes)


def check_reverse_path(principal: Principal, path: str) -> Rejected | None:
    """Refuse a reverse path that is not at exactly the principal's sending domain."""
    domain = principal.sending_domain
    if not path:
        return _rejected("reverse_path_null", f"The null sender <> is not for submission; use an address at {domain}.")
    if path.rpartition("@")[2] != domain:
        return _rejected(
            "reverse_path_not_at_domain", f"MAIL FROM must be at {domain}, the sending domain of this SMTP user."
        )
    return None


def _rejected(rule: str, text: str) -> Rejected:
    return Rejected(rule, RULES[rule][0], text)


def _domain_refusal(domain: SendingDomain) -> Rejected | None:
    if domain.state is DomainState.ACTIVE:
        return None
    what = {
        DomainState.VETTING: "waits for the operator's approval",
        DomainState.REJECTED: "was rejected by the operator",
        DomainState.UNVERIFIED: "is not verified: publish its DNS records and verify it",
        DomainState.DISABLED: "is disabled: ask the operator to enable it",
    }[domain.state]
    return _rejected("domain_not_active", f"The sending domain {domain.name} {what}.")


def domain_for(domain: SendingDomain, channel: str) -> SendingDomain:
    """Return a sending domain with the settings that hold for what comes by a channel.

    What the installation itself writes may hold a link that is worth a password, and may be what tells of a pause: it is
    neither tracked, kept nor counted, and leaves in every case.
    """
    if channel != NOTICE_CHANNEL:
        return domain
    settings = DomainSettings(
        require_tls=domain.settings.require_tls,
        bounce_mail=domain.settings.bounce_mail,
        is_transactional=True,
        deduplicate_minutes=0,
    )
    return msgspec.structs.replace(domain, settings=settings, paused_at=None)


def pause_refusal(domain: SendingDomain) -> Rejected | None:
    """Refuse new mail of a domain that is paused; what repeats mail of before the pause is none."""
    if domain.paused_at is None:
        return None
    since = datetime.fromtimestamp(domain.paused_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
    text = f"The sending domain {domain.name} is paused since {since} UTC; an admin of its account sees why and resumes it."
    return _rejected("domain_paused", text)


def _size_refusal(content: bytes, max_size: int) -> Rejected | None:
    if len(content) <= max_size:
        return None
    return _rejected("message_too_large", f"The message has {len(content)} octets; at most {max_size} are accepted.")


def _sound_content(content: bytes, facts: AdmissionFacts, notes: list[str]) -> bytes | Rejected:
    """Return the content with sound octets and a last line that ends, mending long lines where the domain allows."""
    faults = _faults(content) if facts.faults is None else facts.faults
    # RFC 5322 §2.3: CR and LF stand only together, in lines of at most 998 octets.
    if Fault.BARE_CR in faults:
        return _rejected("bare_cr", "The message has a CR without LF; end every line with CRLF.")
    if Fault.BARE_LF in faults:
        return _rejected("bare_lf", "The message has a LF without CR; end every line with CRLF.")
    if Fault.NUL in faults:
        return _rejected("nul_octet", "The message has a NUL octet; encode binary parts as base64.")
    if Fault.LONG_LINE in faults:
        repaired = repair(content) if facts.domain.settings.repair_long_lines else None
        if repaired is None:
            return _long_line_refusal(content, is_allowed=facts.domain.settings.repair_long_lines)
        content = repaired
        notes.append("re-encoded a part with lines over 998 octets")
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
        notes.append("added the last line end")
    return content


def _faults(content: bytes) -> Fault:
    """Scan the content, a large one in chunks: in a thread of its own it then does not hold up the others."""
    scanner = ContentScanner()
    for at in range(0, len(content), _CHUNK):
        scanner.feed(content[at : at + _CHUNK])
    return scanner.faults


def _long_line_refusal(content: bytes, *, is_allowed: bool) -> Rejected:
    block = split(content)
    fields = () if isinstance(block, HeaderFault) else block.fields
    for field in fields:
        if max(map(len, content[field.start : field.end].split(b"\r\n"))) > LONGEST_LINE:
            name = content[field.start : field.colon][:_LONGEST_SHOWN_NAME].decode("ascii")
            how = (
                "at a space (in JSON, between two values): end the line there and begin the next one with that space"
                if is_option(field.name)
                else "at a space, or shorten it"
            )
            return _rejected(
                "line_too_long", f"The header {name} has a line of more than {LONGEST_LINE} octets; fold it {how}."
            )
    advice = (
        "it stands where it cannot be re-encoded, so encode the part as quoted-printable or base64"
        if is_allowed
        else "encode the part as quoted-printable or base64"
    )
    return _rejected("line_too_long", f"A line has more than {LONGEST_LINE} octets; {advice}.")


def _charset_refusal(block: HeaderBlock, *, is_utf8: bool) -> Rejected | None:
    if block.is_ascii:
        return None
    # Options are taken out, or written anew in ASCII: the message leaves without their UTF-8.
    if not is_utf8 and not all(block.raw(field).isascii() for field in block.fields if not is_option(field.name)):
        return _rejected(
            "header_not_ascii",
            "The header has characters beyond ASCII; write them as encoded words (RFC 2047), "
            "or say SMTPUTF8 in MAIL FROM.",
        )
    try:
        block.content[: block.end].decode("utf-8")
    except UnicodeDecodeError:
        return _rejected("header_not_utf8", "The header has octets that are not UTF-8 (RFC 6532); write it in UTF-8.")
    return None


def _count_refusal(block: HeaderBlock) -> Rejected | None:
    """Refuse what stands too often, From aside."""
    # RFC 5321 §6.3: a large number of Received fields shows a loop.
    received = len(block.named(b"received"))
    if received > MAX_RECEIVED:
        return _rejected(
            "too_many_received", f"The message has {received} Received fields; it seems to go round in a loop."
        )
    for name in ("To", "Cc", "Subject"):
        count = len(block.named(name.lower().encode()))
        if count > 1:
            advice = "keep one" if name == "Subject" else "put all addresses into one, with commas between"
            return _rejected(f"header_{name.lower()}_duplicate", f"The message has {count} {name} headers; {advice}.")
    return None


def _header_from(block: HeaderBlock, facts: AdmissionFacts) -> Mailbox | Rejected:
    """Return the one address of the one From field, if it may be used."""
    sending_domain = facts.domain.name
    fields = block.named(b"from")
    if not fields:
        return _rejected("header_from_missing", f"The message has no From header; add one at {sending_domain}.")
    if len(fields) > 1:
        return _rejected("header_from_duplicate", f"The message has {len(fields)} From headers; keep one.")
    addresses = parse_address_list(block.value(fields[0]))
    if isinstance(addresses, ListFault):
        return _rejected("header_from_malformed", f"The From header {addresses.text}.")
    if len(addresses.mailboxes) != 1 or addresses.group_count:
        return _rejected("header_from_not_single", "The From header must have exactly one address, and no group.")
    mailbox = addresses.mailboxes[0]
    if not header_from_is_aligned(sending_domain, mailbox.domain, facts.organisational_domain_of):
        return _rejected(
            "header_from_not_aligned",
            f"The From header is at {mailbox.domain}; it must be at {sending_domain} or a parent of it, "
            f"down to {facts.organisational_domain_of(sending_domain) or sending_domain}.",
        )
    return mailbox


def _allowance_refusal(principal: Principal, header_from: Mailbox) -> Rejected | None:
    """Refuse a From that is not among those that the credential is restricted to."""
    allowed = principal.allowed_from
    # Case counts in local parts by the letter of RFC 5321 §2.4, and for nobody who writes down an address.
    address = header_from.address.lower()
    if not allowed or address in allowed or f"@{header_from.domain}" in allowed:
        return None
    # Nor do two spellings of a letter that look the same.
    if not address.isascii() and unicodedata.normalize("NFC", address) in allowed:
        return None
    return _rejected(
        "header_from_not_allowed",
        f"The From header has {header_from.address}; the SMTP user {principal.username} may use {_shown(allowed)}.",
    )


def _shown(allowed: tuple[str, ...]) -> str:
    first = " or ".join(allowed[:_MOST_SHOWN])
    return first if len(allowed) <= _MOST_SHOWN else f"{first}, or {len(allowed) - _MOST_SHOWN} others"


def _options(submission: Submission, facts: AdmissionFacts) -> Options | Rejected:
    """Return the options as they hold for the message, if all of them are understood."""
    asked = submission.options
    if isinstance(asked, OptionFault):
        found: Options | OptionFault = asked
    else:
        found = resolved(
            asked,
            facts.domain.settings,
            facts.now,
            sources=submission.option_sources,
            is_private_host=facts.is_private_host,
        )
    return _rejected("option_malformed", f"{found.name} {found.text}.") if isinstance(found, OptionFault) else found


def _admitted(
    submission: Submission,
    facts: AdmissionFacts,
    block: HeaderBlock,
    *,
    header_from: Mailbox,
    options: Options,
    notes: list[str],
) -> Admitted:
    edits = edit_header(
        block,
        HeaderFacts(
            sending_domain=facts.domain.name,
            domain_id=facts.domain.id,
            account_id=facts.domain.account_id,
            hostname=facts.hostname,
            message_id=facts.message_id,
            now=facts.now,
            identifier_key=facts.identifier_key,
            organisational_domain_of=facts.organisational_domain_of,
            client=submission.client,
            shows_client_address=facts.domain.settings.show_client_address,
            variables=options.variables,
        ),
    )
    content = edits.applied()
    if not submission.envelope.is_eight_bit and not content.isascii():
        notes.append("8-bit content without BODY=8BITMIME")
    return Admitted(
        content=content,
        header_from=header_from.address,
        subject=shown_subject(submission, block),
        message_id_header=edits.message_id,
        has_own_message_id=edits.has_own_message_id,
        is_utf8=submission.envelope.is_utf8 and _needs_utf8(submission.envelope, content),
        options=options,
        edits=_told(notes + edits.notes),
    )


def shown_subject(submission: Submission, block: HeaderBlock) -> str:
    """Return the subject as people are shown it: as the client wrote it, where the header has something else."""
    return subject_of(block) if submission.subject is None else submission.subject[:LONGEST_SUBJECT]


def subject_of(block: HeaderBlock) -> str:
    """Return the subject, decoded, as much of it as is kept; empty where there is none."""
    subject = block.first(b"subject")
    return decode(block.value(subject)[:_SUBJECT_OCTETS])[:LONGEST_SUBJECT] if subject else ""


def _needs_utf8(envelope: Envelope, content: bytes) -> bool:
    """Whether an address, or a header of the message or of one of its parts, is beyond ASCII (RFC 6531 §3.4)."""
    paths = [envelope.reverse_path]
    for recipient in envelope.recipients:
        paths += (recipient.forward_path, recipient.original_recipient or "")
    if not all(map(str.isascii, paths)):
        return True
    if content.isascii():
        return False
    root = parse(content)
    return isinstance(root, HeaderFault) or _has_utf8_header(root)


def _has_utf8_header(part: Part) -> bool:
    return not part.block.is_ascii or any(map(_has_utf8_header, part.children))


def _short(note: str) -> str:
    """Return a remark as a line of a story holds it; names that a client chose may be in it, and each recipient has a copy."""
    cut = note if len(note) <= _LONGEST_NOTE else f"{note[:_LONGEST_NOTE]}…"
    return (
        cut if cut.isprintable() else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in cut)
    )


def _told(notes: list[str]) -> tuple[str, ...]:
    """Return each remark once, and no more than belong into an event."""
    distinct = list(dict.fromkeys(map(_short, notes)))
    left_out = len(distinct) - _MAX_NOTES
    return (*distinct[:_MAX_NOTES], f"and {left_out} more edits") if left_out > 0 else tuple(distinct)


def reference_page() -> str:
    """Return the page ``docs/reference/refusals.md``: every rule, for people."""
    lines = [
        "# Why a message is refused",
        "",
        "A refusal has a rule with a stable name, which events and metrics carry, a status code (RFC 3463), and a sentence",
        "in the reply that says what to change. This page is made from `postroad.policy.admission`.",
        "",
        "| Rule | Status | Refused |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{name}` | {status} | {what} |" for name, (status, what) in (RULES | quota.RULES).items()]
    return "\n".join(lines) + "\n"
