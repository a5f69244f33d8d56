"""Webhooks in the console: setting them up, seeing what became of calls, trying and replaying them."""

import re
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.httpd.console.console import Console
from postroad.httpd.console.pages import webhook_calls as call_pages
from postroad.httpd.console.pages import webhooks as pages
from postroad.model.actor import SYSTEM
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.options import CallbackFormat
from postroad.model.webhook import CallResult, Health, Webhook
from postroad.net.clock import now_ms
from postroad.storage import audit, outbox, webhook_calls, webhooks
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.outbox import Outbox
from postroad.storage.secrets import Vault
from postroad.webhooks.post import Answer
from tests.storage.samples import new_id

from .conftest import Client, Receiver, World, message_of
from .webhook_things import URL, call_of, event_of, webhook_of

LIST = "/webhooks"
DIALOG = {"HX-Request": "true"}
ALL = [kind.value for kind in EventType]
VAULT = Vault(bytes(32))


async def send(client: Client, path: str, fields: dict[str, Any]) -> httpx2.Response:
    """Send a form in which fields may come more than once."""
    data = {"csrf": client.csrf} | fields
    return await client.post(path, data=data, headers={"Sec-Fetch-Site": "same-origin"})


def fields(world: World, **changed: Any) -> dict[str, Any]:
    typed = {"domain": world.domain.name, "url": URL, "format": "standard", "event_types": ALL, "note": ""}
    return typed | changed


async def stored(database: Database, world: World) -> list[Webhook]:
    return await database.read(webhooks.list_all, world.ours.id)


async def fails(database: Database, webhook: Webhook, **health: Any) -> None:
    """Have a receiver be one that has failed."""
    now = now_ms()
    await database.write(webhook_calls.claim, [webhook.id], 7, now, now + 1)
    await database.write(webhook_calls.release, 7, {webhook.id: Health(**health)})


async def test_an_empty_page_says_what_to_do_and_the_menu_leads_to_it(admin: Client, user: Client) -> None:
    text = (await admin.get(LIST)).text
    looked = (await user.get(LIST)).text

    assert "No webhook yet" in text
    assert 'href="/webhooks/new"' in text
    assert re.search(r'<a[^>]*href="/webhooks"[^>]*aria-current', text)
    assert "An admin of this account can add one" in looked
    assert 'href="/webhooks/new"' not in looked


async def test_a_webhook_is_added_seen_paused_resumed_and_removed(
    admin: Client, user: Client, database: Database, world: World
) -> None:
    assert "Add webhook" in (await admin.get(f"{LIST}/new", headers=DIALOG)).text
    added = await send(
        admin, f"{LIST}/new", fields(world, note="Shop <b>one</b>", username="app", password="s3cret-pw")
    )
    [webhook] = await stored(database, world)
    path = f"{LIST}/{webhook.id}"

    assert added.headers["location"] == path
    assert webhook.url == "https://app@app.acme.example/events"
    assert webhook.has_password
    assert webhook.event_types == tuple(EventType)
    for page in ((await admin.get(LIST)).text, (await admin.get(path)).text):
        assert "Shop &lt;b&gt;one" in page
        assert "all 14 types" in page
        assert "s3cret-pw" not in page
        assert "Remove" in page
    assert "Remove" not in (await user.get(path)).text

    assert "wait until you resume" in (await follow(admin, await admin.send_form(f"{path}/pause"))).text
    assert (await stored(database, world))[0].paused_at is not None
    assert "Paused" in (await admin.get(LIST)).text
    await admin.send_form(f"{path}/resume")
    assert (await stored(database, world))[0].paused_at is None
    assert "Remove this webhook?" in (await admin.get(f"{path}/remove", headers=DIALOG)).text
    await admin.send_form(f"{path}/remove")
    assert await stored(database, world) == []
    entries = await database.read(audit.search, AuditSelector(action="webhook"), 10)
    assert [one.action for one in entries] == [
        "webhook.removed",
        "webhook.resumed",
        "webhook.paused",
        "webhook.added",
    ]
    assert "s3cret-pw" not in str(entries)


