"""The reference of the webhook formats: what each says of each event, made by the code that makes the calls."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postroad.dialects import formats
from postroad.dialects.samples import AT, sample
from postroad.dialects.sendgrid.events import OWN_NAMES
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.outcome import BounceClass
from postroad.model.webhook import Happening, Seal
from postroad.policy.bounce_kind import DESCRIPTIONS

_WIDTH = 110
_SEAL = Seal(
    call_id="06MPSP1ES0000",
    token="0123456789" * 5,
    now=AT + 1_000,
    keys=(Secret("prw_" + "k" * 49),),
    event_key=ec.derive_private_key(7, ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
)
_NAMES = {
    CallbackFormat.MAILGUN: "Mailgun",
    CallbackFormat.SENDGRID: "SendGrid",
    CallbackFormat.SPARKPOST: "SparkPost",
    CallbackFormat.BLOOMREACH: "Bloomreach channel",
    CallbackFormat.BLOOMEVENTS: "Bloomreach events",
    CallbackFormat.STANDARD: "Standard Webhooks",
}
_NOTES = {
    CallbackFormat.MAILGUN: (
        "One event in a call. `signature.token` stays the same when a call is made again, `signature.timestamp` is that "
        "of the attempt. `attachments` is always empty, as the names of files are not kept. `rejected` has no `recipient`, and a "
        "`message-id` and `subject` only where the header had come. "
        "A suppressed recipient is `failed` with the reason `suppress-bounce`, `suppress-unsubscribe`, `suppress-complaint`, or "
        "`generic` where somebody blocked the address. Codes where no host gave one: 498 (no mail host), 499 (no "
        "connection), 550 (returned later), 602 (expired), 605 to 607 and 625 (suppressed), 650 (test mode). "
        "`envelope.sending-ip` is [our address](#the-sending-address). Left out: `storage`, as a call does not know by "
        "which address the receiver reaches the API; the [search for events](mailgun-api.md#the-search-for-events) tells it. "
        "`recipient-provider`, `originating-ip`, `account`, `batch`, `routes`, `mailing-list` and `delivery-status.utf8` are left "
        "out as well: nothing is known for them."
    ),
    CallbackFormat.SENDGRID: (
        "A list of flat objects. The message's variables stand beside the format's own names; a variable called as one "
        "of them is left out: {}. `unsubscribed` from a group is `group_unsubscribe`, and all events of its mail have "
        "`asm_group_id`. There is no word for test mode. `ip` of `delivered`, `deferred` and `bounce` is "
        "[our address](#the-sending-address), of opens and clicks the recipient's. Left out: `url_offset` of clicks, as a link "
        "does not say which of the message's it is, and `pool`."
    ).format(", ".join(f"`{name}`" for name in sorted(OWN_NAMES))),
    CallbackFormat.SPARKPOST: (
        "A list of objects within `msys`. Values are texts, but for `rcpt_meta`, which holds the message's variables, and "
        "what the parsed agent is. `transmission_id` is the message's id. There is no word for test mode. Opens are "
        "`open`, never `initial_open`: there is one pixel, at the end of a message, and `initial_open` tells of one at its "
        "beginning. `sending_ip` is [our address](#the-sending-address). Left out: `target_link_name`, as links have no "
        "names; `rcpt_type`, `mailbox_provider`, `ip_pool`, `customer_id` and `subaccount_id`, as nothing is known for them."
    ),
    CallbackFormat.BLOOMREACH: (
        "A list of objects. `custom_data` is the message's variable `custom_data`, else `my-custom-data`, unchanged; "
        "else all variables as JSON. The names of this format are our reading of Bloomreach's public pages."
    ),
    CallbackFormat.BLOOMEVENTS: (
        "Commands for the tracking API (`…/track/v2/projects/TOKEN/batch`). Where the custom data is a JSON object, its "
        "`customer_ids` say whose event it is, and its `properties` come along; else the recipient's address is the "
        "customer's `registered` id. Experimental: it is our reading of Bloomreach's public pages."
    ),
    CallbackFormat.STANDARD: (
        "One event in a call. `data` has the message, its tags and variables, and under the name of the event what is "
        "known of it. Times are in UTC. A field that has no value is left out."
    ),
}


def render(note: str) -> str:
    """Return the page."""
    parts = [
        "# Webhook formats",
        note,
        (
            "What is posted to a webhook, in each of its formats. [Webhooks](../guides/webhooks.md#formats) says how a "
            "receiver verifies a call. The samples are those that a test of the webhook sends: they are marked as of "
            "test mode, where the format has a word for it."
        ),
        "## Events",
        (
            "How each format calls an event. A dash: the format has no word for it, and no call is made. A submission that was "
            "rejected is told for each of its first 20 recipients where a format tells of one recipient at a time."
        ),
        _events(),
        "## Bounces",
        (
            "What a refusal becomes, when the receiving host gives it for good and of the recipient. *Hard* means that nobody "
            "will ever read mail at the address. What expired (`is_expired`), was refused for the time being, or came before "
            "`RCPT` is never hard: Mailgun's reason is then `old` or `generic`, SparkPost's class `24` or `20`. "
            "While a delivery is deferred, SparkPost's class is `70` instead of one that means for good."
        ),
        _bounces(),
        "## The sending address",
        (
            "Mailgun's `envelope.sending-ip`, SendGrid's `ip`, SparkPost's `sending_ip` and `source_address` of `standard` are the "
            "local address of the connection that an attempt was made on. Behind address translation that is the inner one, "
            "not what the receiving host saw; with a smarthost it is what the smarthost saw. What was not attempted (test mode, "
            "a host that was not found), or was before a connection came about and without an address in "
            "`delivery.sources`, has none; nor have events from before Postroad noted it."
        ),
        *(part for chosen in CallbackFormat for part in _format(chosen)),
    ]
    return "\n\n".join(parts) + "\n"


def _events() -> str:
    rows = [
        [f"`{event_type.value}`", *(_word(chosen, sample(event_type)) for chosen in CallbackFormat)]
        for event_type in EventType
    ]
    late = sample(EventType.BOUNCED)
    late = _with_data(late, phase=None, is_late=True)
    rows.insert(
        list(EventType).index(EventType.BOUNCED) + 1,
        ["`bounced`, long after it was delivered", *(_word(chosen, late) for chosen in CallbackFormat)],
    )
    return _table(["event", *(f"`{chosen.value}`" for chosen in CallbackFormat)], rows)


def _bounces() -> str:
    rows = []
    for bounce_class in BounceClass:
        happening = _with_data(sample(EventType.BOUNCED), bounce_class=bounce_class.value)
        mailgun, sendgrid, sparkpost, standard = (
            json.loads(formats.of(chosen).call([happening], _SEAL).body)
            for chosen in (
                CallbackFormat.MAILGUN, CallbackFormat.SENDGRID, CallbackFormat.SPARKPOST, CallbackFormat.STANDARD,
            )
        )  # fmt: skip
        words = [
            bounce_class.value,
            mailgun["event-data"]["reason"],
            f"{sendgrid[0]['type']}, {sendgrid[0]['bounce_classification']}",
            sparkpost[0]["msys"]["message_event"]["bounce_class"],
            _word(CallbackFormat.BLOOMREACH, happening).strip("`"),
            standard["data"]["bounced"]["kind"],
        ]
        rows.append([*(f"`{word}`" for word in words), DESCRIPTIONS[bounce_class]])
    headings = ["class", "Mailgun", "SendGrid", "SparkPost", "Bloomreach", "kind (`standard`)", "meaning"]
    return _table(headings, rows)


def _with_data(happening: Happening, **data: Any) -> Happening:
    kept = {name: value for name, value in (happening.event.data | data).items() if value is not None}
    return msgspec.structs.replace(happening, event=msgspec.structs.replace(happening.event, data=kept))


def _word(chosen: CallbackFormat, happening: Happening) -> str:
    found = formats.of(chosen)
    if not found.speaks_of(happening.event.type):
        return "–"
    body = json.loads(found.call([happening], _SEAL).body)
    match chosen:
        case CallbackFormat.MAILGUN:
            told = body["event-data"]
            words = [told["event"], *([told["severity"]] if "severity" in told else [])]
        case CallbackFormat.SENDGRID:
            words = [body[0]["event"]]
        case CallbackFormat.SPARKPOST:
            ((kind, told),) = body[0]["msys"].items()
            words = [kind, told["type"]]
        case CallbackFormat.BLOOMREACH:
            words = [body[0]["status"]]
        case CallbackFormat.BLOOMEVENTS:
            words = [body["commands"][0]["data"]["properties"]["status"]]
        case CallbackFormat.STANDARD:
            words = [body["type"]]
    return " ".join(f"`{word}`" for word in words)


def _format(chosen: CallbackFormat) -> Iterator[str]:
    found = formats.of(chosen)
    yield f"## {_NAMES[chosen]}: `{chosen.value}`"
    most = "one event" if found.batch == 1 else f"at most {found.batch} events"
    refusals = " and ".join(f"`{int(status)}`" for status in sorted(found.refusals))
    yield f"{_NOTES[chosen]}\n\nA call tells of {most}. After {refusals} it is not made again. Its headers:"
    headers = found.call([sample(EventType.DELIVERED)], _SEAL).headers
    yield "```http\n" + "\n".join(f"{name}: {value}" for name, value in headers.items()) + "\n```"
    for event_type in EventType:
        if found.speaks_of(event_type):
            yield f"### `{chosen.value}`: {event_type.value}"
            yield f"```json\n{_written(json.loads(found.call([sample(event_type)], _SEAL).body))}\n```"


def _written(value: Any, indent: int = 0) -> str:
    """Return JSON that breaks only where a line would be too long."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= _WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(name)}: {_written(one, indent + 2)}" for name, one in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{' ' * indent}}}"
    items = [f"{inner}{_written(one, indent + 2)}" for one in value]
    return "[\n" + ",\n".join(items) + f"\n{' ' * indent}]"


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
