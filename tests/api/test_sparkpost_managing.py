"""Managing by SparkPost's API: what its clients read, what is refused, and what another account has."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import lowest_at, text_of
from postroad.model.options import CallbackFormat, Options
from postroad.model.webhook import Call
from postroad.storage import accounts, domains, events, messages, webhooks
from postroad.storage.database import Database
from postroad.webhooks.post import Answer
from postroad.webhooks.webhooks import Webhooks

from .conftest import NOW
from .mail import store_message
from .services import VAULT, Nowhere, api_services

OWN, OTHER = "news.example.com", "other.example.org"


class Caller:
    """Calls with a key of the account."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self._client, self._key = client, key

    async def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200, key: str = "") -> Any:
        answer = await self._client.request(
            method, f"/api/v1/{path}", json=body, headers={"Authorization": key or self._key}
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def fault(self, method: str, path: str, body: Any = None, *, status: int) -> dict[str, Any]:
        found: dict[str, Any] = (await self(method, path, body, status=status))["errors"][0]
        return found


@pytest.fixture
async def call(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, tmp_path: Path) -> AsyncIterator[Caller]:
    key = str((await keys.add_for_account(SYSTEM, domain.account_id)).text)
    app = api_app(api_services(check, folder=tmp_path))
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.9", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as made:
        yield Caller(made, key)


@pytest.fixture
async def foreign(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "other", NOW)
    wanted = SendingDomain(id=0, account_id=account.id, name=OTHER, state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, wanted)


async def second(database: Database, domain: SendingDomain) -> SendingDomain:
    wanted = SendingDomain(
        id=0, account_id=domain.account_id, name="second.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    return await database.write(domains.add, wanted)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sending-domains"),
        ("GET", "suppression-list"),
        ("GET", "templates"),
        ("GET", "events/message"),
        ("GET", "webhooks"),
        ("GET", "webhooks/events/documentation"),
    ],
)
async def test_a_key_of_a_domain_does_not_manage(
    method: str, path: str, call: Caller, keys: ApiKeys, domain: SendingDomain
) -> None:
    key = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    answer = await call(method, path, key=key, status=403)
    assert answer["errors"][0]["message"] == "Forbidden."


async def test_sending_domains_come_and_go(call: Caller, foreign: SendingDomain) -> None:
    made = (await call("POST", "sending-domains", {"domain": "Offers.example.com", "generate_dkim": True}))["results"]
    assert (made["message"], made["domain"]) == ("Successfully Created domain.", "offers.example.com")
    assert set(made["dkim"]) == {"public", "selector", "signing_domain", "headers"}
    assert (await call.fault("POST", "sending-domains", {"domain": "offers.example.com"}, status=409))["code"] == "1602"
    listed = (await call("GET", "sending-domains"))["results"]
    assert [(one["domain"], one["status"]["ownership_verified"]) for one in listed] == [
        (OWN, True),
        ("offers.example.com", False),
    ]
    shown = (await call("GET", "sending-domains/offers.example.com"))["results"]
    assert shown["dkim"] == made["dkim"]
    assert {one["type"] for one in shown["dns_records"]} >= {"TXT"}
    changed = await call("PUT", "sending-domains/offers.example.com", {"tracking_domain": "t.offers.example.com"})
    assert changed["results"]["message"] == "Successfully Updated Domain."
    assert (await call("GET", "sending-domains/offers.example.com"))["results"]["tracking_domain"] == (
        "t.offers.example.com"
    )
    checked = (await call("POST", "sending-domains/offers.example.com/verify", {"dkim_verify": True}))["results"]
    assert (checked["ownership_verified"], checked["dkim_status"]) == (False, "invalid")
    assert checked["dns"]["dkim_record"].startswith("v=DKIM1; ")
    # Each check asks the name servers.
    await call.fault("POST", "sending-domains/offers.example.com/verify", {}, status=429)
    assert await call("DELETE", "sending-domains/offers.example.com", status=204) is None
    await call.fault("GET", "sending-domains/offers.example.com", status=404)


