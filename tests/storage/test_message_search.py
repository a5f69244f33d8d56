"""Finding messages: what must be found is, on both engines, whichever way the search takes, and nobody else's is."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from postroad.model.delivery import DeliveryState, Standing, standing_of
from postroad.model.ids import HIGHEST_ID, lowest_at, text_of
from postroad.model.message import Accepted
from postroad.model.options import Options
from postroad.model.search_words import (
    MOST_RECIPIENT_OCTETS,
    destination_term,
    message_id_term,
    recipient_term,
    tag_term,
    terms_of,
    words_of,
)
from postroad.policy.message_query import readings
from postroad.storage import message_search, messages, search_index
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.message_search import Found, Page, Wanted
from postroad.storage.migrate import run
from postroad.storage.schema import control_plane, data_plane
from postroad.storage.search_index import Pass
from tests.storage.samples import DAY, MINUTE, NOW, Place, accepted, claim, column, settled

ALL = lowest_at(NOW + DAY)


async def _index(database: Database, of: Pass = Pass.FIRST, before: int = ALL) -> None:
    while await database.write(search_index.fill, of, before, 7):
        pass


async def _search(
    database: Database, limit: int = 50, before: int | None = None, account_id: int | None = 1, **wanted: Any
) -> Page:
    return await database.read(message_search.search, Wanted(account_id=account_id, **wanted), limit, before)


async def _ids(database: Database, **wanted: Any) -> list[int]:
    return [one.message.id for one in await _found(database, **wanted)]


async def _found(database: Database, **wanted: Any) -> list[Found]:
    """Return what is found on all pages."""
    found: list[Found] = []
    before = None
    while True:
        page = await _search(database, before=before, **wanted)
        found += page.found
        if (before := page.before) is None:
            return found


async def _stored(database: Database, *stored: Accepted) -> list[int]:
    for one in stored:
        await database.accept(one)
    return [one.message.id for one in stored]


async def _create_customers(database: Database) -> None:
    def create(connection: sqlalchemy.Connection) -> None:
        for number in (1, 2):
            connection.execute(
                control_plane.accounts.insert().values(id=number, name=f"account {number}", created_at=NOW)
            )
        for number, account_id in ((1, 1), (2, 1), (3, 2)):
            connection.execute(
                control_plane.domains.insert().values(
                    id=number, account_id=account_id, name=f"d{number}", state="active", settings="{}", created_at=NOW
                )
            )

    await database.write(create)


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Database]:
    """An open database of each engine with two accounts: the first has the domains 1 and 2, the other 3."""
    opened = await open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW)
    await _create_customers(opened)
    yield opened
    await opened.close()


@pytest.fixture(params=["at once", "indexed", "by the index alone"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether to index before searching; the third way leaves nothing to be found by looking one by one."""
    if request.param == "by the index alone":
        monkeypatch.setattr(message_search, "_WALKED", 1)
    return bool(request.param != "at once")


async def test_a_tag_is_found_whole_and_without_case_beside_anything_else(database: Database, way: bool) -> None:
    ids = await _stored(
        database,
        accepted(subject="Menu", options=Options(tags=("Orders", "spring campaign"))),
        accepted(subject="Menu", options=Options(tags=("orders 2",))),
        accepted(subject="Bill", options=Options(tags=("ORDERS",))),
        accepted(subject="Orders"),
        accepted(subject="Menu", options=Options(tags=("orders",)), account_id=2, domain_id=3),
    )
    if way:
        await _index(database)

    assert await _ids(database, terms=(tag_term("orders"),)) == [ids[2], ids[0]]
    assert await _ids(database, terms=(tag_term("orders"), "menu")) == [ids[0]]
    assert await _ids(database, terms=(tag_term("Spring Campaign"),)) == [ids[0]]
    assert await _ids(database, terms=(tag_term("spring"),)) == []
    assert await _ids(database, account_id=2, terms=(tag_term("orders"),)) == [ids[4]]


