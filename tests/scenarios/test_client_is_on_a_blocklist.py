"""A client that a blocklist names cannot log in, and is told by which list and why; every doubt lets in."""

import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad.accounts.refusal_log import WINDOW_MS
from tests.peers.blocklist import Rbldnsd
from tests.peers.ports import LOOPBACK
from tests.peers.programs import path_of
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import prepare
from tests.waiting import within

pytestmark = pytest.mark.peer("rbldnsd", "swaks")

BALANCER = "127.0.0.77"
CLEAR, LISTED, AT_HOME, EXPLOITED, ALLOWED = "9.9.9.1", "9.9.9.2", "9.9.9.11", "9.9.9.4", "9.9.8.2"
GATHERED = "9.9.7.2"
"""In a network of its own, as its log-ins are counted by network."""
REFUSED_US = "9.9.9.254"
LISTED_6, AT_HOME_6, CLEAR_6 = "2a00:1450::2", "2a00:1450::b", "2a00:1450::1"

BAD = f""":127.0.0.2:Listed, see https://bad.test/$
{LISTED}
{ALLOWED}
{GATHERED}
{AT_HOME} :127.0.0.11:A home network
{REFUSED_US} :127.255.255.254:Asked through a public resolver
"""
BAD_6 = f""":127.0.0.3:Listed, see https://bad.test/$
{LISTED_6}
{AT_HOME_6} :127.0.0.10:A home network
"""
CHOSEN = f""":127.0.0.2:Chosen
{EXPLOITED} :127.0.0.4:Exploited
{AT_HOME} :127.0.0.2:Not of interest
"""


@pytest.fixture(scope="module")
def lists() -> Iterator[Rbldnsd]:
    with Rbldnsd({"bad.test": BAD, "chosen.test": CHOSEN}, {"bad.test": BAD_6}) as running:
        yield running


def node(tmp_path_factory: pytest.TempPathFactory, lists: Rbldnsd, **smtp: object) -> Product:
    # Nobody serves dead.test: rbldnsd refuses to answer for it.
    product = Product(tmp_path_factory.mktemp("guarded"), smarthost_port=None, workers=1)
    product.configure(
        {
            "dns": {"resolvers": [lists.resolver], "attempt_timeout_ms": 500, "lifetime_ms": 1000},
            "smtp": {
                "listen": [f"{LOOPBACK}:{product.submission_port}", f"{BALANCER}:{product.submission_port}"],
                "proxy_protocol_from": [f"{BALANCER}/32"],
                "rbl_zones": ["dead.test", "bad.test", "chosen.test=127.0.0.4"],
                "rbl_allow": ["9.9.8.0/24"],
            }
            | smtp,
        }
    )
    prepare(product)
    return product


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, lists: Rbldnsd) -> Iterator[Product]:
    with node(tmp_path_factory, lists) as running:
        yield running


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, lists: Rbldnsd) -> Iterator[Product]:
    with node(tmp_path_factory, lists, rbl_permanent=True) as running:
        yield running


class Behind(smtplib.SMTP):
    """A client that comes through the load balancer from an address of its own."""

    def __init__(self, product: Product, client_address: str) -> None:
        family = "TCP6" if ":" in client_address else "TCP4"
        ours = "2a00::1" if ":" in client_address else "9.9.9.9"
        self._header = f"PROXY {family} {client_address} {ours} 40000 587\r\n".encode()
        super().__init__(LOOPBACK, product.submission_port, timeout=20, source_address=(BALANCER, 0))

    def _get_socket(self, host, port, timeout):  # type: ignore[no-untyped-def]
        connected = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        connected.sendall(self._header)
        return connected


def log_in(product: Product, client_address: str, password: str = PASSWORD) -> tuple[int, str]:
    with Behind(product, client_address) as client:
        try:
            code, text = client.login(USERNAME, password)
        except smtplib.SMTPAuthenticationError as refused:
            return refused.smtp_code, bytes(refused.smtp_error).decode()  # type: ignore[arg-type]
        return code, text.decode()


