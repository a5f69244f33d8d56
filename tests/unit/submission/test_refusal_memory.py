"""Refusals are remembered up to a bound, those refused again last for longest."""

import tracemalloc

from postroad.policy.repetition import Refusal
from postroad.submission.refusal_memory import MOST_OF_ONE, MOST_REFUSALS, RefusalMemory


def refusal(number: int) -> Refusal:
    return Refusal(number, is_permanent=True, reply=f"5.7.1 {number}")


def of_message(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_a_refusal_is_taken_once_by_its_own_credential() -> None:
    memory = RefusalMemory()
    memory.put(1, of_message(1), refusal(1))

    assert memory.take(2, of_message(1)) is None
    assert memory.take(1, of_message(2)) is None
    assert memory.take(1, of_message(1)) == refusal(1)
    assert memory.take(1, of_message(1)) is None
    assert len(memory) == 0


def test_of_one_credential_the_least_recently_refused_goes_first() -> None:
    memory = RefusalMemory(most=10, most_of_one=3)
    memory.put(9, of_message(1), refusal(0))
    for number in (1, 2, 3, 1, 4):
        memory.put(1, of_message(number), refusal(number))

    assert [number for number in range(1, 5) if memory.take(1, of_message(number))] == [1, 3, 4]
    assert memory.take(9, of_message(1)) == refusal(0)


def test_of_all_the_least_recently_refused_goes_first_whosever_it_is() -> None:
    memory = RefusalMemory(most=4, most_of_one=3)
    for credential_id, number in ((1, 1), (2, 1), (3, 1), (1, 1), (2, 2), (2, 3)):
        memory.put(credential_id, of_message(number), refusal(number))

    assert len(memory) == 4
    assert memory.take(2, of_message(1)) is None
    assert [memory.take(one, of_message(number)) for one, number in ((3, 1), (1, 1), (2, 2), (2, 3))] == [
        refusal(1),
        refusal(1),
        refusal(2),
        refusal(3),
    ]


def test_memory_that_is_full_stays_as_large_as_it_is() -> None:
    memory = RefusalMemory()
    tracemalloc.start()
    sizes = []
    try:
        for again in range(3):
            for number in range(MOST_REFUSALS):
                reply = (
                    f"5.7.1 From: somebody-{number}@elsewhere.example is not news.example.com, which this user is for."
                )
                refused = Refusal(number, is_permanent=True, reply=reply)
                memory.put(number // MOST_OF_ONE, of_message(again << 32 | number), refused)
            sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert len(memory) == MOST_REFUSALS
    assert sizes[2] < 1.01 * sizes[1]
    assert sizes[2] < 16_000_000, sizes
