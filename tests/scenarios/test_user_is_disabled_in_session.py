"""What an operator changes holds within five seconds, in sessions that are open too."""

import smtplib

import pytest

from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME
from tests.scenarios.world import FIELD, World, letter, refusal_of
from tests.waiting import within_promise

pytestmark = pytest.mark.peer("nsd")


def next_reply(client: smtplib.SMTP, command: str = "NOOP") -> tuple[int, bytes]:
    try:
        return client.docmd(command)
    except (smtplib.SMTPServerDisconnected, ConnectionError):
        return 0, b"closed"


def mail(client: smtplib.SMTP, sender: str) -> tuple[int, bytes]:
    client.rset()
    return client.mail(sender)


def ends(client: smtplib.SMTP, code: int = 535) -> bool:
    """Ask once more; the reply that ends the session is the last one."""
    if next_reply(client)[0] != code:
        return False
    assert next_reply(client) == (0, b"closed")
    return True


def log_in_code(world: World, name: str) -> int:
    try:
        with world.client(name):
            return 235
    except smtplib.SMTPAuthenticationError as refused:
        return refused.smtp_code


@pytest.mark.parametrize("verb", ["disable", "remove"])
def test_the_next_command_of_an_open_session_ends_it(postgres_world: World, verb: str) -> None:
    name = f"{verb}d@{DOMAIN}"
    postgres_world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with postgres_world.client() as another, postgres_world.client(name) as client:
        assert mail(client, name)[0] == 250
        postgres_world.product.run("smtp-user", verb, name, *(["--yes"] if verb == "remove" else []))
        within_promise(lambda: ends(client))
        assert mail(another, USERNAME)[0] == 250

    within_promise(lambda: log_in_code(postgres_world, name) == 535)


def test_an_old_password_ends(world: World) -> None:
    name = f"changing@{DOMAIN}"
    world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with world.client(name) as client:
        assert mail(client, name)[0] == 250
        world.product.run("smtp-user", "set-password", name, "--password-stdin", given=f"{PASSWORD}-new")
        within_promise(lambda: ends(client))
    with world.client(name, f"{PASSWORD}-new") as client:
        assert mail(client, name)[0] == 250
    with pytest.raises(smtplib.SMTPAuthenticationError), world.client(name):
        pass


def test_a_message_whose_login_ends_on_its_way_is_refused(world: World) -> None:
    name = f"halfway@{DOMAIN}"
    world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with world.client(name) as watcher, world.client(name) as client:
        client.mail(name)
        client.rcpt(f"a@nomail.{FIELD}")
        assert client.docmd("DATA")[0] == 354
        client.send(letter()[:40])
        world.product.run("smtp-user", "disable", name)
        within_promise(lambda: ends(watcher))
        client.send(letter()[40:] + b"\r\n.\r\n")
        assert client.getreply()[0] == 535


@pytest.mark.parametrize(
    ("option", "value", "code"), [("--network", "192.0.2.0/24", 535), ("--require-tls", None, 538)]
)
def test_a_new_restriction_ends_the_sessions_that_break_it(
    world: World, option: str, value: str | None, code: int
) -> None:
    name = f"held{code}@{DOMAIN}"
    world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with world.client(name) as client:
        assert mail(client, name)[0] == 250
        world.product.run("smtp-user", "edit", name, option, *([value] if value else []))
        within_promise(lambda: ends(client, code))
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused, world.client(name):
        pass

    assert refused.value.smtp_code == code


def test_a_changed_limit_and_from_hold_in_an_open_session(world: World) -> None:
    name = f"limited@{DOMAIN}"
    recipient = f"a@nomail.{FIELD}"
    world.product.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)
    with world.client(name) as client:
        assert refusal_of(client, letter(), recipient).startswith("250 ")
        world.product.run("smtp-user", "edit", name, "--allow-from", f"other@{DOMAIN}")
        within_promise(lambda: refusal_of(client, letter(), recipient).startswith("550 5.7.1 The From header has "))
        world.product.run("smtp-user", "edit", name, "--any-from", "--hourly-limit", "1")
        within_promise(lambda: refusal_of(client, letter(), recipient).startswith("452 4.7.1 This SMTP user may have "))
        world.product.run("smtp-user", "edit", name, "--hourly-limit", "none")
        within_promise(lambda: refusal_of(client, letter(), recipient).startswith("250 "))


async def test_a_changed_setting_of_the_domain_holds(world: World) -> None:
    long_line = letter(extra="MIME-Version: 1.0\r\nContent-Type: text/plain\r\n", body=b"x" * 2_000 + b"\r\n")
    with world.client() as client:
        assert refusal_of(client, long_line).startswith("550 5.6.0 ")
        world.product.run("domain", "set", DOMAIN, "repair_long_lines=on")
        try:
            within_promise(lambda: refusal_of(client, long_line, f"a@nomail.{FIELD}").startswith("250 "))
        finally:
            world.product.run("domain", "set", DOMAIN, "repair_long_lines=off")
