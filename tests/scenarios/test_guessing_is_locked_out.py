"""Guessed passwords lock an address and a name; the owner goes on, sees it, and releases it."""

import re
import smtplib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad.accounts.refusal_log import WINDOW_MS
from tests.peers.ports import LOOPBACK
from tests.peers.programs import path_of
from tests.peers.sink import Sink
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME, Product
from tests.waiting import PROMISED_S, within, within_promise

pytestmark = [pytest.mark.peer("swaks"), pytest.mark.peer("smtp-sink")]

FAILURES = 4


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink(keep_messages=True) as running:
        yield running


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Product]:
    lockout = {"failures": FAILURES, "network_failures": 1000, "minutes": [10]}
    settings = {"accounts": {"lockout": lockout, "notices_from": f"postroad@{DOMAIN}"}}
    made = Product(tmp_path_factory.mktemp("guessed"), smarthost_port=sink.port, settings=settings)
    made.prepare()
    for email, role in (("ada@admin.example", "admin"), ("uma@admin.example", "user")):
        made.run("user", "add", email, "--role", role, "--password-stdin", given=PASSWORD)
    with made:
        yield made


def answer_to(node: Product, address: str, password: str, name: str = USERNAME) -> str:
    """Return the reply that swaks gets to its AUTH."""
    command = [path_of("swaks"), "--server", LOOPBACK, "--port", str(node.submission_port), "--quit-after", "AUTH"]
    command += ["--local-interface", address, "--auth", "LOGIN", "--auth-user", name, "--auth-password", password]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    replies: list[str] = re.findall(r"^<(?:-|\*\*) +((?:235|535|454) .*)$", done.stdout, re.MULTILINE)
    return replies[-1]


def guess_until_locked(node: Product, address: str, name: str = USERNAME) -> list[str]:
    """Return the answers to guesses, of which the last one says that no more are looked at."""
    answers: list[str] = []
    deadline = time.monotonic() + 20
    while not answers or not answers[-1].startswith("454"):
        assert time.monotonic() < deadline, answers
        answers.append(answer_to(node, address, f"Guess-{len(answers)}", name))
    return answers


def codes_of_both_workers(node: Product, network: str, name: str = USERNAME) -> set[int]:
    """Return the codes of the replies to wrong passwords, from addresses of their own in a network like ``127.6.2``."""
    # The kernel spreads connections over the workers' sockets: twenty new ones reach both.
    return {_code(node, f"{network}.{number}", name) for number in range(20)}


def test_guessing_is_locked_seen_and_released_while_the_owner_goes_on(node: Product) -> None:
    home, stranger, elsewhere = "127.0.0.1", "127.9.9.1", "127.8.8.1"
    assert answer_to(node, home, PASSWORD).startswith("235 2.7.0")

    answers = guess_until_locked(node, stranger)

    assert len(answers) > FAILURES
    assert all(one.startswith("535 5.7.8") for one in answers[:-1])
    assert answers[-1] == "454 4.7.0 Too many logins have failed for this name or from this network; try again later"
    within_promise(lambda: codes_of_both_workers(node, "127.8.7") == {454})
    assert answer_to(node, elsewhere, PASSWORD).startswith("454")
    # That home is known was learned by one worker, and may be news to the other.
    within_promise(lambda: answer_to(node, home, PASSWORD).startswith("235 2.7.0"))
    locked = {one["subject"]: one for one in node.run_json("lockout", "list")}
    assert set(locked) >= {stranger, USERNAME}
    assert locked[USERNAME]["scope"] == "credential"
    assert (locked[stranger]["last_address"], locked[stranger]["last_username"]) == (stranger, USERNAME)

    node.run("smtp-user", "unlock", USERNAME)
    within_promise(lambda: answer_to(node, elsewhere, PASSWORD).startswith("235"))
    assert answer_to(node, stranger, PASSWORD).startswith("454")
    node.run("lockout", "release", stranger)
    within_promise(lambda: answer_to(node, stranger, PASSWORD).startswith("235"))
    assert not {stranger, USERNAME} & {one["subject"] for one in node.run_json("lockout", "list")}


def test_admins_are_told_by_mail_once_for_a_lock(node: Product, sink: Sink) -> None:
    name = f"told@{DOMAIN}"
    node.run("smtp-user", "add", name, "--password-stdin", given=PASSWORD)

    guess_until_locked(node, "127.4.1.1", name)

    def notices() -> list[bytes]:
        return [one.content for one in sink.messages() if name.encode() in one.content]

    within_promise(lambda: bool(notices()))
    for number in range(10):
        answer_to(node, f"127.4.2.{number}", "Guess-more", name)
    (notice,) = notices()
    assert b"To: <ada@admin.example>" in notice
    assert b"Subject: Too many failed log-ins" in notice
    assert b"last tried from 127.4.1.1" in notice


def test_name_that_does_not_exist_is_answered_alike(node: Product) -> None:
    real, unknown = f"real@{DOMAIN}", f"unknown@{DOMAIN}"
    node.run("smtp-user", "add", real, "--password-stdin", given=PASSWORD)

    answers = {
        name: guess_until_locked(node, address, name) for name, address in ((real, "127.7.1.1"), (unknown, "127.7.2.1"))
    }

    assert set(answers[real]) == set(answers[unknown])
    within_promise(lambda: {one["subject"] for one in node.run_json("lockout", "list")} >= {real, unknown})


def test_every_worker_knows_of_a_lock_within_five_seconds(node: Product) -> None:
    name = f"shared@{DOMAIN}"
    guess_until_locked(node, "127.6.1.1", name)
    fell_at = time.monotonic()

    while codes_of_both_workers(node, "127.6.2", name) != {454}:
        assert time.monotonic() < fell_at + PROMISED_S + 2
        time.sleep(0.1)


def test_each_kind_of_failure_is_logged_and_counted(node: Product) -> None:
    guess_until_locked(node, "127.5.1.1", f"logged@{DOMAIN}")

    def log() -> str:
        return Path(node.log).read_text()

    within_promise(lambda: bool(re.search(r"login_refused.*127\.5\.1\.1.*LOGIN.*wrong", log())))
    # It may be one of those that are counted until a window ends.
    within(2 * WINDOW_MS / 1000, lambda: bool(re.search(r"logins?_refused.*127\.5\.1\..*locked", log())))
    assert "locked_out" in log()
    assert "Guess-" not in log()
    found = dict(re.findall(r'^postroad_logins_total\{result="(\w+)"\} ([\d.]+)$', node.metrics(), re.MULTILINE))
    assert float(found["wrong"]) > 0
    assert sum(float(count) for result, count in found.items() if result.endswith("_locked")) > 0


def _code(node: Product, address: str, name: str) -> int:
    with smtplib.SMTP(LOOPBACK, node.submission_port, timeout=30, source_address=(address, 0)) as client:
        client.ehlo()
        try:
            client.login(name, "Guess-shared")
        except smtplib.SMTPAuthenticationError as refused:
            return refused.smtp_code
    return 235