async def test_whatever_stands_beside_tags_or_in_them_neither_hides_them_nor_stops_the_index(
    database: Database, way: bool
) -> None:
    odd = {"nul": "\0", "tags": ["not", "these"], "quoted": '"tags":["nor", "these"]', "deep": {"tags": ["nor this"]}}
    ids = await _stored(
        database,
        accepted(options=Options(tags=("orders",), variables=odd)),
        accepted(options=Options(variables=odd)),
        accepted(options=Options(tags=('say "hi" [\\], C:\\', "Größe, ],", "orders"), variables=odd)),
        accepted(subject="plain"),
    )
    if way:
        await _index(database)

    assert await _ids(database, terms=(tag_term("orders"),)) == [ids[2], ids[0]]
    assert await _ids(database, terms=(tag_term('SAY "HI" [\\], c:\\'),)) == [ids[2]]
    assert await _ids(database, terms=(tag_term("grösse, ],"),)) == [ids[2]]
    for other in ("not", "these", "nor", "nor this"):
        assert await _ids(database, terms=(tag_term(other),)) == []
    assert await _ids(database, terms=("plain",)) == [ids[3]]


async def test_words_are_found_without_case_or_accents_and_the_last_by_its_beginning(
    database: Database, way: bool
) -> None:
    ids = await _stored(
        database,
        accepted(subject="Votre Café: menu de la SEMAINE"),
        accepted(subject="A cafeteria in Ost-Berlin, 50% off!"),
        accepted(subject="東京からのお知らせ"),
        accepted(subject="Größe XXL"),
    )
    if way:
        await _index(database)

    assert await _ids(database, terms=("cafe",)) == [ids[0]]
    assert await _ids(database, beginnings=("cafe",)) == [ids[1], ids[0]]
    assert await _ids(database, terms=("semaine", "menu"), beginnings=("vot",)) == [ids[0]]
    assert await _ids(database, terms=("berlin", "50")) == [ids[1]]
    assert await _ids(database, terms=tuple(words_of("東京"))) == [ids[2]]
    assert await _ids(database, terms=tuple(words_of("GRÖSSE"))) == [ids[3]]
    assert await _ids(database, terms=("semaine", "berlin")) == []
    assert await _ids(database, terms=("caf",)) == []


async def test_recipients_are_found_whole_or_by_their_beginning(database: Database, way: bool) -> None:
    ids = await _stored(
        database,
        accepted("Zoe@Example.net", "max@example.org"),
        accepted("zoe@example.network"),
        accepted('"zoe q"@example.net'),
    )
    if way:
        await _index(database)

    assert await _ids(database, terms=(recipient_term("zoe@example.NET"),)) == [ids[0]]
    assert await _ids(database, beginnings=(recipient_term("zoe@example.net"),)) == [ids[1], ids[0]]
    assert await _ids(database, beginnings=(recipient_term('"zoe'),)) == [ids[2]]
    assert await _ids(database, terms=(destination_term("example.org"),)) == [ids[0]]
    assert await _ids(database, beginnings=(destination_term("example."),)) == ids[::-1]
    assert await _ids(database, terms=(recipient_term("zoe@example.net"), recipient_term("max@example.org"))) == [
        ids[0]
    ]
    assert await _ids(database, beginnings=(recipient_term("oe@"),)) == []


async def test_ids_message_ids_and_times_are_found(database: Database, way: bool) -> None:
    ids = await _stored(database, *(accepted(message_id_header=f"<{number}@a.example>") for number in range(3)))
    if way:
        await _index(database)

    assert await _ids(database, lowest_id=ids[1], highest_id=ids[1]) == [ids[1]]
    beginning = text_of(ids[1])[:8]
    (reading, *_) = readings(beginning.lower(), NOW + DAY)
    assert reading.id_range is not None
    lowest, highest = reading.id_range
    begun_so = [one for one in ids[::-1] if text_of(one).startswith(beginning)]
    assert await _ids(database, lowest_id=lowest, highest_id=highest) == begun_so
    assert await _ids(database, terms=(message_id_term("2@a.example"),)) == [ids[2]]
    assert await _ids(database, since=NOW, until=NOW + MINUTE) == ids[::-1]
    assert await _ids(database, until=NOW) == []
    assert await _ids(database, since=NOW + MINUTE) == []


async def _in_every_state(database: Database) -> dict[Standing, int]:
    ids: dict[Standing, int] = {}
    for state in (DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.SUPPRESSED, DeliveryState.CANCELLED):
        [ids[Standing(state.value)]] = await _stored(database, accepted())
        [delivery] = await database.claim(claim())
        await database.settle([settled(delivery, state)], {})
    [ids[Standing.DEFERRED]] = await _stored(database, accepted())
    [delivery] = await database.claim(claim())
    await database.settle([settled(delivery, DeliveryState.SCHEDULED, due_at=NOW + DAY)], {})
    [ids[Standing.HELD]] = await _stored(database, accepted())
    await database.write(_set_state, ids[Standing.HELD], "held")
    [ids[Standing.LEASED]] = await _stored(database, accepted())
    await database.claim(claim())
    [ids[Standing.SCHEDULED]] = await _stored(database, accepted())
    return ids


