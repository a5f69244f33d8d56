"""Operators take destinations down in the console, after they saw how these were understood, and put them back."""

import pytest

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.storage import audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import Client

PATH = "/blocked-destinations"


async def blocked(console: Console) -> list[tuple[str, str]]:
    return [(one.pattern, one.reason) for one in await console.takedown.all(SYSTEM)]


async def test_nothing_is_blocked_at_first_and_what_it_is_for_is_said(operator: Client) -> None:
    assert "Nothing is blocked" in (await operator.get(PATH)).text
    assert f'href="{PATH}"' in (await operator.get("/accounts")).text


async def test_a_destination_is_blocked_once_it_was_confirmed_as_it_was_understood(
    operator: Client, console: Console, database: Database
) -> None:
    asked = await operator.send_form(f"{PATH}/new", destination="https://EVIL.example./", reason="<b>phishing</b>")
    assert asked.status_code == 200
    assert "to this host and to all hosts below it" in asked.text
    assert "&lt;b&gt;phishing" in asked.text
    assert await blocked(console) == []

    told = await operator.send_form(
        f"{PATH}/new", destination="https://EVIL.example./", reason="<b>phishing</b>", is_confirmed="yes"
    )
    assert (told.status_code, told.headers["location"]) == (303, PATH)
    assert await blocked(console) == [("evil.example", "<b>phishing</b>")]
    text = (await operator.get(PATH)).text
    assert "with all hosts below it" in text
    assert "&lt;b&gt;phishing" in text
    assert "olga@host.example" in text
    [entry] = [
        one for one in await database.read(audit.search, AuditSelector(), 10) if one.action == "destination.blocked"
    ]
    assert (entry.target, entry.after) == ("evil.example", {"reason": "<b>phishing</b>"})


@pytest.mark.parametrize(
    ("destination", "sentence"),
    [("evil", "no dot in its host"), ("two words", "neither a host"), ("known.example", "is blocked already")],
)
async def test_what_cannot_be_blocked_is_said_at_the_field(
    operator: Client, console: Console, destination: str, sentence: str
) -> None:
    await console.takedown.block(SYSTEM, "known.example")

    reply = await operator.send_form(f"{PATH}/new", destination=destination, is_confirmed="yes")

    assert reply.status_code == 422
    assert sentence in reply.text
    assert 'id="destination-error"' in reply.text
    assert f'value="{destination}"' in reply.text


@pytest.mark.parametrize("destination", ["evil.example", "https://shop.example/stolen/?a=1&b=%2F"])
async def test_a_destination_is_unblocked_after_a_question(
    operator: Client, console: Console, destination: str
) -> None:
    one = await console.takedown.block(SYSTEM, destination, "Reported")
    asked = await operator.get(f"{PATH}/remove", params={"destination": one.pattern})
    assert "Reported" in asked.text
    assert "Do this only if the page is safe." in asked.text
    assert len(await blocked(console)) == 1

    told = await operator.send_form(f"{PATH}/remove", destination=one.pattern)
    assert (told.status_code, told.headers["location"]) == (303, PATH)
    assert await blocked(console) == []


@pytest.mark.parametrize("destination", ["gone.example", "nothing at all", ""])
async def test_what_is_not_blocked_cannot_be_unblocked(operator: Client, destination: str) -> None:
    assert (await operator.get(f"{PATH}/remove", params={"destination": destination})).status_code == 404
    assert (await operator.send_form(f"{PATH}/remove", destination=destination)).status_code == 404


async def test_admins_of_accounts_do_not_decide_for_all(admin: Client, console: Console) -> None:
    assert (await admin.get(PATH)).status_code == 404
    assert (await admin.send_form(f"{PATH}/new", destination="a.example", is_confirmed="yes")).status_code == 404
    assert await blocked(console) == []
