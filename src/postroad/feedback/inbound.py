"""Mail that comes to port 25: for whom it may be, and what becomes of it.

System mail goes first: what comes to a return path, to an address to unsubscribe, or to ``complaints@`` of a sending domain.
Everything else is for the domain's routes. Nothing that arrives here is ever answered by mail.
"""

from collections.abc import Sequence

import msgspec
import structlog

from postroad.feedback.complaints import Complaints, FeedbackKeys
from postroad.feedback.forwarding import Forwarder
from postroad.feedback.returns import ReturnMeter, Returns
from postroad.model.delivery import Delivery
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.envelope import destination_of
from postroad.model.inbound_route import InboundRoute
from postroad.model.returned import ReturnResult
from postroad.model.submission import ClientFacts, Rejected
from postroad.model.suppression import Way
from postroad.model.tracking import Unsubscribing
from postroad.model.unsubscribe_group import tag_of_group
from postroad.net.clock import Clock
from postroad.policy.header_rules import MAX_RECEIVED
from postroad.policy.inbound_routing import depends_on_subject, may_be_taken, routing_of
from postroad.policy.records import InstallationNames
from postroad.protocol.arf import ArfError, read_report
from postroad.protocol.dsn_reader import AutoReply, read_delivery_report
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderBlock, HeaderFault, split
from postroad.protocol.mime.mailbox import AddressList, parse_address_list
from postroad.protocol.smtp.data import Fault
from postroad.rendering.leaving_address import LeavingToken, mark_of, read_leaving_address
from postroad.rendering.return_path import read_return_path
from postroad.storage import deliveries, domains, inbound_routes, messages, responses
from postroad.storage.database import Database
from postroad.storage.deliveries import NewId

log = structlog.get_logger()

COMPLAINTS_LOCAL = "complaints"
"""Local part at a sending domain that feedback loops can be registered with."""
_SIGNED_PREFIXES = ("bounce+", "unsubscribe+")
_RECEIVES = frozenset({DomainState.ACTIVE})
_WAS_MAILED_FROM = frozenset({DomainState.ACTIVE, DomainState.DISABLED})
"""Mail of a domain that was disabled comes back for days."""


class ReturnTarget(msgspec.Struct, frozen=True):
    """The return path of a delivery."""

    delivery_id: int


class LeavingTarget(msgspec.Struct, frozen=True):
    """An address to unsubscribe."""

    token: LeavingToken


class RouteTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Any other address of a sending domain."""

    domain: SendingDomain
    routes: tuple[InboundRoute, ...]
    recipient: str
    takes_complaints: bool = False
    is_open: bool = False
    """Whether it is taken at all depends on the subject."""


Target = ReturnTarget | LeavingTarget | RouteTarget


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A whole message, for recipients that were taken."""

    reverse_path: str
    targets: tuple[Target, ...]
    content: bytes
    faults: Fault
    is_utf8: bool
    client: ClientFacts


