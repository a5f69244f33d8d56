"""The page ``docs/reference/mailgun-api.md``, made of the tables that calls are read by."""

from collections.abc import Mapping

from postroad.dialects.mailgun.address_check import ANSWER
from postroad.dialects.mailgun.addresses import MOST_RECIPIENTS
from postroad.dialects.mailgun.event_reference import event_lines
from postroad.dialects.mailgun.managing_reference import managing_lines
from postroad.dialects.mailgun.options import (
    IGNORED,
    LONGEST_VALUE,
    LONGEST_VARIABLES,
    MOST_OCTETS,
    PARAMETERS,
    REFUSED,
)
from postroad.model.options import MAX_TAG_LENGTH, MAX_TAGS
from postroad.protocol.form import MOST_PARTS

_MESSAGE = {
    "from": "one address; without it a message with a template is from `postmaster@` of the domain",
    "to, cc, bcc": f"addresses, in one list or several parameters; at most {MOST_RECIPIENTS} altogether; empty is as good as none",
    "subject": "one line of text",
    "text, html, amp-html": "the bodies; at least one, or `template`; `html` and `template` exclude each other",
    "attachment": "files (multipart only); the type is taken from the name where the part does not say it",
    "inline": "files that HTML shows by their names: `cid:logo.png`",
    "h:NAME": "a header field; `h:To`, `h:Cc`, `h:From` and `h:Subject` stand above the parameters and change no recipient",
    "reply_to": "`h:Reply-To`",
    "v:NAME": "your own data, as a text: it comes back in events, stays in the message as `X-OV-Variables`, and templates see it",
    "h:X-Mailgun-Variables": "the same as one JSON object, with its types; so is `X-Mailgun-Variables` without a prefix",
    "o:tag": f"a tag; may be repeated, {MAX_TAGS} at most, of {MAX_TAG_LENGTH} characters each",
}
_MIME = {
    "to": "whom the message goes to: everybody, also those of Cc and Bcc",
    "message": "the whole message, as a file or as a field; LF at line ends becomes CRLF",
}


def reference_page() -> str:
    """Return the page, for people."""
    lines = [
        "# The Mailgun API: calls and parameters",
        "",
        "[Sending by HTTP](../guides/sending-by-http.md) has examples. Parameters come url-encoded or as multipart. A switch",
        "is `yes`, `true`, `on`, `1` or `no`, `false`, `off`, `0`, in any case. A value that is not understood refuses the call.",
        "What these options do is said in [the reference of message options](options.md): they are the same ones. This page is",
        "made from `postroad.dialects.mailgun`.",
        "",
        "## `POST /v3/DOMAIN/messages`",
        "",
        *_table(_MESSAGE),
        "",
        "## `POST /v3/DOMAIN/messages.mime`",
        "",
        *_table(_MIME),
        "",
        "Fields of `h:` take the place of the message's own. Option headers within the message hold too, and parameters stand",
        "above them. `from`, `cc`, `bcc`, `subject` and the bodies are passed over, and noted in the message's story.",
        "",
        "## Options of both",
        "",
        *_table({name: one.meaning for name, one in PARAMETERS.items()}),
        "",
        "A parameter that is not in these tables does nothing, and is named in the message's story. So it is with:",
        "",
        *_table(IGNORED),
        "",
        "What cannot be kept is refused with `400`, so that nobody relies on it; a sending address (`o:sending-ip`,",
        "`o:sending-ip-pool`) with `403`:",
        "",
        *_table(REFUSED),
        "",
        "## `GET` and `POST /v4/address/validate`",
        "",
        "[Check an address](../guides/address-validation.md) says what is looked at.",
        "",
        *_table({"address": "the address, in the query or in a form", "provider_lookup": "no effect"}),
        "",
        *_table(ANSWER, "Field of the answer"),
        "",
        "## Bounds",
        "",
        f"`recipient-variables` have at most {LONGEST_VARIABLES // 1_048_576} MB, JSON elsewhere {LONGEST_VALUE // 1024} kB.",
        f"All `o:`, `h:` and `v:` parameters together have at most {MOST_OCTETS // 1024} kB, a form {MOST_PARTS} fields and files. A call is",
        "as large as `http.max_request_size` at most, a message as `smtp.max_message_size`.",
        "",
        *managing_lines(),
        "",
        *event_lines(),
    ]
    return "\n".join(lines) + "\n"


def _table(rows: Mapping[str, str], heading: str = "Parameter") -> list[str]:
    named = [(", ".join(f"`{one}`" for one in name.split(", ")), meaning) for name, meaning in rows.items()]
    return [f"| {heading} | Meaning |", "| --- | --- |", *(f"| {name} | {meaning} |" for name, meaning in named)]
