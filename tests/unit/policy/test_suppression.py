"""Whom a sending domain does not mail: comparing addresses, what a bounce adds, what stops a delivery."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.delivery import Delivery, DeliveryState, Lease
from postroad.model.event import EventType
from postroad.model.options import FORWARD_DELIVERY, REPORT_DELIVERY, TRANSACTIONAL_DELIVERY, DeliveryOptions
from postroad.model.outcome import AttemptFacts, BounceClass, Bounced, Phase, Scope
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.policy.suppression import (
    additions,
    barrier,
    comparable,
    event_data,
    is_hard,
    key_of,
    keys_around,
    keys_of,
    of_bounce,
    screened,
    sentence,
    understood,
    verdict,
)
from postroad.protocol.smtp.address import AddressError, parse_path
from tests.storage.samples import accepted

KIND = SuppressionKind
NOW = 1_800_000_000_000
LOCALS = st.text("abcXYZ019.+-_éÉßİıς ́", min_size=1, max_size=12).filter(
    lambda text: not text.startswith(".") and not text.endswith(".") and ".." not in text and " " not in text
)


def entry(address: str = "a@r.example", kind: SuppressionKind = KIND.BOUNCE, **facts: Any) -> Suppression:
    values: dict[str, Any] = {"account_id": 1, "domain_id": 1, "kind": kind, "address": address, "created_at": NOW}
    return Suppression(**values | facts)


def found(*entries: Suppression) -> dict[int, list[Suppression]]:
    by_key: dict[int, list[Suppression]] = {}
    for one in entries:
        by_key.setdefault(key_of(one.domain_id, one.address), []).append(one)
    return by_key


def delivery(recipient: str = "a@r.example", **facts: Any) -> Delivery:
    return msgspec.structs.replace(accepted(recipient).deliveries[0], **facts)


# -- comparing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@r.example", "aNN@r.example"),
        ("jürgen@r.example", "JÜRGEN@r.example"),
        ("jürgen@r.example", "ju\u0308rgen@r.example"),
        ("straße@r.example", "STRASSE@r.example"),
        ('"ann"@r.example', "ann@r.example"),
        ('"a\\nn"@r.example', "ann@r.example"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
    ],
)
def test_these_are_the_same_address(one: str, other: str) -> None:
    assert comparable(parse_path(one, is_utf8=True)) == comparable(parse_path(other, is_utf8=True))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann+spring@r.example", "ann@r.example"),
        ("a.nn@r.example", "ann@r.example"),
        ('"a nn"@r.example', "ann@r.example"),
        ('"a@b"@r.example', "a@b.r.example"),
        ("ann@r.example", "ann@s.example"),
    ],
)
def test_these_are_different_addresses(one: str, other: str) -> None:
    assert comparable(one) != comparable(other)


@given(LOCALS)
def test_comparing_twice_changes_nothing_and_case_never_matters(local: str) -> None:
    once = comparable(f"{local}@r.example")
    assert comparable(once) == once
    assert comparable(f"{local.upper()}@R.EXAMPLE") == comparable(f"{local.upper().lower()}@r.example")


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        (" Ann@R.Example ", KIND.BOUNCE, "ann@r.example"),
        ("<ann@r.example>", KIND.BLOCK, "ann@r.example"),
        ("@Bücher.example.", KIND.BLOCK, "@xn--bcher-kva.example"),
        ("@r.example", KIND.ALLOW, "@r.example"),
    ],
)
def test_what_people_write_is_understood(text: str, kind: SuppressionKind, address: str) -> None:
    assert understood(text, kind) == address


@pytest.mark.parametrize("text", ["", "<>", "r.example", "@r.example", "a b@r.example", "a@", "a@-x.example"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        understood(text, KIND.BOUNCE)


@pytest.mark.parametrize("kind", [KIND.BLOCK, KIND.ALLOW])
@pytest.mark.parametrize("text", ["", "foo", "r.example", " r.example ", "ann", "ann.r.example"])
def test_a_destination_is_meant_by_its_at_sign_only(text: str, kind: SuppressionKind) -> None:
    with pytest.raises(AddressError, match="local@domain, or @domain for all addresses there"):
        understood(text, kind)


@pytest.mark.parametrize("kind", [KIND.BOUNCE, KIND.UNSUBSCRIBE, KIND.COMPLAINT])
def test_other_lists_are_not_for_destinations(kind: SuppressionKind) -> None:
    with pytest.raises(AddressError, match="only block and allow are for whole destinations"):
        understood("@r.example", kind)


# -- what stops --------------------------------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.builds(
        lambda kind, tag: entry(kind=kind, tag=tag if kind is KIND.UNSUBSCRIBE else ""),
        st.sampled_from(KIND),
        st.sampled_from(["", "spring", "autumn"]),
    ),
    max_size=6,
)


@given(ENTRIES, st.booleans(), st.sets(st.sampled_from(["Spring", "other"])))
def test_the_verdict_follows_the_rules_whatever_is_listed(
    entries: list[Suppression], is_transactional: bool, tags: set[str]
) -> None:
    kinds = {one.kind for one in entries}
    stops = bool(kinds & {KIND.BLOCK, KIND.COMPLAINT}) or (KIND.BOUNCE in kinds and KIND.ALLOW not in kinds)
    unsubscribed = {one.tag for one in entries if one.kind is KIND.UNSUBSCRIBE}
    about = {"", *(tag.lower() for tag in tags)}
    stops = stops or (not is_transactional and bool(unsubscribed & about))

    found = verdict(entries, DeliveryOptions(tags=tuple(tags), is_transactional=is_transactional))
    assert (found is not None) == stops
    assert found is None or found.kind is not KIND.ALLOW


@pytest.mark.parametrize("is_transactional", [False, True])
def test_who_left_a_group_gets_all_mail_but_that_of_the_group(is_transactional: bool) -> None:
    left = entry(kind=KIND.UNSUBSCRIBE, tag="group:12")

    def stops(group_id: int | None, *tags: str) -> bool:
        options = DeliveryOptions(group_id=group_id, tags=tags, is_transactional=is_transactional)
        return verdict([left], options) is left

    assert [stops(group_id) for group_id in (12, 1, 112, None)] == [True, False, False, False]
    # Mail that came in another way carries the group as a tag.
    assert stops(None, "Group:12") is not is_transactional
    everything = entry(kind=KIND.UNSUBSCRIBE)
    found = verdict([everything], DeliveryOptions(group_id=12, is_transactional=is_transactional))
    assert (found is everything) is not is_transactional


def test_what_people_decided_is_told_before_what_hosts_said() -> None:
    kinds = [KIND.BOUNCE, KIND.UNSUBSCRIBE, KIND.COMPLAINT, KIND.BLOCK]
    told = []
    while kinds:
        stopped = verdict([entry(kind=kind) for kind in kinds], DeliveryOptions())
        assert stopped is not None
        told.append(stopped.kind)
        kinds.remove(stopped.kind)
    assert told == [KIND.BLOCK, KIND.COMPLAINT, KIND.UNSUBSCRIBE, KIND.BOUNCE]


def test_another_address_with_the_same_key_stops_nothing() -> None:
    one = delivery("a@r.example")
    key = key_of(1, "a@r.example")
    assert barrier(one, {key: [entry("b@r.example")]}) is None
    assert barrier(one, {key: [entry("a@r.example", domain_id=2)]}) is None
    assert barrier(one, {key: [entry("a@r.example")]}) is not None


def test_all_that_could_stand_in_the_way_is_asked_for() -> None:
    assert keys_of([delivery("A@r.example"), delivery("b@r.example")]) == {
        key_of(1, "a@r.example"),
        key_of(1, "b@r.example"),
        key_of(1, "@r.example"),
    }
    assert keys_around([entry("a@r.example"), entry("@s.example", KIND.BLOCK)]) == {
        key_of(1, "a@r.example"),
        key_of(1, "@r.example"),
        key_of(1, "@s.example"),
    }


# -- what is stored ----------------------------------------------------------------------------------------------------


def test_a_message_without_barred_recipients_is_stored_as_it_is() -> None:
    offered = accepted("a@r.example")
    assert screened(offered, found(entry("b@r.example"))) is offered


def test_a_barred_recipient_ends_with_an_event_behind_the_first_one() -> None:
    lease = Lease(owner=1, epoch=1, until=NOW)
    offered = accepted("a@r.example", "b@r.example", lease=lease)
    tagged = tuple(
        msgspec.structs.replace(one, options=DeliveryOptions(tags=("x",), is_test=True)) for one in offered.deliveries
    )
    kept = screened(msgspec.structs.replace(offered, deliveries=tagged), found(entry("b@r.example", reason="gone")))

    a, b = kept.deliveries
    assert (a.state, a.lease) == (DeliveryState.LEASED, lease)
    assert (b.state, b.lease, b.last_reply) == (DeliveryState.SUPPRESSED, None, "The address bounced: gone")
    mine = sorted((one for one in kept.events if one.delivery_id == b.id), key=lambda one: one.id)
    assert [one.type for one in mine] == [EventType.ACCEPTED, EventType.SUPPRESSED]
    assert mine[1].data["tags"] == ("x",)
    assert mine[1].data["is_test"] is True
    assert len({one.id for one in kept.events}) == len(kept.events) == 3


def test_the_reason_is_told_in_a_sentence_and_in_words_for_programs() -> None:
    one = entry(kind=KIND.UNSUBSCRIBE, tag="spring", way=Way.ONE_CLICK, created_by="ada")
    assert sentence(one) == "The recipient unsubscribed from spring."
    assert sentence(entry("@r.example", KIND.BLOCK, reason="Partner")) == "All of r.example is blocked: Partner"
    assert event_data(one) == {
        "reason": "unsubscribe",
        "text": "The recipient unsubscribed from spring.",
        "since": NOW,
        "way": "one-click",
        "tag": "spring",
        "entry": "a@r.example",
        "added_by": "ada",
    }


# -- what a bounce adds ------------------------------------------------------------------------------------------------


def bounced(bounce_class: BounceClass = BounceClass.BAD_MAILBOX, **facts: Any) -> Bounced:
    values: dict[str, Any] = {
        "phase": Phase.RCPT,
        "code": 550,
        "enhanced_status": "5.1.1",
        "text": "No such user",
        "started_at": NOW,
        "duration_ms": 1,
    }
    return Bounced(AttemptFacts(**values | facts), Scope.RECIPIENT, bounce_class)


@pytest.mark.parametrize("bounce_class", BounceClass)
def test_only_a_mailbox_that_is_gone_is_hard(bounce_class: BounceClass) -> None:
    assert is_hard(bounced(bounce_class)) == (bounce_class.value in {"bad-mailbox", "inactive-mailbox"})


@pytest.mark.parametrize(
    "facts",
    [
        {"enhanced_status": None},
        {"enhanced_status": "5.0.0"},
        {"enhanced_status": "5.2.1"},
        {"phase": Phase.DATA},
        {"phase": Phase.FINAL_DOT, "code": 554},
    ],
)
def test_these_are_hard_too(facts: dict[str, Any]) -> None:
    assert is_hard(bounced(**facts))


@pytest.mark.parametrize(
    "facts",
    [
        # RFC 3463 §3.8: security and policy, whatever the words are.
        {"enhanced_status": "5.7.1"},
        {"enhanced_status": "5.4.1"},
        # RFC 3463 §3.2: the sender's address.
        {"enhanced_status": "5.1.8"},
        {"enhanced_status": "5.1.7"},
        # Nothing before RCPT is about the recipient: our own account with a smarthost may be disabled.
        {"phase": Phase.MAIL},
        {"phase": Phase.CONNECT},
        {"phase": Phase.DNS, "code": None},
        # It expired after transient replies.
        {"code": None, "enhanced_status": "4.4.7"},
        {"code": 450},
    ],
)
def test_what_is_about_something_else_or_for_now_is_not_hard(facts: dict[str, Any]) -> None:
    assert not is_hard(bounced(**facts))


def test_a_hard_bounce_adds_its_address_with_the_reply() -> None:
    (added,) = of_bounce(delivery("Ann@r.example"), bounced(), "mx: 550 5.1.1 Nobody" + "x" * 900, NOW)
    assert (added.address, added.kind, added.way, added.created_at) == ("ann@r.example", KIND.BOUNCE, Way.DELIVERY, NOW)
    assert added.reason.startswith("mx: 550 5.1.1 Nobody")
    assert len(added.reason) == 500
    assert added.message_id is not None


@pytest.mark.parametrize("options", [REPORT_DELIVERY, FORWARD_DELIVERY])
def test_the_lists_are_not_about_who_gets_our_reports_and_what_is_passed_on(options: DeliveryOptions) -> None:
    one = delivery(options=options)
    assert barrier(one, found(entry("a@r.example", KIND.BLOCK))) is None
    assert of_bounce(one, bounced(), "", NOW) == ()


def test_in_test_mode_nothing_is_added() -> None:
    assert of_bounce(delivery(options=DeliveryOptions(is_test=True)), bounced(), "", NOW) == ()
    assert of_bounce(delivery(options=TRANSACTIONAL_DELIVERY), bounced(), "", NOW) != ()


def test_additions_leave_out_what_is_known_twice_or_allowed() -> None:
    known = found(entry("a@r.example"), entry("@dear.example", KIND.ALLOW), entry("c@r.example", KIND.ALLOW))
    offered = [
        entry("a@r.example"),
        entry("a@r.example", KIND.BLOCK),
        entry("b@r.example", reason="first"),
        entry("b@r.example", reason="second"),
        entry("b@dear.example"),
        entry("b@dear.example", KIND.COMPLAINT),
        entry("c@r.example"),
    ]
    assert [(one.address, one.kind, one.reason) for one in additions(offered, known)] == [
        ("a@r.example", KIND.BLOCK, ""),
        ("b@r.example", KIND.BOUNCE, "first"),
        ("b@dear.example", KIND.COMPLAINT, ""),
    ]
