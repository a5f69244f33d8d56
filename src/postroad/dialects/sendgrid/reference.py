"""The reference page of SendGrid's API, made of what the code knows."""

from collections.abc import Iterable, Mapping

from postroad.dialects.sendgrid.address_check import ANSWER
from postroad.dialects.sendgrid.api_keys import MOST_SHOWN as MOST_KEYS
from postroad.dialects.sendgrid.event_settings import SWITCHES, WITHOUT_EVENTS
from postroad.dialects.sendgrid.fields import MOST_OCTETS_OF_ARGUMENTS
from postroad.dialects.sendgrid.groups import MOST_LISTED as MOST_IN_GROUP
from postroad.dialects.sendgrid.header import RESERVED
from postroad.dialects.sendgrid.personalization import MOST, MOST_SUBSTITUTIONS
from postroad.dialects.sendgrid.sending_domains import MOST_LISTED as MOST_DOMAINS
from postroad.dialects.sendgrid.sending_domains import USUAL_LIMIT as USUAL_DOMAINS
from postroad.dialects.sendgrid.statistics import MOST_CATEGORIES
from postroad.dialects.sendgrid.statistics import MOST_LISTED as MOST_CATEGORIES_LISTED
from postroad.dialects.sendgrid.statistics import USUAL_LIMIT as USUAL_CATEGORIES
from postroad.dialects.sendgrid.suppressions import MOST_EMAILS, MOST_LISTED, USUAL_LIMIT
from postroad.dialects.sendgrid.templates import MOST_PER_PAGE
from postroad.model.options import MAX_TAG_LENGTH, MAX_TAGS
from postroad.model.unsubscribe_group import LONGEST_NAME, MOST_COUNTED, MOST_TOLD
from postroad.model.unsubscribe_group import MOST as MOST_GROUPS

