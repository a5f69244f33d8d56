"""Every event is read and believed by the receivers that applications run: django-anymail's views, and the official verifiers.

Each call is one that the registry makes, with all its headers, and each signature is checked; at the end those that a relay
posts over HTTP, by the keys that a command shows.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import django
import jwt
import msgspec
import pytest
from anymail.signals import AnymailTrackingEvent, tracking
from django.conf import settings
from django.test import Client, override_settings
from mailgun.security import SecurityGuard
from sendgrid.helpers.eventwebhook import EventWebhook
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from postroad.dialects import formats
from postroad.dialects.sendgrid.signature import SIGNATURE, TIMESTAMP, public_key
from postroad.dialects.sparkpost.events import TOKEN
from postroad.dialects.standard.signature import secret_of
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Call, Seal
from postroad.net.clock import now_ms
from postroad.node.keys import open_vault
from postroad.storage import domains
from postroad.storage.engine import open_database
from tests.integration.commands import commands_in
from tests.integration.test_webhook_relay import Rig
from tests.peers.webhook_receiver import Received, WebhookReceiver
from tests.unit.dialects.happenings import EVENT_KEY, HAPPENINGS, SEAL

# What anymail says of itself, each time that a view is made.
pytestmark = pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid")

F = CallbackFormat
SPOKEN_OF = {
    chosen: [what for what, one in HAPPENINGS.items() if formats.of(chosen).speaks_of(one.event.type)] for chosen in F
}


@pytest.fixture(scope="session", autouse=True)
def django_project() -> None:
    """Set up a Django project whose only pages are anymail's, with all that it can verify.

    Django takes its settings once in a process, and a process may come back to this module for a rest of its tests.
    """
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
        # SparkPost knows a message by our id alone, which one that was refused has not.
        is_known = is_kept or chosen is not F.SPARKPOST
        assert one.message_id == (MESSAGE_IDS[chosen] if is_known else None)
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


# -- calls as they are posted ----------------------------------------------------------------------------------------


NAME = "news.example.com"
TOKEN_GIVEN = "a-token-of-the-receiver"
POSTED = {
    F.MAILGUN: "accepted",
    F.SENDGRID: "accepted",
    F.STANDARD: "accepted",
    F.SPARKPOST: "delivered",
    F.BLOOMREACH: "delivered",
}
"""What each webhook takes: an event goes to three addresses at most."""


class Posted(NamedTuple):
    """What came over HTTP, and the keys that an operator is shown for it."""

    calls: Mapping[CallbackFormat, Received]
    key: str
    verification_key: str

    def changed(self, chosen: CallbackFormat) -> bytes:
        """Return a call's body about somebody else."""
        body = self.calls[chosen].body
        assert b"@example.net" in body
        return body.replace(b"@example.net", b"@example.org")


@pytest.fixture(scope="module")
def posted(tmp_path_factory: pytest.TempPathFactory) -> Posted:
    """Add webhooks by command, let the relay post to them, and ask by command for the keys."""
    data = tmp_path_factory.mktemp("posted") / "data"
    run = commands_in(data, ("domain", "add", NAME))
    with pytest.MonkeyPatch.context() as environment, WebhookReceiver() as receiver:
        environment.setenv("POSTROAD_WEBHOOKS__ALLOW_PRIVATE_ADDRESSES", "true")
        for chosen, event in POSTED.items():
            url = f"http://hook:sesame@127.0.0.1:{receiver.port}/{chosen.value}"
            options = ("--token-stdin",) if chosen is F.SPARKPOST else ()
            run("webhook", "add", NAME, url, "--format", chosen.value, "--event", event, *options, given=TOKEN_GIVEN)
        asyncio.run(_post_to_all(data))
    shown = json.loads(run("signing-key", "show", "--json").stdout)
    calls = {CallbackFormat(call.path.removeprefix("/")): call for call in receiver.calls}
    return Posted(calls, shown["key"], shown["sendgrid_public_key"])


async def _post_to_all(data: Path) -> None:
    database = await open_database("", data_dir=data, clock=now_ms)
    domain = await database.read(domains.by_name, NAME)
    assert domain is not None
    rig = Rig(database, domain, await open_vault(database, data))
    try:
        await rig.facts.refresh()
        rig.start()
        await rig.happen(await rig.accept(), EventType.DELIVERED, attempt=1)
        await rig.settled()
    finally:
        await rig.stop()
        await database.close()


def secret_in_the_guide_s_words(signing_key: str) -> str:
    return f"whsec_{base64.b64encode(signing_key.encode()).decode()}"


def is_believed_by_mailgun(body: bytes, _: Mapping[str, str], key: str) -> bool:
    signature = json.loads(body)["signature"]
    token, timestamp, signed = signature["token"], signature["timestamp"], signature["signature"]
    return bool(SecurityGuard.verify_webhook(key, token, timestamp, signed, max_age_seconds=300))