class Inbound:
    """Decides about recipients, and does what arrives asks for."""

    def __init__(
        self,
        database: Database,
        *,
        keys: FeedbackKeys,
        names: InstallationNames,
        returns: Returns,
        complaints: Complaints,
        forwarder: Forwarder,
        clock: Clock,
        new_id: NewId,
        meter: ReturnMeter,
    ) -> None:
        self._database = database
        self._keys = keys
        self._names = names
        self._returns = returns
        self._complaints = complaints
        self._forwarder = forwarder
        self._clock = clock
        self._new_id = new_id
        self._meter = meter

    # -- at RCPT -----------------------------------------------------------------------------------------------------

    async def target_of(self, reverse_path: str, forward_path: str, taken: Sequence[Target]) -> Target | Rejected:
        """Return what a recipient is, or why it is refused; ``taken`` are those of the transaction so far.

        Raises StorageError.
        """
        host = destination_of(forward_path)
        if await self._is_return_host(host):
            return self._system_target(forward_path) or self._no_such(forward_path)
        found = await self._database.read(inbound_routes.receiving, host)
        if found is None or found[0].state not in _RECEIVES:
            self._count(ReturnResult.RELAY)
            return Rejected("relay_denied", "5.7.1", f"Mail for {host} is not taken here; look at its MX record")
        domain, routes = found
        local = forward_path.rpartition("@")[0].lower()
        takes_complaints = local == COMPLAINTS_LOCAL
        if not takes_complaints and not may_be_taken(routes, reverse_path, forward_path):
            return self._no_such(forward_path)
        is_open = takes_complaints or depends_on_subject(routes, reverse_path, forward_path)
        target = RouteTarget(
            domain=domain,
            routes=tuple(routes),
            recipient=forward_path,
            takes_complaints=takes_complaints,
            is_open=is_open,
        )
        return _together(target, taken)

    async def _is_return_host(self, host: str) -> bool:
        if self._names.return_path_host and host == self._names.return_path_host:
            # Some hosts write the name that a CNAME leads to in place of its own (RFC 1123 §5.2.2).
            return True
        prefix = f"{self._names.return_path_label}."
        if not host.startswith(prefix):
            return False
        domain = await self._database.read(domains.by_name, host.removeprefix(prefix))
        return domain is not None and domain.state in _WAS_MAILED_FROM

    def _system_target(self, forward_path: str) -> Target | None:
        delivery_id = read_return_path(forward_path, self._keys.return_path)
        if delivery_id is not None:
            return ReturnTarget(delivery_id)
        token = read_leaving_address(forward_path, self._keys.return_path)
        if token is not None:
            return LeavingTarget(token)
        if forward_path.lower().startswith(_SIGNED_PREFIXES):
            self._count(ReturnResult.FORGED)
        return None

    def _no_such(self, forward_path: str) -> Rejected:
        self._count(ReturnResult.REFUSED)
        return Rejected("no_such_recipient", "5.1.1", f"There is no mailbox {forward_path} here")

    # -- at the final dot ----------------------------------------------------------------------------------------------

    async def receive(self, arrival: Arrival) -> Rejected | None:
        """Do what a message asks for; all of it is stored and synced by then. Raises StorageError.

        What a report changes can be written twice without harm, so that is done first; a client that is told to come again
        finds it done. A message that is passed on is stored last, in a transaction of its own.
        """
        routed = [one for one in arrival.targets if isinstance(one, RouteTarget)]
        refused: Rejected | None = None
        is_done = False
        for target in arrival.targets:
            match target:
                case ReturnTarget(delivery_id):
                    result = await self._returns.receive(delivery_id, arrival.content, arrival.client.address)
                    self._count(result)
                    if result is ReturnResult.UNREADABLE and arrival.reverse_path:
                        refused = _NO_REPORT
                        continue
                    is_done = True
                case LeavingTarget(token):
                    await self._leave(token, arrival)
                    is_done = True
        if routed:
            # Whoever has to try again has the reports of this message read once more, and nothing is lost by that.
            return await self._route(routed, arrival)
        return None if is_done else refused

    async def _leave(self, token: LeavingToken, arrival: Arrival) -> None:
        # Nobody asks for anything with a report or an automatic answer (RFC 3834 §2); a client that unsubscribes for its
        # user says auto-generated (§5.1), and may ask for no answer.
        found = read_delivery_report(arrival.content)
        is_wish = found is None or (isinstance(found, AutoReply) and not found.is_answer)
        is_automatic = not arrival.reverse_path or not is_wish
        delivery = None if is_automatic else await self._database.read(deliveries.get, token.delivery_id)
        address = None if is_automatic else self._leaving_address(token, arrival, delivery)
        if address is None:
            self._count(ReturnResult.NOTED if is_automatic else ReturnResult.UNKNOWN)
            return
        group_id = None if delivery is None else await self._group_of(delivery)
        asked = Unsubscribing(
            delivery_id=token.delivery_id,
            domain_id=token.domain_id,
            address=address,
            tags=() if group_id is None else (tag_of_group(group_id),),
            group_id=group_id,
            way=Way.MAIL,
            at=self._clock(),
            client_address=arrival.client.address,
        )
        await self._database.write(responses.unsubscribe, asked, new_id=self._new_id)
        self._count(ReturnResult.UNSUBSCRIBED)

    async def _group_of(self, delivery: Delivery) -> int | None:
        """Return the group that a delivery's mail is of, also where its list does not stop it."""
        if delivery.options.group_id is not None:
            return delivery.options.group_id
        message = (await self._database.read(messages.get_many, [delivery.message_id])).get(delivery.message_id)
        group = None if message is None else message.options.group
        return None if group is None else group.id

    def _leaving_address(self, token: LeavingToken, arrival: Arrival, delivery: Delivery | None) -> str | None:
        """Return whose mail it is about: the delivery's recipient, else whoever writes, where the token names that one."""
        if delivery is not None:
            return delivery.recipient
        block = split(arrival.content)
        written = () if isinstance(block, HeaderFault) else _authors(block)
        return next((one for one in (arrival.reverse_path, *written) if self._is_marked(one, token)), None)

    def _is_marked(self, address: str, token: LeavingToken) -> bool:
        return any(mark_of(address, key) == token.mark for key in self._keys.return_path)

    async def _route(self, routed: Sequence[RouteTarget], arrival: Arrival) -> Rejected | None:
        if any(one.takes_complaints for one in routed) and _is_report(arrival.content):
            await self._complaints.receive(arrival.content)
            self._count(ReturnResult.COMPLAINT)
            return None
        block = split(arrival.content)
        unfit = _unfit(block, arrival)
        if unfit is not None:
            return unfit
        assert isinstance(block, HeaderBlock)
        subject = _subject(block)
        ways = [routing_of(one.routes, arrival.reverse_path, one.recipient, subject) for one in routed]
        if not any(way.is_taken for way in ways):
            return self._no_such(routed[0].recipient)
        forward_to = list(dict.fromkeys(address for way in ways for address in way.forward_to))
        if not forward_to:
            self._count(ReturnResult.STOPPED)
            return None
        accepted = self._forwarder.accepted(
            routed[0].domain,
            block,
            forward_to,
            reverse_path=arrival.reverse_path,
            recipients=[one.recipient for one in routed],
            is_utf8=arrival.is_utf8,
            client=arrival.client,
            now=self._clock(),
        )
        await self._database.accept(accepted)
        self._count(ReturnResult.FORWARDED)
        return None

    def _count(self, result: ReturnResult) -> None:
        self._meter.returned(result.value)