_ADDRESS = '`{"email": …, "name": …}`'
_PERSONALIZATION = {
    "to": f"whom the message goes to: a list of {_ADDRESS}, one at least",
    "cc, bcc": "the same; an address stands once in a personalization",
    "from, subject, send_at": "instead of those of the call",
    "headers": "header fields, over those of the call by name",
    "substitutions": "texts that take the place of their names in subject, content and names of `reply_to`: "
    f"{MOST_SUBSTITUTIONS} at most, of {MOST_OCTETS_OF_ARGUMENTS:,} bytes",
    "dynamic_template_data": "JSON object: what the template is rendered with for this personalization",
    "custom_args": "over those of the call by name",
}
_CALL = {
    "personalizations": f"a list, {MOST} at most, for {MOST} recipients altogether",
    "from": f"{_ADDRESS} at the sending domain of the key; may be left out where every personalization has one",
    "reply_to, reply_to_list": "one address, or a list; not both",
    "subject": "one line; may be left out with a template, or where every personalization has one",
    "content": '`[{"type": …, "value": …}]`; a type stands once; those other than `text/plain`, `text/x-amp-html` and '
    "`text/html` become further alternatives",
    "attachments": '`{"content": base64, "filename", "type", "disposition", "content_id"}`; `inline` ones are shown by '
    "their `content_id`: `cid:logo-1`",
    "template_id": "name of a stored template; of one whose name does not begin with `d-`, substitutions are the data, by "
    "their names without what they are wrapped in (`{{name}}`, `-name-`, `%name%`)",
    "sections": "texts that take the place of their names in content and in the values of substitutions",
    "headers": "header fields; [option headers](options.md) are options, such as `X-OV-Idempotency-Key`",
    "categories": f"tags: {MAX_TAGS} at most, of {MAX_TAG_LENGTH} characters each",
    "custom_args": f"your own data: texts of {MOST_OCTETS_OF_ARGUMENTS:,} bytes, which come back in events, stay in the message as "
    "`X-OV-Variables`, and are seen by templates",
    "send_at": "seconds since 1970, at most 30 days ahead; at once where it is over",
    "batch_id": "of `POST /v3/mail/batch`: what is sent with it can be held and cancelled together",
    "asm": "`group_id`, of a group of the sending domain: unsubscribing is offered, and is from that group; who left it gets nothing",
    "mail_settings.sandbox_mode": "the call is checked and answered `200`; nothing is kept",
    "mail_settings.footer": "`text` and `html` at the end of the content",
    "mail_settings.bypass_list_management": "the message goes to who unsubscribed, of all mail or of its group",
    "mail_settings.bypass_unsubscribe_management": "it goes to who unsubscribed of all mail, and not to who left its group",
    "tracking_settings.click_tracking": "`enable`, and `enable_text` for plain text",
    "tracking_settings.open_tracking": "`enable`; a `substitution_tag` is taken out, the pixel stands at the end",
    "tracking_settings.subscription_tracking": "`enable`; with `substitution_tag` the link takes its place, otherwise `text` and "
    "`html` with `<% %>` stand at the end",
}
_WITHOUT_EFFECT = {
    "asm.groups_to_display": "the page to unsubscribe at is about the message's group",
    "ip_pool_name": "the operator chooses by which address a domain's mail leaves",
    "mail_settings.bypass_spam_management, mail_settings.bypass_bounce_management": "who complained, and an address that "
    "bounced, get no more mail",
    "tracking_settings.ganalytics": "links are left as they are written",
}
_BATCHES = {
    "POST /v3/mail/batch": '`201` `{"batch_id": …}`',
    "GET /v3/mail/batch/ID": "`200` where there is such a batch, `400` otherwise",
    "POST /v3/user/scheduled_sends": '`{"batch_id", "status"}`: `pause` holds what waits, and what is sent later; `cancel` ends '
    "it, and refuses what is sent later",
    "GET /v3/user/scheduled_sends, GET /v3/user/scheduled_sends/ID": "what is held or cancelled",
    "PATCH /v3/user/scheduled_sends/ID": '`{"status"}`: the other of both',
    "DELETE /v3/user/scheduled_sends/ID": "lets go what is held; it leaves at its time",
}
_SUPPRESSIONS = {
    "GET /v3/suppression/LIST": "`bounces`, `blocks`, `spam_reports`, `unsubscribes`, `invalid_emails`; `start_time`, `end_time`, "
    f"`limit` ({USUAL_LIMIT} unless told, {MOST_LISTED:,} at most), `offset`; by domain and address",
    "GET /v3/suppression/LIST/EMAIL": "a list of what is said of it; empty where nothing is",
    "DELETE /v3/suppression/LIST": f'`{{"emails": [...]}}`, {MOST_EMAILS:,} at most, or `{{"delete_all": true}}`: `204`',
    "DELETE /v3/suppression/LIST/EMAIL": "`204`; `404` where it is not on the list",
    "POST /v3/asm/suppressions/global": '`{"recipient_emails": [...]}`: takes them off all mail, `201`',
    "GET /v3/asm/suppressions/global/EMAIL": '`{"recipient_email": …}`, or `{}`',
    "DELETE /v3/asm/suppressions/global/EMAIL": "`204`",
}
_GROUPS = {
    "GET /v3/asm/groups": f"all ({MOST_TOLD:,} at most), or those of `?id=1&id=2`, each with how many left it (`unsubscribes`, counted up to {MOST_COUNTED:,})",
    "POST /v3/asm/groups": f"`name` ({LONGEST_NAME} characters at most), `description`, `is_default`: `201`",
    "GET /v3/asm/groups/ID, PATCH /v3/asm/groups/ID": "one; what a `PATCH` does not say stays, and its status is `201`",
    "DELETE /v3/asm/groups/ID": "`204`: who left it is forgotten",
    "GET /v3/asm/groups/ID/suppressions": f"the addresses that left it; `limit` ({MOST_IN_GROUP:,} unless told, and at most), `offset`",
    "POST /v3/asm/groups/ID/suppressions": f'`{{"recipient_emails": [...]}}`, {MOST_EMAILS:,} at most: takes them off its mail, `201`',
    "POST /v3/asm/groups/ID/suppressions/search": "the same body: a list of those that left it",
    "DELETE /v3/asm/groups/ID/suppressions/EMAIL": "`204`; `404` where it has not left",
    "GET /v3/asm/suppressions": "who left any group: `email`, `group_id`, `group_name`, `created_at`; `limit`, `offset`",
    "GET /v3/asm/suppressions/EMAIL": "all groups, each with `suppressed`, which is true where the address left it",
}
_KEYS = {
    "GET /v3/api_keys": f'`{{"result": [...]}}`, the oldest first; `limit` ({MOST_KEYS:,} at most)',
    "POST /v3/api_keys": "`name`, `scopes`: `201` with `api_key`, which is told this once; a key of the account is bound to the networks of the one that calls",
    "GET /v3/api_keys/ID": "`api_key_id`, `name`, `scopes`; the same once more in `result`",
    "PATCH /v3/api_keys/ID, PUT /v3/api_keys/ID": "`name`; `scopes` can only say what the key may already",
    "DELETE /v3/api_keys/ID": "`204`; it is refused everywhere within five seconds",
    "GET /v3/scopes": "what the key that calls may",
}
_DOMAINS = {
    "GET /v3/whitelabel/domains": f"by name; `domain` (what the name holds), `limit` ({USUAL_DOMAINS} unless told, {MOST_DOMAINS} at most), `offset`",
    "POST /v3/whitelabel/domains": "`domain`: `201` with the records to publish in `dns`",
    "GET /v3/whitelabel/domains/ID": "one",
    "POST /v3/whitelabel/domains/ID/validate": "asks the name servers now, every 10 seconds at most; `validation_results` has a `reason` for "
    "each record that is not right",
    "DELETE /v3/whitelabel/domains/ID": "`204`; `400` while SMTP users, API keys or mail are bound to it",
}
_STATISTICS = {
    "GET /v3/stats": "`start_date` and `end_date`, days of UTC, three years at most; `aggregated_by` `day`, `week` or `month`",
    "GET /v3/categories/stats": f"the same of `categories`, {MOST_CATEGORIES} at most; without `unique_clicks` and `unique_opens`, "
    "which are not counted by category",
    "GET /v3/categories": f"the categories that mail was sent with, in small letters; `category` (how they begin), `limit` ({USUAL_CATEGORIES} unless "
    f"told, {MOST_CATEGORIES_LISTED} at most), `offset`",
}
_TEMPLATES = {
    "GET /v3/templates": f"`generations` (`legacy` unless told), `page_size` ({MOST_PER_PAGE} at most), `page_token`",
    "POST /v3/templates": "`name`, `generation`: the `id` is the name in small letters with hyphens for blanks, and begins with `d-` where "
    "it is `dynamic`; nothing can be sent with it before it has a version",
    "GET /v3/templates/ID, PATCH /v3/templates/ID, DELETE /v3/templates/ID": "one, with its versions; `PATCH` takes `name`, which the console shows as the description, and the `id` stays",
    "POST /v3/templates/ID/versions": "`html_content`, `plain_content`, `subject`, `name`, `active` (1 for the first unless told)",
    "GET /v3/templates/ID/versions/ID": "a version with what it is written as",
    "PATCH /v3/templates/ID/versions/ID": "the fields of `POST`; what it does not say stays. `active` can be 1 only",
    "DELETE /v3/templates/ID/versions/ID": "`204`; the active one goes last",
    "POST /v3/templates/ID/versions/ID/activate": "messages have it from now on",
}
_EVENT_SETTINGS = "/v3/user/webhooks/event/settings"
_EVENT_WEBHOOKS = {
    f"GET {_EVENT_SETTINGS}/all": '`{"max_allowed", "webhooks"}`',
    f"POST {_EVENT_SETTINGS}": "adds one to a sending domain: `url`, `enabled`, `friendly_name`, and a switch for each kind of event",
    f"GET {_EVENT_SETTINGS}/ID, PATCH {_EVENT_SETTINGS}/ID, DELETE {_EVENT_SETTINGS}/ID": "one; what a `PATCH` does not say stays",
    f"GET {_EVENT_SETTINGS}, PATCH {_EVENT_SETTINGS}": "the oldest one; `PATCH` adds it where there is none",
    f"GET {_EVENT_SETTINGS}/signed, GET {_EVENT_SETTINGS}/signed/ID": "`public_key`, which calls are verified with",
    f"PATCH {_EVENT_SETTINGS}/signed, PATCH {_EVENT_SETTINGS}/signed/ID": "answers the same: calls are always signed, and `enabled: false` is refused",
    "POST /v3/user/webhooks/event/test": "`id`, or `url` of a webhook: posts a sample of each event it takes; `204`, or `400` with "
    "what went wrong",
}

