"""The part of ``docs/reference/mailgun-api.md`` on the calls that manage."""

from collections.abc import Mapping

from postroad.dialects.mailgun.domain_settings import NOT_KEPT
from postroad.dialects.mailgun.list_check import STATES
from postroad.dialects.mailgun.routes import LONGEST_EXPRESSION, MOST_ACTIONS
from postroad.dialects.mailgun.suppressions import MOST_AT_ONCE
from postroad.dialects.mailgun.templates import FIRST_TAG
from postroad.dialects.mailgun.webhooks import IDS
from postroad.model.webhook import MAX_PER_TYPE
from postroad.policy.list_check_csv import MOST_ADDRESSES
from postroad.policy.list_check_csv import MOST_OCTETS as MOST_LIST_OCTETS

_LISTS = "`limit` (100, at most 1000), `skip`"
_DOMAINS = {
    "GET /v3/domains, GET /v4/domains": f"{_LISTS}, `state` (`active`, `unverified`, `disabled`), `search` (part of the name), "
    "`authority` (the name), `sort` (`name:asc`, `name:desc`)",
    "POST /v3/domains, POST /v4/domains": "`name`; `smtp_password` makes the SMTP user `postmaster@` of the domain; `web_prefix`, "
    "`require_tls`, `skip_verification`",
    "GET /v3/domains/{domain}, GET /v4/domains/{domain}": "the domain and its records; a key of this domain may ask it, too",
    "PUT /v3/domains/{domain}, PUT /v4/domains/{domain}": "as for POST, without `name`",
    "DELETE /v3/domains/{domain}, DELETE /v4/domains/{domain}": "refused while SMTP users or API keys are bound to it, or mail is under way",
    "PUT /v3/domains/{domain}/verify, PUT /v4/domains/{domain}/verify": "compares the records with live DNS; `429` within 10 s of "
    "the last check",
    "GET /v3/domains/{domain}/connection": "what is demanded of connections",
    "PUT /v3/domains/{domain}/connection": "`require_tls`; `skip_verification`: any encryption will do",
    "GET /v3/domains/{domain}/tracking": "what is tracked",
    "PUT /v3/domains/{domain}/tracking/{what}": "`open`, `click` or `unsubscribe`; `active`: a switch, for clicks also `htmlonly`; "
    "`html_footer` and `text_footer` must be empty, `place_at_the_top` no",
    "PUT /v3/domains/{domain}/web_prefix": "`web_prefix`: links lead over this host below the domain; publish its record before",
    "PUT /v3/domains/{domain}/dkim_authority": "`self` must be true, as it is anyway",
    "PUT /v3/domains/{domain}/dkim_selector": "`dkim_selector` must be the one that the domain signs with",
    "GET /v4/domains/{domain}/keys": "the domain's DKIM keys in use",
    "PUT /v4/domains/{domain}/keys/{selector}/activate": "answered for a key that signs; one that waits begins when its record is seen",
    "PUT /v4/domains/{domain}/keys/{selector}/deactivate": "answered for a key that does not sign",
    "GET /v1/dkim/keys": "`signing_domain`, `selector`, `limit`, `page`: keys of all the account's domains",
    "POST /v1/dkim/keys": "`signing_domain`, `selector` (the free one of `postroad1` and `postroad2`): makes the key that takes over "
    "when its record is seen; `pem` is refused",
    "DELETE /v1/dkim/keys": "refused: a key is replaced",
}
_CREDENTIALS = {
    "GET /v3/domains/{domain}/credentials": f"{_LISTS}: SMTP users",
    "POST /v3/domains/{domain}/credentials": "`login`, a whole name or what stands before `@`; `password`, which needs 8 characters, a "
    "capital letter and a special character",
    "PUT /v3/domains/{domain}/credentials/{login}": "`password`",
    "DELETE /v3/domains/{domain}/credentials/{login}": "",
    "DELETE /v3/domains/{domain}/credentials": "all of them",
    "GET /v1/keys": "`domain_name`, `kind` (`domain`, `user`): API keys, the latest first",
    "POST /v1/keys": "`role`: `sending` with `domain_name`, or `admin`; `description`; `secret` is in the answer only; an `admin` key is bound to the networks of the one that calls",
    "DELETE /v1/keys/{key_id}": "",
}
_WEBHOOKS = {
    "GET /v3/domains/{domain}/webhooks, GET /v4/domains/{domain}/webhooks": "addresses by id",
    "POST /v3/domains/{domain}/webhooks": f"`id`, `url` (may be repeated, {MAX_PER_TYPE} at most), `format`",
    "GET /v3/domains/{domain}/webhooks/{webhook}": "addresses of an id",
    "PUT /v3/domains/{domain}/webhooks/{webhook}": "`url`, `format`: these addresses and no others",
    "DELETE /v3/domains/{domain}/webhooks/{webhook}": "",
    "PUT /v3/domains/{domain}/webhooks/{webhook}/test": "`url`, one that the id has: posts samples; `code` is the status that was "
    "answered, 0 for none",
    "POST /v4/domains/{domain}/webhooks": "`url`, `event_types` (ids; may be repeated), `format`; also under `/v3`, as PUT and DELETE",
    "PUT /v4/domains/{domain}/webhooks, PUT /v3/domains/{domain}/webhooks": "`url`, `event_types`: these ids and no others, `format`",
    "DELETE /v4/domains/{domain}/webhooks, DELETE /v3/domains/{domain}/webhooks": "`url`: nothing is posted there any more",
    "GET /v1/webhooks": "none: webhooks are of a domain",
    "POST /v1/webhooks": "refused",
}
_ROUTES = {
    "GET /v3/routes": _LISTS,
    "POST /v3/routes": "`expression`, `action` (may be repeated), `priority`, `description`, `domain`",
    "GET /v3/routes/match": "`address`: the first route whose pattern for the recipient matches",
    "GET /v3/routes/{route}": "",
    "PUT /v3/routes/{route}": "as for POST; what is left out stays",
    "DELETE /v3/routes/{route}": "",
}
_PAGES = "`page` (`first`, `next`, `previous`, `last`)"
_LIST_OF = {
    "bounces": "`address`, `code`, `error`, `created_at`",
    "unsubscribes": "`address`, `tag` or `tags` (`*` for all mail; may be repeated), `created_at`",
    "complaints": "`address`, `created_at`",
    "whitelists": "`address` or `domain`, `reason`, `createdAt`",
}
_SUPPRESSIONS = {
    call: meaning
    for name, record in _LIST_OF.items()
    for call, meaning in {
        f"GET /v3/{{domain}}/{name}": f"`limit` (100, at most 1000), `term` (what addresses begin with), {_PAGES}, `address`",
        f"POST /v3/{{domain}}/{name}": f"{record}; as a form, as a JSON object, or as an array of {MOST_AT_ONCE} at most",
        f"DELETE /v3/{{domain}}/{name}": "the whole list",
        f"POST /v3/{{domain}}/{name}/import": "`file`: a list in CSV, read after the answer",
        f"GET /v3/{{domain}}/{name}/{{address}}": "",
        f"DELETE /v3/{{domain}}/{name}/{{address}}": "`tag`: of this one alone" if name == "unsubscribes" else "",
    }.items()
}
_VERSION = "`template`, `headers` (JSON with a `Subject`), `comment`"
_TEMPLATES = {
    "GET /v3/{domain}/templates": f"`limit` (10, at most 100), {_PAGES}, `p`, `active`: with the version in use",
    "POST /v3/{domain}/templates": f"`name`, `description`, `tag` (`{FIRST_TAG}`), {_VERSION}",
    "DELETE /v3/{domain}/templates": "all of them but those that mail is under way with",
    "GET /v3/{domain}/templates/{name}": "`active`: with the version in use",
    "PUT /v3/{domain}/templates/{name}": "`description`",
    "DELETE /v3/{domain}/templates/{name}": "refused while mail is under way with it",
    "GET /v3/{domain}/templates/{name}/versions": f"the newest first: `limit`, {_PAGES}, `p`",
    "POST /v3/{domain}/templates/{name}/versions": f"`tag`, {_VERSION}, `active`",
    "GET /v3/{domain}/templates/{name}/versions/{tag}": "by tag or number",
    "PUT /v3/{domain}/templates/{name}/versions/{tag}": f"{_VERSION}, `active`",
    "DELETE /v3/{domain}/templates/{name}/versions/{tag}": "refused for the version in use, and while mail is under way",
    "PUT /v3/{domain}/templates/{name}/versions/{tag}/copy/{new_tag}": "`comment`",
    "GET /v4/templates": "none: templates are of a domain",
    "POST /v4/templates": "refused",
}
_SPAN = (
    "`event` (may be repeated), `start`, `end`, `duration` (`24h`, `7d`, `1m`), `resolution` (`hour`, `day`, `month`)"
)
_STATS = {
    "GET /v3/{domain}/stats/total": _SPAN,
    "GET /v3/stats/total": "the same of all domains together",
    "GET /v3/stats/filter": "the same, and `group` (`total`, `time`, `day`, `month`, `tag`, `provider`)",
    "GET /v3/{domain}/tags": f"`limit` (100, at most 1000), `prefix`, {_PAGES}, `tag`",
    "GET /v3/{domain}/tags/{tag}, GET /v3/{domain}/tag": "the second with `tag` as a parameter, as all that follow",
    "PUT /v3/{domain}/tags/{tag}, PUT /v3/{domain}/tag": "`description`",
    "DELETE /v3/{domain}/tags/{tag}, DELETE /v3/{domain}/tag": "with all that was counted of it",
    "GET /v3/{domain}/tags/{tag}/stats, GET /v3/{domain}/tag/stats": "as of a domain",
    "GET /v3/{domain}/tags/{tag}/stats/aggregates/{what}, GET /v3/{domain}/tag/stats/aggregates/{what}": "refused: a tag's mail "
    "is not counted by `countries`, `providers` or `devices`",
}
_LIST_CHECKS = {
    "GET /v4/address/validate/bulk": "all lists of the account on one page",
    "POST /v4/address/validate/bulk/{list_id}": f"`file`: a list in CSV of {MOST_ADDRESSES:,} addresses and "
    f"{MOST_LIST_OCTETS // 1_048_576} MB at most, checked after the answer; `list_id` is new, of letters, digits and any of `._@-`",
    "GET /v4/address/validate/bulk/{list_id}": "how far it is, and what it came to so far",
    "DELETE /v4/address/validate/bulk/{list_id}": "the list with its results; the check ends",
    "GET /v4/address/validate/bulk/{list_id}/results.csv": "where `download_url` leads when all is checked",
    "GET /v4/address/validate/bulk/{list_id}/results.json": "the same as an array of [answers](#get-and-post-v4addressvalidate)",
}
CALLS: Mapping[str, Mapping[str, str]] = {
    "Domains": _DOMAINS,
    "SMTP users and API keys": _CREDENTIALS,
    "Webhooks": _WEBHOOKS,
    "Inbound routes": _ROUTES,
    "Suppressions": _SUPPRESSIONS,
    "Templates": _TEMPLATES,
    "Statistics and tags": _STATS,
    "Lists of addresses": _LIST_CHECKS,
}


