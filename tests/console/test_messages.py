"""Messages in the console: found as people type, told whole, steered by admins alone."""

import re
from html import unescape
from typing import Any

import msgspec
import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import from_text, text_of
from postroad.model.options import Options
from postroad.model.outcome import Phase
from postroad.storage import audit, messages, rendered, search_index
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.search_index import Pass
from tests.storage.samples import NOW, claim, event_of, settled

from .conftest import Client, World, message_of

_HOSTILE = "<script>alert('subject')</script>"


def _subjects(text: str) -> list[str]:
    return re.findall(r'<a class="cover"[^>]*>([^<]*)</a>', text)


async def test_an_account_without_mail_is_told_what_to_do(admin: Client) -> None:
    reply = await admin.get("/messages")

    assert reply.status_code == 200
    assert "No messages yet" in reply.text
    assert "/credentials/smtp-users" in reply.text


async def test_messages_are_found_by_what_is_typed(admin: Client, database: Database, world: World) -> None:
    first = await message_of(database, world.ours, world.domain, "zoe@example.net", subject="Hôtel du Lac")
    await message_of(database, world.ours, world.domain, "max@example.org", subject="Weekly newsletter")
    await message_of(database, world.theirs, world.their_domain, "zoe@example.net", subject="Hotel of theirs")
    while await database.write(search_index.fill, Pass.FIRST, 1 << 62, 100):
        pass

    for typed, found in {
        "": ["Weekly newsletter", "Hôtel du Lac"],
        "hotel": ["Hôtel du Lac"],
        "HOT": ["Hôtel du Lac"],
        "zoe@": ["Hôtel du Lac"],
        "zo": ["Hôtel du Lac"],
        "@example.org": ["Weekly newsletter"],
        "zoe@example.net lac": ["Hôtel du Lac"],
        first: ["Hôtel du Lac"],
        "theirs": [],
    }.items():
        reply = await admin.get("/messages", params={"q": typed})
        assert _subjects(reply.text) == found, typed
    assert "Nothing found" in (await admin.get("/messages", params={"q": "zeppelin"})).text


async def test_mail_of_the_installation_itself_came_from_nobody(
    admin: Client, database: Database, world: World
) -> None:
    ours = await message_of(database, world.ours, world.domain, client_address="", channel="notice")
    theirs = await message_of(database, world.ours, world.domain, client_address="192.0.2.7", channel="smtp")

    assert "<dd>written by Postroad itself</dd>" in (await admin.get(f"/messages/{ours}")).text
    assert "<dd>from 192.0.2.7 by SMTP</dd>" in (await admin.get(f"/messages/{theirs}")).text


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        ("postroad", "Postroad API"),
        ("mailgun", "Mailgun API"),
        ("sendgrid", "SendGrid API"),
        ("sparkpost", "SparkPost API"),
        ("smtp", "SMTP"),
    ],
)
async def test_the_way_of_a_message_is_named_as_its_vendor_does(
    channel: str, shown: str, admin: Client, database: Database, world: World
) -> None:
    mine = await message_of(database, world.ours, world.domain, "a@example.net", channel=channel)
    assert f"by {shown}</dd>" in (await admin.get(f"/messages/{mine}")).text


async def test_a_message_leads_to_the_others_with_its_tags(admin: Client, database: Database, world: World) -> None:
    tags = ("Orders", 'say "hi" & <b>go</b>')
    told = await message_of(database, world.ours, world.domain, subject="first", options=Options(tags=tags))
    await message_of(database, world.ours, world.domain, subject="second", options=Options(tags=("ORDERS",)))
    await message_of(database, world.ours, world.domain, subject="Orders")
    await message_of(database, world.theirs, world.their_domain, subject="theirs", options=Options(tags=tags))

    for is_indexed in (False, True):
        text = (await admin.get(f"/messages/{told}")).text
        [orders, odd] = [unescape(link) for link in re.findall(r'href="(/messages\?q=tag[^"]*)"', text)]
        assert _subjects((await admin.get(orders)).text) == ["second", "first"], is_indexed
        assert _subjects((await admin.get(odd)).text) == ["first"], is_indexed
        for typed, found in {
            "tag:orders": ["second", "first"],
            'fir tag:"orders"': ["first"],
            "tag:order": [],
            "tag:orders tag:other": [],
        }.items():
            assert _subjects((await admin.get("/messages", params={"q": typed})).text) == found, typed
        assert _subjects((await admin.get(f"{orders}&state=held")).text) == []
        while await database.write(search_index.fill, Pass.FIRST, 1 << 62, 100):
            pass
    assert "<b>go" not in text
    assert "Tags" not in (await admin.get(f"/messages/{await message_of(database, world.ours, world.domain)}")).text


