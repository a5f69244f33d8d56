"""One attempt at a call: what it is signed with, and how the log tells of it."""

import hashlib
from collections.abc import Iterable, Sequence

from postroad.model.ids import text_of
from postroad.model.webhook import Call, CallAttempt, CallResult, Happening, Seal
from postroad.webhooks.facts import ReceiverFacts
from postroad.webhooks.post import Answer, shown_headers


def sealed(facts: ReceiverFacts, call_id: int, happenings: Sequence[Happening], now: int) -> Call:
    """Return the call that tells of happenings, signed for an attempt at this instant."""
    return facts.format.call(happenings, _seal(facts, call_id, now))


def _seal(facts: ReceiverFacts, call_id: int, now: int) -> Seal:
    # The same at every attempt, also where the signing key changes in between: receivers know a call again by it. That
    # it could be guessed helps nobody, as it is signed.
    token = hashlib.blake2b(call_id.to_bytes(8), digest_size=25).hexdigest()
    login = facts.receiver.login
    return Seal(
        call_id=text_of(call_id),
        token=token,
        now=now,
        # Facts are kept while nothing changes, and an overlap ends without a change.
        keys=facts.keys.as_of(now).counting,
        event_key=facts.event_key,
        username=facts.username,
        password=login.password,
        token_header=login.token,
    )


def told(
    facts: ReceiverFacts,
    *,
    event_ids: Sequence[int],
    event_types: Iterable[str] = (),
    message_ids: Iterable[int | None] = (),
    attempt_id: int,
    call_id: int,
    at: int,
    attempt: int,
    call: Call | None,
    answer: Answer,
    result: CallResult,
    is_test: bool = False,
) -> CallAttempt:
    """Return an attempt as the log keeps it."""
    receiver = facts.receiver
    return CallAttempt(
        id=attempt_id,
        call_id=call_id,
        at=at,
        account_id=receiver.account_id,
        domain_id=receiver.domain_id,
        receiver=receiver.id,
        url=receiver.url,
        format=receiver.format,
        event_ids=tuple(event_ids),
        event_types=tuple(dict.fromkeys(event_types)),
        message_ids=tuple(dict.fromkeys(one for one in message_ids if one is not None)),
        attempt=attempt,
        result=result,
        duration_ms=answer.duration_ms,
        status=answer.status,
        error=answer.error,
        request_headers={} if call is None else shown_headers(call),
        reply=answer.reply,
        is_test=is_test,
    )
