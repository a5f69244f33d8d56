"""Tags of a domain as they were counted, on both engines."""

import msgspec

from postroad.model.event import EventType
from postroad.storage import counters, statistics, tags
from postroad.storage.counters import Dimension
from postroad.storage.database import Database
from postroad.storage.statistics import Hours
from tests.storage import samples
from tests.storage.samples import NOW

DAY = 86_400_000
TODAY = NOW // DAY * DAY


async def sent(database: Database, domain_id: int, at: int, *names: str) -> None:
    one = samples.accepted(domain_id=domain_id)
    events = [
        msgspec.structs.replace(event, at=at, domain_id=domain_id, data={"tags": list(names)}) for event in one.events
    ]
    assert {event.type for event in events} == {EventType.ACCEPTED}
    await database.append_events(events)


async def test_tags_are_listed_by_name_described_and_forgotten(database: Database) -> None:
    await sent(database, 1, NOW - 2 * DAY, "News", "über")
    await sent(database, 1, NOW, "news", "zoo")
    await sent(database, 2, NOW, "theirs", "news")
    await database.write(counters.fold, 100)
    await database.write(tags.describe, 1, "news", "weekly")
    await database.write(tags.describe, 2, "zoo", "not yours")

    found = await database.read(tags.page, 1, 9)
    names = [one.tag for one in found]
    assert names == sorted(["news", "zoo", "über"])
    assert (found[0].description, found[0].first_seen, found[0].last_seen) == (
        "weekly",
        TODAY - 2 * DAY,
        TODAY + DAY - 1,
    )
    assert [one.description for one in found[1:]] == ["", ""]
    assert [one.tag for one in await database.read(tags.page, 1, 1, beside="news")] == ["zoo"]
    assert [one.tag for one in await database.read(tags.page, 1, 2, is_backwards=True)] == names[1:]
    assert [one.tag for one in await database.read(tags.page, 1, 1, beside="zoo", is_backwards=True)] == ["news"]
    assert [one.tag for one in await database.read(tags.page, 1, 9, beginning="ü")] == ["über"]
    assert await database.read(tags.get, 1, "theirs") is None

    await sent(database, 1, NOW, "news")
    await database.write(tags.forget, 1, "news")
    assert [one.tag for one in await database.read(tags.page, 1, 9)] == ["zoo", "über"]
    hours = Hours(0, NOW // 3_600_000 + 1)
    counted = await database.read(statistics.read_keys, Dimension.TAG, hours, (1,), 9)
    assert set(counted) == {"zoo", "über"}
    theirs = await database.read(tags.get, 2, "news")
    assert theirs is not None
    assert theirs.description == ""
