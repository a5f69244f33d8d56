"""Whom a sending domain does not mail: how addresses compare, what a bounce adds, and what stops a delivery."""

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.message import Accepted
from postroad.model.options import DeliveryOptions
from postroad.model.outcome import BounceClass, Bounced, Phase
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.model.tracking import Unsubscribing
from postroad.model.unsubscribe_group import tag_of_group
from postroad.policy.bounce_class import says_mailbox_is_gone
from postroad.protocol.smtp.address import AddressError, normal_domain, parse_path

Found = Mapping[int, Sequence[Suppression]]
"""What was looked up: entries by the key of their address."""

_HARD = frozenset({BounceClass.BAD_MAILBOX, BounceClass.INACTIVE_MAILBOX})
# Before RCPT nothing can be about the recipient; from then on, with one recipient in a transaction, everything is.
_ABOUT_RECIPIENT = frozenset({Phase.RCPT, Phase.DATA, Phase.FINAL_DOT})
_ANSWERED_BEFORE_RCPT = re.compile(r"(?:in reply to|after(?: pipelined)?|>>>) (?:mail from|ehlo|helo)", re.IGNORECASE)
"""Postfix, Exim and sendmail say in a report at which command a host refused."""
_RANK = {
    SuppressionKind.BLOCK: 0,
    SuppressionKind.COMPLAINT: 1,
    SuppressionKind.UNSUBSCRIBE: 2,
    SuppressionKind.BOUNCE: 3,
}
"""Which of several reasons is told: what people decided before what hosts said."""
_UNQUOTED = re.compile(r"[^\s\"\\@<>(),:;\[\].]+(?:\.[^\s\"\\@<>(),:;\[\].]+)*")
MOST_REASON = 500
"""Characters of a reason that are kept."""
_SENTENCES = {
    SuppressionKind.BLOCK: "The address is blocked",
    SuppressionKind.COMPLAINT: "The recipient complained",
    SuppressionKind.UNSUBSCRIBE: "The recipient unsubscribed",
    SuppressionKind.BOUNCE: "The address bounced",
}


def comparable(path: str) -> str:
    """Return an address as the lists compare it: without case, and without quotes that say nothing.

    RFC 5321 §2.4 leaves the case of a local part to its host. Hosts that tell ``Ann`` from ``ann`` are not known, and
    a recipient who unsubscribed must not get mail because an application wrote the address otherwise.
    The domain of ``path`` is in A-labels, as every recipient's is.
    """
    local, at, domain = path.rpartition("@")
    if local.startswith('"'):
        # RFC 5321 §4.1.2: quotes around what needs none make no other mailbox.
        bare = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = bare if _UNQUOTED.fullmatch(bare) else local
    if local.isascii():
        return f"{local.lower()}{at}{domain.lower()}"
    # Unicode §3.13 D145: canonical caseless matching folds what is decomposed; RFC 6532 §3.1 writes it composed.
    folded = unicodedata.normalize("NFD", local).casefold()
    return f"{unicodedata.normalize('NFC', folded)}{at}{domain.lower()}"


def understood(text: str, kind: SuppressionKind) -> str:
    """Return the address, or ``@domain``, that somebody wrote, as the lists compare it; raises AddressError."""
    text = text.strip()
    if kind.takes_domains and text.startswith("@"):
        return f"@{normal_domain(text[1:].rstrip('.'))}"
    if kind.takes_domains and "@" not in text:
        # Half an address that was typed must not stand for everybody at a destination.
        raise AddressError("Write the address as local@domain, or @domain for all addresses there")
    if text.startswith("@"):
        raise AddressError("Write the address as local@domain: only block and allow are for whole destinations")
    path = parse_path(text, is_utf8=True)
    if not path:
        raise AddressError("Write the address as local@domain")
    return comparable(path)


def key_of(domain_id: int, address: str) -> int:
    """Return the number that an address of a sending domain is found by; several may share one."""
    named = f"{domain_id}:{address}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest()) >> 1


def keys_of(deliveries: Iterable[Delivery]) -> set[int]:
    """Return the keys under which something could stand in the way of deliveries."""
    # Many recipients share few destinations, and this is asked for every message.
    hosts = set()
    keys = set()
    for one in deliveries:
        hosts.add((one.domain_id, one.destination))
        keys.add(key_of(one.domain_id, comparable(one.recipient)))
    keys.update([key_of(domain_id, f"@{destination}") for domain_id, destination in hosts])
    return keys


def keys_around(entries: Iterable[Suppression]) -> set[int]:
    """Return the keys of everything that is said of the addresses of entries."""
    names = {(one.domain_id, name) for one in entries for name in names_about(one.address)}
    return {key_of(domain_id, name) for domain_id, name in names}


def names_about(address: str) -> tuple[str, ...]:
    """Return what is said of an address under: itself, and all addresses of its destination, which it may be already."""
    return tuple(dict.fromkeys((address, f"@{address.rpartition('@')[2]}")))


def barrier(delivery: Delivery, found: Found) -> Suppression | None:
    """Return what keeps a delivery from leaving, or None where nothing does."""
    return verdict(entries_about(delivery.domain_id, comparable(delivery.recipient), found), delivery.options)


