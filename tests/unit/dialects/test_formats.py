"""What holds of every format: which events it has words for, what authenticates a call, and that strange data breaks none."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.dialects import formats
from postroad.dialects.samples import AT, sample
from postroad.model.credential import Secret
from postroad.model.event import Event, EventType
from postroad.model.ids import made_at
from postroad.model.options import CallbackFormat, Options
from postroad.model.outcome import BounceClass, Phase
from postroad.model.suppression import SuppressionKind, Way
from postroad.model.webhook import Happening
from tests.unit.dialects.happenings import EVENT_KEY, HAPPENINGS, SEAL

F, T = CallbackFormat, EventType
STEERED = {T.CANCELLED, T.HELD, T.RELEASED, T.DEDUPLICATED}
NOT_SPOKEN_OF: dict[CallbackFormat, set[EventType]] = {
    F.MAILGUN: STEERED,
    F.SENDGRID: STEERED,
    F.SPARKPOST: STEERED,
    F.BLOOMREACH: STEERED | {T.DEFERRED},
    F.BLOOMEVENTS: STEERED | {T.DEFERRED, T.REJECTED},
    F.STANDARD: set(),
}
EVERY = [(chosen, event_type) for chosen in F for event_type in T]
SEALED = msgspec.structs.replace(
    SEAL,
    keys=(Secret("prw_" + "n" * 49), Secret("prw_" + "o" * 49)),
    event_key=EVENT_KEY,
    username="hook",
    password=Secret("pa:ss"),
    token_header=Secret("t0k3n"),
)


@pytest.mark.parametrize(("chosen", "event_type"), EVERY)
def test_event_is_spoken_of_or_named_here(chosen: CallbackFormat, event_type: EventType) -> None:
    assert formats.of(chosen).speaks_of(event_type) == (event_type not in NOT_SPOKEN_OF[chosen])


@pytest.mark.parametrize(("chosen", "event_type"), [one for one in EVERY if one[1] not in NOT_SPOKEN_OF[one[0]]])
def test_sample_makes_a_call_in_test_mode_at_the_time_that_is_asked_for(
    chosen: CallbackFormat, event_type: EventType
) -> None:
    happening = sample(event_type, domain="shop.example", at=AT + 86_400_000)

    call = formats.of(chosen).call([happening], SEALED)

    assert b"ada@example.net" in call.body
    assert b"news.example.com" not in call.body
    assert json.loads(call.body)
    assert happening.event.type is event_type
    assert happening.event.data["is_test"] is True
    assert made_at(happening.event.id) == happening.event.at == AT + 86_400_000


@pytest.mark.parametrize("chosen", F)
def test_no_format_tells_a_secret_or_who_of_the_account_did_what(chosen: CallbackFormat) -> None:
    found = formats.of(chosen)
    inner = {
        "username": "withheld-app@news.example.com", "by": "withheld-eve", "added_by": "withheld-eve", "edits": ["withheld"],
        "egress_source": "withheld-source", "site": "withheld-site", "selectors": ["withheld"], "entry": "withheld",
    }  # fmt: skip
    for happening in HAPPENINGS.values():
        # Where somebody opened it is told, where it was submitted from is not.
        data = {"client_address": "192.0.2.9"} | happening.event.data | inner
        event = msgspec.structs.replace(happening.event, account_id=987_654_321, domain_id=876_543_219, data=data)
        if found.speaks_of(event.type):
            body = found.call([msgspec.structs.replace(happening, event=event)], SEALED).body.decode()
            told = [
                word for word in ("withheld", "987654321", "876543219", '"192.0.2.9"', "prw_", "t0k3n") if word in body
            ]
            assert told == []


@pytest.mark.parametrize("chosen", F)
def test_call_goes_with_standard_webhooks_and_with_user_and_password_of_the_address(chosen: CallbackFormat) -> None:
    headers = formats.of(chosen).call([HAPPENINGS["delivered"]], SEALED).headers

    assert headers["Content-Type"] == "application/json"
    assert headers["webhook-id"] == SEALED.call_id
    assert headers["webhook-timestamp"] == "1795775401"
    assert [one[:3] for one in headers["webhook-signature"].split(" ")] == ["v1,", "v1,"]
    if chosen is F.BLOOMREACH:
        assert headers["Authorization"].count(".") == 2
    else:
        assert headers["Authorization"] == "Basic " + base64.b64encode(b"hook:pa:ss").decode()


@pytest.mark.parametrize("chosen", F)
def test_address_without_user_and_password_gives_no_basic_authorization(chosen: CallbackFormat) -> None:
    headers = formats.of(chosen).call([HAPPENINGS["delivered"]], SEAL).headers

    assert "Basic" not in headers.get("Authorization", "")


@pytest.mark.parametrize("chosen", F)
@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 406, 410, 429, 500, 503])
def test_call_is_refused_for_good_by_410_and_to_mailgun_s_receivers_by_406(chosen: CallbackFormat, status: int) -> None:
    is_refused = status == 410 or (status == 406 and chosen is F.MAILGUN)

    assert formats.of(chosen).is_refused_for_good(status) == is_refused


@pytest.mark.parametrize("chosen", F)
def test_most_of_a_batch_is_one_call(chosen: CallbackFormat) -> None:
    found = formats.of(chosen)
    many = [HAPPENINGS["delivered"]] * found.batch

    body = json.loads(found.call(many, SEAL).body)

    if found.batch > 1:
        assert len(body["commands"] if chosen is F.BLOOMEVENTS else body) == found.batch


# -- whatever strangers write --------------------------------------------------------------------------------------------

TEXT = st.text(max_size=12)
"""Of all characters, halves of surrogate pairs and NUL among them."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
STATUS = st.sampled_from(["5.1.1", "4.2.2", "5.7.1", "2.0.0", "5.1.10", "9", ""])
DATA: dict[str, st.SearchStrategy[Any]] = {
    "attempt": st.integers(0, 99),
    "code": st.integers(200, 599),
    "enhanced_status": STATUS,
    "reply": TEXT,
    "bounce_class": st.sampled_from([one.value for one in BounceClass]) | TEXT,
    "phase": st.sampled_from([one.value for one in Phase]),
    "host": TEXT,
    "host_address": TEXT,
    "source_address": TEXT,
    "message_id_header": TEXT,
    "subject": TEXT,
    "tls": st.fixed_dictionaries({"version": TEXT, "is_verified": st.booleans()}),
    "queued_ms": st.integers(0, 10**9),
    "duration_ms": st.integers(0, 10**6),
    "due_at": st.integers(0, 2 * 10**12),
    "is_expired": st.booleans(),
    "is_late": st.booleans(),
    "is_test": st.booleans(),
    "tags": st.lists(TEXT, max_size=2),
    "recipients": st.lists(TEXT, max_size=3),
    "rule": TEXT,
    "text": TEXT,
    "size": st.integers(0, 10**8),
    "reason": st.sampled_from([one.value for one in SuppressionKind]) | TEXT,
    "way": st.sampled_from([one.value for one in Way]),
    "scope": st.lists(TEXT, max_size=2) | TEXT,
    "feedback_type": TEXT,
    "reporter": TEXT,
    "url": TEXT,
    "agent": TEXT,
    "client_address": TEXT,
    "program": TEXT,
    "device": TEXT,
    "verdict": st.sampled_from(["human", "machine"]),
    "evidence": st.lists(TEXT, max_size=2),
    "proxy": TEXT,
    "channel": TEXT,
}