def _set_state(connection: sqlalchemy.Connection, message_id: int, state: str) -> None:
    mine = data_plane.deliveries.c.message_id == message_id
    connection.execute(data_plane.deliveries.update().where(mine).values(state=state))


async def test_states_are_found(database: Database, way: bool) -> None:
    ids = await _in_every_state(database)
    if way:
        await _index(database)

    assert {standing: await _ids(database, standing=standing) for standing in Standing} == {
        standing: [ids[standing]] for standing in Standing
    }
    assert {one.message.id: one.standings for one in await _found(database)} == {
        ids[standing]: {standing: 1} for standing in Standing
    }


async def test_nobody_finds_what_is_anothers(database: Database, way: bool) -> None:
    [mine] = await _stored(database, accepted("zoe@example.net", subject="hello"))
    [theirs] = await _stored(database, accepted("zoe@example.net", subject="hello", account_id=2, domain_id=3))
    if way:
        await _index(database)

    for wanted in (
        {},
        {"terms": ("hello",)},
        {"beginnings": ("h",)},
        {"terms": (recipient_term("zoe@example.net"),)},
        {"beginnings": (recipient_term("z"),)},
        {"standing": Standing.SCHEDULED},
        {"lowest_id": theirs, "highest_id": theirs},
    ):
        assert theirs not in await _ids(database, account_id=1, **wanted)
        assert mine not in await _ids(database, account_id=2, **wanted)
        if "lowest_id" not in wanted:
            assert await _ids(database, account_id=None, **wanted) == [theirs, mine]
            assert await _ids(database, account_id=None, domain_id=1, **wanted) == [mine]
            assert await _ids(database, account_id=1, domain_id=3, **wanted) == []


async def test_pages_follow_each_other_while_mail_comes_in(database: Database, way: bool) -> None:
    ids = await _stored(database, *(accepted(f"u{number}@example.net") for number in range(25)))
    if way:
        await _index(database)
    seen: list[int] = []
    before = None
    while True:
        page = await _search(database, 4, before, beginnings=(recipient_term("u"),))
        seen += [one.message.id for one in page.found]
        before = page.before
        await _stored(database, accepted("u99@example.net"))
        if way:
            await _index(database)
        if before is None:
            break

    assert seen == ids[::-1]


async def test_what_came_in_after_the_index_is_found_before_what_is_in_it(database: Database) -> None:
    first = await _stored(database, *(accepted(subject="hello") for _ in range(3)))
    await _index(database)
    second = await _stored(database, *(accepted(subject="hello") for _ in range(3)))

    assert await _ids(database, terms=("hello",)) == [*second[::-1], *first[::-1]]
    page = await _search(database, 4, terms=("hello",))
    assert [one.message.id for one in page.found] == [*second[::-1], first[2]]
    assert [one.message.id for one in (await _search(database, 4, page.before, terms=("hello",))).found] == first[1::-1]


async def test_a_message_whose_transaction_took_long_is_indexed_by_the_second_pass(database: Database) -> None:
    late = accepted(subject="late")
    await _stored(database, accepted(), accepted())
    await _index(database)
    await _stored(database, late)
    assert await _ids(database, terms=("late",)) == []

    await _index(database, Pass.SECOND)
    assert await _ids(database, terms=("late",)) == [late.message.id]
    await _index(database, Pass.SECOND)
    assert await database.read(column, "SELECT count(*) FROM search_entries") == [3]


async def test_indexing_twice_at_once_is_as_good_as_once(database: Database) -> None:
    await _stored(database, *(accepted("zoe@example.net", "max@example.net", subject="hello") for _ in range(20)))
    await asyncio.gather(*(_index(database, which) for which in (*Pass, *Pass)))

    assert await database.read(column, "SELECT count(*) FROM search_entries") == [20]
    assert len(await _ids(database, terms=("hello",))) == 20


