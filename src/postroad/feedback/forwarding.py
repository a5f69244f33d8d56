"""Mail that a sending domain's routes pass on, as a message of its queue: untouched but for a Received field on top."""

import re
from collections.abc import Sequence

import msgspec

from postroad.model.channel import FORWARD_CHANNEL
from postroad.model.delivery import Delivery, lane_of
from postroad.model.domain import SendingDomain
from postroad.model.envelope import destination_of
from postroad.model.event import Event, EventType
from postroad.model.ids import PARTITIONS, IdSource, partition_of, text_of
from postroad.model.message import Accepted, Message
from postroad.model.options import FORWARD_DELIVERY
from postroad.model.submission import ClientFacts
from postroad.policy.records import InstallationNames, return_path_domain
from postroad.protocol.mime.date import format_date
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderBlock, fold

_NOBODY = 0
"""The id of no credential: strangers wrote the message."""
_LONGEST_SUBJECT = 255
_HOST_TOKEN = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}")


class ForwardTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What mail that is passed on is given."""

    hostname: str
    """Our name in the Received field."""
    names: InstallationNames
    pool: str
    expires_after_s: int


class Forwarder:
    """Writes the rows of messages that are passed on."""

    def __init__(self, ids: IdSource, terms: ForwardTerms) -> None:
        self._ids = ids
        self._terms = terms

    def accepted(
        self,
        domain: SendingDomain,
        block: HeaderBlock,
        forward_to: Sequence[str],
        *,
        reverse_path: str,
        recipients: Sequence[str],
        is_utf8: bool,
        client: ClientFacts,
        now: int,
    ) -> Accepted:
        """Return a message to be accepted.

        It leaves from a return path of its own, as all mail does, so that what receivers return settles its delivery and
        goes no further; what had no sender gets none (RFC 5321 §6.1). No list of the domain is about its recipients.
        """
        message_id = self._ids.next(now, now % PARTITIONS)
        content = self._received(message_id, recipients, client, now) + block.content
        message = Message(
            id=message_id,
            account_id=domain.account_id,
            domain_id=domain.id,
            credential_id=_NOBODY,
            # Whoever sent it hears of no failure from us: the address may be anybody's.
            reverse_path=f"forward@{return_path_domain(domain.name, self._terms.names)}" if reverse_path else "",
            header_from=_shown(block, b"from") or reverse_path,
            subject=_shown(block, b"subject"),
            message_id_header=_shown(block, b"message-id"),
            size=len(content),
            recipient_count=len(forward_to),
            accepted_at=now,
            client_address=client.address,
            channel=FORWARD_CHANNEL,
            is_eight_bit=not content.isascii(),
            is_utf8=is_utf8,
        )
        deliveries = tuple(self._delivery(message, one) for one in forward_to)
        events = tuple(self._event(one, client, reverse_path, recipients) for one in deliveries)
        return Accepted(message=message, content=content, deliveries=deliveries, events=events)

    def _delivery(self, message: Message, recipient: str) -> Delivery:
        now, destination = message.accepted_at, destination_of(recipient)
        return Delivery(
            id=self._ids.next(now, partition_of(message.id)),
            message_id=message.id,
            account_id=message.account_id,
            domain_id=message.domain_id,
            recipient=recipient,
            destination=destination,
            pool=self._terms.pool,
            lane=lane_of(message.domain_id, destination),
            due_at=now,
            expires_at=now + self._terms.expires_after_s * 1000,
            accepted_at=now,
            options=FORWARD_DELIVERY,
        )

    def _event(self, delivery: Delivery, client: ClientFacts, reverse_path: str, recipients: Sequence[str]) -> Event:
        return Event(
            id=self._ids.next(delivery.accepted_at, partition_of(delivery.message_id)),
            type=EventType.ACCEPTED,
            at=delivery.accepted_at,
            account_id=delivery.account_id,
            domain_id=delivery.domain_id,
            message_id=delivery.message_id,
            delivery_id=delivery.id,
            recipient=delivery.recipient,
            data={
                "channel": FORWARD_CHANNEL,
                "client_address": client.address,
                "tls_version": client.tls_version,
                "reverse_path": reverse_path,
                "received_for": list(recipients),
            },
        )

    def _received(self, message_id: int, recipients: Sequence[str], client: ClientFacts, now: int) -> bytes:
        # RFC 5321 §4.4; for several recipients none is named, as none should learn of the others (§7.2).
        greeting = client.greeting if _HOST_TOKEN.fullmatch(client.greeting) else "unknown"
        address = f"IPv6:{client.address}" if ":" in client.address else client.address
        words = ["from", greeting, f"([{address}])", "by", self._terms.hostname]
        words += ["with", client.protocol, "id", text_of(message_id)]
        words += ["for", f"<{recipients[0]}>"] if len(recipients) == 1 else []
        return fold("Received", [*words[:-1], f"{words[-1]};", format_date(now)])


def _shown(block: HeaderBlock, name: bytes) -> str:
    field = block.first(name)
    return "" if field is None else " ".join(decode(block.value(field)).split())[:_LONGEST_SUBJECT]
