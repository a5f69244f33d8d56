"""Every event is read and believed by the receivers that applications run: django-anymail's views, and the official verifiers.

Each call is one that the registry makes, with all its headers, and each signature is checked.
"""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import django
import jwt
import msgspec
import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.conf import settings
from django.test import Client
from mailgun.security import SecurityGuard
from sendgrid.helpers.eventwebhook import EventWebhook
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from postroad.dialects import formats
from postroad.dialects.sendgrid.signature import SIGNATURE, TIMESTAMP, public_key
from postroad.dialects.standard.signature import secret_of
from postroad.model.credential import Secret
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Call, Seal
from tests.unit.dialects.happenings import EVENT_KEY, HAPPENINGS, SEAL

# What anymail says of itself, each time that a view is made.
pytestmark = pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid")

F = CallbackFormat
SPOKEN_OF = {
    chosen: [what for what, one in HAPPENINGS.items() if formats.of(chosen).speaks_of(one.event.type)] for chosen in F
}


@pytest.fixture(scope="module", autouse=True)
def django_project() -> None:
    """Set up a Django project whose only pages are anymail's, with all that it can verify."""
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["anymail"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF="anymail.urls",
        ANYMAIL={
            "MAILGUN_WEBHOOK_SIGNING_KEY": str(SEAL.keys[0]),
            "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": public_key(EVENT_KEY),
            "WEBHOOK_SECRET": "hook:pa:ss",
        },
    )
    django.setup()


@pytest.fixture
def received() -> Iterator[list[AnymailTrackingEvent]]:
    """Gather the events that anymail passes on to an application."""
    found: list[AnymailTrackingEvent] = []

    def take(event: AnymailTrackingEvent, **_: Any) -> None:
        found.append(event)

    tracking.connect(take)
    yield found
    tracking.disconnect(take)


def seal() -> Seal:
    return msgspec.structs.replace(
        SEAL, now=int(time.time() * 1000), event_key=EVENT_KEY, username="hook", password=Secret("pa:ss")
    )


def call_of(chosen: CallbackFormat, *what: str, sealed: Seal | None = None) -> Call:
    return formats.of(chosen).call([HAPPENINGS[one] for one in what], sealed or seal())


def post(chosen: CallbackFormat, call: Call) -> int:
    headers = dict(call.headers)
    content_type = headers.pop("Content-Type")
    client = Client(raise_request_exception=True)
    answer = client.post(f"/{chosen.value}/tracking/", call.body, content_type=content_type, headers=headers)
    return int(answer.status_code)


class Normal(NamedTuple):
    """What an application reads, whichever provider it has: the words of anymail."""

    event_type: str
    reject_reason: str | None = None
    mta_response: str | None = None
    click_url: str | None = None