@st.composite
def happenings(draw: st.DrawFn) -> Happening:
    base = sample(draw(st.sampled_from(T)))
    event = Event(
        id=draw(st.integers(0, 2**63 - 1)),
        type=base.event.type,
        at=draw(st.integers(0, 4 * 10**12)),
        account_id=1,
        domain_id=1,
        message_id=draw(st.none() | st.integers(0, 2**63 - 1)),
        delivery_id=draw(st.none() | st.integers(0, 2**63 - 1)),
        recipient=draw(st.none() | TEXT),
        data=draw(st.fixed_dictionaries({}, optional=DATA)),
    )
    variables = draw(
        st.dictionaries(TEXT | st.sampled_from(["custom_data", "my-custom-data", "email"]), JSON, max_size=3)
    )
    options = Options(variables=variables)
    message = None
    if base.message is not None and draw(st.booleans()):
        message = msgspec.structs.replace(
            base.message, subject=draw(TEXT), message_id_header=draw(TEXT), options=options
        )
    headers = draw(st.dictionaries(TEXT, TEXT, max_size=2))
    return Happening(event=event, domain=draw(TEXT), message=message, message_headers=headers)


@given(found=st.lists(happenings(), min_size=1, max_size=3))
def test_every_happening_makes_valid_json_in_every_format(found: list[Happening]) -> None:
    for chosen in F:
        one = formats.of(chosen)
        told = [happening for happening in found if one.speaks_of(happening.event.type)]
        for start in range(0, len(told), one.batch):
            call = one.call(told[start : start + one.batch], SEALED)
            # RFC 8259 §6: there is neither NaN nor Infinity, which Python reads all the same.
            body = json.loads(call.body.decode("utf-8", "strict"), parse_constant=pytest.fail)
            assert isinstance(body, list | dict)
            assert all(value.isascii() and value.isprintable() for value in call.headers.values())
