"""The reference page of SparkPost's API, made of what the code knows."""

from collections.abc import Mapping

from postroad.dialects.sparkpost.address_check import ANSWER
from postroad.dialects.sparkpost.content import RESERVED
from postroad.dialects.sparkpost.managing_reference import managing_lines
from postroad.dialects.sparkpost.recipients import MOST, MOST_OCTETS_OF_DATA, MOST_OCTETS_OF_METADATA
from postroad.dialects.sparkpost.settings import IGNORED, LONGEST_CAMPAIGN, LONGEST_DESCRIPTION, WITHOUT_EFFECT
from postroad.dialects.sparkpost.substitution import LONGEST_MUSTACHES, MOST_MUSTACHES
from postroad.model.options import MAX_TAGS

_CALL = {
    "recipients": f"a list, {MOST:,} at most; lists of recipients are not kept",
    "content": "texts and files, a stored template, or a whole message",
    "campaign_id": f"a tag, of {LONGEST_CAMPAIGN} bytes at most",
    "metadata": f"your own data, of {MOST_OCTETS_OF_METADATA:,} bytes: comes back in events, stays in the message as `X-OV-Variables`",
    "substitution_data": f"what the substitutions are made from, of {MOST_OCTETS_OF_DATA:,} bytes",
    "return_path": "the envelope sender, an address at the sending domain; From if left out",
    "description": f"taken, of {LONGEST_DESCRIPTION:,} bytes at most",
    "override.from, override.reply_to, override.list_id": "instead of those of the content",
    "options.start_time": "ISO 8601 with its offset, at most 30 days ahead; at once where it is over",
    "options.open_tracking, options.click_tracking": "true or false; what the domain has if left out",
    "options.transactional": "true: the message goes to who unsubscribed, too",
    "options.sandbox": "true: everything is done, and nothing leaves",
    "options.perform_substitutions": "false: texts stay as they are written",
}
_RECIPIENT = {
    "address": "an address, or `email`, `name` and `header_to`: what the copy's To says, where it is not the recipient",
    "substitution_data, metadata": "its own, over those of the call by name",
    "tags": f"tags of its copy; with `campaign_id` {MAX_TAGS} at most",
    "return_path": "instead of that of the call",
}
_CONTENT = {
    "from": '`"Name <address>"` or `{"email": …, "name": …}`, at the sending domain; needed with a template too',
    "subject, reply_to": "one line each",
    "text, html, amp_html": "one of the first two is needed",
    "headers": "header fields; [option headers](options.md) are options, such as `X-OV-Idempotency-Key`",
    "attachments": '`{"name", "type", "data"}`, the data in base64',
    "inline_images": "the same; HTML shows them by their names: `cid:logo.png`",
    "template_id": "name of a stored template, with a version behind a colon where it is not the active one",
    "email_rfc822": "a whole message, sent as it is: no substitutions are made in it",
}
_LANGUAGE = {
    "{{name}}, {{a.b}}, {{a[0]}}, {{a['b']}}": "a value; in HTML its special characters are escaped",
    "{{{name}}}": "the value as it is",
    "{{name or 'there'}}": "a default",
    "{{if a == 1 and not b}} … {{elseif c}} … {{else}} … {{end}}": "comparisons are `==`, `!=`, `<`, `<=`, `>`, `>=`; "
    "`empty(list)` is true of what is empty",
    "{{each list}} … {{end}}": "`loop_var` is the item, `loop_index` its number from 0, `loop_vars.list` the item of an outer loop",
    "{{opening_double_curly()}}": "`{{`; so with `closing_double_curly`, `opening_triple_curly` and `closing_triple_curly`",
    "{{address.email}}": "the recipient's; also `address.name`, `address.local_part`, `address.domain_part`",
}
_OTHERS = {
    "GET /api/v1/transmissions": "those whose time has not come, 1,000 messages at most; `campaign_id` and `template_id` narrow them",
    "DELETE /api/v1/transmissions?campaign_id=NAME": "`204`: takes back what is scheduled of a campaign",
    "GET /api/v1/transmissions/ID": "`state` is `submitted`, `Generating`, `Success` or `Canceled`",
    "DELETE /api/v1/transmissions/ID": "`204`: takes back what is scheduled; `409` where its time has come",
}
_REFUSALS = {
    "400, 1300": "a value is of another kind, or not within its bounds",
    "400, 5002": "no recipient is valid",
    "400, 7001": "From is not at the sending domain of the key",
    "401": "the key is missing or not known",
    "403": "the key is right and does not help, or the sending domain may not send",
    "404, 1600": "there is no such transmission",
    "409, 2003": "the transmission has begun",
    "413": "the message is too large",
    "420, 2101 or 2102": "the sending domain or the key has sent what it may in this hour or day",
    "422, 1301": "the content has both texts and a template",
    "422, 1400": "something is missing",
    "422, 1603": "there is no such template",
    "422, 3000": "a substitution is not understood; `part` and `line` say where",
}


