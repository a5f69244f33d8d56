"""What a template can see of a message and of one of its recipients."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from postroad.model.options import Options
from postroad.rendering.merge_values import Values
from postroad.rendering.placeholder import Addressee


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the built-in variables say."""

    header_from: str
    subject: str
    accepted_at: int
    domain_name: str


def data_for(facts: MessageFacts, options: Options, addressee: Addressee, values: Values | None) -> dict[str, Any]:
    """Return the variables of one recipient's copy: the built-in ones, under the message's, the template's and its own.

    Placeholders such as ``%recipient.name%`` in the message's and the template's variables are replaced first, by
    ``values``, where the message has recipient variables at all. Raises TooMuchError.
    """
    given = options.variables | options.template_variables
    if values is not None:
        given = {name: values.replaced_within(value) for name, value in given.items()}
    return _built_in(facts, options, addressee) | given | dict(addressee.variables)


def _built_in(facts: MessageFacts, options: Options, addressee: Addressee) -> dict[str, Any]:
    at = datetime.fromtimestamp(facts.accepted_at / 1000, UTC)
    frozen = options.frozen_template
    return {
        "from": facts.header_from,
        "rcpt": addressee.address,
        "subject": facts.subject,
        "date": {"year": at.year, "month": at.month, "day": at.day, "hour": at.hour, "minute": at.minute},
        "domain": {
            "name": facts.domain_name,
            "transactional": frozen is not None and frozen.is_transactional,
            "tracking_open": bool(options.tracks_opens),
            "tracking_click": bool(options.tracks_clicks),
        },
        **addressee.links,
    }