async def follow(client: Client, reply: httpx2.Response) -> httpx2.Response:
    assert reply.status_code == 303, reply.text
    return await client.get(reply.headers["location"])


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"url": ""}, "url", "Write the address"),
        ({"url": "ftp://app.example/"}, "url", "must be an http or https one"),
        ({"url": "http://[::1"}, "url", "must be an http or https one"),
        ({"url": "http://10.0.0.1/"}, "url", "not an address of the public Internet"),
        ({"url": "https://there.example/"}, "url", "already"),
        ({"format": "xml"}, "format", "Choose a format"),
        ({"event_types": []}, "event_types", "Choose types of events"),
        ({"event_types": ["held"], "format": "mailgun"}, "event_types", "that Mailgun has words for"),
        ({"password": "s3cret-pw"}, "username", "whom the password is of"),
        ({"token": "k\u00e4se"}, "token", "printable ASCII"),
        ({"note": "x" * 501}, "note", "at most 500"),
        ({"domain": "news.globex.example"}, "domain", "There is no sending domain news.globex.example"),
        ({"domain": ""}, "domain", "Choose the sending domain"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(
    admin: Client, console: Console, world: World, *, changed: dict[str, Any], field: str, sentence: str
) -> None:
    await webhook_of(console, world.domain, "https://there.example/")
    reply = await send(admin, f"{LIST}/new", fields(world, **{"note": "kept"} | changed))

    assert reply.status_code == 422
    wrong = re.search(rf'id="{field}-error"[^>]*>(.*?)</p>', reply.text, re.DOTALL)
    assert wrong is not None, reply.text
    assert sentence in wrong[1]
    if "note" not in changed:
        assert 'value="kept"' in reply.text
    assert "s3cret-pw" not in reply.text


async def test_a_password_in_a_refused_address_is_not_shown_again(admin: Client, world: World) -> None:
    wrong = fields(world, url="https://app:s3cret-pw@app.example/e", event_types=[])
    reply = await send(admin, f"{LIST}/new", wrong)

    assert 'value="https://app@app.example/e"' in reply.text
    assert "s3cret-pw" not in reply.text


async def test_the_longest_address_is_added_with_a_flash_that_fits_a_cookie(admin: Client, world: World) -> None:
    url = "https://app.example/".ljust(2_048, "x")

    added = await send(admin, f"{LIST}/new", fields(world, url=url))

    assert added.status_code == 303
    assert len(added.headers["set-cookie"]) < 1_000


async def test_types_that_the_format_has_no_words_for_are_left_out(
    admin: Client, database: Database, world: World
) -> None:
    await send(admin, f"{LIST}/new", fields(world, format="mailgun", event_types=["delivered", "held", "bounced"]))

    [webhook] = await stored(database, world)
    assert webhook.event_types == (EventType.DELIVERED, EventType.BOUNCED)


async def test_an_edited_webhook_keeps_its_login_for_the_same_server_only(
    admin: Client, console: Console, database: Database, world: World
) -> None:
    webhook = await webhook_of(
        console, world.domain, "https://app:s3cret-pw@app.example/a", format=CallbackFormat.SPARKPOST, token="t0ken-x"
    )
    path = f"{LIST}/{webhook.id}/edit"
    shown = (await admin.get(path)).text
    assert 'value="https://app.example/a"' in shown
    assert "s3cret-pw" not in shown
    assert "t0ken-x" not in shown
    typed = {"url": "https://app.example/b", "username": "app", "format": "sparkpost", "event_types": ["bounced"]}

    await send(admin, path, typed)
    login = await database.read(webhooks.login_of, VAULT, webhook.id)
    assert login is not None
    assert (str(login.password), str(login.token)) == ("s3cret-pw", "t0ken-x")
    [changed] = await stored(database, world)
    assert (changed.url, changed.event_types) == ("https://app@app.example/b", (EventType.BOUNCED,))

    said = await follow(admin, await send(admin, path, typed | {"url": "https://evil.example/b"}))
    login = await database.read(webhooks.login_of, VAULT, webhook.id)
    assert login is not None
    assert (login.password, login.token) == ("", "")
    assert "was for another server" in said.text
    [entry, *_] = await database.read(audit.search, AuditSelector(action="webhook.edited"), 10)
    assert entry.after is not None
    assert (entry.after["url"], entry.after["has_token"]) == ("https://app@evil.example/b", False)


async def test_a_token_is_taken_away(admin: Client, console: Console, database: Database, world: World) -> None:
    webhook = await webhook_of(console, world.domain, format=CallbackFormat.SPARKPOST, token="t0ken-x")
    typed = {"url": URL, "format": "sparkpost", "event_types": ["bounced"], "without_token": "on"}
    await send(admin, f"{LIST}/{webhook.id}/edit", typed)

    assert not (await stored(database, world))[0].has_token


async def test_what_the_circuit_breaker_paused_says_since_when_and_why(
    admin: Client, console: Console, database: Database, world: World
) -> None:
    webhook = await webhook_of(console, world.domain)
    message = await message_of(database, world.ours, world.domain)
    database.outbox = Outbox(new_id)
    database.outbox.subscriptions = await database.read(outbox.subscriptions)
    await event_of(database, world.domain, message, EventType.DELIVERED)
    since = now_ms() - 3_600_000
    await fails(database, webhook, failures=12, failing_since=since, paused_at=since, last_error="it answered 500")

    listed, shown = (await admin.get(LIST)).text, (await admin.get(f"{LIST}/{webhook.id}")).text
    overview = (await admin.get("/")).text

    for text in (listed, shown):
        assert "Paused: takes no calls" in text
        assert "it answered 500" in text
        assert "1 call waits, the oldest since" in text
        assert "Try now" in text
    assert "after 12 failures in a row" in shown
    assert f'href="/webhooks/{webhook.id}"' in overview
    assert "has taken no calls for 1 hour: it answered 500" in overview
    assert "1 call waits" in (await admin.get(f"{LIST}/{webhook.id}/remove")).text
    await admin.send_form(f"{LIST}/{webhook.id}/resume")
    health = await database.read(webhook_calls.health_of, [webhook.id])
    assert health[webhook.id].next_try_at is None


async def test_the_log_is_narrowed_and_goes_on(
    admin: Client, console: Console, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_pages, "PAGE_SIZE", 2)
    webhook = await webhook_of(console, world.domain)
    message = await message_of(database, world.ours, world.domain)
    delivered = await event_of(database, world.domain, message, EventType.DELIVERED)
    opened = await event_of(database, world.domain, message, EventType.OPENED)
    calls = [await call_of(database, webhook, delivered, at=now_ms() - 7_200_000) for _ in range(3)]
    failed = await call_of(database, webhook, opened, result=CallResult.GIVEN_UP, status=503, error="it answered 503")
    path = f"{LIST}/{webhook.id}"

    first = (await admin.get(path)).text
    older = re.search(r'href="([^"]*before=[^"]*)"', first)
    assert older is not None
    second = (await admin.get(older[1].replace("&amp;", "&"))).text
    assert shown_calls(first) == [text_of(failed.call_id), text_of(calls[2].call_id)]
    assert shown_calls(second) == [text_of(calls[1].call_id), text_of(calls[0].call_id)]
    assert "before=" not in re.sub(r'name="next"[^>]*', "", second.partition('id="results"')[2])
    for query in ("result=failed", "type=opened", "span=1h"):
        assert shown_calls((await admin.get(f"{path}?{query}")).text) == [text_of(failed.call_id)], query
    assert "Nothing found" in (await admin.get(f"{path}?type=clicked")).text
    assert shown_calls((await admin.get("/webhooks/calls?result=failed")).text) == [text_of(failed.call_id)]


def shown_calls(text: str) -> list[str]:
    return re.findall(r'class="cover" href="/webhooks/calls/(\w+)"', text)


async def test_a_long_list_says_how_to_see_the_rest(
    admin: Client, console: Console, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_SHOWN", 1)
    for name in "ab":
        await webhook_of(console, world.domain, f"https://{name}.example/")

    text = (await admin.get(LIST)).text

    assert "The first 1 of 2 webhooks" in text
    assert "https://b.<wbr>example" not in text


async def test_calls_of_others_are_not_in_the_log(
    admin: Client, console: Console, database: Database, world: World
) -> None:
    theirs = await webhook_of(console, world.their_domain, "https://theirs.example/")
    message = await message_of(database, world.theirs, world.their_domain)
    await call_of(database, theirs, await event_of(database, world.their_domain, message, EventType.DELIVERED))

    assert "No calls yet" in (await admin.get("/webhooks/calls")).text
    assert "theirs.example" not in (await admin.get(LIST)).text


async def test_one_call_is_shown_whole(admin: Client, console: Console, database: Database, world: World) -> None:
    webhook = await webhook_of(console, world.domain)
    message = await message_of(database, world.ours, world.domain)
    event = await event_of(database, world.domain, message, EventType.DELIVERED)
    first = await call_of(
        database, webhook, event, result=CallResult.FAILED, status=None, error="it did not answer within 20 s", reply=""
    )
    await call_of(database, webhook, event, call_id=first.call_id, attempt=2, reply="<script>thanks")

    text = (await admin.get(f"/webhooks/calls/{text_of(first.call_id)}")).text

    assert "&lt;script&gt;thanks" in text
    assert "webhook-id: x" in text
    assert "email.delivered" in text
    assert f'href="/messages/{message}"' in text
    assert "2 attempts" in text
    assert "it did not answer within 20 s" in text


async def test_the_body_of_a_test_is_what_was_posted(
    admin: Client, console: Console, world: World, receiver: Receiver
) -> None:
    webhook = await webhook_of(console, world.domain, format=CallbackFormat.MAILGUN)
    receiver.answer = Answer(status=500, reply="no <i>way</i>", error="it answered 500", duration_ms=7)
    asked = (await admin.get(f"{LIST}/{webhook.id}/test", headers=DIALOG)).text
    assert 'value="delivered" checked' in asked
    assert 'value="held"' not in asked

    none = await send(admin, f"{LIST}/{webhook.id}/test", {"kinds": ["held"]})
    tested = await send(admin, f"{LIST}/{webhook.id}/test", {"kinds": ["delivered", "bounced"]})

    assert none.status_code == 422
    assert "Choose at least one" in none.text
    assert "No call was taken" in tested.text
    assert "no &lt;i&gt;way&lt;/i&gt;" in tested.text
    assert len(receiver.calls) == 2
    [link, _] = re.findall(r"/webhooks/calls/\w+", tested.text)
    shown = (await admin.get(link)).text
    assert "A test: delivered" in shown
    token = msgspec.json.decode(receiver.calls[0][1].body)["signature"]["token"]
    assert token in shown
    assert "/replay" not in shown


async def test_a_call_is_replayed(
    admin: Client, user: Client, console: Console, database: Database, world: World
) -> None:
    webhook = await webhook_of(console, world.domain)
    message = await message_of(database, world.ours, world.domain)
    event = await event_of(database, world.domain, message, EventType.DELIVERED)
    call = await call_of(database, webhook, event, result=CallResult.REFUSED)
    path = f"/webhooks/calls/{text_of(call.call_id)}"

    assert "Replay" not in (await user.get(path)).text
    said = await follow(admin, await admin.send_form(f"{path}/replay"))

    assert "made again as a new call" in said.text
    [waiting] = await database.read(webhook_calls.due, webhook.id, now_ms() + 1, 10)
    assert waiting.event_id == event.id


async def test_a_span_is_counted_before_it_is_replayed(
    admin: Client, console: Console, database: Database, world: World
) -> None:
    webhook = await webhook_of(console, world.domain, format=CallbackFormat.SENDGRID)
    message = await message_of(database, world.ours, world.domain)
    events = [await event_of(database, world.domain, message, kind) for kind in (EventType.DELIVERED, EventType.OPENED)]
    clicked = await event_of(database, world.domain, message, EventType.CLICKED)
    await call_of(database, webhook, *events, result=CallResult.GIVEN_UP)
    await call_of(database, webhook, clicked)
    path = f"{LIST}/{webhook.id}/replay"
    asked = (await admin.get(path, headers=DIALOG)).text
    since, until = re.findall(r'type="datetime-local" value="([^"]*)"', asked)
    typed = {"since": since, "until": until, "only_failed": "on"}

    counted = await send(admin, path, typed)
    assert "2 calls are made again" in counted.text
    assert "Replay 2 calls" in counted.text
    assert "Replay 3 calls" in (await send(admin, path, typed | {"only_failed": []})).text
    assert await database.read(webhook_calls.count_of, webhook.id, 10) == 0

    said = await follow(admin, await send(admin, path, typed | {"sure": "yes"}))
    assert "2 calls are made again" in said.text
    assert await database.read(webhook_calls.count_of, webhook.id, 10) == 2


@pytest.mark.parametrize(
    ("changed", "field", "sentence"),
    [
        ({"since": "yesterday"}, "since", "Write date and time"),
        ({"until": ""}, "until", "Write date and time"),
        ({"until": "2026-11-01T10:00"}, "until", "after the beginning"),
    ],
)
async def test_a_span_that_is_none_is_refused(
    admin: Client, console: Console, world: World, *, changed: dict[str, str], field: str, sentence: str
) -> None:
    webhook = await webhook_of(console, world.domain)
    typed = {"since": "2026-11-02T10:00", "until": "2026-11-03T10:00", "sure": "yes"}
    reply = await send(admin, f"{LIST}/{webhook.id}/replay", typed | changed)

    assert reply.status_code == 422
    wrong = re.search(rf'id="{field}-error"[^>]*>(.*?)</p>', reply.text, re.DOTALL)
    assert wrong is not None
    assert sentence in wrong[1]


async def test_more_than_a_page_may_replay_is_left_to_the_command(
    admin: Client, console: Console, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_pages, "MOST_REPLAYED", 2)
    webhook = await webhook_of(console, world.domain)
    message = await message_of(database, world.ours, world.domain)
    event = await event_of(database, world.domain, message, EventType.DELIVERED)
    for _ in range(3):
        await call_of(database, webhook, event)
    asked = (await admin.get(f"{LIST}/{webhook.id}/replay")).text
    since, until = re.findall(r'type="datetime-local" value="([^"]*)"', asked)

    reply = await send(admin, f"{LIST}/{webhook.id}/replay", {"since": since, "until": until, "sure": "yes"})

    assert reply.status_code == 422
    assert "more than 2 calls" in reply.text


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (CallbackFormat.STANDARD, "Every call has the headers of Standard Webhooks"),
        (CallbackFormat.MAILGUN, "HMAC-SHA256 of timestamp and token"),
        (CallbackFormat.SENDGRID, "The public key"),
        (CallbackFormat.SPARKPOST, "X-MessageSystems-Webhook-Token"),
        (CallbackFormat.BLOOMREACH, "JSON Web Token"),
        (CallbackFormat.BLOOMEVENTS, "API key and secret"),
    ],
)
async def test_each_format_says_how_it_is_signed(
    admin: Client, user: Client, console: Console, world: World, *, chosen: CallbackFormat, words: str
) -> None:
    webhook = await webhook_of(console, world.domain, format=chosen)

    text = (await admin.get(f"{LIST}/{webhook.id}")).text

    assert words in text
    assert 'href="/settings/signing-key"' in text
    assert 'href="/settings/signing-key"' not in (await user.get(f"{LIST}/{webhook.id}")).text
    if key := re.search(r'data-copy="(MFkw[^"]*)"', text):
        assert key[1] in (await admin.get("/settings/signing-key")).text
    assert bool(key) == (chosen is CallbackFormat.SENDGRID)


