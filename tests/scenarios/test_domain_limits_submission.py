"""What a domain's settings ask of those who submit for it, seen by a client."""

import itertools
import smtplib
import time

import pytest

from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.world import World, destination, letter
from tests.waiting import on_every_worker, within_promise

pytestmark = pytest.mark.peer("nsd")

_numbers = itertools.count()
TO = f"a@{destination(96)}"


def setting(world: World, *assignments: str) -> None:
    world.product.run("domain", "set", DOMAIN, *assignments)


def log_in_code(world: World) -> int:
    try:
        with world.client():
            return 235
    except smtplib.SMTPAuthenticationError as refused:
        return refused.smtp_code


def test_a_quota_of_the_domain_answers_452_with_the_time_when_it_frees(postgres_world: World) -> None:
    setting(postgres_world, "hourly_quota=2")

    def send(count: int) -> tuple[int, str]:
        with postgres_world.client() as client:
            client.mail(USERNAME)
            for number in range(count):
                client.rcpt(f"{number}{TO}")
            # Another message each time: whoever repeats what was refused is slowed down.
            code, text = client.data(letter(to=TO, subject=f"number {next(_numbers)}"))
            return code, text.decode()

    within_promise(lambda: on_every_worker(lambda: send(3)[0] == 550))
    known = letter(to=TO, extra=f"Message-ID: <{time.monotonic_ns()}@client.example>\r\n")
    first = postgres_world.submit(TO, content=known)
    assert send(1)[0] == 250
    code, text = send(1)

    # The reply to the first got lost, as the client has it.
    assert postgres_world.submit(TO, content=known) == first
    assert code == 452
    assert text.startswith("4.7.1 This sending domain may have 2 recipients an hour")
    assert "try again after" in text
    setting(postgres_world, "hourly_quota=0")
    within_promise(lambda: on_every_worker(lambda: send(1)[0] == 250))


def test_a_domain_may_hold_log_ins_to_tls_and_to_networks(postgres_world: World) -> None:
    assert log_in_code(postgres_world) == 235
    setting(postgres_world, "submission_requires_tls=on")
    within_promise(lambda: log_in_code(postgres_world) == 538)
    setting(postgres_world, "submission_requires_tls=off", "submission_networks=198.51.100.0/24")
    within_promise(lambda: log_in_code(postgres_world) == 535)
    setting(postgres_world, "submission_networks=127.0.0.0/8")
    within_promise(lambda: log_in_code(postgres_world) == 235)
