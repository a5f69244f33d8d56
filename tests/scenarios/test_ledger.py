"""The book of the kill tests itself: a check that cannot find a loss would prove nothing."""

import asyncio

from tests.scenarios.ledger import EXPLAINED_WITHIN_S, Ledger, Receipt, Recorder, Submitter


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


def test_a_repeat_is_explained_by_a_kill_soon_after_the_first_receipt_only() -> None:
    ledger = Ledger(kills=[100.0])
    received(ledger, "before and after", 99.5, 101.0)
    received(ledger, "long before", 100.0 - EXPLAINED_WITHIN_S - 1, 101.0)
    received(ledger, "both before", 99.0, 99.5)
    received(ledger, "both after", 101.0, 102.0)
    received(ledger, "once", 99.0)

    assert ledger.repeated() - ledger.unexplained() == {"before and after"}
    assert "once" not in ledger.repeated()


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
