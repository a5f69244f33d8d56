"""What a template can see of a message and of one of its recipients."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from postroad.model.options import OnMissing, Options
from postroad.rendering.placeholder import Addressee, segments_of, value_of


class MessageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the built-in variables say."""

    header_from: str
    subject: str
    accepted_at: int
    domain_name: str


def data_for(
    facts: MessageFacts, options: Options, addressee: Addressee, *, has_recipient_variables: bool
) -> dict[str, Any]:
    """Return the variables of one recipient's copy: the built-in ones, under the message's, the template's and its own.

    Placeholders such as ``%recipient.name%`` in the message's and the template's variables are replaced first, where the
    message has recipient variables at all.
    """
    given = options.variables | options.template_variables
    if has_recipient_variables and given:
        given = {name: _replaced(value, addressee, options.on_missing) for name, value in given.items()}
    return _built_in(facts, options, addressee.address) | given | dict(addressee.variables)


def _built_in(facts: MessageFacts, options: Options, recipient: str) -> dict[str, Any]:
    at = datetime.fromtimestamp(facts.accepted_at / 1000, UTC)
    frozen = options.frozen_template
    return {
        "from": facts.header_from,
        "rcpt": recipient,
        "subject": facts.subject,
        "date": {"year": at.year, "month": at.month, "day": at.day, "hour": at.hour, "minute": at.minute},
        "domain": {
            "name": facts.domain_name,
            "transactional": frozen is not None and frozen.is_transactional,
            "tracking_open": bool(options.tracks_opens),
            "tracking_click": bool(options.tracks_clicks),
        },
    }


def _replaced(value: Any, addressee: Addressee, on_missing: OnMissing) -> Any:
    match value:
        case str():
            return _filled(value, addressee, on_missing) if "%" in value else value
        case dict():
            return {key: _replaced(inner, addressee, on_missing) for key, inner in value.items()}
        case list():
            return [_replaced(inner, addressee, on_missing) for inner in value]
    return value


def _filled(text: str, addressee: Addressee, on_missing: OnMissing) -> str:
    pieces: list[str] = []
    for at, piece in enumerate(segments_of(text.encode("utf-8", "replace"))):
        if at % 2 == 0:
            assert isinstance(piece, bytes)
            pieces.append(piece.decode())
            continue
        assert isinstance(piece, str)
        value = value_of(piece, addressee)
        if value is None:
            value = f"%{piece}%" if on_missing is OnMissing.KEEP else ""
        pieces.append(value)
    return "".join(pieces)
