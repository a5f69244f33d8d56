"""A client that goes on repeating what was refused, as it and its people see it."""

import smtplib
import time

import pytest

from tests.scenarios.product import USERNAME
from tests.scenarios.world import World, destination, letter

pytestmark = pytest.mark.peer("nsd")

TO = f"a@{destination(78)}"


def send(client: smtplib.SMTP, content: bytes) -> tuple[int, float]:
    """Return the reply's code, and how many seconds it took."""
    began_at = time.monotonic()
    client.mail(USERNAME)
    client.rcpt(TO)
    return client.data(content)[0], time.monotonic() - began_at


def test_repeats_are_counted_shown_and_slowed_down_and_good_mail_is_not(world: World) -> None:
    refused = letter(to=TO, subject="Never", header_from="somebody@elsewhere.example")
    with world.client() as client:
        tries = [send(client, refused) for _ in range(8)]
        good = send(client, letter(to=TO, subject="Good"))

    assert [code for code, _ in tries] == [550] * 8
    assert [took_s >= 1.0 for _, took_s in tries] == [False] * 6 + [True] * 2
    assert (good[0], good[1] < 1.0) == (250, True)

    def faults() -> list[dict[str, object]]:
        shown = world.product.run_json("smtp-user", "show", USERNAME)
        return [{name: one[name] for name in ("kind", "count")} for one in shown["faults"]]

    deadline = time.monotonic() + 5
    while faults() != [{"kind": "after_refusal", "count": 7}]:
        assert time.monotonic() < deadline, faults()
        time.sleep(0.2)
    text = world.product.run("smtp-user", "show", USERNAME)
    assert "“Never”" in text
    assert "change what the reply names, or give it up" in text
