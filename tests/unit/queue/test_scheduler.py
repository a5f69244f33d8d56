"""Which site gets a session next, within windows and shares."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from postroad.policy.share import share_of
from postroad.policy.throttle import WindowLimits
from postroad.queue.scheduler import Batch, LotKey, Refusal, Scheduler, SchedulerLimits, WaitReason
from tests.unit.queue.deliveries import make_delivery

A, B = LotKey("main", "a.test"), LotKey("main", "b.test")
WINDOW = WindowLimits(initial=2, maximum=4, first_pause_s=10, longest_pause_s=60)
LIMITS = SchedulerLimits(ready=50, ready_per_lot=30, sessions=6, smallest_batch=2, largest_batch=5, window=WINDOW)


def make_scheduler(limits: SchedulerLimits = LIMITS) -> Scheduler:
    return Scheduler(limits, worker=1)


def fill(scheduler: Scheduler, key: LotKey, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        assert scheduler.add(key, make_delivery(number), 0) is None


def batches(scheduler: Scheduler, now: int = 0) -> list[Batch]:
    taken = []
    while (batch := scheduler.next_batch(now)) is not None:
        taken.append(batch)
    return taken


def test_a_window_bounds_the_sessions_of_a_site() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 20)
    assert len(batches(scheduler)) == 2
    assert scheduler.sessions == 2


def test_sites_take_turns() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 20)
    fill(scheduler, B, 20, first=100)
    assert [batch.key for batch in batches(scheduler)] == [A, B, A, B]


def test_few_deliveries_share_one_session_and_many_are_spread_evenly() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 2)
    fill(scheduler, B, 7, first=100)
    assert [len(batch.deliveries) for batch in batches(scheduler)] == [2, 4, 3]


def test_a_batch_is_never_larger_than_the_limit() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 30)
    assert [len(batch.deliveries) for batch in batches(scheduler)] == [5, 5]


def test_an_ended_session_makes_room_for_the_next() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 20)
    batches(scheduler)
    scheduler.ended(A, 1)
    assert len(batches(scheduler, 1)) == 1


def test_sessions_that_work_open_the_window() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 30)
    batches(scheduler)
    scheduler.worked(A, 1)
    assert len(batches(scheduler, 1)) == 1


def test_a_421_narrows_the_window() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 30)
    batches(scheduler)
    scheduler.throttled(A, 1, 0.0, "421")
    scheduler.ended(A, 1)
    assert scheduler.next_batch(1) is None
    scheduler.ended(A, 1)
    assert len(batches(scheduler, 1)) == 1


def test_a_refusing_site_is_left_alone_and_others_go_on() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 10)
    fill(scheduler, B, 3, first=100)
    window = scheduler.refused(A, 0, 0.0, "connection refused")
    assert 10_000 == window.paused_until == scheduler.next_resume_at()
    assert [batch.key for batch in batches(scheduler)] == [B, B]
    assert Refusal.SITE_PAUSED is scheduler.add(A, make_delivery(99), 9_999)
    assert [batch.key for batch in batches(scheduler, 10_000)] == [A]
    assert scheduler.next_resume_at() is None


def test_a_pause_found_by_another_worker_is_kept() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 3)
    scheduler.pause(A, 5_000, "refused elsewhere", 0)
    assert scheduler.next_batch(4_999) is None
    assert scheduler.next_batch(5_000) is not None


def test_sessions_over_all_sites_are_bounded() -> None:
    scheduler = make_scheduler()
    for number in range(5):
        fill(scheduler, LotKey("main", f"{number}.test"), 10, first=100 * number)
    assert len(batches(scheduler)) == 6


def test_the_ready_set_is_bounded_over_all_and_per_lot() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 30)
    assert Refusal.LOT_FULL is scheduler.add(A, make_delivery(99), 0)
    fill(scheduler, B, 20, first=100)
    assert scheduler.room == 0
    assert Refusal.READY_SET_FULL is scheduler.add(B, make_delivery(999), 0)


def test_a_delivery_cannot_be_ready_twice() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 1)
    assert Refusal.READY_ALREADY is scheduler.add(B, make_delivery(0), 0)
    assert len(scheduler) == 1


def test_withdrawn_deliveries_are_gone() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 3)
    fill(scheduler, B, 2, first=100)
    assert [one.id for one in scheduler.withdraw(A, 0)] == [0, 1, 2]
    assert scheduler.withdraw(LotKey("main", "unknown.test"), 0) == []
    assert [batch.key for batch in batches(scheduler)] == [B]
    assert scheduler.withdraw_all(0) == []


def test_workers_share_a_site() -> None:
    workers = (1, 2, 3)
    scheduler = Scheduler(LIMITS, 1, workers)
    keys = [LotKey("main", f"{number}.test") for number in range(20)]
    for number, key in enumerate(keys):
        fill(scheduler, key, 1, first=100 * number)
    for key in keys:
        wait = scheduler.why(100 * keys.index(key), 0)
        assert wait is not None
        assert min(2, share_of(4, str(key), 1, workers)) == wait.window


def test_a_worker_without_a_share_says_so_and_gives_up_what_it_has() -> None:
    single = SchedulerLimits(window=WindowLimits(initial=1, maximum=1))
    scheduler = Scheduler(single, 1)
    fill(scheduler, A, 2)
    others = next((1, other) for other in range(2, 100) if share_of(1, str(A), other, (1, other)) == 1)
    assert scheduler.set_workers(others, 0) == [A]
    assert scheduler.next_batch(0) is None
    wait = scheduler.why(0, 0)
    assert wait is not None
    assert WaitReason.SHARE is wait.reason
    assert Refusal.NO_SHARE is scheduler.add(A, make_delivery(9), 0)
    assert scheduler.set_workers([1], 0) == []
    assert scheduler.next_batch(0) is not None


def test_a_site_new_to_a_worker_without_a_share_is_refused() -> None:
    single = SchedulerLimits(window=WindowLimits(initial=1, maximum=1))
    other = next(other for other in range(2, 100) if share_of(1, str(A), other, (1, other)) == 1)
    assert Refusal.NO_SHARE is Scheduler(single, 1, (1, other)).add(A, make_delivery(1), 0)


def test_every_wait_has_a_reason() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 20)
    reasons = {}
    wait = scheduler.why(19, 0)
    assert wait is not None
    reasons["turn"] = wait.reason
    batches(scheduler)
    wait = scheduler.why(19, 0)
    assert wait is not None
    reasons["window"] = wait.reason
    assert (wait.sessions, wait.window, wait.ready) == (2, 2, 10)
    scheduler.refused(A, 0, 0.0, "connection refused")
    wait = scheduler.why(19, 0)
    assert wait is not None
    reasons["pause"] = wait.reason
    assert (wait.until, wait.detail) == (10_000, "connection refused")
    assert reasons == {"turn": WaitReason.TURN, "window": WaitReason.WINDOW, "pause": WaitReason.PAUSE}
    assert scheduler.why(12345, 0) is None


def test_the_limit_on_all_sessions_is_named() -> None:
    scheduler = Scheduler(SchedulerLimits(sessions=1, window=WINDOW), 1)
    fill(scheduler, A, 3)
    fill(scheduler, B, 3, first=100)
    batches(scheduler)
    wait = scheduler.why(100, 0)
    assert wait is not None
    assert WaitReason.SESSIONS is wait.reason


def test_idle_lots_are_forgotten_and_paused_ones_are_not() -> None:
    scheduler = make_scheduler()
    fill(scheduler, A, 1)
    batches(scheduler)
    scheduler.ended(A, 0)
    scheduler.pause(B, 10_000_000, "refused", 0)
    scheduler.forget_idle(599_999)
    assert [key for key, _, _ in scheduler.depths()] == [A, B]
    scheduler.forget_idle(600_000)
    assert [key for key, _, _ in scheduler.depths()] == [B]
    scheduler.forget_idle(10_599_999)
    assert [key for key, _, _ in scheduler.depths()] == [B]
    scheduler.forget_idle(10_600_000)
    assert list(scheduler.depths()) == []


class SchedulerMachine(RuleBasedStateMachine):
    """No delivery is lost or doubled, and no limit is passed, whatever happens in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.number = 0
        self.scheduler = make_scheduler()
        self.waiting: dict[int, LotKey] = {}
        self.working: list[Batch] = []

    @rule(site=st.integers(0, 3), lane=st.integers(0, 2), priority=st.integers(0, 1), count=st.integers(1, 12))
    def add(self, site: int, lane: int, priority: int, count: int) -> None:
        key = LotKey("main", f"{site}.test")
        for _ in range(count):
            self.number += 1
            delivery = make_delivery(self.number, lane=lane, priority=priority)
            if self.scheduler.add(key, delivery, self.now) is None:
                self.waiting[self.number] = key

    @rule()
    def take(self) -> None:
        batch = self.scheduler.next_batch(self.now)
        if batch is None:
            return
        assert 1 <= len(batch.deliveries) <= LIMITS.largest_batch
        for one in batch.deliveries:
            assert batch.key == self.waiting.pop(one.id)
        self.working.append(batch)

    @precondition(lambda self: self.working)
    @rule(data=st.data(), how=st.sampled_from(["worked", "throttled", "refused"]))
    def end(self, data: st.DataObject, how: str) -> None:
        batch = self.working.pop(data.draw(st.integers(0, len(self.working) - 1)))
        if how == "worked":
            self.scheduler.worked(batch.key, self.now)
        elif how == "throttled":
            self.scheduler.throttled(batch.key, self.now, 0.3, "421")
        else:
            self.scheduler.refused(batch.key, self.now, 0.3, "refused")
        self.scheduler.ended(batch.key, self.now)

    @rule(seconds=st.integers(1, 40))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000

    @rule(site=st.integers(0, 3), seconds=st.integers(1, 40))
    def pause(self, site: int, seconds: int) -> None:
        self.scheduler.pause(LotKey("main", f"{site}.test"), self.now + seconds * 1000, "elsewhere", self.now)

    @rule(site=st.integers(0, 3))
    def withdraw(self, site: int) -> None:
        for one in self.scheduler.withdraw(LotKey("main", f"{site}.test"), self.now):
            del self.waiting[one.id]

    @rule(others=st.sets(st.integers(2, 6), max_size=4))
    def share(self, others: set[int]) -> None:
        self.scheduler.set_workers({1} | others, self.now)

    @rule()
    def forget(self) -> None:
        self.scheduler.forget_idle(self.now)

    @invariant()
    def everything_is_accounted_for(self) -> None:
        assert len(self.waiting) == len(self.scheduler) <= LIMITS.ready
        assert len(self.working) == self.scheduler.sessions <= LIMITS.sessions
        for _, ready, sessions in self.scheduler.depths():
            assert ready <= LIMITS.ready_per_lot
            assert 0 <= sessions <= WINDOW.maximum

    @invariant()
    def only_what_may_leave_has_a_turn(self) -> None:
        reasons = {wait.reason for number in self.waiting if (wait := self.scheduler.why(number, self.now))}
        has_turn = WaitReason.TURN in reasons
        assert has_turn == self._would_take()

    def _would_take(self) -> bool:
        scheduler = self.scheduler
        scheduler._resume(self.now)
        return bool(scheduler._turns) and scheduler.sessions < LIMITS.sessions

    def teardown(self) -> None:
        """Whatever happened, once all is quiet everything still waiting leaves."""
        self.scheduler.set_workers([1], self.now)
        for batch in self.working:
            self.scheduler.ended(batch.key, self.now)
        for _ in range(len(self.waiting) + 10):
            self.now += 3_600_000
            for batch in batches(self.scheduler, self.now):
                for one in batch.deliveries:
                    del self.waiting[one.id]
                self.scheduler.ended(batch.key, self.now)
        assert self.waiting == {}


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(max_examples=60, stateful_step_count=40)
