"""The webhook formats by name: the one place that knows all of them."""

import base64
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from http import HTTPStatus

import msgspec

from postroad.dialects.bloomevents import events as bloomevents
from postroad.dialects.bloomreach import events as bloomreach
from postroad.dialects.mailgun import events as mailgun
from postroad.dialects.sendgrid import events as sendgrid
from postroad.dialects.sparkpost import events as sparkpost
from postroad.dialects.standard import events as standard
from postroad.dialects.standard.signature import signature_headers
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Call, Happening, Seal


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """How events are told to one kind of receiver."""

    batch: int
    """How many happenings go into one call."""
    types: AbstractSet[EventType]
    """What the receiver has words for."""
    refusals: AbstractSet[int] = frozenset({HTTPStatus.GONE})
    """Answers after which a call is not tried again (RFC 9110 §15.5.11)."""
    make: Callable[[Sequence[Happening], Seal], Call]
    """Makes the call with what authenticates it in the receiver's own way."""

    def call(self, happenings: Sequence[Happening], seal: Seal) -> Call:
        """Return what is posted of 1 to ``batch`` happenings, also signed by Standard Webhooks, for one attempt.

        User and password of the address go along by HTTP Basic, unless the format authenticates by that header itself.
        """
        made = self.make(happenings, seal)
        headers = dict(made.headers) | signature_headers(seal.call_id, seal.now, made.body, seal.keys)
        if seal.username or seal.password:
            headers.setdefault("Authorization", _basic(seal.username, seal.password))
        return Call(body=made.body, headers=headers)

    def speaks_of(self, event_type: EventType) -> bool:
        """Whether there is a word for an event; one without gets no call."""
        return event_type in self.types

    def is_refused_for_good(self, status: int) -> bool:
        """Whether an answer says that the call must not be made again."""
        return status in self.refusals


def of(chosen: CallbackFormat) -> Format:
    """Return a format."""
    return _FORMATS[chosen]


def _basic(username: str, password: str) -> str:
    # RFC 7617 §2.1: UTF-8, as all receivers of today take it.
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


_FORMATS = {
    CallbackFormat.MAILGUN: Format(
        batch=mailgun.BATCH,
        types=mailgun.SPEAKS_OF,
        refusals=frozenset({HTTPStatus.GONE, HTTPStatus.NOT_ACCEPTABLE}),
        make=mailgun.call,
    ),
    CallbackFormat.SENDGRID: Format(batch=sendgrid.BATCH, types=sendgrid.SPEAKS_OF, make=sendgrid.call),
    CallbackFormat.SPARKPOST: Format(batch=sparkpost.BATCH, types=sparkpost.SPEAKS_OF, make=sparkpost.call),
    CallbackFormat.BLOOMREACH: Format(batch=bloomreach.BATCH, types=bloomreach.SPEAKS_OF, make=bloomreach.call),
    CallbackFormat.BLOOMEVENTS: Format(batch=bloomevents.BATCH, types=bloomevents.SPEAKS_OF, make=bloomevents.call),
    CallbackFormat.STANDARD: Format(batch=standard.BATCH, types=standard.SPEAKS_OF, make=standard.call),
}
