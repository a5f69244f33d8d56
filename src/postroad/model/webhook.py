"""Webhooks: where events are posted, in which format, and what a call says."""

import enum
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.model.credential import Secret
from postroad.model.event import Event, EventType
from postroad.model.message import Message
from postroad.model.options import Callback, CallbackFormat

MAX_PER_TYPE = 3
"""Addresses that one event of a sending domain is posted to."""


class Login(msgspec.Struct, frozen=True):
    """What a receiver wants to be shown, kept sealed."""

    password: Secret = Secret("")
    """Of HTTP Basic authentication; the user's name stands in the address."""
    token: Secret = Secret("")
    """For formats that authenticate by a fixed token."""


NO_LOGIN = Login()


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a sending domain's events of some types are posted to."""

    id: int = 0
    account_id: int
    domain_id: int
    url: str
    """Without its password, which nobody is shown again."""
    format: CallbackFormat
    event_types: tuple[EventType, ...]
    note: str = ""
    created_at: int
    created_by: str
    paused_at: int | None = None
    """When a person paused it: calls wait until it is resumed, or their time is over."""
    has_password: bool = False
    has_token: bool = False


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook of a domain as it is to be: which types of events go where, as what."""

    before: Webhook | None
    """None for one that is to be added."""
    url: str
    """With a password where it is a new one."""
    format: CallbackFormat
    event_types: frozenset[EventType]
    """None for one that is to go."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes calls: a webhook, or the callback of messages. The unit of leases, of order and of the circuit breaker."""

    id: int
    """The webhook's id; below zero for a callback."""
    account_id: int
    domain_id: int
    url: str
    """Without its password."""
    format: CallbackFormat
    login: Login = NO_LOGIN

    @property
    def webhook_id(self) -> int | None:
        """The webhook, if it is one."""
        return self.id if self.id > 0 else None


def callback_receiver(domain_id: int, callback: Callback) -> int:
    """Return the id of who takes the calls of messages that name an address: the same for all messages of a domain."""
    named = f"{domain_id}:{callback.format.value}:{callback.url}"
    return -1 - (int.from_bytes(hashlib.blake2b(named.encode(), digest_size=8).digest()) >> 1)


class WaitingCall(msgspec.Struct, frozen=True, kw_only=True):
    """One event that is to be posted to one receiver."""

    id: int
    receiver: int
    account_id: int
    domain_id: int
    event_id: int
    message_id: int | None
    created_at: int
    """When its 72 hours began."""
    due_at: int
    attempts: int = 0
    """Attempts that have ended."""
    callback: Callback | None = None


class CallResult(enum.Enum):
    """How an attempt ended, and what comes of it."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """It is tried again."""
    REFUSED = "refused"
    """The receiver does not want it, and it is not tried again."""
    GIVEN_UP = "given_up"
    """Its time is over."""


class CallAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to post one or more events, as the log keeps it."""

    id: int
    call_id: int
    """Of the first call in it: what receivers know it by."""
    at: int
    account_id: int
    domain_id: int
    receiver: int
    url: str
    """Without its password."""
    format: CallbackFormat
    event_ids: tuple[int, ...]
    event_types: tuple[str, ...] = ()
    message_ids: tuple[int, ...] = ()
    """The messages that the events are of, for finding it by them; the log does not tell them again."""
    attempt: int
    """1 for the first."""
    result: CallResult
    duration_ms: int = 0
    status: int | None = None
    error: str = ""
    """Why there is no answer, in part of a sentence; or what is wrong with the one there is."""
    request_headers: Mapping[str, str] = {}
    """Without those that authenticate."""
    reply: str = ""
    """The beginning of the answer."""
    is_test: bool = False
    """Somebody tried the address with a sample."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver has been doing."""

    failures: int = 0
    """In a row."""
    failing_since: int | None = None
    paused_at: int | None = None
    """When the circuit breaker stopped calls to it."""
    next_try_at: int | None = None
    """No call before this instant."""
    last_error: str = ""
    given_up: int = 0
    """Calls given up since it began to fail."""
    told_at: int | None = None
    """When its admins were last told of calls given up; this outlasts a recovery."""


WELL = Health()


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One event with all that a format may say of it."""

    event: Event
    domain: str
    """Name of the sending domain."""
    is_transactional: bool = False
    message: Message | None = None
    """None where a submission was rejected, or the message is no longer kept."""
    message_headers: Mapping[str, str] = {}
    """The message's own header fields that are echoed (``To``, ``X-…``), by the names as they were written."""
    variables: Mapping[str, Any] | None = None
    """The message's own variables as they hold for the recipient; None where they are the same for all."""
    attempts: int = 0
    """Attempts to deliver that had ended when it was read."""

    @property
    def told_variables(self) -> Mapping[str, Any]:
        """The variables that come back with the event, their types unchanged."""
        if self.variables is not None:
            return self.variables
        return {} if self.message is None else self.message.options.variables


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt at a call is signed with."""

    call_id: str
    """The same at every attempt, for receivers that drop repeats; without a dot."""
    token: str
    """50 hexadecimal digits, the same at every attempt."""
    now: int
    """Milliseconds since the epoch: when this attempt is made."""
    keys: tuple[Secret, ...]
    """The account's signing keys: the present one, then one that still counts. At least one."""
    event_key: bytes = b""
    """Private key of the account for formats that sign with ECDSA (P-256, PKCS #8 DER)."""
    username: str = ""
    password: Secret = Secret("")
    """For HTTP Basic, taken from the address as it was given; in every format that has no other Authorization."""
    token_header: Secret = Secret("")
    """For formats that authenticate by a fixed token."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted."""

    body: bytes
    headers: Mapping[str, str]
    """With Content-Type and what authenticates the call."""
