"""SendGrid's sending call, ``mail/send``, as the submissions that it asks for.

What differs between personalizations of one recipient each, such as substitutions, custom arguments and the subject, is
filled in for each recipient of one message when it leaves. What cannot be filled in so (several recipients who see one
another, another sender or time, other headers) makes messages of their own.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.call import Call, envelope_for
from postroad.dialects.sendgrid.errors import BAD_REQUEST, Refusal, faulty, refusal
from postroad.dialects.sendgrid.fields import Reading
from postroad.dialects.sendgrid.header import merged, options_in
from postroad.dialects.sendgrid.letter import Frame, letter_of
from postroad.dialects.sendgrid.mail import Mail, read_mail
from postroad.dialects.sendgrid.personalization import Personalization
from postroad.dialects.sendgrid.substitution import Slots, bare, placeholder
from postroad.dialects.substitution import Allowance, AllowanceError, looks_ours
from postroad.model.options import OnMissing, Options, merged_tags
from postroad.model.unsubscribe_group import MailGroup, UnsubscribeGroup
from postroad.policy.header_rules import is_option
from postroad.policy.suppression import comparable
from postroad.protocol.mime.letter import compose
from postroad.protocol.mime.mailbox import Mailbox

_FILLED_WHOLE = "x-"
_FILLED_URLS = "list-"
"""Header fields whose values, or the URLs in them, may differ within one message; others decide more than what is shown."""
_URL = re.compile(r"<([!#-;=?-~]{1,2000})>")


_MOST_TIMES = 4
"""How many times the largest message all messages of a call may take."""
_TOO_MUCH = "The substitutions of this call take too much. Use fewer or shorter names, use them less often, or in several calls."


class Part(msgspec.Struct, frozen=True):
    """One message of a call, and the number of the first personalization that it is of."""

    place: int
    call: Call


class Mailing(msgspec.Struct, frozen=True, kw_only=True):
    """What a call asks for."""

    parts: tuple[Part, ...]
    is_sandboxed: bool
    """It is checked, and nothing of it is kept."""
    batch_id: str | None
    group_id: int | None = None
    """The group that its messages are of."""
    bypasses_group: bool = False
    """They go to who left it, too."""

    def within(self, group: UnsubscribeGroup) -> "Mailing":
        """Return the mailing as one of a group."""
        marked = MailGroup(group.id, group.name, is_bypassed=self.bypasses_group)
        parts = (
            msgspec.structs.replace(
                one,
                call=msgspec.structs.replace(
                    one.call,
                    options=msgspec.structs.replace(one.call.options, group=marked),
                    option_sources={**one.call.option_sources, "group": "asm.group_id"},
                ),
            )
            for one in self.parts
        )
        return msgspec.structs.replace(self, parts=tuple(parts))


def read_call(body: bytes, domain: str, *, largest: int) -> Mailing | Refusal:
    """Read a call of ``mail/send``: returns the messages that it makes, or all that is wrong with it.

    Args:
        body: The JSON.
        domain: The sending domain.
        largest: How many octets a message may have; a call makes no more than a few times as much of messages that
            hold the same.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return faulty([BAD_REQUEST])
    if not isinstance(document, dict):
        return faulty([BAD_REQUEST])
    reading = Reading()
    mail = read_mail(document, reading)
    groups = _groups(mail)
    # Nothing is put together of what is not sound.
    if reading.faults:
        return faulty(reading.faults)
    try:
        parts = _parts(mail, groups, domain, reading, largest=largest)
    except AllowanceError:
        return refusal(413, _TOO_MUCH)
    if reading.faults:
        return faulty(reading.faults)
    if isinstance(parts, Refusal):
        return parts
    settings = mail.settings
    return Mailing(
        parts=parts,
        is_sandboxed=settings.is_sandboxed,
        batch_id=mail.batch_id,
        group_id=settings.group_id,
        bypasses_group=settings.bypasses_group,
    )


