"""The cache: what it keeps, for how long, and what it asks again."""

import asyncio

import msgspec
import pytest

from postroad.dns.answer import Answer, AnswerStatus, RecordType, temporary
from postroad.dns.cache import Cache
from postroad.dns.settings import DnsSettings

START = 1_790_000_000_000
FAILURE = temporary("resolver 192.0.2.53: SERVFAIL")


class Bench:
    """A cache over a resolver that gives what the test puts into ``answer``, and a clock to turn."""

    def __init__(self, **settings: int) -> None:
        self.now = START
        self.answer = found("192.0.2.1", ttl_s=300)
        self.asked: list[str] = []
        self.gate: asyncio.Event | None = None
        defaults: dict[str, int] = {"cache_size": 100, "minimum_ttl_s": 5, "stale_for_s": 3_600}
        self.cache = Cache(self, lambda: self.now, msgspec.convert(defaults | settings, DnsSettings))

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        self.asked.append(name)
        if self.gate:
            await self.gate.wait()
        return self.answer

    async def ask(self, name: str = "example.test", later_s: int = 0) -> Answer:
        self.now += later_s * 1000
        return await self.cache.resolve(name, RecordType.A)


def found(address: str, ttl_s: int) -> Answer:
    return Answer(status=AnswerStatus.FOUND, records=(address,), ttl_s=ttl_s)


def absent(status: AnswerStatus = AnswerStatus.NO_SUCH_DOMAIN, ttl_s: int = 300) -> Answer:
    return Answer(status=status, ttl_s=ttl_s)


async def test_an_answer_is_kept_for_its_ttl_and_no_longer() -> None:
    bench = Bench()

    first = await bench.ask()
    await bench.ask(later_s=299)
    assert len(bench.asked) == 1
    await bench.ask(later_s=1)

    assert len(bench.asked) == 2
    assert first.expires_at == START + 300_000


async def test_the_case_and_the_final_dot_of_a_name_make_no_difference() -> None:
    bench = Bench()

    await bench.ask("Example.Test.")
    await bench.ask("example.test")

    assert bench.asked == ["example.test"]


@pytest.mark.parametrize(
    ("answer", "kept_s"),
    [
        (found("192.0.2.1", ttl_s=0), 5),
        (found("192.0.2.1", ttl_s=10**6), 86_400),
        (absent(ttl_s=0), 5),
        (absent(AnswerStatus.NO_DATA, ttl_s=60), 60),
        (absent(ttl_s=86_400), 900),
        (FAILURE, 5),
    ],
)
async def test_times_to_live_are_held_within_bounds(answer: Answer, kept_s: int) -> None:
    bench = Bench()
    bench.answer = answer

    given = await bench.ask()

    assert given.expires_at == START + kept_s * 1000


async def test_callers_at_the_same_time_share_one_look_up() -> None:
    bench = Bench()
    bench.gate = asyncio.Event()
    callers = [asyncio.create_task(bench.ask()) for _ in range(5)]
    await asyncio.sleep(0)

    bench.gate.set()
    answers = await asyncio.gather(*callers)

    assert bench.asked == ["example.test"]
    assert {answer.records for answer in answers} == {("192.0.2.1",)}


async def test_a_cancelled_caller_does_not_take_the_look_up_from_the_others() -> None:
    bench = Bench()
    bench.gate = asyncio.Event()
    hasty, patient = asyncio.create_task(bench.ask()), asyncio.create_task(bench.ask())
    await asyncio.sleep(0)
    hasty.cancel()
    await asyncio.sleep(0)

    bench.gate.set()

    assert (await patient).records == ("192.0.2.1",)
    assert bench.asked == ["example.test"]


async def test_closing_ends_the_look_ups_that_run() -> None:
    bench = Bench()
    bench.gate = asyncio.Event()
    caller = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)

    await bench.cache.aclose()

    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_an_old_answer_bridges_an_outage_without_asking_each_time() -> None:
    bench = Bench()
    await bench.ask()
    bench.answer = FAILURE

    stale = await bench.ask(later_s=301)
    await bench.ask(later_s=29)
    assert len(bench.asked) == 2
    await bench.ask(later_s=1)

    assert len(bench.asked) == 3
    assert (stale.status, stale.records, stale.expires_at) == (
        AnswerStatus.FOUND,
        ("192.0.2.1",),
        START + (301 + 30) * 1000,
    )


async def test_an_old_answer_is_given_for_a_bounded_time_only() -> None:
    bench = Bench()
    await bench.ask()
    bench.answer = FAILURE

    assert (await bench.ask(later_s=300 + 3_599)).status is AnswerStatus.FOUND
    assert (await bench.ask(later_s=31)).status is AnswerStatus.TEMPORARY


async def test_a_name_that_is_gone_is_gone_whatever_was_known() -> None:
    bench = Bench()
    await bench.ask()
    bench.answer = absent()

    assert (await bench.ask(later_s=301)).status is AnswerStatus.NO_SUCH_DOMAIN


async def test_a_failure_is_asked_again_after_a_few_seconds() -> None:
    bench = Bench()
    bench.answer = FAILURE

    await bench.ask()
    await bench.ask(later_s=4)
    assert len(bench.asked) == 1
    await bench.ask(later_s=1)

    assert len(bench.asked) == 2


async def test_the_least_used_answer_leaves_a_full_cache() -> None:
    bench = Bench()
    names = [f"n{number}.test" for number in range(100)]
    for name in names:
        await bench.ask(name)
    await bench.ask("n0.test")

    await bench.ask("one-more.test")
    bench.asked.clear()
    await bench.ask("n0.test")
    await bench.ask("n1.test")

    assert len(bench.cache) == 100
    assert bench.asked == ["n1.test"]