async def test_states_domains_and_days_narrow_what_is_found(admin: Client, database: Database, world: World) -> None:
    await message_of(database, world.ours, world.domain, subject="waits")
    gone = await message_of(database, world.ours, world.domain, subject="bounced")
    [*deliveries] = await database.claim(claim())
    for one in deliveries:
        if one.message_id == from_text(gone):
            await database.settle([settled(one, DeliveryState.BOUNCED)], {})

    assert _subjects((await admin.get("/messages?state=bounced")).text) == ["bounced"]
    assert _subjects((await admin.get("/messages?state=held")).text) == []
    assert _subjects((await admin.get("/messages?state=nonsense")).text) == ["bounced", "waits"]
    assert _subjects((await admin.get("/messages?from=2027-01-15&to=2027-01-15")).text) == ["bounced", "waits"]
    assert _subjects((await admin.get("/messages?from=2027-01-16")).text) == []
    assert _subjects((await admin.get("/messages?from=2099-01-16")).text) == []
    assert _subjects((await admin.get("/messages?to=9998-01-16")).text) == ["bounced", "waits"]
    assert _subjects((await admin.get("/messages?from=nonsense")).text) == ["bounced", "waits"]


async def test_older_messages_come_page_by_page(admin: Client, database: Database, world: World) -> None:
    for number in range(51):
        await message_of(database, world.ours, world.domain, "zoe@example.net", subject=f"number {number}")

    first = await admin.get("/messages", params={"q": "zoe@"})
    [older] = re.findall(r'href="(/messages\?[^"]*before=[^"]*)"', first.text)
    second = await admin.get(older.replace("&amp;", "&"))

    assert len(_subjects(first.text)) == 50
    assert _subjects(second.text) == ["number 0"]
    assert "before=" not in second.text
    assert (await admin.get("/messages?before=nonsense")).status_code == 404


async def test_a_story_tells_each_attempt_with_its_reply_and_tls(
    admin: Client, database: Database, world: World
) -> None:
    told = await message_of(database, world.ours, world.domain, "zoe@example.net", subject=_HOSTILE)
    [delivery] = await database.claim(claim())
    facts: dict[str, Any] = {
        "attempt": 1,
        "phase": Phase.RCPT.value,
        "reply": "451 4.7.1 <b>Greylisted</b>",
        "missing_variables": ["recipient.first", "<i>"],
        "host": "mx1.example.net",
        "host_address": "203.0.113.9",
        "egress_source": "main",
        "source_address": "198.51.100.7",
        "duration_ms": 412,
        "bounce_class": "policy-related",
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "certificate_subject": "CN=mx1.example.net",
            "is_verified": False,
        },
    }
    settlement = settled(
        delivery, DeliveryState.SCHEDULED, due_at=NOW + 600_000, last_reply="mx1.example.net: 451 4.7.1 Greylisted"
    )
    kind = settlement.events[0].type
    await database.settle([msgspec.structs.replace(settlement, events=(event_of(delivery, kind, **facts),))], {})

    text = (await admin.get(f"/messages/{told}")).text

    for expected in (
        told, "zoe@<wbr>example.<wbr>net", "deferred", "451 4.7.1 &lt;b&gt;Greylisted&lt;/b&gt;", "[203.0.113.9]",
        "TLSv1.3, TLS_AES_256_GCM_SHA384", "certificate not verified: CN=mx1.example.net", "412 ms", "policy related",
        "main [198.51.100.7]",
    ):  # fmt: skip
        assert expected in text, expected
    assert _HOSTILE not in text
    assert "<b>Greylisted" not in text
    assert "No value for</dt><dd>recipient.<wbr>first, &lt;i&gt;</dd>" in text


async def test_content_is_shown_while_it_is_kept_and_html_has_no_power(
    admin: Client, database: Database, world: World
) -> None:
    content = b"Subject: hi\r\nContent-Type: text/html\r\n\r\n<h1>Seen</h1><script>steal()</script>\r\n"
    told = await message_of(database, world.ours, world.domain, content=content, subject="hi")

    page = await admin.get(f"/messages/{told}/content")
    html = await admin.get(f"/messages/{told}/content/html")
    source = await admin.get(f"/messages/{told}/content/source")

    assert "sandbox" in page.text
    assert "steal()" not in page.text
    assert "sandbox" in html.headers["content-security-policy"]
    assert html.headers["content-security-policy"].count("script-src") == 0
    assert source.headers["content-type"].startswith("text/plain")
    assert source.content == content
    assert (await admin.get(f"/messages/{told}/content?view=nonsense")).status_code == 404