def verdict(entries: Iterable[Suppression], options: DeliveryOptions) -> Suppression | None:
    """Return which of the entries about a recipient stops a delivery with these options; nothing stops what is beside the lists."""
    if options.is_beside_lists:
        return None
    entries = list(entries)
    is_allowed = any(one.kind is SuppressionKind.ALLOW for one in entries)
    tags = {tag.casefold() for tag in options.tags}
    standing = [one for one in entries if _stops(one, options, tags, is_allowed=is_allowed)]
    return min(standing, key=lambda one: _RANK[one.kind], default=None)


def _stops(entry: Suppression, options: DeliveryOptions, tags: Collection[str], *, is_allowed: bool) -> bool:
    match entry.kind:
        case SuppressionKind.ALLOW:
            return False
        case SuppressionKind.BOUNCE:
            return not is_allowed
        case SuppressionKind.UNSUBSCRIBE if options.group_id is not None and entry.tag == tag_of_group(
            options.group_id
        ):
            # Who names a group asks for its list, with mail of a transactional domain as well.
            return True
        case SuppressionKind.UNSUBSCRIBE:
            return not options.is_transactional and (not entry.tag or entry.tag in tags)
        case _:
            return True


def entries_about(domain_id: int, address: str, found: Found) -> list[Suppression]:
    """Return those of the entries found that are about an address, or about all of its destination."""
    return [
        one
        for name in names_about(address)
        for one in found.get(key_of(domain_id, name), ())
        # Another address may have the same key.
        if one.domain_id == domain_id and one.address == name
    ]


def additions(offered: Iterable[Suppression], found: Found) -> list[Suppression]:
    """Return those of the offered entries that add something: no bounce of an allowed address, nothing twice."""
    fresh: dict[tuple[int, str, SuppressionKind, str], Suppression] = {}
    for one in offered:
        known = entries_about(one.domain_id, one.address, found)
        is_allowed = any(other.kind is SuppressionKind.ALLOW for other in known)
        is_known = any((other.address, other.kind, other.tag) == (one.address, one.kind, one.tag) for other in known)
        if not is_known and not (is_allowed and one.kind is SuppressionKind.BOUNCE):
            fresh.setdefault((one.domain_id, one.address, one.kind, one.tag), one)
    return list(fresh.values())


def rewritings(offered: Iterable[Suppression], found: Found) -> list[tuple[Suppression | None, Suppression]]:
    """Return offered entries that are written whether they are there or not, each with the one whose place it takes.

    The last one offered for a place holds. A bounce of an allowed address is not written.
    """
    wanted: dict[tuple[int, str, SuppressionKind, str], tuple[Suppression | None, Suppression]] = {}
    for one in offered:
        known = entries_about(one.domain_id, one.address, found)
        if one.kind is SuppressionKind.BOUNCE and any(other.kind is SuppressionKind.ALLOW for other in known):
            continue
        place = (one.address, one.kind, one.tag)
        before = next((other for other in known if (other.address, other.kind, other.tag) == place), None)
        wanted[one.domain_id, *place] = (before, one)
    return list(wanted.values())


# -- what a bounce adds ------------------------------------------------------------------------------------------------


def is_hard(outcome: Bounced) -> bool:
    """Whether a bounce says that nobody will ever read mail at the address.

    Only a receiving host can say so, of this recipient, for good, and in words about the mailbox. An address is not
    suppressed for what is wrong with its domain, with our network, with the message or with who sent it: all that can
    be mended, and the next message may arrive.
    """
    facts = outcome.facts
    if outcome.bounce_class not in _HARD or facts.phase not in _ABOUT_RECIPIENT:
        return False
    # What expired after transient replies has no code of its own.
    if facts.code is None or not 500 <= facts.code < 600:
        return False
    return _is_about_mailbox(facts.enhanced_status, facts.text)


def is_hard_late(bounce_class: BounceClass, code: int | None, enhanced_status: str | None, text: str) -> bool:
    """Whether a bounce that comes back by mail says that nobody will ever read mail at the address.

    Many hosts tell no reply code: then the report's own word that it failed for good has to do. One that says 4yz or
    4.y.z gave up after trying for a while, and the address may be as good as ever.
    """
    if bounce_class not in _HARD or not (code is None or 500 <= code < 600):
        return False
    if enhanced_status is not None and not enhanced_status.startswith("5."):
        return False
    return _ANSWERED_BEFORE_RCPT.search(text) is None and _is_about_mailbox(enhanced_status, text)


def _is_about_mailbox(enhanced_status: str | None, text: str) -> bool:
    # RFC 3463 §3.2, §3.3: 1 is the address, 2 the mailbox, 0 says nothing. X.1.7 and X.1.8 are the sender's address.
    _, subject, detail = (int(number) for number in (enhanced_status or "5.0.0").split("."))
    if subject not in {0, 1, 2} or (subject, detail) in {(1, 7), (1, 8)}:
        return False
    # Hosts give a bare 550, X.0.0, X.1.0 and X.2.0 for whatever they refuse: then the words have to say it.
    return (subject != 0 and detail != 0) or says_mailbox_is_gone(text)


