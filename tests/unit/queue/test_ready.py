"""The order in which ready deliveries leave."""

from hypothesis import given
from hypothesis import strategies as st

from postroad.queue.ready import ReadyQueue
from tests.unit.queue.deliveries import make_delivery


def test_lanes_take_turns() -> None:
    queue = ReadyQueue()
    for number, lane in enumerate([1, 1, 1, 2, 3, 3]):
        queue.add(make_delivery(number, lane=lane))
    assert [one.lane for one in queue.take(6)] == [1, 2, 3, 1, 3, 1]


def test_within_a_lane_priority_goes_first_and_then_age() -> None:
    queue = ReadyQueue()
    for number, priority in enumerate([0, 5, 0, 5]):
        queue.add(make_delivery(number, priority=priority))
    assert [one.id for one in queue.take(10)] == [1, 3, 0, 2]


def test_priority_does_not_reach_over_lanes() -> None:
    queue = ReadyQueue()
    queue.add(make_delivery(0, lane=1))
    queue.add(make_delivery(1, lane=2, priority=9))
    assert [one.id for one in queue.take(2)] == [0, 1]


def test_a_lane_that_was_served_waits_for_the_others_even_over_two_calls() -> None:
    queue = ReadyQueue()
    for number, lane in enumerate([1, 1, 2, 2]):
        queue.add(make_delivery(number, lane=lane))
    assert [one.lane for one in queue.take(1)] == [1]
    assert [one.lane for one in queue.take(5)] == [2, 1, 2]
    assert len(queue) == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), max_size=60), st.lists(st.integers(1, 7), max_size=30))
def test_everything_leaves_once_and_a_lane_waits_one_round_at_most(
    entries: list[tuple[int, int]], takes: list[int]
) -> None:
    queue = ReadyQueue()
    for number, (lane, priority) in enumerate(entries):
        queue.add(make_delivery(number, lane=lane, priority=priority))
    waiting = {lane: [lane for lane, _ in entries].count(lane) for lane, _ in entries}
    taken = [one for limit in takes for one in queue.take(limit)] + queue.take(len(entries))
    assert sorted(one.id for one in taken) == list(range(len(entries)))
    since = dict.fromkeys(waiting, 0)
    for one in taken:
        for lane in [lane for lane, left in waiting.items() if left and lane != one.lane]:
            since[lane] += 1
            assert since[lane] < len(waiting) + 1
        since[one.lane] = 0
        waiting[one.lane] -= 1
