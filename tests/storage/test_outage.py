"""What the log says while storage is away: a few lines, and none of them a traceback."""

import pytest
from structlog.testing import capture_logs

from postroad.storage.errors import StorageError, StorageUnavailable
from postroad.storage.outage import Outage, log_fault

AWAY = StorageUnavailable("the server is away")


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def outage(seconds: Seconds) -> Outage:
    return Outage("work_failed", seconds)


def test_an_outage_is_told_when_it_begins_at_growing_pauses_and_when_it_is_over(
    outage: Outage, seconds: Seconds
) -> None:
    with capture_logs() as lines:
        outage.passed()
        for _ in range(3600):
            outage.failed(AWAY, pool="default")
            seconds.now += 1
        outage.passed()
        outage.passed()

    told = [line["failures"] for line in lines if line["event"] == "work_failed"]
    assert told == [1, 11, 31, 71, 151, 311, 631, 1231, 1831, 2431, 3031]
    assert {line["why"] for line in lines[:-1]} == {"the server is away"}
    assert {line["pool"] for line in lines[:-1]} == {"default"}
    assert not any("exc_info" in line for line in lines)
    over = {
        "event": "storage_works_again",
        "log_level": "info",
        "after": "work_failed",
        "failures": 3600,
        "for_s": 3600,
    }
    assert lines[-1] == over


def test_the_next_outage_is_told_anew(outage: Outage) -> None:
    with capture_logs() as lines:
        for _ in range(2):
            outage.failed(AWAY)
            outage.failed(AWAY)
            outage.passed()

    assert [line["event"] for line in lines] == ["work_failed", "storage_works_again"] * 2


def test_tries_come_more_rarely_the_longer_it_lasts_and_at_once_when_it_is_over(outage: Outage) -> None:
    pauses = []
    for _ in range(2000):
        outage.failed(AWAY)
        pauses.append(outage.pause_s)
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert pauses[-1] == 5.0

    outage.passed()
    outage.failed(AWAY)
    assert outage.pause_s == 0.5


def test_what_is_no_fault_of_storage_is_told_each_time_with_its_traceback(outage: Outage) -> None:
    error = ValueError("oh")
    with capture_logs() as lines:
        outage.failed(error)
        outage.failed(error)

    assert [(line["log_level"], line["exc_info"]) for line in lines] == [("error", error)] * 2


def test_a_fault_that_may_not_pass_has_its_traceback() -> None:
    error = StorageError("no such column")
    with capture_logs() as lines:
        log_fault("not_stored", AWAY, address="192.0.2.1")
        log_fault("not_stored", error)

    assert lines[0] == {
        "event": "not_stored",
        "log_level": "warning",
        "why": "the server is away",
        "address": "192.0.2.1",
    }
    assert (lines[1]["log_level"], lines[1]["exc_info"]) == ("error", error)