def managing_lines() -> list[str]:
    """Return the lines on the calls that manage."""
    return [
        "## Calls that manage",
        "",
        "They need a key of the account. Parameters come in the query or as a form; those that are in no table do nothing. What a",
        "call cannot do is refused with `400`, and nothing is changed then.",
        *(line for title, calls in CALLS.items() for line in _part(title, calls)),
    ]


def _part(title: str, calls: Mapping[str, str]) -> list[str]:
    rows = [f"| {', '.join(f'`{one}`' for one in names.split(', '))} | {meaning} |" for names, meaning in calls.items()]
    return [
        "",
        f"### {title}",
        "",
        "| Call | Parameters, and what it does |",
        "| --- | --- |",
        *rows,
        "",
        *_NOTES[title],
    ]


def _kept() -> list[str]:
    rows = [
        f"| `{name}` | {' or '.join(f'`{one}`' for one in same) or 'left out'} | {reason} |"
        for name, (same, reason) in NOT_KEPT.items()
    ]
    return ["| Parameter of a domain | may be | since |", "| --- | --- | --- |", *rows]


_NOTES: Mapping[str, list[str]] = {
    "Domains": [
        "`valid` of a record is, after `verify`, `valid`, `invalid` where another one is published, and `unknown` where none is or DNS",
        "gave no answer. Elsewhere it tells what the last check left: required records of an active domain are `valid`, those of an",
        "unverified one `unknown`. `disabled` is also a domain that the operator rejected, `unverified` one that waits for the operator.",
        "",
        *_kept(),
    ],
    "SMTP users and API keys": [
        "A key of the role `sending` is a domain key, one of `admin` an account key. A key has no end."
    ],
    "Webhooks": [
        f"Ids: {', '.join(f'`{one}`' for one in IDS)}. `unsubscribe` is another name for `unsubscribed`, and `permanent_fail` also tells",
        "of what a suppression stopped. `format` is one of [the formats](webhook-formats.md); without it an address keeps the one it has,",
        "and a new one gets `mailgun`. Answers have `formats` beside `urls`, in the same order.",
    ],
    "Inbound routes": [
        'An expression is `match_recipient("…")`, `match_header("subject", "…")` and `match_sender("…")` (the sender of the envelope),',
        f"joined by `and`, or `catch_all()`; {LONGEST_EXPRESSION} characters at most. Patterns are RE2, hold from the beginning of the text,",
        f'and case does not matter. Actions are `forward("address")` and, as the last, `stop()`; {MOST_ACTIONS} at most. Other headers, URLs,',
        "`store()` and references to groups are refused. A route is of one domain: the one that the pattern for the recipient ends with,",
        "that of `domain`, or the account's only one. `match_sender` and `domain` are ours.",
    ],
    "Suppressions": [
        "The lists are of one domain, as at Mailgun; `whitelists` is [the allow list](../guides/suppressions.md). Addresses that were",
        "blocked by hand are on none of the four: see them in the console. What a list says of an address already is written anew, by",
        "forms, JSON and files; an unsubscribe from other tags stays.",
        "Addresses are compared without case, and shown so. `limit` counts every tag of an unsubscribed address; a page shows",
        "all of them at once.",
    ],
    "Templates": [
        "Templates are written in [our language](template-language.md), which reads Handlebars and Mustache.",
        "Versions never change: where `PUT` writes one otherwise, another version takes over its tag, and the old one keeps its number",
        "for the messages that were accepted with it. `From` and `Reply-To` come with each message.",
    ],
    "Statistics and tags": [
        "Opens and clicks are those of humans, and `unique` those of deliveries. For which reason recipients were suppressed is not",
        "counted: `permanent` has `suppressed` beside Mailgun's words, and `total` counts it. Tags are compared and shown without case.",
    ],
    "Lists of addresses": [
        f"`status` is {', '.join(f'`{word}` ({meaning})' for word, meaning in STATES.items())}. The column of addresses is called",
        "`email`, `email_address`, `address` or `recipient` in the first line; a list of addresses alone needs no such line. Results are",
        "kept for 30 days. [Check an address](../guides/address-validation.md#check-a-list) has the bounds.",
    ],
}
