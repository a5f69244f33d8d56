"""SparkPost's sending call, ``transmissions``, as the submissions that it asks for.

Each recipient gets a copy of its own, whose To says the recipient alone, or what ``header_to`` says. Recipients whose To
is their own make one message, as do those who share one To. What else decides more than what a copy says (another tag,
return path or sender, other names in the metadata, a recipient who is there twice) makes messages of their own.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.call import Call, envelope_for
from postroad.dialects.headers.submission import Read
from postroad.dialects.headers.submission import read_options as read_option_headers
from postroad.dialects.headers.values import OptionValueError, check_tag_count
from postroad.dialects.sparkpost.content import Content, Correspondent, read_content, whole_octets
from postroad.dialects.sparkpost.copies import Copies, Segment, address_of, as_written, data_of, metadata_differ
from postroad.dialects.sparkpost.errors import NO_RECIPIENT, Fault, Refusal, faulty, malformed, wrong_syntax
from postroad.dialects.sparkpost.fields import Reading
from postroad.dialects.sparkpost.recipients import Recipient, Recipients, read_recipients
from postroad.dialects.sparkpost.settings import Settings, read_settings
from postroad.dialects.sparkpost.substitution import Budget, Piece, SubstitutionError
from postroad.model.options import NO_OPTIONS, OnMissing, OptionFault, merged_tags
from postroad.policy.suppression import comparable
from postroad.protocol.mime.compose import address_field, unstructured
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, split
from postroad.protocol.mime.letter import Letter, compose, field
from postroad.protocol.mime.mailbox import AddressList, Mailbox, parse_address_list

_MOST_TIMES = 4
"""How many times the largest message all messages of a call may take."""
_ADDRESSES = frozenset({"cc", "sender"})
_SOURCES = {"tags": "campaign_id", "variables": "metadata", "template": "content.template_id"}


class Transmission(msgspec.Struct, frozen=True, kw_only=True):
    """What a call asks for."""

    calls: tuple[Call, ...]
    accepted: int
    rejected: int
    recipient_faults: tuple[Fault, ...]
    """What is wrong with the recipients that are left out."""


def read_document(body: bytes) -> Mapping[str, Any] | Refusal:
    """Read the JSON of a call."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return faulty([malformed(f"the body is not JSON: {error}"[:200])])
    if not isinstance(document, dict):
        return faulty([malformed("the body must be a JSON object")])
    return document


def sender_domain(document: Mapping[str, Any]) -> str | None:
    """Return the domain of a call's From, for a key that is not of one sending domain; None where it cannot be read."""
    content, override = document.get("content"), document.get("override")
    content = content if isinstance(content, dict) else {}
    whole = content.get("email_rfc822")
    if isinstance(whole, str):
        found = _author_in(split(whole_octets(whole)))
        return None if found is None else found.domain
    own = override.get("from") if isinstance(override, dict) else None
    value = own or content.get("from")
    value = value.get("email") if isinstance(value, dict) else value
    listed = parse_address_list(value.encode("utf-8", "replace")) if isinstance(value, str) else None
    return listed.mailboxes[0].domain if isinstance(listed, AddressList) and listed.mailboxes else None


def _author_in(block: HeaderBlock | HeaderFault) -> Mailbox | None:
    field = None if isinstance(block, HeaderFault) else block.first(b"from")
    if field is None or isinstance(block, HeaderFault):
        return None
    listed = parse_address_list(block.value(field))
    return listed.mailboxes[0] if isinstance(listed, AddressList) and listed.mailboxes else None


def read_transmission(document: Mapping[str, Any], domain: str, *, largest: int) -> Transmission | Refusal:
    """Read a call: returns the messages that it makes, or all that is wrong with it.

    Args:
        document: The JSON.
        domain: The sending domain.
        largest: How many octets a message may have; a call makes no more than a few times as much of messages that
            hold the same.
    """
    reading = Reading()
    settings = read_settings(document, reading)
    content = read_content(document, reading, substitutes=settings.substitutes)
    recipients = read_recipients(document, reading)
    asked = _options_in(content, reading)
    if not recipients.found and not reading.faults:
        reading.faults.append(NO_RECIPIENT)
    if reading.faults:
        return faulty(reading.faults, recipients.faults)
    try:
        groups = _groups(recipients, content, settings)
        octets = content.octets * len(groups)
        if octets > _MOST_TIMES * largest or content.octets > largest:
            return Refusal(413, (_too_large(octets, len(groups), largest),))
        maker = _Maker(
            content=content,
            settings=settings,
            asked=asked,
            domain=domain,
            notes=tuple(dict.fromkeys(reading.notes)),
            budget=Budget(),
        )
        calls = tuple(maker.call(group, number) for number, group in enumerate(groups))
    except SubstitutionError as error:
        return faulty([wrong_syntax("content", error.line, error.sentence)])
    except _UnfitError as error:
        return faulty([malformed(str(error))])
    return Transmission(
        calls=calls,
        accepted=len(recipients.found),
        rejected=recipients.rejected,
        recipient_faults=tuple(recipients.faults),
    )


