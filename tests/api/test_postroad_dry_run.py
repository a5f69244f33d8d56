"""A dry run of our own API over a real database: every check in order, what would be sent, and nothing left behind."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.httpd.api.app import api_app
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.model.template import StoredTemplate, TemplateSource, TemplateVersion
from postroad.policy.admission import RULES
from postroad.policy.explanation import ADMISSION
from postroad.policy.quota import demands_of_domain
from postroad.storage import deliveries, domains, events, quotas, suppressions, templates
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector
from postroad.templating.library import TemplateLibrary

from .services import NOW, VAULT, Directory, api_services, previews
from .test_postroad import PATH, WHOLE, auth, submissions_over

__all__ = ["auth"]
NAMES = ["idempotency_key", *ADMISSION, "pause", "quotas", "repeats", "suppressions", "copies"]


@pytest.fixture
async def client(check: ApiKeyCheck, database: Database, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    library = TemplateLibrary(database, Directory(check).get)
    services = msgspec.structs.replace(
        api_services(check, folder=tmp_path),
        submissions=submissions_over(check, database, library),
        previews=previews(database, library),
    )
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api_app(services), client=("192.0.2.9", 50000)),
        base_url="http://api.example.net",
    ) as made:
        yield made


class Looking:
    """Looks at calls, and at what they leave behind."""

    def __init__(self, client: httpx2.AsyncClient, auth: dict[str, str], database: Database) -> None:
        self._client = client
        self._auth = auth
        self._database = database

    async def __call__(self, asked: dict[str, Any], path: str = PATH, **query: str) -> dict[str, Any]:
        headers = self._auth | ({"Idempotency-Key": query.pop("key")} if "key" in query else {})
        before = await self._rows()
        reply = await self._client.post(path, params={"dry_run": "true", **query}, json=asked, headers=headers)
        assert reply.status_code == 200, reply.text
        assert await self._rows() == before
        answer: dict[str, Any] = reply.json()
        return answer

    async def _rows(self) -> tuple[int, int]:
        found = await self._database.read(events.search, events.EventSelector(), 1_000)
        return sum((await self._database.read(deliveries.count, Selector())).values()), len(found)


@pytest.fixture
def look(client: httpx2.AsyncClient, auth: dict[str, str], database: Database) -> Looking:
    return Looking(client, auth, database)


def results(message: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["result"] for one in message["checks"]}


def detail(message: dict[str, Any], name: str) -> str:
    return str(next(one["detail"] for one in message["checks"] if one["name"] == name))


async def change(database: Database, domain: SendingDomain, **settings: Any) -> SendingDomain:
    before = await database.read(domains.by_name, domain.name)
    assert before is not None
    wanted = msgspec.structs.replace(before, settings=msgspec.structs.replace(before.settings, **settings))
    assert await database.write(domains.change, VAULT, before, wanted)
    return wanted


async def test_every_check_is_listed_in_order_with_what_it_found(look: Looking) -> None:
    asked = WHOLE | {"tags": ["orders"], "deliver_at": "2026-05-30T00:00:00Z", "html": "<p>Grüße</p>"}
    answer = await look(asked)
    assert (answer["status"], answer["errors"], answer["quotas"]) == (202, [], [])
    [message] = answer["messages"]
    assert [one["name"] for one in message["checks"]] == NAMES
    assert set(results(message).values()) == {"passed"}
    found = {
        name: detail(message, name) for name in ("idempotency_key", "domain", "envelope_sender", "from", "options")
    }
    assert found == {
        "idempotency_key": "none",
        "domain": "news.example.com",
        "envelope_sender": "a@news.example.com",
        "from": "a@news.example.com",
        "options": "tags, deliver_at",
    }
    assert message["options"] == {"tags": ["orders"], "deliver_at": "2026-05-30T00:00:00.000Z"}
    assert message["deliver_at"] == "2026-05-30T00:00:00Z"
    assert [one["result"] for one in message["recipients"]] == ["sent", "sent"]
    header = {one["name"]: one["value"] for one in message["copy"]["header"]}
    assert (header["Subject"], header["From"]) == ("Grüße", '"Shop" <a@news.example.com>')
    parts = [(one["type"], one["text"].strip()) for one in message["copy"]["parts"]]
    assert parts == [("text/plain", "Hello."), ("text/html", "<p>Grüße</p>")]
    assert message["copy"]["content"].startswith("Received: ")
    assert "added Date" in " ".join(message["notes"])


async def test_each_recipient_has_its_own_copy_and_fate(
    look: Looking, database: Database, domain: SendingDomain
) -> None:
    entry = Suppression(
        account_id=domain.account_id,
        domain_id=domain.id,
        kind=SuppressionKind.UNSUBSCRIBE,
        address="ada@x.example",
        way=Way.HAND,
        created_at=NOW,
    )
    await database.write(suppressions.add, [entry])
    asked = WHOLE | {"text": "Hi %recipient.name%.", "recipient_variables": {"bo@x.example": {"name": "Bo"}}}
    [message] = (await look(asked | {"to": [*WHOLE["to"], "cy@x.example"]}))["messages"]
    assert [(one["recipient"], one["result"], one["missing_variables"]) for one in message["recipients"]] == [
        ("ada@x.example", "suppressed", []),
        ("bo@x.example", "sent", []),
        ("cy@x.example", "sent", ["recipient.name"]),
    ]
    assert message["recipients"][0]["detail"] == "The recipient unsubscribed."
    assert detail(message, "suppressions") == "1 of 3 recipients"
    assert (message["copy"]["recipient"], message["copy"]["parts"][0]["text"].strip()) == ("bo@x.example", "Hi Bo.")
    [message] = (await look(asked, recipient="ADA@x.example"))["messages"]
    assert message["copy"]["recipient"] == "ada@x.example"


async def test_what_is_refused_shows_what_was_passed_before(look: Looking) -> None:
    answer = await look(WHOLE | {"from": "a@else.example"})
    assert (answer["status"], [one["rule"] for one in answer["errors"]]) == (403, ["header_from_not_aligned"])
    [message] = answer["messages"]
    assert [one["name"] for one in message["checks"]] == NAMES
    before = NAMES.index("from")
    found = list(results(message).values())
    assert found == ["passed"] * before + ["failed"] + ["not_reached"] * (len(NAMES) - before - 1)
    assert (message["copy"], [one["result"] for one in message["recipients"]]) == (None, ["refused", "refused"])
    answer = await look({"messages": [WHOLE, WHOLE | {"from": "a@else.example"}]}, f"{PATH}/batch")
    assert [one["field"] for one in answer["errors"]] == ["messages.1.from"]
    assert [results(one)["from"] for one in answer["messages"]] == ["passed", "failed"]
    assert [one["result"] for one in answer["messages"][0]["recipients"]] == ["refused", "refused"]


async def test_quotas_and_pauses_are_told_and_nothing_is_counted(
    look: Looking, database: Database, domain: SendingDomain
) -> None:
    limited = await change(database, domain, hourly_quota=3, daily_quota=10)
    answer = await look(WHOLE)
    assert answer["status"] == 202
    assert [(one["period"], one["limit"], one["used"], one["wanted"]) for one in answer["quotas"]] == [
        ("hour", 3, 0, 2),
        ("day", 10, 0, 2),
    ]
    assert await database.read(quotas.used, demands_of_domain(limited, NOW)) == [0, 0]
    await database.write(quotas.take, demands_of_domain(limited, NOW), 2)
    answer = await look(WHOLE)
    assert (answer["status"], answer["errors"][0]["rule"]) == (429, "hourly_quota")
    assert results(answer["messages"][0])["quotas"] == "failed"
    assert results(answer["messages"][0])["suppressions"] == "passed"
    await database.write(domains.change, VAULT, limited, msgspec.structs.replace(limited, paused_at=NOW))
    answer = await look(WHOLE)
    assert (answer["status"], answer["errors"][0]["rule"]) == (429, "domain_paused")
    assert [results(answer["messages"][0])[name] for name in ("from", "pause", "quotas")] == [
        "passed",
        "failed",
        "failed",
    ]


async def test_a_template_is_rendered_for_each_and_its_problems_are_named(
    look: Looking, database: Database, domain: SendingDomain
) -> None:
    source = TemplateSource(html="<p>Hello {{name}} {{divide 1 by}}</p>", subject="For {{name}}")
    stored = StoredTemplate(
        id=0, account_id=domain.account_id, domain_id=domain.id, name="welcome", created_at=NOW, description=""
    )
    version = TemplateVersion(id=0, template_id=0, number=1, created_at=NOW, created_by="me", source=source)
    await database.write(templates.add, stored, version)
    asked = {key: value for key, value in WHOLE.items() if key not in {"text", "subject"}}
    asked |= {"template": {"name": "welcome"}}
    given = {address: {"name": address[:2].title(), "by": 1} for address in ("ada@x.example", "bo@x.example")}
    [message] = (await look(asked | {"recipient_variables": given}))["messages"]
    assert (results(message)["template"], detail(message, "template")) == ("passed", "welcome, version 1")
    assert message["copy"]["parts"][-1]["text"].strip() == "<p>Hello Ad 1</p>"
    answer = await look(asked | {"recipient_variables": {one: {"by": "none"} for one in given}})
    assert (answer["status"], answer["errors"][0]["rule"]) == (422, "template_failed")
    [failed] = [one for one in answer["messages"][0]["checks"] if one["result"] == "failed"]
    assert "ada@x.example" in failed["detail"]
    assert ["bo@x.example" in one for one in failed["others"]] == [True]
    answer = await look(asked | {"template": {"name": "none"}})
    assert answer["errors"][0]["rule"] == "template_unknown"


async def test_a_repeat_is_told_of(look: Looking, client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    answer = await look(WHOLE, key="k")
    assert (answer["first_answer"], detail(answer["messages"][0], "idempotency_key")) == ([], "new")
    first = (await client.post(PATH, json=WHOLE, headers=auth | {"Idempotency-Key": "k"})).json()["id"]
    answer = await look(WHOLE, key="k")
    assert (answer["status"], answer["first_answer"]) == (202, [first])
    assert [one["result"] for one in answer["messages"][0]["recipients"]] == ["repeated", "repeated"]
    answer = await look(WHOLE | {"text": "Other."}, key="k")
    assert (answer["status"], answer["errors"][0]["rule"]) == (422, "call_key_reused")
    assert results(answer["messages"][0])["idempotency_key"] == "failed"
    named = WHOLE | {"headers": {"Message-Id": "<1@news.example.com>"}, "to": ["ada@x.example"]}
    await client.post(PATH, json=named, headers=auth)
    [message] = (await look(named | {"to": ["ada@x.example", "bo@x.example"]}))["messages"]
    assert [one["result"] for one in message["recipients"]] == ["repeated", "sent"]


async def test_what_is_not_understood_is_refused_as_without(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    for query, asked, status in (
        ({"dry_run": "x"}, WHOLE, 400),
        ({"dry_run": "yes"}, WHOLE | {"to": ["no address"]}, 422),
        ({"dry_run": "yes"}, {}, 422),
        ({"dry_run": "yes", "recipient": "cy@x.example"}, WHOLE, 400),
    ):
        assert (await client.post(PATH, params=query, json=asked, headers=auth)).status_code == status


@pytest.mark.parametrize(
    ("query", "field"),
    [("dryrun=true", "dryrun"), ("dry_run=true&dry_run=false", "dry_run"), ("recipient=a&recipient=b", "recipient")],
)
async def test_a_mistyped_dry_run_sends_nothing(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database, query: str, field: str
) -> None:
    for path, asked in ((PATH, WHOLE), (f"{PATH}/batch", {"messages": [WHOLE]})):
        reply = await client.post(f"{path}?{query}", json=asked, headers=auth)
        assert (reply.status_code, [one["field"] for one in reply.json()["errors"]]) == (400, [field])
    assert await database.read(deliveries.count, Selector()) == {}


async def test_copies_that_cannot_be_made_are_told_of(look: Looking) -> None:
    # Each value is small; a thousand of them are too much for one copy.
    text = "%recipient.a%" * 1_000
    asked = WHOLE | {"text": text, "recipient_variables": {"bo@x.example": {"a": "b" * 100_000}}}
    [message] = (await look(asked, recipient="bo@x.example"))["messages"]
    assert results(message)["copies"] == "failed"
    assert [one["result"] for one in message["recipients"]] == ["sent", "impossible"]
    assert message["copy"] is None


def test_every_rule_of_admission_belongs_to_one_check() -> None:
    of_others = {"domain_paused", "idempotency_key_reused", "call_key_reused", "call_malformed"}
    listed = [rule for rules in ADMISSION.values() for rule in rules]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(RULES) - of_others | {"domain_unknown"}


async def test_the_domain_comes_before_all_else(look: Looking, database: Database, domain: SendingDomain) -> None:
    await database.write(domains.change, VAULT, domain, msgspec.structs.replace(domain, state=DomainState.DISABLED))
    answer = await look(WHOLE | {"from": "a@else.example"})
    assert (answer["status"], answer["errors"][0]["rule"]) == (403, "domain_not_active")
