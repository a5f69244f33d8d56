"""The part of ``docs/reference/sparkpost-api.md`` on the calls that manage."""

from postroad.dialects.sparkpost.event_query import FILTERS, MOST_PER_PAGE
from postroad.dialects.sparkpost.suppression_list import MOST_ENTRIES

CALLS = {
    "GET /api/v1/sending-domains": "the sending domains",
    "POST /api/v1/sending-domains": "`domain`, `tracking_domain`; `dkim` is refused: keys are made here, and the answer has the public half",
    "GET /api/v1/sending-domains/{domain}": "the domain, its key, and in `dns_records` what it is to publish",
    "PUT /api/v1/sending-domains/{domain}": "`tracking_domain`",
    "DELETE /api/v1/sending-domains/{domain}": "`409` while users, keys or mail are bound to it",
    "POST /api/v1/sending-domains/{domain}/verify": "compares all records with live DNS, whatever is asked for; `429` within 10 s of the last check",
    "GET /api/v1/suppression-list": "`types`, `sources`, `from`, `to`, `domain`, `per_page` (or `limit`), `cursor`",
    "PUT /api/v1/suppression-list": f"`recipients`: {MOST_ENTRIES:,} entries at most, all of them or none; an entry that is there is written anew",
    "GET /api/v1/suppression-list/summary": "how many entries there are from each source",
    "GET /api/v1/suppression-list/{address}": "all entries about an address",
    "PUT /api/v1/suppression-list/{address}": "`type`, `description`; writes an entry anew, too",
    "DELETE /api/v1/suppression-list/{address}": "`type` narrows what is removed",
    "GET /api/v1/templates": "the templates without their content",
    "POST /api/v1/templates": "`id` (where it is left out, `name` is the id; beside one, `name` is the title, 500 characters at most), `description`, `content.html`, `content.text`, `content.subject`; the domain of "
    "`content.from` is the one that the template is of",
    "GET /api/v1/templates/{template_id}": "`draft`: `true` for the newest version, `false` for the published one; the newest if left out",
    "PUT /api/v1/templates/{template_id}": "adds a version: what is not said stays; `published` or `?update_published=true` publishes it",
    "DELETE /api/v1/templates/{template_id}": "`409` while mail that waits is made of it",
    "POST /api/v1/templates/{template_id}/preview": "`substitution_data`; `?draft=` as above",
    "GET /api/v1/events/message": "events, newest first; see below",
    "GET /api/v1/webhooks": "the webhooks in SparkPost's format",
    "POST /api/v1/webhooks": "`name`, `target`, `events`, `active`, `auth_type` (`none`, `basic`), `auth_credentials`, `auth_token`",
    "GET /api/v1/webhooks/{webhook_id}": "a webhook without its password",
    "PUT /api/v1/webhooks/{webhook_id}": "what is not said stays",
    "DELETE /api/v1/webhooks/{webhook_id}": "",
    "POST /api/v1/webhooks/{webhook_id}/validate": "posts a sample, signed as events are; `400` where it does not arrive",
    "GET /api/v1/webhooks/events/documentation": "the words for events",
    "GET /api/v1/webhooks/events/samples": "`events`: made-up ones",
}


def managing_lines() -> list[str]:
    """Return the lines."""
    rows = [f"| `{name}` | {meaning} |" for name, meaning in CALLS.items()]
    return [
        "## Calls that manage",
        "",
        "They need an API key of the account; a key of a sending domain gets `403`.",
        "",
        "| Call | Parameters and meaning |",
        "| --- | --- |",
        *rows,
        "",
        "Templates and webhooks are a sending domain's. Where the account has several, `?domain=` says which. The suppression list is that of",
        "all domains together: what is added is added for each, unless `?domain=` names one.",
        "",
        "`non_transactional` is what a recipient who unsubscribed gets no more; `transactional` stops all mail. An allowed address is on no",
        "list here. Bounces and complaints are told as `transactional`.",
        "",
        "A version of a template that is active is the published one, a newer one the draft. The first is published at once. A template",
        "keeps no sender, `reply_to` or `headers`: the transmission says them.",
        "",
        f"Events are those of the last day unless `from` says more; `to` ends them. `events` takes SparkPost's words. {', '.join(f'`{one}`' for one in FILTERS)}",
        f"take values with commas between. `per_page` is {MOST_PER_PAGE:,} at most, 1,000 if left out; `links.next` leads on, and is not",
        "there on the last page. `total_count` is what was told up to and including this page.",
        "",
        "A webhook is not called when it is made. `bounce` and `out_of_band`, `list_unsubscribe` and `link_unsubscribe`, `policy_rejection`",
        "and `generation_failure` come together. `custom_headers` and OAuth are refused.",
    ]
