"""What commands tell of the use of credentials and domains, against a real database in a data folder."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postroad.model.client_fault import ClientFault, FaultKind
from postroad.model.event import EventType
from postroad.net.clock import now_ms
from postroad.policy.quota import demands_of_domain
from postroad.policy.repetition import ADVICE
from postroad.storage import client_faults, counters, domains, events, quotas, smtp_users
from postroad.storage.counters import MOST_TAGS
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in
from tests.storage.samples import accepted, event_of, new_id

NAME = "news.example.com"
USERNAME = f"app@{NAME}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    return commands_in(data, ("domain", "add", NAME))


def _written(data: Path, write: Callable[[Any], Any]) -> None:
    async def use() -> None:
        database = await open_database("", data_dir=data, clock=now_ms, read_connections=1)
        try:
            await database.write(write)
        finally:
            await database.close()

    asyncio.run(use())


def test_a_programs_repeats_are_shown_with_example_and_advice_in_json_too(run: Run, data: Path) -> None:
    run("smtp-user", "add", USERNAME, "--generate")

    def note(connection: Any) -> None:
        user = smtp_users.by_username(connection, USERNAME)
        assert user is not None
        fault = ClientFault(
            credential_id=user.id,
            account_id=user.account_id,
            kind=FaultKind.TOO_SOON,
            count=7,
            first_at=1_780_000_000_000,
            last_at=1_780_000_060_000,
            client_address="192.0.2.7",
            subject="Menu",
            recipient="you@example.net",
            recipient_count=3,
            reply="4.7.1 Later.",
        )
        client_faults.note(connection, [fault])

    _written(data, note)

    (told,) = json.loads(run("smtp-user", "show", USERNAME, "--json").stdout)["faults"]
    assert told == {
        "kind": "too_soon",
        "count": 7,
        "first_at": "2026-05-28T20:26:40.000Z",
        "last_at": "2026-05-28T20:27:40.000Z",
        "example": {
            "subject": "Menu",
            "recipient": "you@example.net",
            "recipient_count": 3,
            "client_address": "192.0.2.7",
            "reply": "4.7.1 Later.",
        },
        "advice": ADVICE[FaultKind.TOO_SOON],
    }
    assert "“Menu” to you@example.net from 192.0.2.7" in run("smtp-user", "show", USERNAME).stdout


def test_a_domains_quotas_are_shown_with_what_is_used_and_when_they_free(run: Run, data: Path) -> None:
    assert json.loads(run("domain", "show", NAME, "--json").stdout)["quotas"] == {}
    run("domain", "set", NAME, "hourly_quota=5000", "daily_quota=40000")
    now = now_ms()

    def take(connection: Any) -> None:
        domain = domains.by_name(connection, NAME)
        assert domain is not None
        # The hour may end before it is looked at.
        periods = {*demands_of_domain(domain, now), *demands_of_domain(domain, now + 60_000)}
        assert quotas.take(connection, tuple(periods), 1_204) is None

    _written(data, take)

    shown = json.loads(run("domain", "show", NAME, "--json").stdout)["quotas"]
    assert [(shown[one]["used"], shown[one]["limit"]) for one in ("hour", "day")] == [(1_204, 5_000), (1_204, 40_000)]
    assert shown["day"]["frees_at"].endswith("T00:00:00.000Z")
    assert shown["hour"]["frees_at"].endswith(":00:00.000Z")
    text = run("domain", "show", NAME).stdout
    assert "this day   used 1,204 of 40,000 recipients, frees at 20" in text
    assert "this hour  used 1,204 of 5,000 recipients" in text


def test_tags_that_an_hour_had_no_room_for_are_shown_together(run: Run, data: Path) -> None:
    at = now_ms()

    def count(connection: Any) -> None:
        domain = domains.by_name(connection, NAME)
        assert domain is not None
        one = accepted(account_id=domain.account_id, domain_id=domain.id).deliveries[0]
        tags = [f"order {number}" for number in range(MOST_TAGS + 2)]
        events.append(connection, [event_of(one, EventType.ACCEPTED, at=at, tags=tags)], new_id)
        counters.fold(connection, 1_000)

    _written(data, count)

    shown = json.loads(run("stats", "show", "--by", "tag", "--limit", "1000", "--json").stdout)["tags"]
    assert shown[0] == {"tag": None, "by_type": {"accepted": 2}, "rates_percent": {}}
    assert len(shown) == MOST_TAGS + 1
    assert "(further tags)" in run("stats", "show", "--by", "tag").stdout


def test_statistics_are_the_same_as_table_json_and_csv_by_everything(run: Run, data: Path) -> None:
    run("domain", "add", "other.example.com")
    at = now_ms() - 3 * 86_400_000

    def count(connection: Any) -> None:
        for name, times in ((NAME, 3), ("other.example.com", 500)):
            domain = domains.by_name(connection, name)
            assert domain is not None
            one = accepted("u@example.net", account_id=domain.account_id, domain_id=domain.id).deliveries[0]
            facts = {"bounce_class": "quota", "tags": ["Orders"], "is_expired": True}
            events.append(connection, [event_of(one, EventType.BOUNCED, at=at, **facts) for _ in range(times)], new_id)
            events.append(connection, [event_of(one, EventType.DELIVERED, at=at) for _ in range(times)], new_id)
        counters.fold(connection, 2)

    _written(data, count)

    def show(by: str, *more: str) -> str:
        return run("stats", "show", "--domain", NAME, "--since", "4d", "--by", by, *more).stdout

    def of_delivered(row: dict[str, int]) -> dict[str, float]:
        return dict.fromkeys(("open", "click", "unsubscribe", "complaint"), 0.0) if "delivered" in row else {}

    for by, many, name, key, row in (
        ("tag", "tags", "tag", "orders", {"bounced": 3}),
        ("destination", "destinations", "destination", "example.net", {"bounced": 3, "delivered": 3}),
        ("bounce-class", "bounce_classes", "bounce_class", "quota", {"bounced": 3}),
    ):
        whole = sum(row.values())
        rates = {} if by == "bounce-class" else {"rates_percent": {"bounce": 100 * 3 / whole} | of_delivered(row)}
        assert json.loads(show(by, "--json")) == {many: [{name: key, "by_type": row} | rates]}
        percent = [f"{100 * 3 / whole:.2f}"] if rates else []
        assert show(by).splitlines()[1].split() == [key, *(["3"] * len(row)), *percent]
        (line,) = csv.DictReader(io.StringIO(show(by, "--csv")))
        assert {kind: int(line[kind]) for kind in row} == row
        assert line[by] == key
    for by in ("hour", "day"):
        (period,) = json.loads(show(by, "--json"))["periods"]
        assert period["by_type"] == {"delivered": 3, "bounced": 3, "expired": 3}
        (line,) = csv.DictReader(io.StringIO(show(by, "--csv")))
        assert (line["from"][:13], line["bounced"], line["expired"]) == (period["begins_at"][:13], "3", "3")
        assert "EXPIRED" in show(by)
        assert "Bounce rate 50.00 %: 3 of 6 delivered or bounced" in show(by)
    assert json.loads(show("tag", "--until", "3h", "--json"))["tags"] != []
    assert json.loads(show("tag", "--until", "3d", "--since", "5d", "--json"))["tags"] != []
    assert json.loads(run("stats", "show", "--by", "tag", "--since", "2d", "--json").stdout) == {"tags": []}
    everybodys = json.loads(run("stats", "show", "--by", "destination", "--since", "4d", "--json").stdout)
    assert everybodys["destinations"][0]["by_type"] == {"bounced": 503, "delivered": 503}
