"""Submissions on their way to one commit: those that were found fit, those that were refused, and what repeats others."""

from collections.abc import Mapping, Sequence

import msgspec

from postroad.model.dedupe import Repeats
from postroad.model.domain import SendingDomain
from postroad.model.ids import text_of
from postroad.model.message import Accepted
from postroad.model.submission import Rejected, Submission


class Receipt(msgspec.Struct, frozen=True):
    """The answer to an accepted submission: it is on disk under this id."""

    message_id: int
    message_id_header: str
    """Its Message-ID, with brackets."""


class Refusals(msgspec.Struct, frozen=True):
    """Why several submissions were not accepted, by the place of each that was refused among them."""

    by_place: Mapping[int, Rejected]


class Fit(msgspec.Struct, frozen=True):
    """A submission that was admitted, with what is to be stored of it."""

    submission: Submission
    domain: SendingDomain
    accepted: Accepted


class Turned(msgspec.Struct, frozen=True):
    """A submission that is refused, and the id and time of the event that tells of it."""

    submission: Submission
    rejected: Rejected
    event_id: int
    now: int


def sent_together(fit: Sequence[Fit]) -> Sequence[Fit]:
    """Return messages of which each knows the first one."""
    first = fit[0].accepted.message.id

    def after_first(one: Fit) -> Fit:
        message = one.accepted.message
        options = msgspec.structs.replace(message.options, sent_with=first)
        message = msgspec.structs.replace(message, options=options)
        return msgspec.structs.replace(one, accepted=msgspec.structs.replace(one.accepted, message=message))

    return (fit[0], *map(after_first, fit[1:]))


def unless_reused(repeats: Sequence[Repeats | None]) -> Sequence[Repeats | None] | Rejected:
    """Return what was found of repeats, or the refusal where an idempotency key stands for another content."""
    other = next((one for one in repeats if one is not None and one.is_reused), None)
    return repeats if other is None else key_reused(other)


def key_reused(repeats: Repeats) -> Rejected:
    """Return the refusal of an idempotency key that stands for another content."""
    first = next(iter(repeats.firsts.values()))
    return Rejected(
        "idempotency_key_reused",
        "5.6.0",
        f"The idempotency key was used for another content, message {text_of(first.message_id)}; take a new key.",
    )


def new_deliveries(batch: Sequence[Accepted], repeats: Sequence[Repeats | None]) -> int:
    """Return how many deliveries of messages are no repeats."""
    counts = 0
    for accepted, repeated in zip(batch, repeats, strict=True):
        if repeated is None:
            counts += len(accepted.deliveries)
        elif not repeated.is_reused:
            counts += len(accepted.deliveries) - len(repeated.firsts)
    return counts
