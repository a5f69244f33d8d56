"""The subject that people are shown of a message of another vendor's API: as it was written, whatever its header holds."""

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.ids import from_text
from postroad.rendering.merge import plan
from postroad.rendering.merge_values import Filling
from postroad.rendering.placeholder import Addressee
from postroad.storage import bodies, messages
from postroad.storage.database import Database

from .services import api_services
from .test_postroad import submissions_over

ADA, BO = "ada@x.example", "bo@x.example"


class Sending:
    """Sends, and looks at what became of it."""

    def __init__(
        self, client: httpx2.AsyncClient, auth: dict[str, str], looking: dict[str, str], database: Database
    ) -> None:
        self._client = client
        self._auth = auth
        self._looking = looking
        self._database = database

    async def sparkpost(self, subject: str, **shared: Any) -> str:
        """Send to two by SparkPost's API, each with a name; returns the message's id."""
        recipients = [
            {"address": who, "substitution_data": {"name": who.partition("@")[0].title()}} for who in (ADA, BO)
        ]
        content = {"from": "a@news.example.com", "subject": subject, "text": "Hello."}
        asked = {"recipients": recipients, "content": content, "substitution_data": shared}
        reply = await self._client.post("/api/v1/transmissions", json=asked, headers=self._auth)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["results"]["id"])

    async def sendgrid(self, subject: str, *personalizations: dict[str, Any], **more: Any) -> str:
        """Send by SendGrid's API; returns the message's id."""
        asked = {
            "personalizations": [
                {"to": [{"email": who}], **one} for who, one in zip((ADA, BO), personalizations, strict=True)
            ],
            "from": {"email": "a@news.example.com"},
            "subject": subject,
            "content": [{"type": "text/plain", "value": "Hello."}],
            **more,
        }
        reply = await self._client.post("/v3/mail/send", json=asked, headers=self._auth)
        assert reply.status_code == 202, reply.text
        return str(reply.headers["x-message-id"])

    async def shown(self, message_id: str) -> str:
        """Return the subject as people are shown it."""
        reply = await self._client.get(f"/api/postroad/v1/messages/{message_id}", headers=self._looking)
        return str(reply.json()["subject"])

    async def found(self, words: str) -> list[str]:
        """Return the ids of the messages with some words in their subject."""
        reply = await self._client.get("/api/postroad/v1/messages", params={"subject": words}, headers=self._looking)
        assert reply.status_code == 200, reply.text
        return [one["id"] for one in reply.json()["messages"]]

    async def told(self) -> set[str]:
        """Return the subjects in SparkPost's own events."""
        reply = await self._client.get("/api/v1/events/message", headers=self._looking)
        return {one["subject"] for one in reply.json()["results"]}

    async def leaving(self, message_id: str) -> list[str]:
        """Return the subject of each copy that leaves."""
        story = await self._database.read(messages.show, from_text(message_id))
        assert story is not None
        content = (await self._database.read(bodies.read_many, [story.message.id]))[story.message.id]
        copies = []
        for one in sorted(story.deliveries, key=lambda each: each.recipient):
            addressee = Addressee(
                address=one.recipient, display_name="", variables=one.options.variables or {}, links={}
            )
            filling = Filling(
                addressee=addressee, on_missing=story.message.options.on_missing, escapes_html=False, only_links=False
            )
            copies.append(
                str(message_from_bytes(plan(content).filled(filling).content, policy=policy.default)["Subject"])
            )
        return copies


@pytest.fixture
async def sending(
    check: ApiKeyCheck, database: Database, keys: ApiKeys, domain: SendingDomain, tmp_path: Path
) -> AsyncIterator[Sending]:
    services = msgspec.structs.replace(
        api_services(check, folder=tmp_path), submissions=submissions_over(check, database)
    )
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api_app(services), client=("192.0.2.9", 50000)),
        base_url="http://api.example.net",
    ) as client:
        sends = (await keys.add_for_domain(SYSTEM, domain.name)).text
        looks = (await keys.add_for_account(SYSTEM, domain.account_id)).text
        yield Sending(client, {"Authorization": f"Bearer {sends}"}, {"Authorization": f"Bearer {looks}"}, database)


async def test_a_subject_with_substitutions_of_sparkpost_is_shown_as_it_was_written(sending: Sending) -> None:
    sent = await sending.sparkpost("For  {{name}}, order {{ order }}: %recipient.name%", order=17)
    # What all copies have in common is known.
    assert await sending.shown(sent) == "For {{name}}, order 17: %recipient.name%"
    assert await sending.leaving(sent) == [
        "For Ada, order 17: %recipient.name%",
        "For Bo, order 17: %recipient.name%",
    ]
    assert await sending.found("order 17 name") == [sent]
    assert await sending.found("sp") == []
    assert await sending.told() == {"For {{name}}, order 17: %recipient.name%"}


async def test_a_subject_of_sparkpost_that_all_copies_have_is_shown_as_it_leaves(sending: Sending) -> None:
    sent = await sending.sparkpost("Order {{order}}{{if name}} for {{name}}{{end}}", order=17)
    assert await sending.shown(sent) == "Order 17{{if name}} for {{name}}{{end}}"
    same = await sending.sparkpost("Order {{order}}", order=17)
    assert await sending.shown(same) == "Order 17"


async def test_a_subject_with_substitutions_of_sendgrid_is_shown_as_it_was_written(sending: Sending) -> None:
    own = [{"substitutions": {"-name-": name}} for name in ("Ada", "Bo")]
    sent = await sending.sendgrid("Ticket for  -name-, %recipient.x%", *own)
    assert await sending.shown(sent) == "Ticket for -name-, %recipient.x%"
    assert await sending.leaving(sent) == ["Ticket for Ada, %recipient.x%", "Ticket for Bo, %recipient.x%"]
    assert await sending.found("ticket name") == [sent]
    assert await sending.found("sg") == []


async def test_of_several_subjects_of_sendgrid_the_first_one_is_shown(sending: Sending) -> None:
    sent = await sending.sendgrid("For all", {"subject": "For Ada, Grüße"}, {})
    assert await sending.shown(sent) == "For Ada, Grüße"
    assert await sending.leaving(sent) == ["For Ada, Grüße", "For all"]
    assert await sending.found("ada") == [sent]
    long = await sending.sendgrid("For all", {"subject": "ab " * 200}, {})
    assert await sending.shown(long) == ("ab " * 200)[:255]
