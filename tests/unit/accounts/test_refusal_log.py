"""The log of refused log-ins and API keys, within its bounds."""

from typing import Any

from structlog.testing import capture_logs

from postroad.accounts.refusal_log import API_KEYS, LOGINS, WINDOW_MS, RefusalLog, Refused
from tests.unit.accounts.conftest import ManualClock


def _failed(network: str = "192.0.2.0/24", address: str = "192.0.2.1", **facts: Any) -> Refused:
    given: dict[str, Any] = {
        "name": "app@news.example.com",
        "mechanism": "PLAIN",
        "over_tls": True,
        "reason": "wrong",
    } | facts
    return Refused(client_address=address, network=network, **given)


def test_first_failure_of_a_network_is_logged_with_address_name_mechanism_and_reason(clock: ManualClock) -> None:
    with capture_logs() as lines:
        RefusalLog(clock, LOGINS).refused(_failed())

    assert lines == [
        {
            "event": "login_refused",
            "log_level": "info",
            "username": "app@news.example.com",
            "client_address": "192.0.2.1",
            "mechanism": "PLAIN",
            "over_tls": True,
            "reason": "wrong",
        }
    ]


def test_further_failures_of_a_network_become_one_line_when_the_seconds_are_over(clock: ManualClock) -> None:
    log = RefusalLog(clock, LOGINS)
    with capture_logs() as lines:
        for number in range(100):
            log.refused(_failed(address=f"192.0.2.{number}", name=f"{number}@example.com"))
        log.refused(_failed(reason="locked", mechanism="LOGIN", over_tls=False))
        clock.advance(WINDOW_MS)
        log.flush()
        log.flush()

    assert len(lines) == 2
    assert lines[1] == {
        "event": "logins_refused",
        "log_level": "info",
        "network": "192.0.2.0/24",
        "count": 100,
        "reasons": {"wrong": 99, "locked": 1},
        "mechanisms": {"PLAIN": 99, "LOGIN": 1},
        "without_tls": 1,
        "addresses": 99,
        "usernames": [f"{number}@example.com" for number in range(1, 6)],
        "client_address": "192.0.2.1",
    }


def test_flood_from_everywhere_takes_a_bounded_number_of_lines_and_loses_no_count(clock: ManualClock) -> None:
    log = RefusalLog(clock, LOGINS)
    with capture_logs() as lines:
        for number in range(5_000):
            log.refused(_failed(network=str(number % 2_500)))
        clock.advance(WINDOW_MS)
        log.flush()

    assert len(lines) <= 41
    single = sum(line["event"] == "login_refused" for line in lines)
    assert single + sum(line.get("count", 0) for line in lines) == 5_000
    assert lines[-1]["event"] == "logins_refused_elsewhere"
    assert lines[-1]["mechanisms"] == {"PLAIN": lines[-1]["count"]}


def test_addresses_of_one_network_are_counted_up_to_a_bound(clock: ManualClock) -> None:
    log = RefusalLog(clock, LOGINS)
    with capture_logs() as lines:
        for number in range(1_000):
            log.refused(_failed(network="2001:db8::/64", address=f"2001:db8::{number:x}"))
        clock.advance(WINDOW_MS)
        log.flush()

    assert (lines[1]["count"], lines[1]["addresses"]) == (999, 256)


def test_next_window_begins_with_a_line_of_its_own(clock: ManualClock) -> None:
    log = RefusalLog(clock, LOGINS)
    with capture_logs() as lines:
        log.refused(_failed())
        clock.advance(WINDOW_MS)
        log.refused(_failed(name="x" * 10_000))

    assert [line["event"] for line in lines] == ["login_refused", "login_refused"]
    assert len(lines[1]["username"]) == 254


def test_clients_that_a_blocklist_names_are_gathered_with_the_zones(clock: ManualClock) -> None:
    log = RefusalLog(clock, LOGINS)
    with capture_logs() as lines:
        for zone in ("bad.test", "bad.test", "worse.test"):
            log.refused(_failed(reason="listed", zone=zone))
        clock.advance(WINDOW_MS)
        log.flush()

    assert [line["event"] for line in lines] == ["login_refused", "logins_refused"]
    assert lines[0]["zone"] == "bad.test"
    assert (lines[1]["reasons"], lines[1]["zones"]) == ({"listed": 2}, {"bad.test": 1, "worse.test": 1})


def test_api_keys_are_gathered_in_the_same_way_without_what_log_ins_alone_have(clock: ManualClock) -> None:
    log = RefusalLog(clock, API_KEYS)
    one = Refused(name="prd_f35kUt", client_address="192.0.2.1", network="192.0.2.0/24", reason="address")
    with capture_logs() as lines:
        for _ in range(4):
            log.refused(one)
        clock.advance(WINDOW_MS)
        log.flush()

    level = {"log_level": "info"}
    facts = {"prefix": "prd_f35kUt", "client_address": "192.0.2.1", "reason": "address"}
    assert lines[0] == level | {"event": "api_key_refused"} | facts
    assert lines[1] == level | {
        "event": "api_keys_refused",
        "network": "192.0.2.0/24",
        "count": 3,
        "reasons": {"address": 3},
        "addresses": 1,
        "prefixes": ["prd_f35kUt"],
        "client_address": "192.0.2.1",
    }