def of_bounce(delivery: Delivery, outcome: Bounced, reply: str, now: int) -> tuple[Suppression, ...]:
    """Return what a bounce adds to the lists of its sending domain."""
    if delivery.options.is_test or delivery.options.is_beside_lists or not is_hard(outcome):
        return ()
    return (_of_recipient(delivery, SuppressionKind.BOUNCE, Way.DELIVERY, reply, now),)


def of_late_bounce(
    delivery: Delivery,
    bounce_class: BounceClass,
    *,
    code: int | None,
    enhanced_status: str | None,
    text: str,
    reply: str,
    now: int,
) -> tuple[Suppression, ...]:
    """Return what a bounce that came back by mail, with ``text`` for a reason, adds to the lists of its sending domain."""
    options = delivery.options
    if options.is_test or options.is_beside_lists or not is_hard_late(bounce_class, code, enhanced_status, text):
        return ()
    return (_of_recipient(delivery, SuppressionKind.BOUNCE, Way.RETURNED, reply, now),)


def of_complaint(delivery: Delivery, report: str, now: int) -> tuple[Suppression, ...]:
    """Return what a complaint about a delivery adds; ``report`` says which kind of one it was."""
    if delivery.options.is_test:
        return ()
    return (_of_recipient(delivery, SuppressionKind.COMPLAINT, Way.FEEDBACK_LOOP, report, now),)


def of_unsubscribing(
    delivery: Delivery | None, asked: Unsubscribing, account_id: int, *, message_id: int | None
) -> tuple[Suppression, ...]:
    """Return what somebody's unsubscribing adds: an entry for all mail, or one for each tag."""
    if delivery is not None and delivery.options.is_test:
        return ()
    return tuple(
        Suppression(
            account_id=account_id,
            domain_id=asked.domain_id,
            kind=SuppressionKind.UNSUBSCRIBE,
            address=comparable(asked.address),
            tag=tag.casefold(),
            way=asked.way,
            created_at=asked.at,
            message_id=message_id,
        )
        for tag in asked.tags or ("",)
    )


def _of_recipient(delivery: Delivery, kind: SuppressionKind, way: Way, reason: str, now: int) -> Suppression:
    return Suppression(
        account_id=delivery.account_id,
        domain_id=delivery.domain_id,
        kind=kind,
        address=comparable(delivery.recipient),
        way=way,
        reason=reason[:MOST_REASON],
        created_at=now,
        message_id=delivery.message_id,
    )


# -- what is recorded of a suppressed delivery --------------------------------------------------------------------------


def sentence(entry: Suppression) -> str:
    """Return in one sentence why a recipient got nothing."""
    what = _SENTENCES[entry.kind]
    if entry.address.startswith("@"):
        what = f"All of {entry.address[1:]} is blocked"
    about = f" from {entry.tag}" if entry.tag else ""
    return f"{what}{about}: {entry.reason}" if entry.reason else f"{what}{about}."


def event_data(entry: Suppression) -> dict[str, Any]:
    """Return what the event of a suppressed delivery tells of the entry that stopped it."""
    data: dict[str, Any] = {"reason": entry.kind.value, "text": sentence(entry), "since": entry.created_at}
    optional = {"way": entry.way.value, "tag": entry.tag, "entry": entry.address, "added_by": entry.created_by}
    return data | {name: value for name, value in optional.items() if value}


def screened(accepted: Accepted, found: Found) -> Accepted:
    """Return a message as it is to be stored: the deliveries that something stands against end here."""
    barred = {one.id: entry for one in accepted.deliveries if (entry := barrier(one, found)) is not None}
    if not barred:
        return accepted
    deliveries, events = [], []
    for event in accepted.events:
        # No id is made within the transaction: the delivery's own becomes that of its first event, which is before
        # the one that the event had, and that one is the next event's.
        is_first = event.type is EventType.ACCEPTED and event.delivery_id in barred
        events.append(msgspec.structs.replace(event, id=event.delivery_id) if is_first else event)
    second = {one.delivery_id: one.id for one in accepted.events if one.type is EventType.ACCEPTED}
    for delivery in accepted.deliveries:
        if delivery.id not in barred:
            deliveries.append(delivery)
            continue
        entry = barred[delivery.id]
        deliveries.append(
            msgspec.structs.replace(
                delivery, state=DeliveryState.SUPPRESSED, lease=None, due_at=delivery.accepted_at,
                last_reply=sentence(entry),
            )
        )  # fmt: skip
        events.append(suppressed_event(delivery, entry, second.get(delivery.id, delivery.id), delivery.accepted_at))
    return msgspec.structs.replace(accepted, deliveries=tuple(deliveries), events=tuple(events))


def suppressed_event(delivery: Delivery, entry: Suppression, event_id: int, now: int) -> Event:
    """Return the event of a delivery that ends because of an entry."""
    return Event(
        id=event_id,
        type=EventType.SUPPRESSED,
        at=now,
        account_id=delivery.account_id,
        domain_id=delivery.domain_id,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data=event_data(entry) | delivery.event_marks,
        callback=delivery.options.callback,
    )