async def test_admins_steer_a_message_and_the_audit_log_knows(admin: Client, database: Database, world: World) -> None:
    told = await message_of(database, world.ours, world.domain, "zoe@example.net", "max@example.net")

    async def states() -> set[DeliveryState]:
        story = await database.read(messages.show, from_text(told))
        assert story is not None
        return {one.state for one in story.deliveries}

    seen = [await states()]
    for verb in ("hold", "release", "cancel"):
        reply = await admin.send_form(f"/messages/{told}/{verb}")
        assert (reply.status_code, reply.headers["location"]) == (303, f"/messages/{told}")
        seen.append(await states())
    entries = await database.read(audit.search, AuditSelector(account_id=world.ours.id, action="delivery"), 10)

    assert seen == [
        {DeliveryState.SCHEDULED}, {DeliveryState.HELD}, {DeliveryState.SCHEDULED}, {DeliveryState.CANCELLED},
    ]  # fmt: skip
    told_of = [(one.action, one.target, one.actor_name, one.after) for one in reversed(entries)]
    assert told_of == [
        (action, f"message {told}", world.admin.email, {"deliveries": 2})
        for action in ("delivery.held", "delivery.released", "delivery.cancelled")
    ]


async def test_what_waits_for_nothing_is_said_so(admin: Client, database: Database, world: World) -> None:
    told = await message_of(database, world.ours, world.domain)
    await admin.send_form(f"/messages/{told}/release")

    assert "waited for that" in (await admin.get(f"/messages/{told}")).text


async def test_people_who_may_only_look_see_no_buttons(user: Client, database: Database, world: World) -> None:
    told = await message_of(database, world.ours, world.domain)

    text = (await user.get(f"/messages/{told}")).text

    assert "Retry now" not in text
    assert "/cancel" not in text


async def test_the_rendered_result_of_test_mode_is_shown_in_a_sandbox(
    admin: Client, database: Database, world: World
) -> None:
    message_id = await message_of(database, world.ours, world.domain, subject="a trial")
    story = await database.read(messages.show, from_text(message_id))
    assert story is not None
    [delivery] = story.deliveries
    path = f"/messages/{message_id}/rendered/{text_of(delivery.id)}"
    assert "There is no rendered result" in (await admin.get(path)).text
    content = b"Subject: a trial\r\nContent-Type: text/html\r\n\r\n<b>Dear Ada</b>\r\n"
    await database.write(rendered.store, [rendered.Rendered(delivery.id, from_text(message_id), content)])

    shown, html, source = await admin.get(path), await admin.get(f"{path}/html"), await admin.get(f"{path}/source")
    assert f'sandbox src="{path}/html"' in shown.text
    assert "<b>Dear Ada</b>" in html.text
    assert "sandbox" in html.headers["content-security-policy"]
    assert source.content == content
    assert (await admin.get(f"/messages/{message_id}/rendered/{message_id}")).status_code == 404


async def test_a_complaint_is_told_in_the_story_with_who_reported_it(
    admin: Client, database: Database, world: World
) -> None:
    message_id = await message_of(database, world.ours, world.domain, "zoe@example.net")
    story = await database.read(messages.show, from_text(message_id))
    assert story is not None
    [delivery] = story.deliveries
    event = event_of(delivery, EventType.COMPLAINED, feedback_type="fraud", reporter="<b>fbl</b>/1")
    await database.append_events([event])

    text = (await admin.get(f"/messages/{message_id}")).text

    assert '<li class="bad">' in text
    assert "<strong>Complained</strong>" in text
    assert "as fraud, reported by &lt;b&gt;fbl&lt;/b&gt;/1" in text


async def test_what_recipients_did_is_told_in_the_story_and_nothing_they_say_is_believed(
    admin: Client, database: Database, world: World
) -> None:
    message_id = await message_of(database, world.ours, world.domain, "zoe@example.net")
    story = await database.read(messages.show, from_text(message_id))
    assert story is not None
    [delivery] = story.deliveries
    human: dict[str, Any] = {
        "verdict": "human",
        "program": "Firefox",
        "system": "Linux",
        "client_address": "203.0.113.7",
        "country": "DE",
        "city": "Köln",
    }
    machine: dict[str, Any] = {
        "verdict": "machine",
        "evidence": ["at-delivery", "head-request"],
        "agent": "<img src=x>",
    }
    await database.append_events(
        [
            event_of(delivery, EventType.OPENED, **human),
            event_of(
                delivery,
                EventType.OPENED,
                verdict="proxy",
                evidence=["google-image-proxy"],
                proxy="google-image-proxy",
                program="Gmail",
            ),
            event_of(delivery, EventType.CLICKED, **machine, url="https://shop.example/<script>"),
            event_of(delivery, EventType.UNSUBSCRIBED, way="one-click", scope=["<b>news</b>"]),
        ]
    )

    text = (await admin.get(f"/messages/{message_id}")).text

    assert "By a human, with Firefox on Linux, from 203.0.113.7 (Köln, DE)." in text
    assert "By a proxy: google image proxy, with Gmail." in text
    assert "By a machine: at delivery, head request." in text
    assert "<strong>Unsubscribed</strong>" in text
    assert "by one click in the mail client, from &lt;b&gt;news&lt;/b&gt;" in text
    assert "<img src=x>" not in text
    assert "shop.example/<script>" not in text
