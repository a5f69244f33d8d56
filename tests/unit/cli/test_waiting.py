import pytest

from postroad.cli.waiting import owner_of, reasons
from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.event import Event, EventType
from postroad.storage.deliveries import Why
from postroad.storage.site_limits import SiteLimit
from postroad.storage.workers import Worker

NOW = 1_800_000_000_000
WORKER = Worker(
    number=3, incarnation=9, node="mx1", pid=77, pools=("default",), roles=("delivery",), started_at=0, heartbeat_at=NOW
)


def _why(ahead: int = 0, event: Event | None = None, **facts: object) -> Why:
    values: dict[str, object] = {
        "id": 1,
        "message_id": 2,
        "account_id": 1,
        "domain_id": 1,
        "recipient": "user@rcpt.example",
        "destination": "rcpt.example",
        "pool": "default",
        "lane": 5,
        "due_at": NOW + 90_000,
        "expires_at": NOW + 3_600_000,
        "accepted_at": NOW - 1000,
    }
    return Why(delivery=Delivery(**values | facts), ahead_in_lane=ahead, last_event=event)  # type: ignore[arg-type]


def _text(why: Why, workers: tuple[Worker, ...] = (WORKER,), limit: SiteLimit | None = None) -> str:
    return "\n".join(reasons(why, NOW, workers, limit))


def test_a_deferred_delivery_says_when_it_is_due_and_what_the_host_said() -> None:
    text = _text(_why(attempts=2, last_reply="mx.rcpt.example: 451 4.7.1 greylisted"))

    assert ", in 1 min 30 s." in text
    assert "The last of 2 attempts ended with: mx.rcpt.example: 451 4.7.1 greylisted" in text
    assert "It is given up" in text


def test_a_due_delivery_says_what_stands_before_it() -> None:
    text = _text(_why(ahead=12, due_at=NOW - 5000))

    assert ", for 5 s." in text
    assert "12 deliveries of this sending domain to rcpt.example leave before it." in text


def test_a_pool_that_nobody_serves_is_named() -> None:
    assert "No live worker has the addresses of pool vip: it cannot leave." in _text(_why(pool="vip"))
    assert "No live worker" not in _text(_why())


@pytest.mark.parametrize(
    ("owner", "until", "expected"),
    [
        (9, NOW + 60_000, "Worker 3 on mx1 (process 77) holds it until"),
        (8, NOW + 60_000, "the lease ends in 1 min, then another takes it."),
        (8, NOW - 1, "the lease has ended, then another takes it."),
    ],
)
def test_a_leased_delivery_names_its_worker(owner: int, until: int, expected: str) -> None:
    text = _text(_why(state=DeliveryState.LEASED, lease=Lease(owner, 4, until)))

    assert expected in text
    assert "(lease 4)" in text


def test_a_leased_delivery_adds_what_its_worker_says() -> None:
    leased = _why(state=DeliveryState.LEASED, lease=Lease(9, 4, NOW + 60_000))
    found = reasons(leased, NOW, (WORKER,), None, with_worker="There it is under way at this moment.")

    assert found[1] == "There it is under way at this moment."
    assert owner_of(leased.delivery, (WORKER,)) == WORKER
    assert owner_of(leased.delivery, ()) is None
    assert owner_of(_why().delivery, (WORKER,)) is None


def test_a_held_delivery_names_who_held_it() -> None:
    event = Event(id=1, type=EventType.HELD, at=NOW, account_id=1, domain_id=1, data={"by": "ops"})

    assert "It is held by ops until" in _text(_why(state=DeliveryState.HELD, event=event))
    assert "It is held until" in _text(_why(state=DeliveryState.HELD))


def test_limits_of_the_site_are_said() -> None:
    limit = SiteLimit(source="a", site="mx.rcpt.example", window=2, updated_at=NOW)
    paused = SiteLimit(
        source="a", site="mx.rcpt.example", window=1, paused_until=NOW + 1, reason="421 busy", updated_at=NOW
    )

    assert "At most 2 connections from a to site mx.rcpt.example at once" in _text(_why(), limit=limit)
    assert "is left alone from a until" in _text(_why(), limit=paused)
    assert ": 421 busy" in _text(_why(), limit=paused)


def test_a_final_delivery_waits_for_nothing() -> None:
    [only] = reasons(_why(state=DeliveryState.BOUNCED), NOW, (), None)

    assert only.startswith("It is bounced since")