async def test_a_message_tells_of_its_calls(admin: Client, console: Console, database: Database, world: World) -> None:
    webhook = await webhook_of(console, world.domain, format=CallbackFormat.SENDGRID)
    one, other = [await message_of(database, world.ours, world.domain) for _ in range(2)]
    events = [await event_of(database, world.domain, message, EventType.DELIVERED) for message in (one, other)]
    both = await call_of(database, webhook, *events)
    alone = await call_of(database, webhook, events[1], result=CallResult.REFUSED, status=410)

    assert shown_calls((await admin.get(f"/messages/{one}")).text) == [text_of(both.call_id)]
    assert shown_calls((await admin.get(f"/messages/{other}")).text) == [
        text_of(alone.call_id),
        text_of(both.call_id),
    ]
    third = await message_of(database, world.ours, world.domain)
    assert "Webhook calls" not in (await admin.get(f"/messages/{third}")).text


async def test_a_webhook_that_is_gone_leaves_its_log(
    admin: Client, console: Console, database: Database, world: World
) -> None:
    webhook = await webhook_of(console, world.domain)
    message = await message_of(database, world.ours, world.domain)
    call = await call_of(database, webhook, await event_of(database, world.domain, message, EventType.DELIVERED))
    await console.webhooks.addresses.remove(SYSTEM, webhook.id)

    text = (await admin.get(f"/webhooks/calls/{text_of(call.call_id)}")).text

    assert "removed since" in text
    assert "/replay" not in text
    assert shown_calls((await admin.get("/webhooks/calls")).text) == [text_of(call.call_id)]
