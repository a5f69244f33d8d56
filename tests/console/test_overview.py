"""The first page: first steps for a new account, then the day, the queue and what needs attention."""

import json
import re

import msgspec

from postroad.model.domain import DomainState
from postroad.model.event import EventType
from postroad.net.clock import now_ms
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.storage.secrets import Vault
from tests.storage.samples import accepted, event_of

from .conftest import Client, World, message_of


async def _happened(
    database: Database, world: World, kind: EventType, times: int, *, is_ours: bool = True, **data: object
) -> None:
    account, domain = (world.ours, world.domain) if is_ours else (world.theirs, world.their_domain)
    one = accepted(account_id=account.id, domain_id=domain.id).deliveries[0]
    await database.append_events([event_of(one, kind, at=now_ms(), **data) for _ in range(times)])


def _chart(text: str) -> dict[str, list[int]]:
    found = re.search(r'id="chart-data">(.*?)</script>', text)
    assert found is not None
    return dict(json.loads(found[1])["series"])


async def test_a_new_account_is_led_through_its_first_steps(admin: Client) -> None:
    text = (await admin.get("/")).text

    assert "Four steps to the first delivered message" in text
    assert text.count('class="done"') == 2
    assert re.search(r'aria-current="step".*?Add an SMTP user', text, re.DOTALL)
    assert 'id="chart"' not in text


async def test_the_day_is_drawn_and_told_in_a_table(admin: Client, database: Database, world: World) -> None:
    await _happened(database, world, EventType.ACCEPTED, 30)
    await _happened(database, world, EventType.DELIVERED, 20)
    await _happened(database, world, EventType.DELIVERED, 500, is_ours=False)
    await _happened(database, world, EventType.COMPLAINED, 2)

    text = (await admin.get("/")).text

    chart = _chart(text)
    assert [len(counts) for counts in chart.values()] == [24] * 6
    assert (chart["accepted"][-1], chart["delivered"][-1], sum(chart["bounced"])) == (30, 20, 0)
    assert chart["complained"][-1] == 2
    assert re.search(r"Complained</dt><dd>2</dd>", text)
    assert text.count('<th scope="row">') == 24
    assert sum(chart["delivered"]) == 20, "the other account's stay out"
    assert ">500<" not in text
    assert "Open rate" not in text
    assert "2 of 20 delivered" in re.sub("<[^>]+>", " ", text)


async def test_rates_say_what_they_are_of(admin: Client, database: Database, world: World) -> None:
    await _happened(database, world, EventType.ACCEPTED, 40)
    await _happened(database, world, EventType.DELIVERED, 30)
    await _happened(database, world, EventType.BOUNCED, 10)
    await _happened(database, world, EventType.OPENED, 6, verdict="human", is_first=True)
    await _happened(database, world, EventType.OPENED, 5, verdict="human")
    await _happened(database, world, EventType.OPENED, 4, verdict="machine")
    told = re.findall(r"<dt>(\w+ rate)</dt><dd>([^<]*)<span[^>]*>([^<]*)<", (await admin.get("/")).text)

    assert told == [
        ("Bounce rate", "25.0%", "10 of 40 delivered or bounced"),
        ("Open rate", "20.0%", "6 of 30 delivered"),
    ]


async def test_what_needs_attention_is_listed_with_where_to_go(
    admin: Client, operator: Client, database: Database, world: World
) -> None:
    await _happened(database, world, EventType.ACCEPTED, 200)
    await _happened(database, world, EventType.DELIVERED, 150)
    await _happened(database, world, EventType.BOUNCED, 50)
    failing = msgspec.structs.replace(world.domain, failing_since=now_ms() - 7_200_000)
    waiting = msgspec.structs.replace(world.their_domain, state=DomainState.VETTING)
    await database.write(domains.change, Vault(bytes(32)), world.domain, failing)
    await database.write(domains.change, Vault(bytes(32)), world.their_domain, waiting)

    text = (await admin.get("/")).text

    assert "25% of the last 24 hours" in text
    assert "/messages?state=bounced" in text
    assert f"DNS records of {world.domain.name}" in text
    assert f'href="/domains/{world.domain.name}"' in text
    assert world.their_domain.name not in text


async def test_the_queue_is_the_accounts_own(admin: Client, database: Database, world: World) -> None:
    await _happened(database, world, EventType.ACCEPTED, 1)
    await message_of(database, world.ours, world.domain, "a@example.net", "b@example.net")
    for _ in range(5):
        await message_of(database, world.theirs, world.their_domain)

    text = (await admin.get("/")).text

    assert "2 deliveries" in text
    assert "7 deliveries" not in text