CALLS = frozenset(
    call
    for table in (_BATCHES, _SUPPRESSIONS, _GROUPS, _EVENT_WEBHOOKS, _TEMPLATES, _KEYS, _DOMAINS, _STATISTICS)
    for calls in table
    for call in calls.split(", ")
)
"""Every call beside those that send and check an address."""


def reference_page() -> str:
    """Return the page, for people."""
    lines = [
        "# The SendGrid API: fields",
        "",
        "[Moving from SendGrid](../guides/moving-from-sendgrid.md) has examples. Calls are JSON, as they are or packed with gzip,",
        "with `Authorization: Bearer KEY`; the key is one of the sending domain. What the options do is said in",
        "[the reference of message options](options.md): they are the same ones. This page is made from",
        "`postroad.dialects.sendgrid`.",
        "",
        "## `POST /v3/mail/send`",
        "",
        *_table("Field", _CALL),
        "",
        "The answer is `202` with nothing in it but `X-Message-Id`, the id of the first message, once all of them are on disk.",
        "",
        "## A personalization",
        "",
        *_table("Field", _PERSONALIZATION),
        "",
        "Personalizations of one recipient each that differ in substitutions, data, custom arguments, subject, `X-` headers or the URLs of `List-` headers",
        "are one message, filled in for each recipient when it leaves. What differs in more is a message of its own. All messages",
        "of a call are stored together, or none is. Substitutions and sections add 32 MB to the texts of a call at most. Where that, or looking for many names in long texts, takes too much, the call is refused with `413`.",
        "",
        "## What has no effect",
        "",
        "It is named in the message's story, as every field is that is not in these tables:",
        "",
        *_table("Field", _WITHOUT_EFFECT),
        "",
        "## Batches",
        "",
        *_table("Call", _BATCHES),
        "",
        "## `POST /v3/validations/email`",
        "",
        "[Check an address](../guides/address-validation.md) says what is looked at. `email` is the address; `source` comes back in the",
        "answer. `result` holds:",
        "",
        *_table("Field", ANSWER),
        "",
        *_managing(),
        "## What is refused",
        "",
        "`400` tells all that is wrong at once, each with its field:",
        "",
        "```json",
        '{"errors": [{"message": "Does not contain a valid address.", "field": "personalizations.0.to.0.email", "help": null}]}',
        "```",
        "",
        f"Headers of these names are reserved: {', '.join(f'`{one}`' for one in sorted(RESERVED))}. A call is as large as",
        "`http.max_request_size` at most, unpacked too, and has at most 500,000 values; a message is as large as",
        "`smtp.max_message_size`. All messages of a call together may be as large as four of the largest.",
    ]
    return "\n".join(lines) + "\n"


