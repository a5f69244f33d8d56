"""What an operator changes holds within five seconds, in sessions that are open too."""

import smtplib
import time
from collections.abc import Callable

import pytest

from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME
from tests.scenarios.world import FIELD, World, letter, refusal_of

pytestmark = pytest.mark.peer("nsd")

PROMISED_S = 5.0


def within_promise(holds: Callable[[], bool]) -> None:
    """Ask until it holds; more than five seconds are too many."""
    deadline = time.monotonic() + PROMISED_S
    while not holds():
        assert time.monotonic() < deadline, "it does not hold after five seconds"
        time.sleep(0.05)


def mail(client: smtplib.SMTP, sender: str) -> tuple[int, bytes]:
    client.rset()
    return client.mail(sender)


@pytest.mark.parametrize("verb", ["disable", "remove"])
def test_the_next_mail_of_an_open_session_is_refused(each_world: World, verb: str) -> None:
    name = f"{verb}d@{DOMAIN}"
    each_world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with each_world.client(name) as client, each_world.client() as another:
        assert mail(client, name)[0] == 250
        each_world.product.run("smtp-user", verb, name, *(["--yes"] if verb == "remove" else []))
        within_promise(lambda: mail(client, name)[0] == 530)
        assert mail(another, USERNAME)[0] == 250
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused, each_world.client(name):
        pass

    assert refused.value.smtp_code == 535


def test_an_old_password_ends(world: World) -> None:
    name = f"changing@{DOMAIN}"
    world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with world.client(name) as client:
        world.product.run("smtp-user", "set-password", name, "--password-stdin", given=f"{PASSWORD}-new")
        within_promise(lambda: mail(client, name)[0] == 530)
    with world.client(name, f"{PASSWORD}-new") as client:
        assert mail(client, name)[0] == 250
    with pytest.raises(smtplib.SMTPAuthenticationError), world.client(name):
        pass


async def test_a_changed_setting_of_the_domain_holds(world: World) -> None:
    long_line = letter(extra="MIME-Version: 1.0\r\nContent-Type: text/plain\r\n", body=b"x" * 2_000 + b"\r\n")
    with world.client() as client:
        assert refusal_of(client, long_line).startswith("550 5.6.0 ")
        world.product.run("domain", "set", DOMAIN, "repair_long_lines=on")
        try:
            within_promise(lambda: refusal_of(client, long_line, f"a@nomail.{FIELD}").startswith("250 "))
        finally:
            world.product.run("domain", "set", DOMAIN, "repair_long_lines=off")