CLICK = "https://example.com/offer?id=7"
OK = "2.0.0 Ok: queued as 4F2A11"
EXPECTED: dict[CallbackFormat, dict[str, Normal]] = {
    F.MAILGUN: {
        "accepted": Normal("queued"),
        "rejected": Normal("rejected", "other"),
        "template failed": Normal("rejected", "other"),
        "delivered": Normal("delivered", None, OK),
        "delivered in test mode": Normal("delivered", None, "test mode: nothing was sent"),
        "greylisted": Normal("deferred", "other", "4.2.0 Greylisted, try again later"),
        "host not found": Normal("deferred", "other", "4.4.3 example.net could not be looked up."),
        "no such mailbox": Normal("bounced", "bounced", "5.1.1 No such user here"),
        "taken for spam": Normal("bounced", "other", "5.7.1 Spam"),
        "mailbox full": Normal("bounced", "other", "5.2.2 Over quota"),
        "expired": Normal("bounced", "other", "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?"),
        "returned later": Normal("bounced", "bounced", "5.1.1 No such user"),
        "suppressed": Normal("bounced", "other", "The recipient unsubscribed."),
        "suppressed by a bounce": Normal("bounced", "bounced", "The address bounced."),
        "suppressed by a complaint": Normal("bounced", "other", "The recipient complained."),
        "suppressed by hand": Normal("bounced", "other", "The address is blocked: left"),
        "complained": Normal("complained"),
        "opened": Normal("opened"),
        "opened by Apple": Normal("opened"),
        "opened by Google": Normal("opened"),
        "opened by Yahoo": Normal("opened"),
        "clicked": Normal("clicked", None, None, CLICK),
        "clicked by a scanner": Normal("clicked", None, None, CLICK),
        "unsubscribed": Normal("unsubscribed"),
        "unsubscribed with one click": Normal("unsubscribed"),
    },
    F.SENDGRID: {
        "accepted": Normal("queued"),
        "rejected": Normal("rejected", "other"),
        "template failed": Normal("rejected", "other"),
        "delivered": Normal("delivered", None, f"250 {OK}"),
        "delivered in test mode": Normal("delivered", None, "test mode: nothing was sent"),
        "greylisted": Normal("deferred", None, "450 4.2.0 Greylisted, try again later"),
        "host not found": Normal("deferred", None, "4.4.3 example.net could not be looked up."),
        "no such mailbox": Normal("bounced", None, "550 5.1.1 No such user here"),
        "taken for spam": Normal("bounced", None, "554 5.7.1 Spam"),
        "mailbox full": Normal("bounced", None, "552 5.2.2 Over quota"),
        "expired": Normal("bounced", None, "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?"),
        "returned later": Normal("bounced", None, "5.1.1 No such user"),
        "suppressed": Normal("rejected", "unsubscribed"),
        "suppressed by a bounce": Normal("rejected", "bounced"),
        "suppressed by a complaint": Normal("rejected", "other"),
        "suppressed by hand": Normal("rejected", "blocked"),
        "complained": Normal("complained"),
        "opened": Normal("opened"),
        "opened by Apple": Normal("opened"),
        "opened by Google": Normal("opened"),
        "opened by Yahoo": Normal("opened"),
        "clicked": Normal("clicked", None, None, CLICK),
        "clicked by a scanner": Normal("clicked", None, None, CLICK),
        "unsubscribed": Normal("unsubscribed"),
        "unsubscribed with one click": Normal("unsubscribed"),
    },
    F.SPARKPOST: {
        "accepted": Normal("queued"),
        "rejected": Normal("rejected", "blocked", "From must be at the sending domain."),
        "template failed": Normal("failed", None, "The template welcome cannot be rendered."),
        "delivered": Normal("delivered"),
        "delivered in test mode": Normal("delivered"),
        "greylisted": Normal("deferred", "bounced", "450 4.2.0 Greylisted, try again later"),
        "host not found": Normal("deferred", "bounced", "4.4.3 example.net could not be looked up."),
        "no such mailbox": Normal("bounced", "invalid", "550 5.1.1 No such user here"),
        "taken for spam": Normal("bounced", "spam", "554 5.7.1 Spam"),
        "mailbox full": Normal("bounced", "bounced", "552 5.2.2 Over quota"),
        "expired": Normal("bounced", "timed_out", "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?"),
        "returned later": Normal("bounced", "invalid", "5.1.1 No such user"),
        "suppressed": Normal("rejected", None, "The recipient unsubscribed."),
        "suppressed by a bounce": Normal("rejected", None, "The address bounced."),
        "suppressed by a complaint": Normal("rejected", None, "The recipient complained."),
        "suppressed by hand": Normal("rejected", None, "The address is blocked: left"),
        "complained": Normal("complained"),
        "opened": Normal("opened"),
        "opened by Apple": Normal("opened"),
        "opened by Google": Normal("opened"),
        "opened by Yahoo": Normal("opened"),
        "clicked": Normal("clicked", None, None, CLICK),
        "clicked by a scanner": Normal("clicked", None, None, CLICK),
        "unsubscribed": Normal("unsubscribed"),
        "unsubscribed with one click": Normal("unsubscribed"),
    },
}
EVERY = [(chosen, what) for chosen in EXPECTED for what in SPOKEN_OF[chosen]]
EVENT_IDS = {F.MAILGUN: SEAL.token, F.SENDGRID: "06MPSP1ER", F.SPARKPOST: "06MPSP1ER"}
MESSAGE_IDS = {
    F.MAILGUN: "<sample@news.example.com>",
    F.SENDGRID: "<sample@news.example.com>",
    F.SPARKPOST: "06MPSNR2R0000",
}
TAGS = {
    F.MAILGUN: ["newsletter", "autumn"],
    F.SENDGRID: ["newsletter", "autumn"],
    F.SPARKPOST: ["newsletter"],
}
NOT_THE_SENDER_S = {"bounce_classification", "sg_machine_open", "sg_content_type"}
"""Of SendGrid's own, which anymail does not know of, and takes for the sender's as it does with SendGrid's calls."""


@pytest.mark.parametrize(("chosen", "what"), EVERY)
def test_anymail_takes_each_event_for_what_it_is(
    chosen: CallbackFormat, what: str, received: list[AnymailTrackingEvent]
) -> None:
    happening = HAPPENINGS[what]
    is_kept = happening.message is not None

    assert post(chosen, call_of(chosen, what)) == 200

    read = {Normal(one.event_type, one.reject_reason, one.mta_response or None, one.click_url) for one in received}
    assert read == {EXPECTED[chosen][what]}
    for one in received:
        assert one.event_id.startswith(EVENT_IDS[chosen])
        assert int(one.timestamp.timestamp()) == happening.event.at // 1000
        assert one.message_id == (MESSAGE_IDS[chosen] if is_kept else None)
        assert list(one.tags) == (TAGS[chosen] if is_kept else [])
        mine = {name: value for name, value in one.metadata.items() if name not in NOT_THE_SENDER_S}
        assert mine == dict(happening.told_variables)
        # SendGrid's unsubscribes do not say by which program.
        is_told = one.event_type != "unsubscribed" or chosen is not F.SENDGRID
        assert one.user_agent == (happening.event.data.get("agent") if is_told else None)


