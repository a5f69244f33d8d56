"""``postroad webhook`` and what goes with it, against a real database in a data folder and a real receiver."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallAttempt, CallResult, Health
from postroad.net.clock import now_ms
from postroad.storage import domains, events, webhook_calls, webhook_log
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in
from tests.peers.webhook_receiver import Reply, WebhookReceiver
from tests.storage import samples

NAME = "news.example.com"
URL = "https://hooks.example/events"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Run:
    return commands_in(data, ("domain", "add", NAME))


@pytest.fixture
def lenient(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Where addresses inside may be called."""
    monkeypatch.setenv("POSTROAD_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true")
    return run


def answered(run: Run, *arguments: str, **options: Any) -> Any:
    return json.loads(run("webhook", *arguments, "--json", **options).stdout)


def written(data: Path, write: Callable[[Any], Any]) -> Any:
    async def use() -> Any:
        database = await open_database("", data_dir=data, clock=now_ms, read_connections=1)
        try:
            return await database.write(write)
        finally:
            await database.close()

    return asyncio.run(use())


def test_a_webhook_is_added_shown_paused_resumed_and_removed(run: Run) -> None:
    said = run("webhook", "add", NAME, URL, "--event", "delivered", "--event", "bounced", "--note", "orders").stdout
    shown = answered(run, "show", "1")
    paused = run("webhook", "pause", "1").stdout
    listed = run("webhook", "list", "--domain", NAME).stdout
    run("webhook", "resume", "1")
    state = answered(run, "list")[0]["state"]
    run("webhook", "remove", "1", "--yes")

    assert said == f"Added webhook 1: delivered, bounced events of {NAME} are posted to {URL}.\n"
    assert (shown["format"], shown["event_types"], shown["waiting"]) == ("standard", ["delivered", "bounced"], 0)
    assert "wait until it is resumed" in paused
    assert "paused since" in listed
    assert state == "on"
    assert answered(run, "list") == []
    actions = [one["action"] for one in json.loads(run("audit", "search", "--json").stdout)]
    assert [one for one in actions if one.startswith("webhook.")] == [
        "webhook.removed", "webhook.resumed", "webhook.paused", "webhook.added",
    ]  # fmt: skip


def test_what_is_named_of_a_webhook_is_changed_and_the_rest_stays(run: Run) -> None:
    login = "https://app:s3cret-pw@hooks.example"
    run("webhook", "add", NAME, f"{login}/a", "--event", "delivered", "--event", "held", "--note", "orders")

    noted = answered(run, "edit", "1", "--note", "bills")
    moved = run("webhook", "edit", "1", "--url", "https://app@hooks.example/b", "--format", "mailgun").stdout
    kept = answered(run, "show", "1")
    away = answered(run, "edit", "1", "--url", "https://app@other.example/b", "--event", "bounced")
    whole = answered(run, "edit", "1", "--all-events")

    assert (noted["note"], noted["url"], noted["event_types"]) == (
        "bills",
        "https://app@hooks.example/a",
        ["delivered", "held"],
    )
    # Mailgun has no word for what is held.
    assert moved == "Saved webhook 1: delivered events are posted to https://app@hooks.example/b.\n"
    assert (kept["note"], kept["has_password"]) == ("bills", True)
    assert (away["has_password"], away["event_types"]) == (False, ["bounced"])
    assert len(whole["event_types"]) == 10


def test_a_token_is_changed_and_taken_away(run: Run) -> None:
    run("webhook", "add", NAME, URL, "--format", "sparkpost", "--token-stdin", given="first")

    assert answered(run, "edit", "1", "--note", "n")["has_token"]
    assert answered(run, "edit", "1", "--token-stdin", given="second")["has_token"]
    assert not answered(run, "edit", "1", "--no-token")["has_token"]