def _managing() -> list[str]:
    return [
        "## Which domain is managed",
        "",
        "The calls below need an API key of the account; one of a sending domain gets `403`. They are about all sending domains of",
        "the account, or about the one that `?domain=news.example.com` or the header `on-behalf-of: news.example.com` names. Adding a",
        "webhook, a group, a template or a key that sends needs one domain: it must be named where the account has several.",
        "",
        "## Suppressions",
        "",
        *_table("Call", _SUPPRESSIONS),
        "",
        "`blocks` are addresses that somebody blocked. `invalid_emails` is always empty: such addresses are among the bounces. What is",
        "about one tag, or about a whole destination, is in none of these lists. An address that is on the lists of two domains is told",
        "once for each.",
        "",
        "## Unsubscribe groups",
        "",
        *_table("Call", _GROUPS),
        "",
        f"A group is one of a sending domain, which has {MOST_GROUPS} at most. Who unsubscribes from mail of a group, by its link, by the button of a",
        "mail client or by mail, is on the domain's list with the tag `group:ID`, and gets all other mail. With a group that was removed it is all",
        "mail. `<%asm_group_unsubscribe_raw_url%>`, `<%asm_preferences_raw_url%>` and the links of `subscription_tracking` lead out of the group,",
        "`<%asm_global_unsubscribe_raw_url%>` out of all mail. Recipients read the group's `name`. A group holds for mail of transactional domains",
        "as well; mail that is sent by SMTP is stopped by the list of a group whose tag it has. `is_default` decides nothing. `last_email_sent_at`",
        "is always null.",
        "",
        "## Event webhooks",
        "",
        *_table("Call", _EVENT_WEBHOOKS),
        "",
        f"The switches are {_code(SWITCHES)}. `group_unsubscribe` is one with `unsubscribe`: on where either is. {_code(WITHOUT_EVENTS)} is taken and stays",
        "off. `oauth_client_id`, `oauth_client_secret` and `oauth_token_url` are refused. Webhooks in other formats are managed in the",
        "console.",
        "",
        *_account(),
    ]