def reference_page() -> str:
    """Return the page, for people."""
    return "\n".join([*_sending(), *_language(), *_more(), "", *managing_lines()]) + "\n"


def _sending() -> list[str]:
    return [
        "# The SparkPost API: fields",
        "",
        "[Moving from SparkPost](../guides/moving-from-sparkpost.md) has examples. Calls are JSON with `Authorization: KEY`. What the",
        "options do is said in [the reference of message options](options.md): they are the same ones. This page is made from",
        "`postroad.dialects.sparkpost`.",
        "",
        "## `POST /api/v1/transmissions`",
        "",
        *_table("Field", _CALL),
        "",
        "The answer comes once everything is on disk:",
        "",
        "```json",
        '{"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "06n1dhyh1r810"}}',
        "```",
        "",
        "Recipients that cannot be read are left out; the others get the message. `errors` and `results.rcpt_to_errors` tell why,",
        "as many as `?num_rcpt_errors=` says. All else that is wrong refuses the whole call.",
        "",
        "## A recipient",
        "",
        *_table("Field", _RECIPIENT),
        "",
        "Recipients who stand alone in their To are one message, filled in for each when it leaves, as are those who share one To.",
        "Another tag, return path or sender, other names in `metadata`, and an address that comes again make messages of their own",
        "under the `id` of the first. Metadata that differ among the recipients of one message become texts.",
        "",
        "## Content",
        "",
        *_table("Field", _CONTENT),
        "",
        f"Headers of these names are left out, as they are given in another way: {', '.join(f'`{one}`' for one in sorted(RESERVED))}.",
        "",
    ]


def _language() -> list[str]:
    return [
        "## The substitution language",
        "",
        "It holds in subject, sender, headers and texts. Names are looked up in the recipient's `substitution_data`, its `metadata`,",
        "then in those of the call; one that is not there is empty.",
        "",
        *_table("Written", _LANGUAGE),
        "",
        f"A text has {MOST_MUSTACHES:,} substitutions at most, with {LONGEST_MUSTACHES:,} characters between their braces. Stored templates are",
        "written in [the template language](template-language.md), whose `{{name}}` and `{{{name}}}` are the same.",
        "",
    ]


def _more() -> list[str]:
    return [
        "## What has no effect",
        "",
        "It is named in the message's story, as every field is that is not in these tables:",
        "",
        *_table("Field", {f"options.{name}": why for name, why in sorted((IGNORED | WITHOUT_EFFECT).items())}),
        "",
        "## Looking and taking back",
        "",
        *_table("Call", _OTHERS),
        "",
        "## `GET /api/v1/recipient-validation/single/ADDRESS`",
        "",
        "[Check an address](../guides/address-validation.md) says what is looked at. `results` holds:",
        "",
        *_table("Field", ANSWER),
        "",
        "## What is refused",
        "",
        "```json",
        '{"errors": [{"message": "required field is missing", "description": "content.subject is required", "code": "1400"}]}',
        "```",
        "",
        *_table("Status and code", _REFUSALS),
    ]


def _table(what: str, rows: Mapping[str, str]) -> list[str]:
    named = [(", ".join(f"`{one}`" for one in name.split(", ")), meaning) for name, meaning in rows.items()]
    return [f"| {what} | Meaning |", "| --- | --- |", *(f"| {name} | {meaning} |" for name, meaning in named)]
