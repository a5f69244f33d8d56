"""What became of earlier mail to an address, on both engines: the lists, the events, and whose they are."""

from typing import Any

import msgspec

from postroad.model.account import Account
from postroad.model.address_check import AddressHistory
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage import accounts, address_history, domains, suppressions
from postroad.storage.database import Database
from tests.storage.samples import DAY, NOW, accepted, event_of

ADDRESS = "ann@r.example"
KIND = SuppressionKind


async def domain_of(database: Database, account: str, name: str) -> SendingDomain:
    owner: Account | None = await database.read(accounts.by_name, account)
    if owner is None:
        owner = await database.write(accounts.add, account, NOW)
    wanted = SendingDomain(id=0, account_id=owner.id, name=name, state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, wanted)


async def listed(
    database: Database,
    domain: SendingDomain,
    kind: SuppressionKind = KIND.BOUNCE,
    address: str = ADDRESS,
    at: int = NOW,
) -> None:
    entry = Suppression(account_id=domain.account_id, domain_id=domain.id, kind=kind, address=address, created_at=at)
    await database.write(suppressions.add, [entry])


async def happened(
    database: Database, domain: SendingDomain, kind: EventType, recipient: str = ADDRESS, at: int = NOW, **data: Any
) -> None:
    one = accepted(recipient, account_id=domain.account_id, domain_id=domain.id)
    await database.accept(msgspec.structs.replace(one, events=()))
    await database.append_events([event_of(one.deliveries[0], kind, at=at, **data)])


async def history(
    database: Database, account_id: int | None = None, domain_id: int | None = None, since: int = NOW - DAY
) -> AddressHistory:
    found: AddressHistory = await database.read(
        address_history.of_address, ADDRESS, account_id=account_id, domain_id=domain_id, since=since
    )
    return found


async def test_nothing_is_known_of_an_address_that_got_no_mail(database: Database) -> None:
    domain = await domain_of(database, "acme", "a.example")
    await listed(database, domain, address="bob@r.example")
    await listed(database, domain, KIND.COMPLAINT)
    await happened(database, domain, EventType.DELIVERED, "bob@r.example")
    await happened(database, domain, EventType.DEFERRED)

    assert await history(database, domain.account_id) == AddressHistory()


async def test_each_sees_the_mail_of_its_own_domains_only(database: Database) -> None:
    ours, others = await domain_of(database, "acme", "a.example"), await domain_of(database, "acme", "b.example")
    theirs = await domain_of(database, "globex", "c.example")
    await listed(database, others, at=NOW - 5)
    await listed(database, theirs, at=NOW - 3)
    await happened(database, ours, EventType.DELIVERED, "Ann@R.example", NOW - 9)
    await happened(database, theirs, EventType.DELIVERED, at=NOW - 2)
    await happened(database, theirs, EventType.BOUNCED, at=NOW - 1, bounce_class="quota")

    assert await history(database, ours.account_id) == AddressHistory(bounce_listed_at=NOW - 5, delivered_at=NOW - 9)
    assert await history(database, ours.account_id, ours.id) == AddressHistory(delivered_at=NOW - 9)
    # A domain of somebody else's tells nothing, even where it is named.
    assert await history(database, ours.account_id, theirs.id) == AddressHistory()
    assert await history(database) == AddressHistory(bounce_listed_at=NOW - 3, delivered_at=NOW - 2, failed_at=NOW - 1)


async def test_an_allow_list_lifts_the_bounces_of_its_own_domain(database: Database) -> None:
    ours, others = await domain_of(database, "acme", "a.example"), await domain_of(database, "acme", "b.example")
    await listed(database, ours, at=NOW - 1)
    await listed(database, others, at=NOW - 7)
    await listed(database, ours, KIND.ALLOW, "@r.example")

    assert (await history(database, ours.account_id)).bounce_listed_at == NOW - 7
    assert (await history(database, ours.account_id, ours.id)).bounce_listed_at is None


async def test_only_what_is_about_the_mailbox_is_a_failure_and_test_mode_counts_for_nothing(database: Database) -> None:
    domain = await domain_of(database, "acme", "a.example")
    await happened(database, domain, EventType.BOUNCED, at=NOW - 1, bounce_class="spam-related")
    await happened(database, domain, EventType.BOUNCED, at=NOW - 2, bounce_class="quota", is_test=True)
    await happened(database, domain, EventType.DELIVERED, at=NOW - 3, is_test=True)
    assert await history(database) == AddressHistory()

    await happened(database, domain, EventType.BOUNCED, at=NOW - 4, bounce_class="inactive-mailbox")
    assert await history(database) == AddressHistory(failed_at=NOW - 4)


async def test_old_mail_is_not_looked_at(database: Database) -> None:
    domain = await domain_of(database, "acme", "a.example")
    await happened(database, domain, EventType.DELIVERED, at=NOW - 2)

    assert (await history(database, since=NOW - 2)).delivered_at == NOW - 2
    assert (await history(database, since=NOW - 1)).delivered_at is None