def test_a_password_is_shown_nowhere(run: Run, data: Path) -> None:
    run("webhook", "add", NAME, "https://app:sesame@hooks.example/", "--token-stdin", given="a-token\n")
    shown = answered(run, "show", "1")
    everything = "".join(
        run(*command).stdout
        for command in (("webhook", "list", "--json"), ("webhook", "show", "1"), ("audit", "search", "--json"))
    )

    assert (shown["url"], shown["has_password"], shown["has_token"]) == ("https://app@hooks.example/", True, True)
    assert "sesame" not in everything
    assert "a-token" not in everything
    assert b"sesame" not in b"".join(one.read_bytes() for one in data.iterdir() if one.is_file())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((NAME, "hooks.example"), "The address must be an http or https one"),
        ((NAME, "http://127.0.0.1/"), "127.0.0.1 is not an address of the public Internet"),
        ((NAME, "http://[::ffff:10.0.0.1]/"), "is not an address of the public Internet"),
        (("other.example.com", URL), "There is no sending domain other.example.com"),
        ((NAME, URL, "--format", "mailgun", "--event", "held"), "The format mailgun has no word for held events"),
        ((NAME, URL, "--note", "x" * 501), "A note has at most 500 characters"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_a_sentence(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in run("webhook", "add", *arguments, expect=1).stderr


def test_a_fourth_address_for_a_type_is_refused(run: Run) -> None:
    for name in "abc":
        run("webhook", "add", NAME, f"{URL}/{name}", "--event", "opened")

    refused = run("webhook", "add", NAME, f"{URL}/d", expect=1).stderr

    assert "Opened events are posted to 3 addresses already, and no more are allowed." in refused


def test_a_test_posts_a_sample_of_every_type_and_says_what_came_of_each(lenient: Run) -> None:
    with WebhookReceiver() as receiver:
        receiver.answer = lambda call: Reply(500 if call.json["event-data"]["event"] == "clicked" else 200, body=b"hm")
        lenient("webhook", "add", NAME, receiver.url, "--format", "mailgun")
        told = lenient("webhook", "test", "1", expect=1)
        types = answered(lenient, "show", "1")["event_types"]
        log = answered(lenient, "log", "1")

    assert len(receiver.calls) == len(types) == len(log) == 10
    assert "Error: 1 of 10 calls failed." in told.stderr
    assert "failed     clicked" in told.stdout
    assert "it answered 500" in told.stdout
    assert all(one["is_test"] for one in log)
    assert answered(lenient, "log", "--result", "failed")[0]["reply"] == "hm"


def test_calls_of_the_log_are_made_again_one_by_one_or_by_their_time(lenient: Run, data: Path) -> None:
    lenient("webhook", "add", NAME, URL, "--event", "delivered")

    def tell(connection: Any) -> list[int]:
        domain = domains.by_name(connection, NAME)
        assert domain is not None
        one = samples.accepted(account_id=domain.account_id, domain_id=domain.id).deliveries[0]
        calls = []
        for result in (CallResult.DELIVERED, CallResult.GIVEN_UP, CallResult.FAILED):
            event = samples.event_of(one, EventType.DELIVERED, at=now_ms())
            # Nobody listens to it as it happens.
            events.append(connection, [event], samples.new_id)
            attempt = CallAttempt(
                id=samples.new_id(), call_id=samples.new_id(), at=now_ms(), account_id=domain.account_id,
                domain_id=domain.id, receiver=1, url=URL, format=CallbackFormat.STANDARD, event_ids=(event.id,),
                attempt=1, result=result,
            )  # fmt: skip
            webhook_log.append(connection, [attempt])
            calls.append(attempt.call_id)
        connection.exec_driver_sql("DELETE FROM webhook_calls")
        return calls

    calls = written(data, tell)
    one = answered(lenient, "replay", text_of(calls[0]))
    failed = answered(lenient, "replay", "--webhook", "1", "--since", "2026-01-02", "--failed")
    ended = answered(lenient, "replay", "--webhook", "1", "--since", "2026-01-02")
    refused = lenient("webhook", "replay", text_of(samples.new_id()), expect=1).stderr

    assert one == {"calls": 1, "is_more": False}
    assert failed["calls"] == 1
    assert ended["calls"] == 2
    assert answered(lenient, "show", "1")["waiting"] == 4
    assert "There is no call" in refused
    lenient("webhook", "replay", expect=2)
    lenient("webhook", "remove", "1", "--yes")
    assert "has been removed" in lenient("webhook", "replay", text_of(calls[0]), expect=1).stderr


def test_check_names_receivers_that_take_no_calls(run: Run, data: Path) -> None:
    run("webhook", "add", NAME, URL)
    before = run("check", expect=0).stdout

    def break_it(connection: Any) -> None:
        webhook_calls.claim(connection, [1], 7, now_ms(), now_ms() + 1_000)
        broken = Health(failures=12, failing_since=now_ms(), paused_at=now_ms(), last_error="it answered 503")
        webhook_calls.release(connection, 7, {1: broken})

    written(data, break_it)

    assert "webhooks: Every webhook is called." in before
    assert f"{URL} has taken no calls since" in run("check").stdout
    assert "it answered 503" in answered(run, "show", "1")["last_error"]
    assert answered(run, "list")[0]["state"] == "broken"


def test_the_public_key_of_events_is_shown_and_stays(run: Run) -> None:
    first = json.loads(run("signing-key", "show", "--json").stdout)["sendgrid_public_key"]
    again = json.loads(run("signing-key", "update", "--yes", "--json").stdout)["sendgrid_public_key"]

    assert first == again
    assert first.startswith("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")
