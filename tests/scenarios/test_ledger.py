"""The book of the kill tests itself: a check that cannot find a loss would prove nothing."""

import asyncio
import time

from tests.scenarios.ledger import EXPLAINED_WITHIN_S, Kill, Ledger, Receipt, Recorder, Submitter


def received(ledger: Ledger, identifier: str, *instants: float) -> None:
    ledger.received[identifier] = [Receipt(at, "node.example") for at in instants]


def test_an_accepted_message_that_never_arrives_is_lost() -> None:
    ledger = Ledger(answered={"a": 1.0, "b": 2.0})
    received(ledger, "a", 3.0)

    assert ledger.lost() == {"b"}


def test_an_unanswered_message_is_neither_lost_nor_a_stranger() -> None:
    ledger = Ledger(unanswered={"a", "b"})
    received(ledger, "a", 3.0)

    assert (ledger.lost(), ledger.strangers()) == (set(), set())


def test_a_refused_message_that_arrives_is_a_stranger() -> None:
    ledger = Ledger(refused={"a": "451 4.3.0 Later"})
    received(ledger, "a", 3.0)

    assert ledger.strangers() == {"a"}


def test_a_repeat_is_explained_by_a_kill_at_or_just_after_the_first_receipt_only() -> None:
    ledger = Ledger(kills=[Kill(100.0, 100.2)])
    received(ledger, "just before and after", 99.5, 103.0)
    received(ledger, "while it was killed and after", 100.1, 103.0)
    received(ledger, "long before", 100.0 - EXPLAINED_WITHIN_S - 0.1, 103.0)
    received(ledger, "both before", 99.5, 99.6)
    received(ledger, "both after", 100.3, 103.0)
    received(ledger, "twice after", 99.5, 103.0, 104.0)
    received(ledger, "once", 99.5)

    assert ledger.repeated() - ledger.unexplained() == {"just before and after", "while it was killed and after"}
    assert "once" not in ledger.repeated()


async def test_a_kill_lasts_until_what_was_killed_is_dead() -> None:
    ledger = Ledger()
    await ledger.kill(lambda: time.sleep(0.2))

    [kill] = ledger.kills
    assert kill.ended_at - kill.began_at >= 0.2


async def test_what_is_submitted_straight_to_the_recorder_is_found_exactly_once() -> None:
    ledger = Ledger()
    async with Recorder(ledger) as recorder:
        async with Submitter(ledger, [recorder.port], "load@bench.example", "secret", sessions=2):
            while len(ledger.answered) < 50:
                await asyncio.sleep(0.01)
        await ledger.settle(timeout_s=5, quiet_s=0.1)

    assert ledger.answered.keys() == ledger.received.keys()
    assert (ledger.repeated(), ledger.unanswered, ledger.refused, ledger.mismatched) == (set(), set(), {}, [])
    assert ledger.greetings() == {"ledger.example"}
