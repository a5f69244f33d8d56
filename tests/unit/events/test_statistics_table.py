from postroad.events.statistics import KINDS, KeyTotals
from postroad.events.statistics_table import by_key, over_time
from postroad.model.event import EventType


def test_every_type_of_event_is_a_column_and_the_expired_stand_behind_the_bounced() -> None:
    apart = {"expired", "opened-by-machine", "clicked-by-machine"}
    assert [name for name in KINDS if name not in apart] == [kind.value for kind in EventType]
    assert [KINDS[KINDS.index(name) - 1] for name in sorted(apart)] == ["clicked", "bounced", "opened"]
    assert KINDS[KINDS.index("bounced") + 1] == "expired"
    head, row = over_time([(1_800_000_000_000, {"delivered": 1, "expired": 2})]).splitlines()
    assert head.split(",") == ["from", *KINDS]
    assert dict(zip(KINDS, row.split(",")[1:], strict=True)) == dict.fromkeys(KINDS, "0") | {
        "delivered": "1",
        "expired": "2",
    }
    assert row.startswith("2027-01-15T08:00:00Z,")


def test_no_key_is_a_formula_and_what_had_no_room_is_named() -> None:
    text = by_key("tag", [KeyTotals(one, {"accepted": 1}) for one in ("=cmd()", "+1", "-1", "@a", "a=b", None)])

    firsts = [line.split(",")[0] for line in text.splitlines()]
    assert firsts == ["tag", "'=cmd()", "'+1", "'-1", "'@a", "a=b", "(further)"]