_NO_REPORT = Rejected(
    "no_report", "5.1.1", "This address takes reports on deliveries only; write to the address in the From field"
)


def _together(target: RouteTarget, taken: Sequence[Target]) -> Target | Rejected:
    """Return the target, unless it has to come in a transaction of its own.

    One reply is given for all recipients of a message (RFC 5321 §4.2.5), and one domain passes it on.
    """
    others = [one for one in taken if isinstance(one, RouteTarget)]
    if any(one.domain.id != target.domain.id or one.is_open or target.is_open for one in others):
        return Rejected("recipient_apart", "4.5.3", "Send this recipient's copy apart from the others")
    return target


def _unfit(block: HeaderBlock | HeaderFault, arrival: Arrival) -> Rejected | None:
    """Return why a message cannot be passed on, whatever the routes say."""
    if isinstance(block, HeaderFault):
        return Rejected(block.rule, "5.6.0", block.text)
    # RFC 5321 §2.3.8: hosts differ in what they take for the end of a line; such mail is not carried further.
    if arrival.faults & (Fault.BARE_CR | Fault.BARE_LF):
        return Rejected("bare_cr_or_lf", "5.6.0", "The message has a CR or LF alone; end every line with CRLF")
    if len(block.named(b"received")) > MAX_RECEIVED:
        return Rejected("mail_loop", "5.4.6", f"The message was at more than {MAX_RECEIVED} hosts: it goes in a circle")
    return None


def _is_report(content: bytes) -> bool:
    try:
        read_report(content)
    except ArfError:
        return False
    return True


def _authors(block: HeaderBlock) -> list[str]:
    field = block.first(b"from")
    if field is None:
        return []
    listed = parse_address_list(block.value(field))
    return [one.address for one in listed.mailboxes] if isinstance(listed, AddressList) else []


def _subject(block: HeaderBlock) -> str:
    field = block.first(b"subject")
    return "" if field is None else decode(block.value(field))