async def test_what_retention_removes_leaves_the_index(database: Database, way: bool) -> None:
    [gone] = await _stored(database, accepted("zoe@example.net", subject="good bye"))
    [delivery] = await database.claim(claim())
    await database.settle([settled(delivery)], {})
    [kept] = await _stored(database, accepted("zoe@example.net", subject="good day"))
    if way:
        await _index(database)
    assert await database.write(messages.delete_finished_before, NOW + DAY, 10) == 1

    assert await _ids(database, terms=("good",)) == [kept]
    assert await _ids(database, terms=("bye",)) == []
    assert await _ids(database, terms=(recipient_term("zoe@example.net"),)) == [kept]
    if way:
        assert await database.read(column, "SELECT message_id FROM search_entries") == [kept]
    if way and not database.is_postgres:
        assert await database.read(column, "SELECT rowid FROM search_words WHERE search_words MATCH 'good'") == [kept]
        assert await database.read(column, "SELECT rowid FROM search_words WHERE search_words MATCH 'bye'") == []
        assert gone != kept


async def test_an_index_that_is_lost_fills_again(database: Database) -> None:
    [one] = await _stored(database, accepted(subject="hello"))
    await _index(database)

    def lose(connection: sqlalchemy.Connection) -> None:
        search_index.clear(connection)

    await database.write(lose)
    assert await database.read(column, "SELECT count(*) FROM search_entries") == [0]
    assert await _ids(database, terms=("hello",)) == [one]
    await _index(database)
    assert await database.read(column, "SELECT message_id FROM search_entries") == [one]
    assert await _ids(database, terms=("hello",)) == [one]


async def test_a_search_that_would_take_too_long_says_how_far_it_came(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_search, "_WALKED", 2)
    oldest, *_ = await _stored(database, accepted("zoe@example.net"), *(accepted() for _ in range(20)))
    await _index(database)
    # Nothing indexes who was delivered to: rarely asked for alone, and found at once where it is common.
    await database.write(_set_state, oldest, "delivered")

    page = await _search(database, standing=Standing.DELIVERED)
    assert (page.found, page.is_cut) == ((), True)
    pages = 0
    while page.before is not None and not page.found:
        page = await _search(database, before=page.before, standing=Standing.DELIVERED)
        pages += 1
    assert [one.message.id for one in page.found] == [oldest]
    assert 1 < pages < 10