async def test_what_is_wrong_with_a_sending_domain_is_said(
    call: Caller, foreign: SendingDomain, keys: ApiKeys, domain: SendingDomain
) -> None:
    wrong: list[Any] = [{}, {"domain": "no domain"}, {"domain": 1}, {"domain": "x.example.com", "dkim": {"x": "x"}}, []]
    for body in wrong:
        assert (await call.fault("POST", "sending-domains", body, status=400))["code"] == "1300"
    await call.fault("POST", "sending-domains", {"domain": "x.example.com", "tracking_domain": "no host"}, status=400)
    assert len((await call("GET", "sending-domains"))["results"]) == 1
    for method in ("GET", "PUT", "DELETE"):
        await call.fault(method, f"sending-domains/{OTHER}", {}, status=404)
    await call.fault("POST", f"sending-domains/{OTHER}/verify", {}, status=404)
    await keys.add_for_domain(SYSTEM, domain.name)
    assert "API key" in (await call.fault("DELETE", f"sending-domains/{OWN}", status=409))["description"]


async def test_the_suppression_list_is_that_of_all_domains(
    call: Caller, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    await second(database, domain)
    entries = [
        {"recipient": "Ann@x.example", "type": "non_transactional", "description": "asked for it"},
        {"recipient": "bob@x.example", "type": "transactional"},
        {"email": "cy@x.example", "transactional": True, "non_transactional": True},
    ]
    done = await call("PUT", "suppression-list", {"recipients": entries})
    assert done["results"]["message"] == "Suppression List successfully updated"
    listed = await call("GET", "suppression-list?cursor=initial&per_page=3")
    assert [(one["recipient"], one["type"]) for one in listed["results"]] == [
        ("ann@x.example", "non_transactional"),
        ("bob@x.example", "transactional"),
        ("cy@x.example", "transactional"),
    ]
    [more] = listed["links"]
    rest = await call("GET", more["href"].removeprefix("/api/v1/"))
    assert [one["recipient"] for one in rest["results"]][:2] == ["cy@x.example", "ann@x.example"]
    assert {one["sending_domain"] for one in rest["results"]} == {OWN, "second.example.com"}
    [more] = rest["links"]
    last = await call("GET", more["href"].removeprefix("/api/v1/"))
    assert (len(last["results"]), last["links"]) == (2, [])
    narrowed = await call("GET", f"suppression-list?types=non_transactional&domain={OWN}&sources=Manually%20Added")
    assert [one["recipient"] for one in narrowed["results"]] == ["ann@x.example", "cy@x.example"]
    assert (await call("GET", "suppression-list/summary"))["results"] == {
        "spam_complaint": 0,
        "list_unsubscribe": 0,
        "bounce_rule": 0,
        "unsubscribe_link": 0,
        "manually_added": 8,
        "compliance": 0,
        "total": 8,
    }
    [shown, _] = (await call("GET", "suppression-list/ann@x.example"))["results"]
    assert shown == {
        "recipient": "ann@x.example",
        "type": "non_transactional",
        "source": "Manually Added",
        "description": "asked for it",
        "created": shown["updated"],
        "updated": shown["created"],
        "sending_domain": OWN,
        "non_transactional": True,
    }
    # What is there already is written anew.
    await call("PUT", "suppression-list/ann@x.example", {"type": "non_transactional", "description": "by phone"})
    anew = (await call("GET", "suppression-list/ann@x.example"))["results"]
    assert [one["description"] for one in anew] == ["by phone", "by phone"]
    await call("DELETE", "suppression-list/cy@x.example", {"type": "transactional"}, status=204)
    assert {one["type"] for one in (await call("GET", "suppression-list/cy@x.example"))["results"]} == {
        "non_transactional"
    }
    await call("DELETE", "suppression-list/cy@x.example", status=204)
    await call("PUT", "suppression-list/dan@x.example?domain=second.example.com", {"type": "transactional"})
    assert len((await call("GET", "suppression-list/dan@x.example"))["results"]) == 1


async def test_what_is_wrong_with_suppressions_changes_nothing(call: Caller, foreign: SendingDomain) -> None:
    good = {"recipient": "a@x.example", "type": "transactional"}
    for wrong in (
        {"recipient": "a@x.example"},
        {"recipient": "a@x.example", "type": "other"},
        {"recipient": "none", "type": "transactional"},
        {"recipient": "@x.example", "type": "transactional"},
        {"recipient": "a b@x.example", "type": "transactional"},
        {"type": "transactional"},
        "a@x.example",
    ):
        await call.fault("PUT", "suppression-list", {"recipients": [good, wrong]}, status=400)
    await call.fault("PUT", "suppression-list", {}, status=400)
    await call.fault("PUT", f"suppression-list?domain={OTHER}", {"recipients": [good]}, status=404)
    assert (await call("GET", "suppression-list"))["results"] == []
    for method in ("GET", "DELETE"):
        await call.fault(method, "suppression-list/none", status=404)
        fault = await call.fault(method, "suppression-list/a@x.example", status=404)
        assert fault["message"] == "Recipient could not be found"
    for query in ("cursor=x", "per_page=0", "types=x", "sources=x", "from=x", "per_page=10001"):
        assert (await call("GET", f"suppression-list?{query}", status=404 if query == "cursor=x" else 400))["errors"]


async def test_templates_have_a_draft_and_a_published_version(call: Caller, foreign: SendingDomain) -> None:
    content = {"from": {"email": f"hello@{OWN}", "name": "Shop"}, "subject": "Hi {{name}}", "text": "Hi {{name}}"}
    wanted = {"id": "welcome", "name": "Welcome", "description": "first", "content": content, "options": {}}
    assert (await call("POST", "templates", wanted))["results"] == {"id": "welcome"}
    assert (await call.fault("POST", "templates", wanted, status=409))["message"] == "resource conflict"
    too_long = {"name": "x" * 501, "content": {"text": "never"}, "published": True}
    assert "name has at most 500 characters" in str(await call.fault("PUT", "templates/welcome", too_long, status=400))
    changed = {"content": {"html": "<p>{{name}}</p>", "text": None, "headers": None}}
    assert (await call("PUT", "templates/welcome", changed))["results"] == {"id": "welcome"}
    [listed] = (await call("GET", "templates"))["results"]
    assert (listed["id"], listed["name"], listed["published"], listed["has_draft"], listed["has_published"]) == (
        "welcome", "Welcome", False, True, True,
    )  # fmt: skip
    published = (await call("GET", "templates/welcome?draft=false"))["results"]
    assert published["content"] == {"subject": "Hi {{name}}", "text": "Hi {{name}}"}
    draft = (await call("GET", "templates/welcome?draft=true"))["results"]
    assert (draft["published"], draft["description"]) == (False, "first")
    assert draft["content"] == {"subject": "Hi {{name}}", "text": "Hi {{name}}", "html": "<p>{{name}}</p>"}
    made = await call("POST", "templates/welcome/preview", {"substitution_data": {"name": "A&B"}})
    assert made["results"] == {"subject": "Hi A&B", "html": "<p>A&amp;B</p>", "text": "Hi A&B"}
    await call("PUT", "templates/welcome", {"published": True, "name": "Hello"})
    assert (await call("GET", "templates/welcome"))["results"]["name"] == "Hello"
    assert (await call("GET", "templates/welcome"))["results"]["published"] is True
    await call("PUT", "templates/welcome?update_published=true", {"content": {"text": "Bye"}})
    assert (await call("GET", "templates/welcome?draft=false"))["results"]["content"]["text"] == "Bye"
    assert (await call("DELETE", "templates/welcome"))["results"] == {}
    await call.fault("GET", "templates/welcome", status=404)


async def test_what_is_wrong_with_a_template_is_said(
    call: Caller, foreign: SendingDomain, domain: SendingDomain, database: Database
) -> None:
    text = {"text": "x"}
    for body, status, code in (
        ({"id": "a"}, 422, "1400"),
        ({"content": text}, 400, "1300"),
        ({"id": "a", "content": text | {"reply_to": "a@x.example"}}, 400, "1300"),
        ({"id": "a", "content": text | {"from": 1}}, 400, "1300"),
        ({"id": "a", "content": {"text": "{{#if x}}"}}, 422, "3000"),
        ({"id": "a", "content": text | {"from": f"a@{OTHER}"}}, 404, "1600"),
    ):
        assert (await call.fault("POST", "templates", body, status=status))["code"] == code
    assert (await call("GET", "templates"))["results"] == []
    await second(database, domain)
    assert (
        "several sending domains"
        in (await call.fault("POST", "templates", {"id": "a", "content": text}, status=400))["description"]
    )
    for name in (OWN, "second.example.com"):
        await call("POST", f"templates?domain={name}", {"id": "a", "content": text})
    assert "?domain=" in (await call.fault("GET", "templates/a", status=400))["description"]
    assert (await call("GET", f"templates/a?domain={OWN}"))["results"]["sending_domain"] == OWN
    await call.fault("GET", f"templates/a?domain={OWN}&draft=x", status=400)


async def test_events_are_searched(
    call: Caller, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    message = await store_message(database, domain, "ann@x.example", "bob@x.example", options=Options(tags=("spring",)))
    kinds = (EventType.DELIVERED, EventType.BOUNCED, EventType.OPENED, EventType.HELD)
    written = [
        Event(
            id=lowest_at(NOW + 1_000) + number,
            type=kind,
            at=NOW + 1_000,
            account_id=whose.account_id,
            domain_id=whose.id,
            message_id=message.id if whose is domain else None,
            recipient=recipient,
            data={"tags": ["spring"], "is_late": kind is EventType.BOUNCED},
        )
        for number, (kind, whose, recipient) in enumerate(
            [(kind, domain, "ann@x.example") for kind in kinds]
            + [(EventType.DELIVERED, domain, "bob@x.example"), (EventType.DELIVERED, foreign, "ann@x.example")]
        )
    ]
    await database.write(events.append, written, lambda _: 1)

    async def found(query: str) -> list[str]:
        answer = await call("GET", f"events/message?{query}")
        return [one["type"] for one in answer["results"] if one["type"] != "injection"]

    assert await found("") == ["delivery", "open", "out_of_band", "delivery"]
    assert await found("events=open,delivery") == ["delivery", "open", "delivery"]
    assert await found("events=bounce") == []
    assert await found("recipients=ann@x.example&events=delivery") == ["delivery"]
    assert await found("recipients=ann@x.example,bob@x.example&events=delivery") == ["delivery", "delivery"]
    assert await found(f"campaigns=spring&transmissions={text_of(message.id)}&events=open") == ["open"]
    assert await found("campaigns=other") == []
    assert await found(f"sending_domains={OTHER}") == []
    assert await found("events=relay_delivery") == []
    assert await found("subjects=nothing") == []
    assert await found("to=2026-05-01T00:00") == []
    page = await call("GET", "events/message?per_page=1&events=open,delivery")
    assert (page["total_count"], page["results"][0]["rcpt_to"]) == (1, "bob@x.example")
    assert page["results"][0]["timestamp"].endswith("Z")
    page = await call("GET", page["links"]["next"].removeprefix("/api/v1/"))
    assert (page["total_count"], page["results"][0]["type"]) == (2, "open")
    page = await call("GET", page["links"]["next"].removeprefix("/api/v1/"))
    assert (page["results"][0]["type"], page["links"]) == ("delivery", {})
    for query in ("events=x", "per_page=0", "per_page=10001", "from=x", "cursor=x", "cursor=1", f"cursor={'9' * 30}-1"):
        await call.fault("GET", f"events/message?{query}", status=400)


async def test_webhooks_come_and_go(call: Caller, domain: SendingDomain, database: Database) -> None:
    wanted = {
        "name": "Shop",
        "target": "https://shop.example.com/events",
        "events": ["delivery", "bounce", "relay_delivery"],
        "auth_type": "basic",
        "auth_credentials": {"username": "me@x", "password": "a:b/c"},
    }
    made = (await call("POST", "webhooks", wanted))["results"]
    assert (made["name"], made["target"], made["active"]) == ("Shop", "https://shop.example.com/events", True)
    assert (made["events"], made["auth_type"]) == (["delivery", "bounce", "out_of_band"], "basic")
    assert made["auth_credentials"] == {"username": "me@x"}
    path = f"webhooks/{made['id']}"
    login = await database.read(webhooks.login_of, VAULT, int(made["id"]))
    assert login is not None
    assert login.password == "a:b/c"
    await call("PUT", path, {"active": False, "events": ["open"], "name": "Other"})
    shown = (await call("GET", path))["results"]
    assert (shown["active"], shown["events"], shown["name"], shown["auth_type"]) == (False, ["open"], "Other", "basic")
    kept = await database.read(webhooks.login_of, VAULT, int(made["id"]))
    assert kept is not None
    assert kept.password == "a:b/c"
    await call("PUT", path, {"active": True, "auth_type": "none", "target": "https://new.example.com/"})
    [listed] = (await call("GET", "webhooks"))["results"]
    assert (listed["active"], listed["auth_type"], listed["target"]) == (True, "none", "https://new.example.com/")
    fault = await call.fault("POST", f"{path}/validate", {"message": {}}, status=400)
    assert fault == {
        "message": "Test POST to endpoint failed",
        "description": "nobody is called in these tests",
    }
    await call("DELETE", path, status=204)
    await call.fault("GET", path, status=404)


async def test_a_webhook_is_validated_by_a_sample(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[bytes] = []

    async def answer(_self: Nowhere, url: str, made: Call, began: int) -> Answer:
        posted.append(made.body)
        return Answer(status=200, reply="fine")

    monkeypatch.setattr(Nowhere, "post", answer)
    made = (await call("POST", "webhooks", {"target": "https://shop.example.com/", "events": ["click", "open"]}))[
        "results"
    ]
    assert await call("POST", f"webhooks/{made['id']}/validate", {"message": {}}) == {
        "results": {
            "msg": "Test POST to endpoint succeeded",
            "response": {"status": 200, "headers": {}, "body": "fine"},
        }
    }
    assert [b'"track_event"' in one for one in posted] == [True]


async def test_what_is_wrong_with_a_webhook_is_said(
    call: Caller, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    good = {"name": "x", "target": "https://shop.example.com/", "events": ["open"]}
    changes: list[dict[str, Any]] = [
        {"target": "shop"},
        {"target": None},
        {"target": "https://127.0.0.1/"},
        {"events": ["x"]},
        {"events": "open"},
        {"events": []},
        {"auth_type": "oauth2"},
        {"auth_type": "basic"},
        {"custom_headers": {"X-A": "b"}},
        {"active": "yes"},
    ]
    for change in changes:
        assert (await call.fault("POST", "webhooks", good | change, status=400))["code"] == "1300"
    assert (await call("GET", "webhooks"))["results"] == []
    service = Webhooks(database, VAULT, lambda: NOW, allow_private_addresses=False)
    theirs = await service.add(SYSTEM, foreign, "https://x.example/", format=CallbackFormat.SPARKPOST)
    mailgun = await service.add(SYSTEM, domain, "https://x.example/", format=CallbackFormat.MAILGUN)
    for name in (theirs.id, mailgun.id, "x", "9" * 30):
        for method, end in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/validate")):
            await call.fault(method, f"webhooks/{name}{end}", {}, status=404)
    assert (await call("GET", "webhooks"))["results"] == []


async def test_the_words_for_events_are_explained(call: Caller) -> None:
    told = (await call("GET", "webhooks/events/documentation"))["results"]
    assert set(told) == {"message_event", "track_event", "gen_event", "unsubscribe_event"}
    assert set(told["track_event"]["events"]) == {"open", "click"}
    samples = (await call("GET", "webhooks/events/samples?events=open,delivery"))["results"]
    assert [next(iter(one["msys"])) for one in samples] == ["message_event", "track_event"]
    assert len((await call("GET", "webhooks/events/samples"))["results"]) == 10
    await call.fault("GET", "webhooks/events/samples?events=x", status=400)


async def test_scheduled_transmissions_are_listed_and_deleted_by_campaign(
    call: Caller, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    later = Options(tags=("spring",), deliver_at=NOW + 3_600_000)
    mine = await store_message(database, domain, "a@x.example", options=later, channel="sparkpost")
    others = [
        await store_message(database, whose, "a@x.example", options=options, channel=channel)
        for whose, options, channel in (
            (foreign, later, "sparkpost"),
            (domain, Options(tags=("summer",), deliver_at=NOW + 3_600_000), "sparkpost"),
            (domain, later, "smtp"),
            (domain, Options(tags=("spring",)), "sparkpost"),
        )
    ]
    listed = (await call("GET", "transmissions?campaign_id=spring"))["results"]
    assert [(one["id"], one["state"], one["campaign_id"]) for one in listed] == [
        (text_of(mine.id), "submitted", "spring")
    ]
    assert len((await call("GET", "transmissions"))["results"]) == 2
    assert (await call.fault("DELETE", "transmissions", status=422))["code"] == "1400"
    await call("DELETE", "transmissions?campaign_id=spring", status=204)
    assert (await call("GET", "transmissions?campaign_id=spring"))["results"] == []
    assert await states(database, mine.id) == [DeliveryState.CANCELLED]
    for one in others:
        assert await states(database, one.id) == [DeliveryState.SCHEDULED]


async def states(database: Database, message_id: int) -> list[DeliveryState]:
    story = await database.read(messages.show, message_id)
    assert story is not None
    return [one.state for one in story.deliveries]
