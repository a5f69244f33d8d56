"""Every refusal with its exact code and sentence, and each as an event with its rule."""

import base64
from collections.abc import Iterator

import pytest

from postroad.model.event import EventType
from postroad.net.clock import now_ms
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME
from tests.scenarios.world import FIELD, World, letter, refusal_of, running_world

pytestmark = pytest.mark.peer("nsd")

SMALL = 65_536


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A node that takes small messages only, and verifies domains."""
    settings = {"smtp": {"max_message_size": SMALL}}
    with running_world(tmp_path_factory.mktemp("strict"), settings=settings) as running:
        yield running


CONTENTS = {
    "header_from_not_aligned": (letter(header_from="a@elsewhere.example"), "550 5.7.1", "elsewhere.example"),
    "header_from_duplicate": (letter(extra=f"From: {USERNAME}\r\n"), "550 5.7.1", "2 From headers"),
    "header_from_missing": (b"To: a@b.example\r\nSubject: x\r\n\r\nHello\r\n", "550 5.7.1", "no From header"),
    "header_from_not_single": (letter(header_from=f"{USERNAME}, b@{DOMAIN}"), "550 5.7.1", "exactly one address"),
    "header_from_malformed": (letter(header_from="not an address"), "550 5.7.1", "From"),
    "header_to_duplicate": (letter(extra=f"To: b@{FIELD}\r\n"), "550 5.6.0", "2 To headers"),
    "header_cc_duplicate": (letter(extra=f"Cc: b@{FIELD}\r\nCc: c@{FIELD}\r\n"), "550 5.6.0", "2 Cc headers"),
    "header_subject_duplicate": (letter(extra="Subject: b\r\n"), "550 5.6.0", "2 Subject headers"),
    "bare_lf": (letter(body=b"one\ntwo\r\n"), "550 5.6.0", "LF without CR"),
    "bare_cr": (letter(body=b"one\rtwo\r\n"), "550 5.6.0", "CR without LF"),
    "nul_octet": (letter(body=b"one\0two\r\n"), "550 5.6.0", "NUL"),
    "line_too_long": (letter(body=b"x" * 999 + b"\r\n"), "550 5.6.0", "998"),
    "header_not_ascii": (letter(subject="Grüße"), "550 5.6.0", "SMTPUTF8"),
    "header_line_without_colon": (b"From: a\r\nno colon here\r\n\r\nx\r\n", "550 5.6.0", "colon"),
    "too_many_received": (b"Received: x\r\n" * 51 + letter(), "554 5.4.6", "51 Received"),
    "too_many_header_fields": (b"X: y\r\n" * 1001 + letter(), "550 5.6.0", "1000 are allowed"),
}


@pytest.mark.parametrize("rule", CONTENTS)
async def test_content_is_refused_by_a_rule(strict: World, rule: str) -> None:
    content, code, words = CONTENTS[rule]
    began = now_ms()
    with strict.client() as client:
        reply = refusal_of(client, content)
        # The session goes on: a refused message ends a transaction and no more.
        assert client.noop()[0] == 250

    assert reply.startswith(f"{code} ")
    assert words in reply
    rejected = await strict.refused_with(rule, began)
    assert rejected.data["username"] == USERNAME
    assert reply.endswith(rejected.data["text"])


async def test_lines_of_998_octets_and_a_parent_domain_in_from_are_fine(world: World) -> None:
    with world.client() as client:
        client.mail(USERNAME)
        client.rcpt(f"you@nomail.{FIELD}")
        assert client.data(letter(body=b"x" * 998 + b"\r\n"))[0] == 250


async def test_another_domain_in_mail_from_is_refused_with_the_domain_named(strict: World) -> None:
    began = now_ms()
    with strict.client() as client:
        refusals = [client.mail(path) for path in ("a@elsewhere.example", f"a@sub.{DOMAIN}", "a@example", "")]

    assert [code for code, _ in refusals] == [550, 550, 550, 550]
    assert all(DOMAIN.encode() in text and text.startswith(b"5.7.1 ") for _, text in refusals[:3])
    assert refusals[3][1].startswith(b"5.7.1 ")
    rejected = await strict.events_since(began, EventType.REJECTED)
    assert [one.data["rule"] for one in rejected] == ["reverse_path_not_at_domain"] * 3 + ["reverse_path_null"]
    assert rejected[0].data["reverse_path"] == "a@elsewhere.example"


async def test_the_domain_in_mail_from_may_be_written_in_any_case(world: World) -> None:
    with world.client() as client:
        assert client.mail(f"app@{DOMAIN.upper()}")[0] == 250


async def test_too_large_a_message_is_refused_before_it_is_sent(strict: World) -> None:
    began = now_ms()
    with strict.client() as client:
        code, text = client.mail(USERNAME, [f"SIZE={SMALL + 1}"])
        assert client.mail(USERNAME, [f"SIZE={SMALL}"])[0] == 250

    assert (code, text[:6]) == (552, b"5.3.4 ")
    assert (await strict.refused_with("message_too_large", began)).data["size"] == SMALL + 1


async def test_too_large_a_message_without_size_is_refused_at_its_end(strict: World) -> None:
    began = now_ms()
    with strict.client() as client:
        reply = refusal_of(client, letter(body=b"x" * 70 + b"\r\n" + b"y" * 78 + b"\r\n" + b"z\r\n" * 30_000))
        assert client.noop()[0] == 250

    assert reply.startswith("552 5.3.4 ")
    assert (await strict.refused_with("message_too_large", began)).data["username"] == USERNAME


def test_mail_without_a_login_is_refused(world: World) -> None:
    with world.dialogue() as dialogue:
        dialogue.say("EHLO client.example")
        assert dialogue.say(f"MAIL FROM:<{USERNAME}>").startswith("530 5.7.0 ")


def test_a_wrong_password_is_refused_and_the_third_ends_the_session(world: World) -> None:
    wrong = base64.b64encode(f"\0{USERNAME}\0{PASSWORD}x".encode()).decode()
    with world.dialogue() as dialogue:
        dialogue.say("EHLO client.example")
        replies = [dialogue.say(f"AUTH PLAIN {wrong}") for _ in range(3)]
        end = dialogue.rest()

    assert [reply[:10] for reply in replies] == ["535 5.7.8 "] * 3
    assert end.startswith(b"421 4.7.0 ")