def _account() -> list[str]:
    return [
        "## Templates",
        "",
        *_table("Call", _TEMPLATES),
        "",
        "A version that is written over keeps its `id`; what it was before stays in the console, for the messages that are made of it. The active",
        "version can be removed where it is the only one; then nothing can be sent with the template. A version is not removed while messages",
        "that are made of the template are under way. A template is of one sending domain, which is named where the account has several.",
        "",
        "## API keys",
        "",
        *_table("Call", _KEYS),
        "",
        "A key either sends for one domain or manages the account, and its scopes say which. With scopes of `mail`, `user.scheduled_sends` and",
        "`validations` alone, such as `mail.send`, it is one of the sending domain. Without a list of scopes, or with all that `GET /v3/scopes` tells of such a",
        "key, it manages the account, and cannot send by `mail/send`; a call that names a domain and no scopes makes one of that domain. Anything else",
        "is refused, so that no key may more than was asked for.",
        "",
        "## Sending domains",
        "",
        *_table("Call", _DOMAINS),
        "",
        "`dns` has `dkim1` and further keys, `mail_cname`, or `mail_server` and `subdomain_spf`, and `tracking_cname` and `dmarc` where they are wanted;",
        "those that are not `required` help. `valid` is whether mail can be sent. `subdomain`, `automatic_security`, `custom_spf`, `default` and",
        "`ips` have no effect; `custom_dkim_selector` is refused.",
        "",
        "## Statistics",
        "",
        *_table("Call", _STATISTICS),
        "",
        "The numbers are those of the console. `blocks` are deliveries that were given up as their time was over, `bounces` the other",
        "ones that failed; all that suppressions kept back is in `bounce_drops`. `requests` are what was accepted or refused.",
        "",
    ]


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{one}`" for one in names)


def _table(what: str, rows: Mapping[str, str]) -> list[str]:
    named = [(", ".join(f"`{one}`" for one in name.split(", ")), meaning) for name, meaning in rows.items()]
    return [f"| {what} | Meaning |", "| --- | --- |", *(f"| {name} | {meaning} |" for name, meaning in named)]
