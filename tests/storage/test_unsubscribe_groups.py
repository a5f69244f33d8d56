"""Groups of mail and who left them, on both engines."""

import msgspec
import pytest

from postroad.model.domain import DomainState, SendingDomain
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.model.unsubscribe_group import UnsubscribeGroup
from postroad.storage import accounts, domains, suppressions, unsubscribe_groups
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.suppressions.group_directory import GroupDirectory
from tests.storage.samples import NOW

MOST = 3


@pytest.fixture
async def domain(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "Testers", NOW)
    made = SendingDomain(id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, made)


async def added(database: Database, domain: SendingDomain, name: str, *, is_default: bool = False) -> UnsubscribeGroup:
    wanted = UnsubscribeGroup(
        id=0, account_id=domain.account_id, domain_id=domain.id, name=name, is_default=is_default, created_at=NOW
    )
    return await database.write(unsubscribe_groups.add, wanted, MOST)


async def leave(database: Database, group: UnsubscribeGroup, *addresses: str) -> None:
    entries = [
        Suppression(
            account_id=group.account_id,
            domain_id=group.domain_id,
            kind=SuppressionKind.UNSUBSCRIBE,
            address=one,
            tag=group.tag,
            created_at=NOW,
        )
        for one in addresses
    ]
    await database.write(suppressions.add, entries)


async def test_names_are_taken_once_within_a_domain(database: Database, domain: SendingDomain) -> None:
    other = await database.write(domains.add, msgspec.structs.replace(domain, id=0, name="shop.example.com"))
    weekly, daily = await added(database, domain, "Weekly"), await added(database, domain, "Daily", is_default=True)
    theirs = await added(database, other, "weekly", is_default=True)
    with pytest.raises(Conflict):
        await added(database, domain, "WEEKLY")
    with pytest.raises(Conflict):
        await database.write(unsubscribe_groups.change, msgspec.structs.replace(daily, name="weekly"))
    renamed = msgspec.structs.replace(weekly, name="weekly", description="Mondays", is_default=True)
    await database.write(unsubscribe_groups.change, renamed)
    found = await database.read(unsubscribe_groups.of_domains, [domain.id, other.id], 9)
    assert await database.read(unsubscribe_groups.of_domains, [domain.id, other.id], 1) == found[:1]
    assert found == [renamed, msgspec.structs.replace(daily, is_default=False), theirs]
    await added(database, domain, "third")
    with pytest.raises(Conflict):
        await added(database, domain, "fourth")


async def test_an_id_is_never_given_twice(database: Database, domain: SendingDomain) -> None:
    first = await added(database, domain, "weekly")
    await database.write(unsubscribe_groups.remove, first.id)
    assert (await added(database, domain, "weekly")).id > first.id
    with pytest.raises(Conflict):
        await database.write(unsubscribe_groups.remove, first.id)
    with pytest.raises(Conflict):
        await database.write(unsubscribe_groups.change, first)


async def test_who_left_is_counted_listed_and_forgotten(database: Database, domain: SendingDomain) -> None:
    weekly, daily = await added(database, domain, "weekly"), await added(database, domain, "daily")
    await leave(database, weekly, "b@x.example", "a@x.example", "Z@x.example", "é@x.example")
    await leave(database, daily, "a@x.example")
    assert await database.read(unsubscribe_groups.counts, [weekly, daily], 3) == {weekly.id: 3, daily.id: 1}
    listed = await database.read(unsubscribe_groups.page, [weekly, daily], 9)
    assert [(one.tag, one.address) for one in listed] == [
        *((weekly.tag, f"{one}@x.example") for one in ("Z", "a", "b", "é")),
        (daily.tag, "a@x.example"),
    ]
    assert [one.address for one in await database.read(unsubscribe_groups.page, [weekly], 2, 1)] == [
        "a@x.example",
        "b@x.example",
    ]
    asked = {"a@x.example", "b@x.example", "c@x.example"}
    assert await database.read(unsubscribe_groups.left_among, weekly, asked) == {"a@x.example", "b@x.example"}
    assert [await database.write(unsubscribe_groups.forget_some, weekly, 3) for _ in range(3)] == [3, 1, 0]
    assert await database.read(unsubscribe_groups.page, [weekly, daily], 9) == listed[4:]
    assert await database.read(unsubscribe_groups.page, [], 9) == []


async def test_groups_go_with_their_domain(database: Database, domain: SendingDomain) -> None:
    group = await added(database, domain, "weekly")
    await database.write(domains.remove, domain.id)
    assert await database.read(unsubscribe_groups.get, group.id) is None


async def test_groups_are_found_from_memory_until_they_change(database: Database, domain: SendingDomain) -> None:
    directory = GroupDirectory(database)
    await directory.refresh()
    assert await directory.get(domain.id, 1) is None
    group = await added(database, domain, "weekly")
    # What was not there is looked for again at once.
    assert await directory.get(domain.id, group.id) == group
    assert await directory.get(domain.id + 1, group.id) is None
    assert [await directory.get(domain.id, one) for one in (0, -1, 1 << 63)] == [None] * 3
    await database.write(unsubscribe_groups.remove, group.id)
    assert await directory.get(domain.id, group.id) == group
    await directory.refresh()
    assert await directory.get(domain.id, group.id) is None