def _parts(
    mail: Mail, groups: Sequence["_Group"], domain: str, reading: Reading, *, largest: int
) -> tuple[Part, ...] | Refusal:
    """Put the messages together; what is wrong with their options are faults of the reading. Raises AllowanceError."""
    allowance = Allowance()
    drafts = [_draft(mail, group, domain, reading, allowance) for group in groups]
    if reading.faults:
        return ()
    octets = mail.octets * len(groups)
    if octets > _MOST_TIMES * largest or mail.octets > largest:
        return refusal(
            413,
            f"The messages that this call makes have about {octets} octets; at most {_MOST_TIMES * largest} are possible, and "
            f"{largest} for each. Send personalizations with several recipients in several calls.",
        )
    notes = tuple(dict.fromkeys(reading.notes))
    return tuple(Part(one.place, _composed(one, notes, number)) for number, one in enumerate(drafts))


class _Group(msgspec.Struct, frozen=True, kw_only=True):
    """Personalizations that make one message."""

    members: list[Personalization]
    author: Mailbox
    send_at: int | None
    headers: list[Mapping[str, str]]
    """Of each member, those of the call among them."""
    arguments: list[Mapping[str, str]]


class _Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A message before it is put together."""

    place: int
    frame: Frame
    recipients: Sequence[Mailbox]
    domain: str
    options: Options
    sources: Mapping[str, str]
    notes: tuple[str, ...]


def _groups(mail: Mail) -> list[_Group]:
    """Sort personalizations by the message that they are of."""
    groups: dict[Any, _Group] = {}
    times: defaultdict[str, int] = defaultdict(int)
    has_shared_headers = bool(mail.headers)
    for one in mail.personalizations:
        author = one.author or mail.author
        if author is None:
            continue
        headers = merged(mail.headers, one.headers) if has_shared_headers or one.headers else one.headers
        arguments = {**mail.arguments, **one.arguments} if mail.arguments else one.arguments
        send_at = one.send_at if one.send_at is not None else mail.send_at
        key: Any = one.number
        if one.is_for_one:
            address = comparable(one.to[0].address)
            # Who is written to twice gets two messages.
            times[address] += 1
            key = (
                times[address],
                author,
                send_at,
                _fixed(headers) if headers else (),
                tuple(sorted(arguments)),
                tuple(sorted(one.substitutions)),
                one.data is None,
            )
        group = groups.get(key)
        if group is None:
            group = _Group(members=[], author=author, send_at=send_at, headers=[], arguments=[])
            groups[key] = group
        group.members.append(one)
        group.headers.append(headers)
        group.arguments.append(arguments)
    return list(groups.values())


def _fixed(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what of header fields has to be the same within one message."""
    return tuple(sorted((name, _shape(name, value)) for name, value in headers.items()))


def _shape(name: str, value: str) -> str:
    """Return a field without what is filled in."""
    lower = name.lower()
    if lower.startswith(_FILLED_URLS):
        return _URL.sub("<>", value)
    return "" if lower.startswith(_FILLED_WHOLE) and not is_option(lower.encode()) else value


def _with_slots(name: str, value: str, slots: Slots) -> str:
    """Return a field with placeholders for what is filled in."""
    if not name.lower().startswith(_FILLED_URLS):
        return placeholder(slots.of("header", f"{name}:0"))
    numbers = itertools.count()
    return _URL.sub(lambda _: f"<{placeholder(slots.of('header', f'{name}:{next(numbers)}'))}>", value)


def _values(name: str, value: str) -> list[str]:
    """Return what is filled in for ``_with_slots``."""
    return _URL.findall(value) if name.lower().startswith(_FILLED_URLS) else [value]


def _draft(mail: Mail, group: _Group, domain: str, reading: Reading, allowance: Allowance) -> _Draft:
    own = Reading()
    asked = options_in(group.headers[0].items(), own)
    reading.faults += own.faults
    slots = Slots()
    is_batch = len(group.members) > 1
    arguments = _arguments(group, slots) if is_batch else dict(group.arguments[0])
    frame = _frame(mail, group, slots, allowance)
    given: dict[str, Any] = dict(mail.settings.given)
    sources = {**asked.sources, **mail.settings.sources}
    for option, value, source in (
        ("tags", merged_tags([*asked.options.tags, *mail.tags]) if mail.tags else (), "categories"),
        ("variables", {**asked.options.variables, **arguments} if arguments else {}, "custom_args"),
        ("template", mail.template, "template_id"),
        ("deliver_at", None if group.send_at is None else group.send_at * 1000, "send_at"),
        ("batch_id", mail.batch_id, "batch_id"),
    ):
        if value:
            given[option] = value
            sources[option] = source
    own_values = _own_values(mail, group, slots, frame) if is_batch else None
    if own_values is not None:
        given |= {"recipient_variables": own_values, "on_missing": OnMissing.KEEP}
    elif mail.template is not None:
        given["template_variables"] = {**asked.options.template_variables, **_data(group.members[0])}
    return _Draft(
        place=group.members[0].number,
        frame=frame,
        recipients=[each for one in group.members for each in one.recipients],
        domain=domain,
        options=msgspec.structs.replace(asked.options, **given),
        sources=sources,
        notes=asked.notes,
    )