class _UnfitError(Exception):
    """What the substitutions come to is no value for its place."""


class _Group(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients who make one message."""

    members: list[Recipient]
    author: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    is_shown_alone: bool
    return_path: str | None


def _too_large(octets: int, count: int, largest: int) -> Fault:
    return malformed(
        f"the {count} message{'' if count == 1 else 's'} that this call makes have about {octets:,} octets; at most "
        f"{_MOST_TIMES * largest:,} are possible, and {largest:,} for each"
    )


def _options_in(content: Content, reading: Reading) -> Read:
    """Return what those of the header fields ask for that are options."""
    place, raw = "content.email_rfc822: ", content.whole
    if raw is None:
        place = "content.headers."
        raw = b"".join(f"{name}: {value}\r\n".encode() for name, value in content.option_headers) + b"\r\n"
    block = split(raw)
    asked = Read(NO_OPTIONS) if isinstance(block, HeaderFault) else read_option_headers(block)
    if isinstance(asked, OptionFault):
        reading.wrong(f"{place}{asked.name} {asked.text}")
        return Read(NO_OPTIONS)
    return asked


def _groups(recipients: Recipients, content: Content, settings: Settings) -> list[_Group]:
    """Sort recipients by the message that they get copies of."""
    groups: dict[Any, _Group] = {}
    times: defaultdict[str, int] = defaultdict(int)
    shared = Counter(one.to for one in recipients.found)
    senders = _Senders(content, settings)
    for one in recipients.found:
        address = comparable(one.mailbox.address)
        # Who is written to twice gets two messages.
        times[address] += 1
        is_alone = one.is_shown_alone and shared[one.to] == 1
        author, reply_to = senders.of(one)
        return_path = one.return_path or settings.return_path
        key = (
            times[address],
            () if is_alone or content.whole is not None else one.to,
            author,
            reply_to,
            return_path,
            one.tags,
            tuple(sorted(one.metadata)) if one.metadata else (),
        )
        group = groups.get(key)
        if group is None:
            groups[key] = group = _Group(
                members=[], author=author, reply_to=reply_to, is_shown_alone=is_alone, return_path=return_path
            )
        group.members.append(one)
    return list(groups.values())


class _Senders:
    """Who each copy is from, and whom it is answered to: mostly the same for all."""

    def __init__(self, content: Content, settings: Settings) -> None:
        self._content = content
        self._shared = (settings.metadata, settings.data)
        self._budget = Budget(steps=1_000_000, octets=10_000_000)
        self._read: dict[str, tuple[Mailbox, ...]] = {}
        self._of_whole = None if content.whole is None else _author_in(split(content.whole))

    def of(self, one: Recipient) -> tuple[Mailbox | None, tuple[Mailbox, ...]]:
        """Return From and Reply-To; raises _UnfitError and SubstitutionError."""
        author, reply_to = self._content.author, self._content.reply_to
        if author is None:
            return self._of_whole, ()
        found = self._mailboxes("from", author, one)
        if len(found) != 1:
            raise _UnfitError(f"content.from must be one address, not {len(found)}")
        return found[0], () if reply_to is None else self._mailboxes("reply_to", reply_to, one)

    def _mailboxes(self, part: str, who: Correspondent, one: Recipient) -> tuple[Mailbox, ...]:
        text = self._text(who.address, one)
        found = self._read.get(text)
        if found is None:
            reading = Reading()
            found = self._read[text] = reading.mailboxes(text, f"content.{part}")
            if reading.faults:
                raise _UnfitError(reading.faults[0].description)
        if who.name is None:
            return found
        name = self._text(who.name, one)
        return tuple(Mailbox(name, each.local_part, each.domain) for each in found)

    def _text(self, pieces: Sequence[Piece], one: Recipient) -> str:
        if len(pieces) == 1 and isinstance(pieces[0], str):
            return pieces[0]
        data = data_of(one, self._shared)
        rendered = [
            each if isinstance(each, str) else each.rendered(data, self._budget, escapes=False) for each in pieces
        ]
        return " ".join("".join(rendered).split())


class _Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Makes the messages of a call."""

    content: Content
    settings: Settings
    asked: Read
    """What the header fields ask for that are options."""
    domain: str
    notes: tuple[str, ...]
    budget: Budget

    def call(self, group: _Group, number: int) -> Call:
        """Return one message; raises SubstitutionError and _UnfitError."""
        content, settings, members = self.content, self.settings, group.members
        copies = Copies(members, (settings.metadata, settings.data), self.budget)
        subject = copies.segments(content.subject, is_line=True)
        headers = [(name, copies.segments(pieces, is_line=True)) for name, pieces in content.headers]
        texts = {name: copies.segments(pieces, escapes=name != "text") for name, pieces in content.texts.items()}
        is_personal = (
            copies.has_own_values
            or metadata_differ(members)
            or (len(members) > 1 and (content.template is not None or (group.is_shown_alone and content.whole is None)))
        )
        made = content.whole
        if made is None:
            fields = self._fields(group, copies, subject, headers, is_personal=is_personal)
            made = self._letter(fields, copies, texts, is_personal=is_personal)
        return Call(
            envelope=self._envelope(group),
            content=made,
            subject=as_written(content.subject, subject) if subject and is_personal else None,
            options=self._options(group, copies, number, is_personal=is_personal),
            option_sources={**self.asked.sources, **_SOURCES, **self.settings.sources},
            option_notes=(*self.asked.notes, *self.notes),
        )

    def _envelope(self, group: _Group) -> Any:
        recipients = []
        for one in group.members:
            name = one.to[0].display_name if one.is_shown_alone else one.mailbox.display_name
            recipients.append(Mailbox(name, one.mailbox.local_part, one.mailbox.domain))
        author = "" if group.author is None else group.author.address
        envelope = envelope_for(recipients, author, self.domain)
        if group.return_path is None:
            return envelope
        reading = Reading()
        found = reading.mailboxes(group.return_path, "return_path")
        if reading.faults or len(found) != 1:
            raise _UnfitError(f"return_path must be an address at {self.domain}, the sending domain")
        return msgspec.structs.replace(envelope, reverse_path=found[0].address)

    def _fields(
        self,
        group: _Group,
        copies: Copies,
        subject: Sequence[Segment],
        headers: Sequence[tuple[str, Sequence[Segment]]],
        *,
        is_personal: bool,
    ) -> list[bytes]:
        assert group.author is not None
        fields = [address_field("From", [group.author])]
        # The copies of several recipients who are each shown alone.
        is_own = is_personal and group.is_shown_alone and len(group.members) > 1
        fields.append(b"To: %recipient%\r\n" if is_own else address_field("To", group.members[0].to))
        if group.reply_to:
            fields.append(address_field("Reply-To", group.reply_to))
        if subject or self.content.template is None:
            text = copies.written(subject, is_personal=is_personal)
            fields.append(unstructured("Subject", " ".join(text.split())))
        for name, segments in headers:
            value = copies.written(segments, is_personal=is_personal).strip()
            if value:
                fields.append(_field(name, value))
        return fields

    def _letter(
        self, fields: list[bytes], copies: Copies, texts: Mapping[str, Sequence[Segment]], *, is_personal: bool
    ) -> bytes:
        written = {name: copies.written(one, is_personal=is_personal) for name, one in texts.items()}
        return compose(
            Letter(
                fields=fields,
                text=written.get("text"),
                amp=written.get("amp_html"),
                html=written.get("html"),
                inline=self.content.inline,
                attachments=self.content.attachments,
            )
        )

    def _options(self, group: _Group, copies: Copies, number: int, *, is_personal: bool) -> Any:
        base, settings, content = self.asked.options, self.settings, self.content
        given: dict[str, Any] = dict(settings.given)
        campaign = () if settings.campaign is None else (settings.campaign,)
        tags = merged_tags([*campaign, *group.members[0].tags, *base.tags])
        try:
            check_tag_count(len(tags))
        except OptionValueError as error:
            raise _UnfitError(f"campaign_id and tags: this {error}") from None
        if tags:
            given["tags"] = tags
        metadata = copies.metadata(settings.metadata, is_personal=is_personal)
        if metadata:
            given["variables"] = {**base.variables, **metadata}
        if content.template is not None:
            given["template"] = content.template
            own = {} if is_personal else {**group.members[0].data, "address": address_of(group.members[0])}
            given["template_variables"] = {**base.template_variables, **settings.data, **own}
        if is_personal:
            given["recipient_variables"] = copies.variables(for_template=content.template is not None)
            if content.whole is not None:
                given["on_missing"] = OnMissing.KEEP
        if number and base.idempotency_key is not None:
            # Each message of a call is one of its own, also where two of them go to the same address.
            given["idempotency_key"] = f"{base.idempotency_key}/{number}"
        return msgspec.structs.replace(base, **given)


def _field(name: str, value: str) -> bytes:
    if name.lower() in _ADDRESSES:
        reading = Reading()
        found = reading.mailboxes(value, f"content.headers.{name}")
        if reading.faults:
            raise _UnfitError(reading.faults[0].description)
        return address_field(name, found)
    return field(name, value)