def swaks(product: Product, client_address: str) -> str:
    command = [
        path_of("swaks"), "--server", BALANCER, "--port", str(product.submission_port), "--local-interface", BALANCER,
        "--proxy", f"TCP4 {client_address} 9.9.9.9 40000 587", "--auth", "PLAIN", "--auth-user", USERNAME,
        "--auth-password", PASSWORD, "--from", USERNAME, "--to", "you@field.test", "--quit-after", "AUTH",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout


def test_a_listed_client_may_try_later_and_reads_the_lists_own_words(guarded: Product) -> None:
    transcript = swaks(guarded, LISTED)

    assert f"<** 454 4.7.0 {LISTED} is listed by bad.test: Listed, see https://bad.test/{LISTED}\n" in transcript


def test_a_client_that_is_not_listed_logs_in(guarded: Product) -> None:
    assert " 235 2.7.0 Logged in\n" in swaks(guarded, CLEAR)


def test_a_listing_is_for_good_where_the_installation_says_so(strict: Product) -> None:
    assert log_in(strict, LISTED) == (
        554,
        f"5.7.1 {LISTED} is listed by bad.test: Listed, see https://bad.test/{LISTED}",
    )
    assert log_in(strict, CLEAR)[0] == 235


def test_ipv6_clients_are_asked_about_too(guarded: Product) -> None:
    assert log_in(guarded, LISTED_6) == (
        454,
        f"4.7.0 {LISTED_6} is listed by bad.test: Listed, see https://bad.test/{LISTED_6}",
    )
    assert log_in(guarded, CLEAR_6)[0] == 235
    assert log_in(guarded, AT_HOME_6)[0] == 235


@pytest.mark.parametrize("client_address", [AT_HOME, REFUSED_US])
def test_codes_that_do_not_count_let_in(guarded: Product, client_address: str) -> None:
    assert log_in(guarded, client_address)[0] == 235


def test_codes_that_were_chosen_count(guarded: Product) -> None:
    assert log_in(guarded, EXPLOITED) == (454, f"4.7.0 {EXPLOITED} is listed by chosen.test: Exploited")


def test_allowed_and_private_networks_are_not_asked_about(guarded: Product, lists: Rbldnsd) -> None:
    assert log_in(guarded, ALLOWED)[0] == 235
    assert log_in(guarded, "10.1.2.3")[0] == 235
    assert log_in(guarded, CLEAR)[0] == 235

    asked = lists.questions
    assert "1.9.9.9.bad.test" in asked
    assert "2.8.9.9.bad.test" not in asked
    assert "3.2.1.10." not in asked


def test_the_password_of_a_listed_client_is_not_looked_at(guarded: Product) -> None:
    assert log_in(guarded, LISTED, "wrong") == log_in(guarded, LISTED)


def test_a_client_that_tries_on_takes_one_line_and_a_count(guarded: Product) -> None:
    for _ in range(12):
        log_in(guarded, GATHERED)

    def lines() -> list[str]:
        return [line for line in Path(guarded.log).read_text().splitlines() if "refused" in line and GATHERED in line]

    within(2 * WINDOW_MS / 1000, lambda: any("logins_refused" in line for line in lines()))
    assert "zone=bad.test" in lines()[0]
    # Two a window, and the log-ins may take two windows.
    assert len(lines()) <= 4


def test_answers_of_lists_are_counted(guarded: Product) -> None:
    log_in(guarded, LISTED)
    log_in(guarded, REFUSED_US)
    metrics = guarded.metrics()

    for result, zone in (("listed", "bad.test"), ("refused", "bad.test"), ("failed", "dead.test")):
        assert f'postroad_blocklist_answers_total{{result="{result}",zone="{zone}"}}' in metrics