def _frame(mail: Mail, group: _Group, slots: Slots, allowance: Allowance) -> Frame:
    first = group.members[0]
    headers: list[tuple[str, str]] = []
    for name, value in group.headers[0].items():
        if is_option(name.lower().encode()):
            continue
        varies = len(group.members) > 1 and (looks_ours(value) or any(one[name] != value for one in group.headers))
        headers.append((name, _with_slots(name, value, slots) if varies else value))
    subjects = {one.subject or mail.subject for one in group.members}
    return Frame(
        mail=mail,
        author=group.author,
        headers=headers,
        is_batch=len(group.members) > 1,
        has_own_subjects=len(subjects) > 1,
        first=first,
        slots=slots,
        allowance=allowance,
    )


def _arguments(group: _Group, slots: Slots) -> dict[str, str]:
    """Return the custom arguments, those that differ as placeholders."""
    found: dict[str, str] = {}
    for name, value in group.arguments[0].items():
        varies = looks_ours(value) or any(one[name] != value for one in group.arguments)
        found[name] = placeholder(slots.of("arg", name)) if varies else value
    return found


def _own_values(mail: Mail, group: _Group, slots: Slots, frame: Frame) -> dict[str, dict[str, Any]]:
    """Return what is filled in for each recipient, by address."""
    first = group.members[0]
    varying_arguments = [
        (name, slots.of("arg", name))
        for name, value in group.arguments[0].items()
        if looks_ours(value) or any(one[name] != value for one in group.arguments)
    ]
    varying_headers = [
        name for (name, written), value in zip(frame.headers, _plain(group.headers[0]), strict=True) if written != value
    ]
    substitutions = [(key, slots.of("substitution", key)) for key in first.substitutions]
    # What is held of constants is known once everything that may hold some was looked at.
    frame.texts()
    frame.subject()
    frame.replies_to()
    found: dict[str, dict[str, Any]] = {}
    for place, one in enumerate(group.members):
        values: dict[str, Any] = dict(_data(one)) if mail.template is not None else {}
        for key, name in substitutions:
            values[name] = frame.with_sections(one.substitutions[key])
        for key, name in varying_arguments:
            values[name] = group.arguments[place][key]
        for key in varying_headers:
            for number, value in enumerate(_values(key, group.headers[place][key])):
                values[slots.of("header", f"{key}:{number}")] = value
        if frame.has_own_subjects:
            values[slots.of("subject", "")] = frame.subject_of(one)
        values |= slots.constants
        found[comparable(one.to[0].address)] = values
    return found


def _plain(headers: Mapping[str, str]) -> Iterable[str]:
    return (value for name, value in headers.items() if not is_option(name.lower().encode()))


def _data(one: Personalization) -> Mapping[str, Any]:
    """Return what a template is rendered with: of one that is not dynamic, the substitutions by their bare names."""
    given = {bare(key): value for key, value in one.substitutions.items()}
    return {**given, **(one.data or {})}


def _composed(draft: _Draft, notes: tuple[str, ...], number: int) -> Call:
    options = draft.options
    if number and options.idempotency_key is not None:
        # Each message of a call is one of its own, also where two of them go to the same address.
        options = msgspec.structs.replace(options, idempotency_key=f"{options.idempotency_key}/{number}")
    return Call(
        envelope=envelope_for(draft.recipients, draft.frame.author.address, draft.domain),
        content=compose(letter_of(draft.frame)),
        subject=draft.frame.shown_subject(),
        options=options,
        option_sources=draft.sources,
        option_notes=(*draft.notes, *notes),
    )
