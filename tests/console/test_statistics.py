"""The page of statistics: its timeline, breakdown and tables for a span, without scripts, and as files."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from postroad.events.statistics import KINDS
from postroad.model.event import EventType
from postroad.net.clock import now_ms
from postroad.storage import counters
from postroad.storage.database import Database
from tests.storage.samples import accepted, event_of

from .conftest import Client, World

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
YEAR_AGO = now_ms() - 200 * DAY_MS


async def _happened(
    database: Database, world: World, kind: EventType, times: int, *, at: int = 0, is_ours: bool = True, **data: Any
) -> None:
    account, domain = (world.ours, world.domain) if is_ours else (world.theirs, world.their_domain)
    to = data.pop("to", "example.net")
    one = accepted(f"u@{to}", account_id=account.id, domain_id=domain.id).deliveries[0]
    await database.append_events([event_of(one, kind, at=at or now_ms(), **data) for _ in range(times)])


def _chart(text: str) -> dict[str, Any]:
    found = re.search(r'id="chart-data">(.*?)</script>', text)
    assert found is not None
    drawn: dict[str, Any] = json.loads(found[1])
    return drawn | {"series": {one["name"]: one["counts"] for one in drawn["series"]}}


def _table(text: str, name: str, *columns: str) -> list[tuple[str, ...]]:
    """Return some columns of a table's rows, without their markup."""
    found = re.search(rf'<table id="{name}"[^>]*>(.*?)<tbody>(.*?)</tbody>', text, re.DOTALL)
    if found is None:
        return []
    heads = _cells(found[1], "th")
    rows = [_cells(row, "td") for row in re.findall(r"<tr>(.*?)</tr>", found[2], re.DOTALL)]
    return [tuple(row[heads.index(column)] for column in columns) for row in rows]


def _cells(row: str, kind: str) -> list[str]:
    return [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(rf"<{kind}[ >].*?</{kind}>", row, re.DOTALL)]


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


async def test_a_new_account_is_told_what_to_do_first(user: Client, database: Database, world: World) -> None:
    await _happened(database, world, EventType.ACCEPTED, 3, is_ours=False)

    text = (await user.get("/statistics")).text

    assert "No mail to count yet" in text
    assert 'href="/credentials/smtp-users"' in text
    assert 'id="chart"' not in text


async def test_the_menu_leads_there(user: Client) -> None:
    text = (await user.get("/")).text

    assert re.search(r'<a href="/statistics">.*?Statistics</a>', text)


async def test_who_may_only_look_sees_timeline_breakdown_and_tables_of_their_account_alone(
    user: Client, database: Database, world: World
) -> None:
    await _happened(database, world, EventType.ACCEPTED, 30, tags=["Orders"])
    await _happened(database, world, EventType.DELIVERED, 20, tags=["Orders"])
    await _happened(database, world, EventType.BOUNCED, 6, to="example.org", bounce_class="bad-mailbox")
    await _happened(database, world, EventType.BOUNCED, 2, bounce_class="quota", is_expired=True)
    await _happened(database, world, EventType.DEFERRED, 5, bounce_class="quota")
    await _happened(database, world, EventType.DELIVERED, 777, to="theirs.example", tags=["theirs"], is_ours=False)

    text = (await user.get("/statistics")).text

    drawn = _chart(text)
    happened = {"accepted": 30, "delivered": 20, "deferred": 5, "bounced": 8, "expired": 2}
    totals = {name: sum(counts) for name, counts in drawn["series"].items()}
    assert totals == dict.fromkeys(totals, 0) | happened
    assert _table(text, "classes", "Bounced", "Share", "Deferred") == [("6", "75.0%", "0"), ("2", "25.0%", "5")]
    columns = ("Accepted", "Delivered", "Deferred", "Bounced", "Bounce rate")
    assert _table(text, "tag-table", "Tag", *columns) == [("orders", "30", "20", "0", "0", "0.0%")]
    assert _table(text, "destination-table", "Destination", *columns) == [
        ("example.net", "30", "20", "5", "2", "9.1%"),
        ("example.org", "0", "0", "0", "6", "100.0%"),
    ]
    assert "theirs" not in text
    # Without scripts the timeline is a table, and periods and zoom are links.
    assert len(re.findall(r'<tr><th scope="row">', text)) == len(drawn["times"])
    assert 'href="/statistics?period=30d&amp;view=delivery"' in text


async def test_the_bounces_have_a_timeline_by_class(admin: Client, database: Database, world: World) -> None:
    await _happened(database, world, EventType.BOUNCED, 6, bounce_class="bad-mailbox")
    await _happened(database, world, EventType.DEFERRED, 5, bounce_class="quota")

    drawn = _chart((await admin.get("/statistics?view=bounces")).text)

    assert {name: sum(counts) for name, counts in drawn["series"].items()} == {"bad-mailbox": 6}