async def test_every_search_finds_what_looking_at_each_message_would(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(7)
    words = ("alpha", "beta", "alphabet", "gamma", "rare")
    stored: list[Accepted] = []
    for number in range(120):
        account_id = 2 if number % 9 == 0 else 1
        one = accepted(
            *chance.sample([f"u{each}@e{each % 2}.example" for each in range(9)], chance.randint(1, 3)),
            subject=" ".join(chance.sample(words[: 5 if number % 30 == 0 else 4], 2)),
            account_id=account_id,
            domain_id=3 if account_id == 2 else 1 + number % 2,
        )
        stored.append(one)
        await database.accept(one)
        if number == 100:
            await _index(database)
    for delivery in await database.claim(claim(limit=90, per_lane=3)):
        state = chance.choice([DeliveryState.DELIVERED, DeliveryState.BOUNCED, DeliveryState.SCHEDULED])
        await database.settle([settled(delivery, state, due_at=NOW + DAY)], {})
    standings = await database.read(_standings)
    monkeypatch.setattr(message_search, "_ROUNDS", 60)

    for number in range(150):
        monkeypatch.setattr(message_search, "_WALKED", chance.choice([1, 5, 10_000]))
        monkeypatch.setattr(message_search, "_CANDIDATES", chance.choice([3, 5_000]))
        wanted = _wanted_by_chance(chance)
        expected = [one.message.id for one in reversed(stored) if _matches(one, wanted, standings)]
        found: list[int] = []
        before = None
        while True:
            page = await database.read(message_search.search, wanted, 10, before)
            found += [one.message.id for one in page.found]
            if (before := page.before) is None:
                break
        assert found == expected, (number, wanted)


def _wanted_by_chance(chance: random.Random) -> Wanted:
    return Wanted(
        account_id=chance.choice([None, 1, 1, 2]),
        domain_id=chance.choice([None, None, None, 1, 3]),
        terms=(
            *chance.sample(["alpha", "beta", "rare", "nowhere"], chance.choice([0, 0, 1, 2])),
            *chance.choice([(), (), (recipient_term("u3@e1.example"),), (destination_term("e0.example"),)]),
        ),
        beginnings=(
            *chance.choice([(), (), ("alp",), ("g",), ("ra",)]),
            *chance.choice([(), (), (recipient_term("u"),), (recipient_term("u5"),)]),
        ),
        standing=chance.choice([None, None, *Standing]),
    )


def _standings(connection: sqlalchemy.Connection) -> dict[int, set[Standing]]:
    d = data_plane.deliveries.c
    standings: dict[int, set[Standing]] = {}
    for message_id, state, attempts in connection.execute(sqlalchemy.select(d.message_id, d.state, d.attempts)):
        standings.setdefault(message_id, set()).add(standing_of(DeliveryState(state), attempts))
    return standings


def _matches(one: Accepted, wanted: Wanted, standings: dict[int, set[Standing]]) -> bool:
    message = one.message
    recipients = [each.recipient for each in one.deliveries]
    terms = terms_of(
        message.account_id,
        message.domain_id,
        message.subject,
        recipients,
        message_id_header=message.message_id_header,
        tags=message.options.tags,
    )
    return (
        wanted.account_id in (None, message.account_id)
        and wanted.domain_id in (None, message.domain_id)
        and all(needle in terms for needle in wanted.needles)
        and (wanted.standing is None or wanted.standing in standings[message.id])
    )


_ADDRESSES: dict[str, Callable[[int], str]] = {
    "short": lambda number: f"{number:x}@a.b",
    "long": lambda number: f"{number:x}{'a' * 50}@{number:x}.{'b' * 230}.example",
    "beyond ASCII": lambda number: f"{number:x}{chr(0x20000) * 150}@{number:x}.example",
}


@pytest.mark.parametrize("kind", _ADDRESSES)
def test_the_terms_of_any_message_fit_into_the_index(postgres_place: Place, kind: str) -> None:
    addresses = [_ADDRESSES[kind](number) for number in range(100_000)]
    subject = " ".join(f"{chr(0x20000)}{number}" for number in range(64))
    tags = [str(number) for number in range(100)]
    terms = terms_of(HIGHEST_ID, HIGHEST_ID, subject, addresses, message_id_header="<a@b>", tags=tags)
    assert MOST_RECIPIENT_OCTETS - 2_000 < len(terms.encode()) < MOST_RECIPIENT_OCTETS + 20_000

    def fill_and_find(connection: sqlalchemy.Connection) -> list[int]:
        row = {"message_id": 1, "partition": 0, "account_id": 1, "domain_id": 1, "terms": terms}
        connection.execute(data_plane.search_entries.insert().values(row))
        wanted = Wanted(terms=(recipient_term(addresses[1_000]), tag_term("99")))
        return list(connection.execute(message_search._by_terms(connection, wanted, 0).query).scalars())

    assert run(*postgres_place, fill_and_find) == [1]


async def test_a_message_with_very_many_recipients_does_not_stop_the_index(database: Database) -> None:
    crowd = [_ADDRESSES["long"](number) for number in range(4_000)]
    large, small = await _stored(database, accepted(*crowd), accepted("zoe@example.net"))
    await _index(database)

    assert await _ids(database, terms=(recipient_term("zoe@example.net"),)) == [small]
    assert await _ids(database, terms=(recipient_term(crowd[0]),)) == [large]
    assert await _ids(database, terms=(recipient_term(crowd[-1]),)) == []


def test_whatever_is_typed_is_searched_for_without_an_error_and_within_the_account(place: Place) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(open_database(place.url, data_dir=place.data_dir, clock=lambda: NOW))
        runner.run(_create_customers(database))
        mine = runner.run(_stored(database, accepted(subject="hello OR \"NEAR\" a* (b) -c 'd' & | ! :* _a2")))
        theirs = runner.run(_stored(database, accepted(subject="hello", account_id=2, domain_id=3)))
        runner.run(_index(database))

        async def look(typed: str) -> None:
            for reading in readings(typed, NOW):
                lowest, highest = reading.id_range or (0, HIGHEST_ID)
                for is_unindexed in (False, True):
                    page = await _search(
                        database,
                        terms=reading.terms,
                        beginnings=reading.beginnings,
                        lowest_id=lowest,
                        highest_id=highest,
                        standing=Standing.SCHEDULED if is_unindexed else None,
                    )
                    assert {one.message.id for one in page.found} <= set(mine)

        hostile = st.sampled_from(
            ["_a2", "hello*", '"', "'", "NEAR(", "OR", "AND", "^", ":*", "\\", "%", "&", "|", "\0"]
        )

        @settings(max_examples=120)
        @given(st.one_of(st.text(max_size=30), st.lists(hostile, max_size=6).map(" ".join)))
        def check(typed: str) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(message_search, "_WALKED", 1)
                runner.run(look(typed))

        check()
        assert theirs
        runner.run(database.close())
