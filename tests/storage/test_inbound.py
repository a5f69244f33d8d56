"""What comes to the inbound door on each engine: for whom it is, and what is stored of it."""

from typing import Any

import msgspec
import pytest

from postroad.accounts.accounts import Accounts
from postroad.feedback.complaints import Complaints, FeedbackKeys
from postroad.feedback.forwarding import Forwarder, ForwardTerms
from postroad.feedback.inbound import Arrival, Inbound, LeavingTarget, ReturnTarget, RouteTarget, Target
from postroad.feedback.inbound_routes import InboundRoutes
from postroad.feedback.returns import Returns
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.ids import IdSource
from postroad.model.options import DeliveryOptions, Options
from postroad.model.submission import ClientFacts, Rejected
from postroad.model.unsubscribe_group import MailGroup, UnsubscribeGroup
from postroad.policy.records import InstallationNames
from postroad.protocol.smtp.data import Fault
from postroad.rendering.leaving_address import make_leaving_address
from postroad.rendering.return_path import make_return_path
from postroad.storage import bodies, deliveries, domains, events, messages, suppressions, unsubscribe_groups
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector
from postroad.storage.events import EventSelector
from tests.storage.samples import NOW, accepted, new_id

NAME = "news.example.com"
HOST = f"rp.{NAME}"
KEY, OLD_KEY = b"r" * 32, b"o" * 32
SENDER = "ann@receiver.example"
DELIVERY = new_id()


class Counted:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.results: list[str] = []

    def returned(self, result: str) -> None:
        self.results.append(result)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
async def inbound(database: Database, counted: Counted) -> Inbound:
    account = await Accounts(database, lambda: NOW).ensure_default(SYSTEM)
    for name, state in (
        (NAME, DomainState.ACTIVE),
        ("off.example", DomainState.DISABLED),
        ("new.example", DomainState.UNVERIFIED),
    ):
        await database.write(
            domains.add, SendingDomain(id=0, account_id=account.id, name=name, state=state, created_at=NOW)
        )
    keys = FeedbackKeys((b"i" * 32,), (KEY, OLD_KEY))
    names = InstallationNames(inbound_host="mail.example", return_path_host="returns.example")
    complaints = Complaints(database, keys, lambda: NOW, new_id)
    terms = ForwardTerms(hostname="mail.example", names=names, pool="default", expires_after_s=3600)
    return Inbound(
        database,
        keys=keys,
        names=names,
        returns=Returns(database, complaints, lambda: NOW, new_id),
        complaints=complaints,
        forwarder=Forwarder(IdSource(7), terms),
        clock=lambda: NOW,
        new_id=new_id,
        meter=counted,
    )


@pytest.fixture
async def routes(database: Database, inbound: Inbound) -> InboundRoutes:
    made = InboundRoutes(database, lambda: NOW)
    await made.add(SYSTEM, NAME, mail_to="^(help|sales)@", forward_to="desk@there.example")
    await made.add(SYSTEM, NAME, mail_to="^sales@", forward_to="shop@there.example")
    await made.add(SYSTEM, NAME, mail_to="^bills@", subject="invoice", forward_to="books@there.example")
    return made


def arrival(*targets: Target, **facts: Any) -> Arrival:
    made = Arrival(
        reverse_path=SENDER,
        targets=targets,
        content=b"From: Ann <ann@receiver.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello.\r\n",
        faults=Fault.NONE,
        is_utf8=False,
        client=ClientFacts(address="2001:db8::1", greeting="mx.receiver.example", protocol="ESMTPS"),
    )
    return msgspec.structs.replace(made, **facts)


async def taken(inbound: Inbound, recipient: str, *before: Target, sender: str = SENDER) -> Target:
    target = await inbound.target_of(sender, recipient, before)
    assert not isinstance(target, Rejected), target
    return target


@pytest.mark.parametrize("host", [HOST, "rp.off.example", "returns.example"])
async def test_a_return_path_of_ours_is_taken_at_every_host_that_has_any(inbound: Inbound, host: str) -> None:
    for key in (KEY, OLD_KEY):
        path = make_return_path(DELIVERY, host, key)
        assert await inbound.target_of("", path, ()) == ReturnTarget(DELIVERY)
        local = path.partition("@")[0].upper()
        assert await inbound.target_of("", f"{local}@{host}", ()) == ReturnTarget(DELIVERY)


@pytest.mark.parametrize(
    ("recipient", "status", "results"),
    [
        (make_return_path(DELIVERY, HOST, b"x" * 32), "5.1.1", ["forged", "refused"]),
        (make_return_path(DELIVERY, "rp.new.example", KEY), "5.7.1", ["relay"]),
        (make_return_path(DELIVERY, "rp.other.example", KEY), "5.7.1", ["relay"]),
        (make_return_path(DELIVERY, NAME, KEY), "5.1.1", ["refused"]),
        (f"postmaster@{HOST}", "5.1.1", ["refused"]),
        (f"help@{NAME}", "5.1.1", ["refused"]),
        ("help@off.example", "5.7.1", ["relay"]),
        ("help@new.example", "5.7.1", ["relay"]),
        ("help@mail.example", "5.7.1", ["relay"]),
    ],
)
async def test_everything_else_is_refused_without_routes(
    inbound: Inbound, counted: Counted, recipient: str, status: str, results: list[str]
) -> None:
    refused = await inbound.target_of(SENDER, recipient, ())

    assert isinstance(refused, Rejected)
    assert refused.enhanced_status == status
    assert counted.results == results