@pytest.mark.parametrize("chosen", EXPECTED)
def test_anymail_reads_whom_it_is_about(chosen: CallbackFormat, received: list[AnymailTrackingEvent]) -> None:
    for what in ("delivered", "clicked", "template failed"):
        post(chosen, call_of(chosen, what))

    assert [one.recipient for one in received] == ["ada@example.net"] * 3


@pytest.mark.parametrize("chosen", [F.SENDGRID, F.SPARKPOST])
def test_anymail_takes_a_whole_batch(chosen: CallbackFormat, received: list[AnymailTrackingEvent]) -> None:
    assert post(chosen, call_of(chosen, *SPOKEN_OF[chosen])) == 200

    # The rejected submission had two recipients.
    assert len(received) == len(SPOKEN_OF[chosen]) + 1


@pytest.mark.parametrize(
    ("chosen", "changes"),
    [
        (F.MAILGUN, {"keys": (Secret("prw_" + "x" * 49),)}),
        (F.MAILGUN, {"password": Secret("wrong")}),
        (F.SENDGRID, {"event_key": b""}),
        (F.SENDGRID, {"username": "", "password": Secret("")}),
        (F.SPARKPOST, {"password": Secret("wrong")}),
    ],
)
def test_anymail_refuses_a_call_that_others_made(
    chosen: CallbackFormat, changes: dict[str, Any], received: list[AnymailTrackingEvent]
) -> None:
    others = msgspec.structs.replace(seal(), **changes)

    assert post(chosen, call_of(chosen, "delivered", sealed=others)) == 400
    assert received == []


def test_anymail_refuses_a_body_that_was_changed_on_its_way() -> None:
    call = call_of(F.SENDGRID, "delivered")

    assert post(F.SENDGRID, msgspec.structs.replace(call, body=call.body.replace(b"ada@", b"eve@"))) == 400


@pytest.mark.parametrize("what", SPOKEN_OF[F.MAILGUN])
def test_mailgun_s_library_believes_the_signature(what: str) -> None:
    signature = json.loads(call_of(F.MAILGUN, what).body)["signature"]
    token, timestamp, signed = signature["token"], signature["timestamp"], signature["signature"]

    assert SecurityGuard.verify_webhook(str(SEAL.keys[0]), token, timestamp, signed, max_age_seconds=15)
    assert not SecurityGuard.verify_webhook("another", token, timestamp, signed)
    assert not SecurityGuard.verify_webhook(str(SEAL.keys[0]), token, str(int(timestamp) - 1), signed)


@pytest.mark.parametrize("what", SPOKEN_OF[F.SENDGRID])
def test_sendgrid_s_library_believes_the_signature(what: str) -> None:
    call = call_of(F.SENDGRID, what)
    verifier = EventWebhook(public_key(EVENT_KEY))
    body, signature, timestamp = call.body.decode(), call.headers[SIGNATURE], call.headers[TIMESTAMP]

    assert verifier.verify_signature(body, signature, timestamp)
    assert not verifier.verify_signature(body + " ", signature, timestamp)
    assert not verifier.verify_signature(body, signature, str(int(timestamp) + 1))


@pytest.mark.parametrize(("chosen", "what"), [(chosen, what) for chosen in F for what in SPOKEN_OF[chosen]])
def test_standard_webhooks_library_believes_every_call(chosen: CallbackFormat, what: str) -> None:
    call = call_of(chosen, what)
    webhook = Webhook(secret_of(SEAL.keys[0]))

    assert webhook.verify(call.body, dict(call.headers)) == json.loads(call.body)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        webhook.verify(call.body + b" ", dict(call.headers))


def test_standard_webhooks_library_believes_the_key_that_was_replaced_as_long_as_it_counts() -> None:
    new = Secret("prw_" + "n" * 49)
    call = call_of(F.STANDARD, "delivered", sealed=msgspec.structs.replace(seal(), keys=(new, SEAL.keys[0])))

    for key in (new, SEAL.keys[0]):
        assert Webhook(secret_of(key)).verify(call.body, dict(call.headers))


@pytest.mark.parametrize("what", SPOKEN_OF[F.BLOOMREACH])
def test_pyjwt_believes_the_token_of_the_channel(what: str) -> None:
    token = call_of(F.BLOOMREACH, what).headers["Authorization"]

    claims = jwt.decode(token, str(SEAL.keys[0]), algorithms=["HS256"], options={"require": ["iat"]})

    assert 0 <= time.time() - claims["iat"] < 900