async def test_everything_follows_the_span(admin: Client, database: Database, world: World) -> None:
    at = now_ms() // HOUR_MS * HOUR_MS - 30 * HOUR_MS
    await _happened(
        database, world, EventType.BOUNCED, 4, at=at, tags=["then"], bounce_class="quota", to="then.example"
    )
    await _happened(
        database, world, EventType.BOUNCED, 3, tags=["now"], bounce_class="policy-related", to="now.example"
    )

    text = (await admin.get(f"/statistics?from={_iso(at)}&until={_iso(at + 2 * HOUR_MS)}")).text

    drawn = _chart(text)
    assert drawn["times"] == [at // 1000, at // 1000 + 3600]
    assert drawn["series"]["bounced"] == [4, 0]
    assert _table(text, "tag-table", "Tag") == [("then",)]
    assert _table(text, "destination-table", "Destination") == [("then.example",)]
    assert "Mailbox full" in text
    assert "Policy" not in text


async def test_a_span_without_events_says_where_there_may_be_some(
    admin: Client, database: Database, world: World
) -> None:
    await _happened(database, world, EventType.ACCEPTED, 1, at=YEAR_AGO)

    text = (await admin.get("/statistics")).text
    assert "Nothing happened in this time" in text
    year = _chart((await admin.get("/statistics?period=1y")).text)
    assert (len(year["times"]), sum(year["series"]["accepted"])) == (365, 1)


@pytest.mark.parametrize("is_folded", [True, False])
async def test_days_begin_at_the_viewers_midnight(
    admin: Client, database: Database, world: World, *, is_folded: bool
) -> None:
    # 2026-10-25: the clock is put back in Prague, so the day has 25 hours.
    midnight = int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp() * 1000)
    for at in (midnight - 1, midnight, midnight + 25 * HOUR_MS - 1, midnight + 25 * HOUR_MS):
        await _happened(database, world, EventType.DELIVERED, 1, at=at)
    if is_folded:
        await database.write(counters.fold, 100)
    admin.cookies.set("postroad-zone", "Europe/Prague")

    text = (await admin.get("/statistics?from=2026-10-15&until=2026-10-31")).text

    drawn = _chart(text)
    assert drawn["zone"] == "Europe/Prague"
    day = drawn["times"].index(midnight // 1000)
    assert drawn["series"]["delivered"][day - 1 : day + 2] == [1, 2, 1]
    assert '<th scope="row">2026-10-25</th>' in text
    assert len(drawn["times"]) == 17


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "x" * 300, ""])
async def test_a_zone_that_there_is_not_is_utc(admin: Client, database: Database, world: World, zone: str) -> None:
    await _happened(database, world, EventType.ACCEPTED, 1)
    admin.cookies.set("postroad-zone", zone)

    assert _chart((await admin.get("/statistics?period=30d")).text)["zone"] == "UTC"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("period=2w", "choose one of 24h, 7d"),
        ("from=yesterday", "is not a time"),
        ("from=2020-01-01&until=2026-01-01", "three years at most"),
        ("from=9999-12-31&until=9999-12-31", "is not a time"),
    ],
)
async def test_a_span_that_cannot_be_is_refused(admin: Client, query: str, said: str) -> None:
    for path in ("/statistics", "/statistics/csv"):
        reply = await admin.get(f"{path}?{query}")

        assert (reply.status_code, said in reply.text) == (422, True)


async def test_the_tables_are_files_with_every_type_and_nothing_that_runs(
    user: Client, database: Database, world: World
) -> None:
    await _happened(database, world, EventType.ACCEPTED, 2, tags=["=1+1", 'a "b", c'])
    await _happened(database, world, EventType.ACCEPTED, 5, tags=["theirs"], is_ours=False)
    types = [name for name in KINDS if name != "expired"]

    async def rows(by: str) -> list[dict[str, str]]:
        reply = await user.get(f"/statistics/csv?by={by}&period=24h")
        assert reply.headers["content-type"].startswith("text/csv")
        assert f'filename="postroad-by-{by}-20' in reply.headers["content-disposition"]
        return list(csv.DictReader(io.StringIO(reply.text)))

    tags = await rows("tag")
    rates = [f"{name}-rate-percent" for name in ("bounce", "open", "click", "unsubscribe", "complaint")]
    assert list(tags[0]) == ["tag", *types, *rates]
    assert sorted((row["tag"], row["accepted"], row["bounced"]) for row in tags) == [
        ("'=1+1", "2", "0"),
        ('a "b", c', "2", "0"),
    ]
    assert [(row["destination"], row["accepted"]) for row in await rows("destination")] == [("example.net", "2")]
    assert await rows("bounce-class") == []
    times = await rows("time")
    assert (len(times), times[-1]["accepted"], times[-1]["expired"]) == (24, "2", "0")
    assert times[-1]["from"].endswith(":00:00Z")
    assert (await user.get("/statistics/csv?by=recipient")).status_code == 404


async def test_one_domain_is_shown_where_one_is_chosen_and_no_other_accounts(
    admin: Client, database: Database, world: World
) -> None:
    await _happened(database, world, EventType.ACCEPTED, 2)
    await _happened(database, world, EventType.ACCEPTED, 777, is_ours=False)

    await admin.send_form("/choose-domain", domain=str(world.domain.id), next="/statistics")
    assert f"the mail of {world.domain.name}" in (await admin.get("/statistics")).text
    admin.cookies.set("postroad-domain", str(world.their_domain.id))
    text = (await admin.get("/statistics")).text
    assert sum(_chart(text)["series"]["accepted"]) == 2
    assert not re.search(r"\b777\b", (await admin.get("/statistics/csv")).text)