async def test_who_unsubscribes_by_mail_is_known_without_the_message(
    database: Database, inbound: Inbound, counted: Counted
) -> None:
    domain = await database.read(domains.by_name, NAME)
    assert domain is not None
    address = make_leaving_address(DELIVERY, domain.id, "Ann@receiver.example", host=HOST, key=KEY)
    target = await taken(inbound, address)
    assert isinstance(target, LeavingTarget)

    # Nobody's: without a sender, by a machine, or of somebody else where the delivery is no longer kept.
    absent = b"From: ann@receiver.example\r\nAuto-Submitted: auto-replied\r\nSubject: x\r\n\r\n"
    for other in (
        arrival(target, reverse_path=""),
        arrival(target, content=absent),
        arrival(target, reverse_path="eve@x.example", content=b"From: eve@x.example\r\n\r\n"),
    ):
        assert await inbound.receive(other) is None
    assert await database.read(suppressions.about, domain.id, SENDER) == []
    assert await inbound.receive(arrival(target, reverse_path="other@receiver.example")) is None

    assert counted.results == ["noted", "noted", "unknown", "unsubscribed"]
    [entry] = await database.read(suppressions.about, domain.id, SENDER)
    assert (entry.kind.value, entry.way.value) == ("unsubscribe", "mail")
    [event] = await database.read(events.search, EventSelector(types=(EventType.UNSUBSCRIBED,)), 10)
    assert event.data["way"] == "mail"


@pytest.mark.parametrize("is_bypassed", [False, True])
async def test_who_unsubscribes_by_mail_from_mail_of_a_group_leaves_the_group(
    database: Database, inbound: Inbound, is_bypassed: bool
) -> None:
    domain = await database.read(domains.by_name, NAME)
    assert domain is not None
    wanted = UnsubscribeGroup(id=0, account_id=domain.account_id, domain_id=domain.id, name="weekly", created_at=NOW)
    group = await database.write(unsubscribe_groups.add, wanted, 9)
    options = Options(group=MailGroup(group.id, group.name, is_bypassed=is_bypassed))
    message = accepted(SENDER, domain_id=domain.id, options=options)
    # As its list does not stop the delivery where it is bypassed, the message alone knows of it.
    kept = DeliveryOptions() if is_bypassed else DeliveryOptions(group_id=group.id)
    of_group = msgspec.structs.replace(message.deliveries[0], options=kept)
    await database.accept(msgspec.structs.replace(message, deliveries=(of_group,)))
    target = await taken(inbound, make_leaving_address(of_group.id, domain.id, SENDER, host=HOST, key=KEY))
    assert await inbound.receive(arrival(target)) is None
    assert [one.tag for one in await database.read(suppressions.about, domain.id, SENDER)] == [group.tag]


async def test_what_is_passed_on_is_one_message_for_all_who_get_it(
    database: Database, inbound: Inbound, routes: InboundRoutes, counted: Counted
) -> None:
    first = await taken(inbound, f"sales@{NAME}")
    second = await taken(inbound, f"help@{NAME}", first)
    content = arrival().content

    assert await inbound.receive(arrival(first, second)) is None

    found = await database.read(deliveries.search, Selector(), 10)
    assert {one.recipient for one in found} == {"desk@there.example", "shop@there.example"}
    [message_id] = {one.message_id for one in found}
    story = await database.read(messages.show, message_id)
    assert story is not None
    message = story.message
    assert (message.channel, message.subject, message.reverse_path) == ("forward", "Grüße", f"forward@{HOST}")
    stored = (await database.read(bodies.read_many, [message_id]))[message_id]
    received, _, rest = stored.partition(b"From: ")
    assert b"From: " + rest == content
    line = b" ".join(received.split())
    assert line.startswith(b"Received: from mx.receiver.example ([IPv6:2001:db8::1]) by mail.example with ESMTPS id ")
    # None of several learns of the others.
    assert b" for " not in line
    assert [one.data["received_for"] for one in story.events] == [[f"sales@{NAME}", f"help@{NAME}"]] * 2
    assert counted.results == ["forwarded"]


async def test_recipients_that_need_a_reply_of_their_own_come_apart(inbound: Inbound, routes: InboundRoutes) -> None:
    sure, unsure = await taken(inbound, f"help@{NAME}"), await taken(inbound, f"bills@{NAME}")
    assert isinstance(unsure, RouteTarget)
    for before, recipient in ((sure, f"bills@{NAME}"), (unsure, f"help@{NAME}"), (sure, f"complaints@{NAME}")):
        refused = await inbound.target_of(SENDER, recipient, (before,))
        assert isinstance(refused, Rejected)
        assert refused.enhanced_status == "4.5.3"
    # System mail stands in nobody's way.
    assert await taken(inbound, make_return_path(DELIVERY, HOST, KEY), unsure) == ReturnTarget(DELIVERY)

    answer = await inbound.receive(arrival(unsure))
    assert isinstance(answer, Rejected)
    assert answer.enhanced_status == "5.1.1"
    assert await inbound.receive(arrival(unsure, content=b"Subject: Your INVOICE\r\n\r\n")) is None


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"faults": Fault.BARE_LF}, "5.6.0"),
        ({"content": b"no header\r\n\r\n"}, "5.6.0"),
        ({"content": b"Received: x\r\n" * 51 + b"\r\n"}, "5.4.6"),
    ],
)
async def test_what_cannot_be_passed_on_is_refused(
    database: Database, inbound: Inbound, routes: InboundRoutes, facts: dict[str, Any], status: str
) -> None:
    refused = await inbound.receive(arrival(await taken(inbound, f"help@{NAME}"), **facts))

    assert isinstance(refused, Rejected)
    assert refused.enhanced_status == status
    assert await database.read(deliveries.search, Selector(), 10) == []
