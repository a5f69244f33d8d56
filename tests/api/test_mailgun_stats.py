"""Mailgun's calls on tags and statistics."""

import itertools
from collections.abc import AsyncIterator

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.storage import accounts, counters, domains
from postroad.storage.database import Database

from .conftest import calling_from
from .services import NOW

PATH = "/v3/news.example.com"
HOUR, DAY = 3_600_000, 86_400_000
_ids = itertools.count(1)
EVENT = EventType


def happened(domain: SendingDomain, kind: EventType, at: int, *tags: str, **data: object) -> Event:
    return Event(
        id=next(_ids) << 20,
        type=kind,
        at=at,
        account_id=domain.account_id,
        domain_id=domain.id,
        message_id=None,
        delivery_id=None,
        recipient="ann@dest.example",
        data={**({"tags": list(tags)} if tags else {}), **data},
    )


@pytest.fixture
async def client(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, database: Database
) -> AsyncIterator[httpx2.AsyncClient]:
    other = await database.write(accounts.add, "globex", NOW)
    theirs = SendingDomain(id=0, account_id=other.id, name="theirs.example", state=DomainState.ACTIVE, created_at=NOW)
    theirs = await database.write(domains.add, theirs)
    second = SendingDomain(
        id=0, account_id=domain.account_id, name="more.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    second = await database.write(domains.add, second)
    await database.append_events(
        [
            *(happened(domain, EVENT.ACCEPTED, NOW, "News", "sale") for _ in range(3)),
            happened(domain, EVENT.ACCEPTED, NOW - 3 * DAY, "Old"),
            happened(domain, EVENT.DELIVERED, NOW, "News"),
            happened(domain, EVENT.BOUNCED, NOW, "News", bounce_class="bad-mailbox"),
            happened(domain, EVENT.SUPPRESSED, NOW),
            happened(domain, EVENT.DEFERRED, NOW - HOUR),
            happened(domain, EVENT.OPENED, NOW, "News", verdict="human", is_first=True),
            happened(domain, EVENT.OPENED, NOW, "News", verdict="human"),
            happened(domain, EVENT.OPENED, NOW, "News", verdict="machine"),
            happened(second, EVENT.ACCEPTED, NOW),
            happened(theirs, EVENT.ACCEPTED, NOW, "secret"),
        ]
    )
    await database.write(counters.fold, 1_000)
    async with calling_from(check, "192.0.2.9") as made:
        made.auth = ("api", str((await keys.add_for_account(SYSTEM, domain.account_id)).text))
        yield made


async def test_a_domain_is_counted_by_days_hours_and_months(client: httpx2.AsyncClient) -> None:
    events = "&".join(f"event={one}" for one in ("accepted", "delivered", "failed", "opened", "stored"))
    document = (await client.get(f"{PATH}/stats/total?{events}&duration=4d")).json()
    assert (document["resolution"], len(document["stats"])) == ("day", 5)
    assert document["end"] == "Thu, 28 May 2026 20:26:40 GMT"
    last = document["stats"][-1]
    assert last == {
        "time": "Thu, 28 May 2026 00:00:00 GMT",
        "accepted": {"incoming": 0, "outgoing": 3, "total": 3},
        "delivered": {"smtp": 1, "http": 0, "optimized": 0, "total": 1},
        "failed": {
            "permanent": {
                "bounce": 1,
                "delayed-bounce": 0,
                "suppress-bounce": 0,
                "suppress-unsubscribe": 0,
                "suppress-complaint": 0,
                "optimized": 0,
                "suppressed": 1,
                "total": 2,
            },
            "temporary": {"espblock": 0, "total": 1},
        },
        "opened": {"total": 2, "unique": 1},
        "stored": {"total": 0},
    }
    assert [one["accepted"]["total"] for one in document["stats"]] == [0, 1, 0, 0, 3]

    hours = (await client.get(f"{PATH}/stats/total?event=failed&resolution=hour&duration=3h")).json()["stats"]
    assert [one["failed"]["temporary"]["total"] for one in hours] == [0, 0, 1, 0]
    months = (await client.get(f"{PATH}/stats/total?event=accepted&resolution=month&start=1775001600")).json()["stats"]
    assert [(one["time"], one["accepted"]["total"]) for one in months] == [
        ("Wed, 01 Apr 2026 00:00:00 GMT", 0),
        ("Fri, 01 May 2026 00:00:00 GMT", 4),
    ]


async def test_the_account_is_counted_as_a_whole_and_by_what_tells_its_mail_apart(client: httpx2.AsyncClient) -> None:
    whole = (await client.get("/v3/stats/total?event=accepted&duration=1d")).json()
    assert whole["stats"][-1]["accepted"]["total"] == 4
    total = (await client.get("/v3/stats/filter?event=accepted&group=total")).json()
    assert total["stats"] == [{"accepted": {"incoming": 0, "outgoing": 5, "total": 5}}]
    by_tag = (await client.get("/v3/stats/filter?event=accepted&event=opened&group=tag")).json()
    assert {one["tag"]: one["accepted"]["total"] for one in by_tag["stats"]} == {"news": 3, "sale": 3, "old": 1}
    by_host = (await client.get("/v3/stats/filter?event=accepted&group=provider")).json()
    assert {one["provider"]: one["accepted"]["total"] for one in by_host["stats"]} == {"dest.example": 5}
    by_day = (await client.get("/v3/stats/filter?event=accepted&group=day")).json()
    assert by_day["stats"][-1]["accepted"]["total"] == 4


@pytest.mark.parametrize("what", ["countries", "providers", "devices"])
async def test_what_is_not_counted_of_a_tag_is_said_to_be_so(client: httpx2.AsyncClient, what: str) -> None:
    refused = await client.get(f"{PATH}/tags/News/stats/aggregates/{what}")
    assert (refused.status_code, refused.json()) == (
        400,
        {"message": f"a tag's mail is not counted by {what}; /v3/news.example.com/tags/TAG/stats counts all of it"},
    )
    for path in (f"tags/none/stats/aggregates/{what}", "tags/News/stats/aggregates/planets"):
        assert (await client.get(f"{PATH}/{path}")).status_code == 404
    assert (await client.get(f"/v3/theirs.example/tags/secret/stats/aggregates/{what}")).status_code == 404


async def test_tags_are_listed_described_counted_and_forgotten(client: httpx2.AsyncClient) -> None:
    page = (await client.get(f"{PATH}/tags?limit=2")).json()
    assert [one["tag"] for one in page["items"]] == ["news", "old"]
    assert [one["tag"] for one in (await client.get(page["paging"]["next"])).json()["items"]] == ["sale"]
    last = (await client.get(page["paging"]["last"])).json()
    assert [one["tag"] for one in last["items"]] == ["old", "sale"]
    assert [one["tag"] for one in (await client.get(f"{PATH}/tags?prefix=S")).json()["items"]] == ["sale"]

    assert (await client.put(f"{PATH}/tags/News", data={"description": "weekly"})).json() == {"message": "Tag updated"}
    old = (await client.get(f"{PATH}/tags/old")).json()
    assert old == {
        "tag": "old",
        "description": "",
        "first-seen": "2026-05-25T00:00:00Z",
        "last-seen": "2026-05-25T23:59:59Z",
    }
    news = (await client.get(f"{PATH}/tag?tag=news")).json()
    assert (news["tag"], news["description"]) == ("news", "weekly")
    stats = (await client.get(f"{PATH}/tags/news/stats?event=opened&duration=1h&resolution=hour")).json()
    assert (stats["tag"], stats["stats"][-1]["opened"]) == ("news", {"total": 2, "unique": 1})

    assert (await client.delete(f"{PATH}/tags/NEWS")).json() == {"message": "Tag deleted"}
    assert [one["tag"] for one in (await client.get(f"{PATH}/tags")).json()["items"]] == ["old", "sale"]
    assert (await client.get("/v3/stats/total?event=opened&duration=1d")).json()["stats"][-1]["opened"]["total"] == 2
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/stats?event=opened")):
        missing = await client.request(method, f"{PATH}/tags/news{path}")
        assert (missing.status_code, missing.json()) == (404, {"message": "tag not found"})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "event parameter is missing"),
        ("event=eaten", "event must be of"),
        ("event=opened&resolution=week", "resolution must be one of"),
        ("event=opened&duration=7w", "duration must be a number"),
        ("event=opened&duration=0d", "duration must be a number"),
        ("event=opened&start=tomorrow", "start: "),
        ("event=opened&start=1779000000&end=1778000000", "start is after end"),
        ("event=opened&resolution=hour&duration=90d", "at most 62 days"),
    ],
)
async def test_queries_that_make_no_sense_are_refused(client: httpx2.AsyncClient, query: str, said: str) -> None:
    refused = await client.get(f"{PATH}/stats/total?{query}")
    assert refused.status_code == 400
    assert said in refused.json()["message"]


async def test_others_figures_do_not_exist(client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain) -> None:
    for path in (
        "stats/total?event=accepted",
        "tags",
        "tags/secret",
        "tag?tag=secret",
        "tags/secret/stats?event=opened",
    ):
        answer = await client.get(f"/v3/theirs.example/{path}")
        assert (answer.status_code, answer.json()) == (404, {"message": "Domain not found: theirs.example"})
    by_tag = (await client.get("/v3/stats/filter?event=accepted&group=tag")).json()
    assert "secret" not in {one["tag"] for one in by_tag["stats"]}
    client.auth = ("api", str((await keys.add_for_domain(SYSTEM, domain.name)).text))
    for path in (f"{PATH}/tags", f"{PATH}/stats/total?event=accepted", "/v3/stats/total?event=accepted"):
        assert (await client.get(path)).status_code == 403
