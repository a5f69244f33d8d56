"""Lists are asked beside the dialogue: who is asked about, how long that may take, and what is remembered."""

import asyncio
from collections import Counter

import pytest

from postroad.dns.answer import Answer, AnswerStatus, RecordType, temporary
from postroad.dns.blocklists import Blocklists
from postroad.net.address import Networks
from postroad.policy.rbl import Listing, parse_zone

CLIENT = "93.184.216.34"
REVERSED = "34.216.184.93"
NOW = 1_800_000_000_000


class CountingMeter:
    def __init__(self) -> None:
        self.results: Counter[tuple[str, str]] = Counter()

    def blocklist_asked(self, zone: str, result: str) -> None:
        self.results[zone, result] += 1


class Lists:
    """Answers by name; a name without an answer is not listed, and one set to None never answers."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, RecordType], Answer | None] = {}
        self.asked: list[str] = []
        self.delays_s: dict[RecordType, float] = {}

    def list(self, name: str, code: str = "127.0.0.2", text: str = "") -> None:
        self.answers[name, RecordType.A] = found(code)
        if text:
            self.answers[name, RecordType.TXT] = found(text)

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        self.asked.append(name)
        if record_type in self.delays_s:
            await asyncio.sleep(self.delays_s[record_type])
        missing = Answer(status=AnswerStatus.NO_SUCH_DOMAIN, expires_at=NOW + 60_000)
        answer = self.answers.get((name, record_type), missing)
        if answer is None:
            await asyncio.Event().wait()
        assert answer is not None
        return answer


def found(*records: str) -> Answer:
    return Answer(status=AnswerStatus.FOUND, records=records, expires_at=NOW + 60_000)


class Rig:
    def __init__(self, *zones: str, allowed: tuple[str, ...] = (), timeout_s: float = 5.0) -> None:
        self.lists, self.meter, self.now = Lists(), CountingMeter(), NOW
        self.blocklists = Blocklists(
            [parse_zone(zone) for zone in zones],
            self.lists,
            lambda: self.now,
            allowed=Networks(allowed),
            timeout_s=timeout_s,
            meter=self.meter,
        )

    async def find(self, address: str = CLIENT) -> Listing | None:
        task = self.blocklists.ask(address)
        return None if task is None else await task


async def test_a_listed_client_is_told_by_whom_and_why() -> None:
    rig = Rig("one.example", "two.example")
    rig.lists.list(f"{REVERSED}.two.example", text="see https://two.example/\r\n34")

    assert await rig.find() == Listing("two.example", "see https://two.example/ 34")
    assert rig.meter.results["two.example", "listed"] == 1


async def test_a_listing_without_words_is_one_too() -> None:
    rig = Rig("one.example", timeout_s=0.02)
    rig.lists.list(f"{REVERSED}.one.example")
    rig.lists.answers[f"{REVERSED}.one.example", RecordType.TXT] = None

    assert await rig.find() == Listing("one.example")


async def test_the_question_for_words_gets_only_what_is_left_of_the_time() -> None:
    rig = Rig("one.example", timeout_s=0.4)
    rig.lists.list(f"{REVERSED}.one.example")
    rig.lists.answers[f"{REVERSED}.one.example", RecordType.TXT] = None
    rig.lists.delays_s[RecordType.A] = 0.3
    loop = asyncio.get_running_loop()
    began = loop.time()

    assert await rig.find() == Listing("one.example")
    # 0.5 s would be the answer's 0.3 s and half of the limit.
    assert loop.time() - began < 0.47


async def test_a_clear_client_is_asked_about_again_only_when_the_answers_have_ended() -> None:
    rig = Rig("one.example", "two.example")

    assert await rig.find() is None
    assert rig.blocklists.ask(CLIENT) is None
    rig.now += 60_000
    rig.lists.list(f"{REVERSED}.one.example")
    assert await rig.find() == Listing("one.example")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "192.168.1.1", "fd00::1", "::1", "198.18.0.1", "unknown", "8.8.4.4"]
)
async def test_private_and_allowed_networks_are_not_asked_about(address: str) -> None:
    rig = Rig("one.example", allowed=("8.8.4.0/24",))

    assert rig.blocklists.ask(address) is None
    assert rig.lists.asked == []


async def test_an_ipv4_client_of_a_dual_stack_listener_is_asked_about_as_such() -> None:
    rig = Rig("one.example")
    await rig.find(f"::ffff:{CLIENT}")

    assert rig.lists.asked == [f"{REVERSED}.one.example"]


async def test_a_list_that_refuses_the_question_lists_nobody() -> None:
    rig = Rig("one.example")
    rig.lists.list(f"{REVERSED}.one.example", "127.255.255.254")

    assert await rig.find() is None
    assert rig.meter.results == {("one.example", "refused"): 1}


async def test_a_list_that_fails_lets_in_and_the_others_still_count() -> None:
    rig = Rig("dead.example", "one.example", timeout_s=0.02)
    rig.lists.answers[f"{REVERSED}.dead.example", RecordType.A] = None
    assert await rig.find() is None
    assert rig.meter.results == {("dead.example", "failed"): 1, ("one.example", "clear"): 1}

    rig.lists.list(f"{REVERSED}.one.example")
    assert await rig.find() == Listing("one.example")


async def test_a_list_that_keeps_failing_rests_and_delays_nobody() -> None:
    rig = Rig("dead.example", timeout_s=60.0)
    rig.lists.answers[f"{REVERSED}.dead.example", RecordType.A] = temporary("SERVFAIL")
    for _ in range(3):
        await rig.find()
    rig.lists.answers[f"{REVERSED}.dead.example", RecordType.A] = None

    assert await rig.find() is None
    assert len(rig.lists.asked) == 3
    rig.now += 30_000
    rig.lists.list(f"{REVERSED}.dead.example")
    assert await rig.find() == Listing("dead.example")


async def test_one_good_answer_makes_failures_begin_anew() -> None:
    rig = Rig("one.example")
    for answer in (temporary("a"), temporary("b"), None, temporary("c"), temporary("d")):
        name = (f"{REVERSED}.one.example", RecordType.A)
        if answer is None:
            del rig.lists.answers[name]
        else:
            rig.lists.answers[name] = answer
        await rig.find()
        rig.now += 60_000

    assert len(rig.lists.asked) == 5
    await rig.find()
    assert len(rig.lists.asked) == 6


async def test_questions_of_clients_that_hung_up_are_ended_with_the_worker() -> None:
    rig = Rig("dead.example", timeout_s=60.0)
    rig.lists.answers[f"{REVERSED}.dead.example", RecordType.A] = None
    task = rig.blocklists.ask(CLIENT)
    await asyncio.sleep(0)
    await rig.blocklists.aclose()

    assert task is not None
    assert task.cancelled()
