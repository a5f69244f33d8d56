from postroad.events.rates import percents
from postroad.events.statistics import KINDS, KeyTotals
from postroad.events.statistics_table import by_key, over_time
from postroad.model.event import EventType

RATES = [f"{name}-rate-percent" for name in ("bounce", "open", "click", "unsubscribe", "complaint")]


def test_every_type_of_event_is_a_column_and_the_expired_stand_behind_the_bounced() -> None:
    apart = {"returned", "expired", "opened-by-proxy"} | {
        f"{one}-{how}" for one in ("opened", "clicked") for how in ("unique", "by-machine")
    }
    assert [name for name in KINDS if name not in apart] == [kind.value for kind in EventType]
    for one in ("opened", "clicked"):
        at = KINDS.index(one)
        assert KINDS[at + 1 : at + 3] == (f"{one}-unique", f"{one}-by-machine")
    assert KINDS[KINDS.index("delivered") + 1] == "returned"
    assert KINDS[KINDS.index("bounced") + 1] == "expired"
    head, row = over_time([(1_800_000_000_000, {"delivered": 1, "expired": 2})]).splitlines()
    assert head.split(",") == ["from", *KINDS, *RATES]
    assert dict(zip(KINDS, row.split(",")[1:], strict=False)) == dict.fromkeys(KINDS, "0") | {
        "delivered": "1",
        "expired": "2",
    }
    assert row.startswith("2027-01-15T08:00:00Z,")


def test_rates_are_in_percent_and_empty_where_there_was_nothing() -> None:
    counts = {"delivered": 300, "bounced": 100, "opened": 50, "opened-unique": 20, "complained": 1}
    head, row, other, nothing = by_key(
        "tag", [KeyTotals("a", counts), KeyTotals("b", {"bounced": 1}), KeyTotals("c", {})]
    ).splitlines()
    shown = [dict(zip(head.split(","), line.split(","), strict=True)) for line in (row, other, nothing)]

    assert [shown[0][name] for name in RATES] == ["25.0", "6.67", "0.0", "0.0", "0.33"]
    assert [shown[1][name] for name in RATES] == ["100.0", "", "", "", ""]
    assert [shown[2][name] for name in RATES] == [""] * 5
    assert not set(by_key("bounce-class", []).strip().split(",")) & set(RATES)


def test_what_came_back_after_delivery_ended_once() -> None:
    assert percents({"delivered": 4, "returned": 2, "bounced": 2})["bounce"] == 50.0
    # What was delivered before the span counts where it bounced.
    assert percents({"delivered": 1, "returned": 1, "bounced": 3})["bounce"] == 100.0
    assert percents({"delivered": 1, "returned": 2, "bounced": 3})["bounce"] == 100.0
    assert percents({"delivered": 1, "returned": 1}) == {
        "open": 0.0,
        "click": 0.0,
        "unsubscribe": 0.0,
        "complaint": 0.0,
    }


def test_no_key_is_a_formula_and_what_had_no_room_is_named() -> None:
    text = by_key("tag", [KeyTotals(one, {"accepted": 1}) for one in ("=cmd()", "+1", "-1", "@a", "a=b", None)])

    firsts = [line.split(",")[0] for line in text.splitlines()]
    assert firsts == ["tag", "'=cmd()", "'+1", "'-1", "'@a", "a=b", "(further)"]
