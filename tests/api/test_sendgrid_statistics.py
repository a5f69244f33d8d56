"""SendGrid's statistics as its callers meet them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.storage.database import Database
from tests.storage.samples import accepted, event_of

from .sendgrid_callers import client, foreign, other, sending
from .services import NOW

__all__ = ["client", "foreign", "other", "sending"]

DAY_MS = 86_400_000
TODAY = datetime.fromtimestamp(NOW / 1000, UTC).date()
STATS, CATEGORIES = "/v3/stats", "/v3/categories/stats"


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


async def happened(
    database: Database, domain: SendingDomain, kind: EventType, times: int, *, ago: int = 0, **facts: Any
) -> None:
    one = accepted("u@x.example", account_id=domain.account_id, domain_id=domain.id).deliveries[0]
    await database.append_events([event_of(one, kind, at=NOW - ago * DAY_MS, **facts) for _ in range(times)])


async def asked(client: httpx2.AsyncClient, path: str = STATS, **query: Any) -> list[dict[str, Any]]:
    reply = await client.get(path, params={"start_date": day(1)} | query)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()
    return found


async def test_each_day_has_its_numbers(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, other: SendingDomain, foreign: SendingDomain
) -> None:
    await happened(database, domain, EventType.ACCEPTED, 3, ago=1)
    await happened(database, domain, EventType.DELIVERED, 2)
    await happened(database, other, EventType.DELIVERED, 4)
    await happened(database, foreign, EventType.DELIVERED, 8)
    await happened(database, domain, EventType.BOUNCED, 1)
    await happened(database, domain, EventType.COMPLAINED, 1, ago=2)
    found = await asked(client)
    assert [one["date"] for one in found] == [day(1), day(0)]
    before, today = (one["stats"][0]["metrics"] for one in found)
    assert set(before) == {
        "blocks", "bounce_drops", "bounces", "clicks", "deferred", "delivered", "invalid_emails", "opens", "processed",
        "requests", "spam_report_drops", "spam_reports", "unique_clicks", "unique_opens", "unsubscribe_drops",
        "unsubscribes",
    }  # fmt: skip
    assert {name: count for name, count in before.items() if count} == {"processed": 3, "requests": 3}
    assert {name: count for name, count in today.items() if count} == {"delivered": 6, "bounces": 1}
    [alone] = await asked(client, start_date=day(0), domain=domain.name)
    assert alone["stats"][0]["metrics"]["delivered"] == 2


async def test_days_are_gathered_into_weeks_and_months(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    for ago in range(10):
        await happened(database, domain, EventType.DELIVERED, 1, ago=ago)
    for part in ("week", "month"):
        found = await asked(client, start_date=day(9), end_date=day(0), aggregated_by=part)
        assert len(found) < 4
        assert found[0]["date"] == day(9)
        assert sum(one["stats"][0]["metrics"]["delivered"] for one in found) == 10


async def test_categories_have_numbers_of_their_own(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, foreign: SendingDomain
) -> None:
    await happened(database, domain, EventType.DELIVERED, 2, tags=("Spring",))
    await happened(database, domain, EventType.DELIVERED, 1)
    await happened(database, foreign, EventType.DELIVERED, 4, tags=("Spring",))
    found = await asked(client, CATEGORIES, start_date=day(0), categories=["Spring", "none"])
    told = {one["name"]: (one["type"], one["metrics"]["delivered"]) for one in found[0]["stats"]}
    assert told == {"Spring": ("category", 2), "none": ("category", 0)}
    assert "unique_opens" not in found[0]["stats"][0]["metrics"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "start_date"),
        ({"start_date": "20260101"}, "start_date"),
        ({"start_date": "2026-02-30"}, "start_date"),
        ({"start_date": "0001-01-01"}, "start_date"),
        ({"start_date": "2026-01-02", "end_date": "2026-01-01"}, "end_date"),
        ({"start_date": "2020-01-01", "end_date": "2026-01-01"}, "start_date"),
        ({"start_date": "2026-01-01", "aggregated_by": "hour"}, "aggregated_by"),
    ],
)
async def test_wrong_queries_are_told(query: dict[str, str], field: str, client: httpx2.AsyncClient) -> None:
    for path in (STATS, CATEGORIES):
        reply = await client.get(path, params=query)
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field)


async def test_categories_are_named_and_few(client: httpx2.AsyncClient) -> None:
    for names in ([], [str(number) for number in range(11)]):
        reply = await client.get(CATEGORIES, params={"start_date": day(0), "categories": names})
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, "categories")


async def test_numbers_of_others_are_not_told(
    client: httpx2.AsyncClient, sending: dict[str, str], foreign: SendingDomain
) -> None:
    for path in (STATS, CATEGORIES):
        query = {"start_date": day(0), "categories": "a"}
        assert (await client.get(path, params=query, headers=sending)).status_code == 403
        assert (await client.get(path, params=query | {"domain": foreign.name})).status_code == 404
