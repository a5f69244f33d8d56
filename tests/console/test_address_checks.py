"""Checking an address in the console."""

import httpx2
import pytest

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.refused import TooSoonError
from postroad.model.suppression import SuppressionKind

from .conftest import Client, World

PATH = "/suppressions/check"


async def asked(client: Client, address: str) -> httpx2.Response:
    return await client.send_form(PATH, address=address)


async def test_whoever_may_look_finds_the_check_on_the_page_of_suppressions(user: Client) -> None:
    assert f'href="{PATH}"' in (await user.get("/suppressions")).text
    assert "Check address" in (await user.get(PATH)).text


async def test_the_answer_says_why(user: Client, console: Console, world: World) -> None:
    await console.suppressions.add(SYSTEM, world.domain.name, "bob@r.example", SuppressionKind.BOUNCE)
    await console.suppressions.add(SYSTEM, world.their_domain.name, "eve@r.example", SuppressionKind.BOUNCE)
    bounced = (await asked(user, " bob@r.example ")).text
    theirs = (await asked(user, "eve@r.example")).text
    malformed = (await asked(user, "a <b>")).text

    assert "Undeliverable" in bounced
    assert "It bounced, and no mail has reached it since." in bounced
    assert "It bounced" not in theirs
    assert "Its domain has no mail host that can be reached." in theirs
    assert "It is no address." in malformed
    assert "a &lt;b&gt;" in malformed


async def test_a_misspelt_domain_is_told(user: Client) -> None:
    text = (await asked(user, "ann@gmal.com")).text.replace("<wbr>", "")

    assert "Did you mean</dt><dd>ann@gmail.com</dd>" in text


@pytest.mark.parametrize(
    ("address", "words"), [("", "Write the address to check."), ("a" * 513, "at most 512 characters")]
)
async def test_what_is_no_question_is_asked_again(user: Client, address: str, words: str) -> None:
    reply = await asked(user, address)

    assert reply.status_code == 422
    assert words in reply.text


async def test_where_too_many_run_it_says_so(user: Client, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise TooSoonError("As many addresses are being checked as can be at a time: try again in a second.", 1)

    monkeypatch.setattr(console.address_checks, "check", full)
    reply = await asked(user, "ann@r.example")

    assert reply.status_code == 422
    assert "try again in a second" in reply.text