def is_believed_by_sendgrid(body: bytes, headers: Mapping[str, str], key: str) -> bool:
    signature, timestamp = headers[SIGNATURE.lower()], headers[TIMESTAMP.lower()]
    return bool(EventWebhook(key).verify_signature(body.decode(), signature, timestamp))


def is_believed_by_standard_webhooks(body: bytes, headers: Mapping[str, str], key: str) -> bool:
    try:
        Webhook(secret_in_the_guide_s_words(key)).verify(body, dict(headers))
    except WebhookVerificationError:
        return False
    return True


def is_believed_by_pyjwt(_: bytes, headers: Mapping[str, str], key: str) -> bool:
    try:
        claims = jwt.decode(headers["authorization"], key, algorithms=["HS256"], options={"require": ["iat"]})
    except jwt.InvalidSignatureError:
        return False
    return bool(0 <= time.time() - claims["iat"] < 900)


Verifier = Callable[[bytes, Mapping[str, str], str], bool]
OWN_VERIFIERS: dict[CallbackFormat, Verifier] = {
    F.MAILGUN: is_believed_by_mailgun,
    F.SENDGRID: is_believed_by_sendgrid,
    F.STANDARD: is_believed_by_standard_webhooks,
    F.BLOOMREACH: is_believed_by_pyjwt,
}


@pytest.mark.parametrize("chosen", OWN_VERIFIERS)
def test_what_was_posted_is_believed_by_the_key_that_is_shown_and_by_no_other(
    chosen: CallbackFormat, posted: Posted
) -> None:
    call = posted.calls[chosen]
    is_pair = chosen is F.SENDGRID
    key, other = (posted.verification_key, public_key(EVENT_KEY)) if is_pair else (posted.key, str(SEAL.keys[0]))

    assert OWN_VERIFIERS[chosen](call.body, call.headers, key)
    assert not OWN_VERIFIERS[chosen](call.body, call.headers, other)


@pytest.mark.parametrize("chosen", POSTED)
def test_what_was_changed_on_its_way_is_believed_by_none_that_looks_at_the_body(
    chosen: CallbackFormat, posted: Posted
) -> None:
    call, changed = posted.calls[chosen], posted.changed(chosen)

    assert is_believed_by_standard_webhooks(call.body, call.headers, posted.key)
    assert not is_believed_by_standard_webhooks(changed, call.headers, posted.key)
    if chosen is F.SENDGRID:
        assert not is_believed_by_sendgrid(changed, call.headers, posted.verification_key)
    if chosen is F.MAILGUN:
        # Mailgun's own signature covers nothing but its token and time.
        token = json.loads(call.body)["signature"]["token"].encode()
        assert not is_believed_by_mailgun(call.body.replace(token, token[::-1]), call.headers, posted.key)


def test_sparkpost_s_calls_are_posted_with_the_token_that_was_given(posted: Posted) -> None:
    assert posted.calls[F.SPARKPOST].headers[TOKEN.lower()] == TOKEN_GIVEN


def answer_of_anymail(
    posted: Posted, chosen: CallbackFormat, body: bytes | None = None, wrong: Mapping[str, str] | None = None
) -> int:
    """Return what an application answers that was set up with what the operator was shown, or partly with what is wrong."""
    right = {
        "MAILGUN_WEBHOOK_SIGNING_KEY": posted.key,
        "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": posted.verification_key,
        "WEBHOOK_SECRET": "hook:sesame",
    }
    call = posted.calls[chosen]
    with override_settings(ANYMAIL=right | dict(wrong or {})):
        return post(chosen, Call(body=call.body if body is None else body, headers=_as_written(call.headers)))


def _as_written(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if name not in {"host", "content-length", "content-type"}}
    return kept | {"Content-Type": headers["content-type"]}


@pytest.mark.parametrize(
    ("chosen", "wrong"),
    [
        (F.MAILGUN, {"MAILGUN_WEBHOOK_SIGNING_KEY": str(SEAL.keys[0])}),
        (F.SENDGRID, {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": public_key(EVENT_KEY)}),
        (F.SPARKPOST, {"WEBHOOK_SECRET": "hook:guess"}),
    ],
)
def test_anymail_takes_what_was_posted_where_it_has_the_keys_that_are_shown(
    chosen: CallbackFormat, wrong: dict[str, str], posted: Posted, received: list[AnymailTrackingEvent]
) -> None:
    assert answer_of_anymail(posted, chosen) == 200
    assert [one.recipient for one in received] == ["user@example.net"]
    assert answer_of_anymail(posted, chosen, wrong=wrong) == 400
    if chosen is F.SENDGRID:
        assert answer_of_anymail(posted, chosen, posted.changed(chosen)) == 400
    assert len(received) == 1
