"""What a sender asks for with one message, whichever way it was handed in: the same value for SMTP headers and HTTP APIs."""

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.model.unsubscribe_group import MailGroup

MAX_TAGS = 10
MAX_TAG_LENGTH = 128


class TlsDemand(enum.Enum):
    """What a sender demands of the connection its message leaves by, over what the installation does anyway."""

    NOTHING = "no"
    """Said to lift what the domain demands by default."""
    ENCRYPT = "encrypt"
    VERIFY = "yes"
    """Encrypted, and a public authority vouches for the MX host's name."""


class OnMissing(enum.Enum):
    """What becomes of a placeholder that has no value."""

    EMPTY = "empty"
    KEEP = "keep"
    """It stays as it is written."""


class CallbackFormat(enum.Enum):
    """The shape in which events are posted."""

    MAILGUN = "mailgun"
    SENDGRID = "sendgrid"
    SPARKPOST = "sparkpost"
    BLOOMREACH = "bloomreach"
    BLOOMEVENTS = "bloomevents"
    STANDARD = "standard"


class Callback(msgspec.Struct, frozen=True):
    """Where a message's events are posted, instead of to the webhooks of its domain."""

    url: str
    """As it was given, with a password where it has one."""
    format: CallbackFormat


class TemplateName(msgspec.Struct, frozen=True):
    """A stored template of the sending domain; without a version the active one."""

    name: str
    version: str | None = None


class FrozenTemplate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a message's template was when the message was accepted: every attempt renders the same."""

    versions: tuple[int, ...]
    """The ids of the template's version and of those of its partials, the template's first."""
    is_transactional: bool = False
    """Whether the domain was one for transactional mail."""


class Options(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was asked for; an option that was not mentioned is None, so that a default of the domain can hold."""

    tags: tuple[str, ...] = ()
    """As first written; compared without case. The first field: ``storage.search_index`` reads it by its place."""
    is_test: bool | None = None
    tracks_clicks: bool | None = None
    tracks_text_clicks: bool | None = None
    """Clicks are counted in plain text too, where they are counted at all."""
    tracks_opens: bool | None = None
    offers_unsubscribe: bool | None = None
    """Its copies say how to unsubscribe, in the header and where ``%unsubscribe_url%`` is written."""
    tls: TlsDemand | None = None
    recipient_variables: dict[str, dict[str, Any]] | None = None
    """By address in lower case."""
    variables: dict[str, Any] = {}
    """Come back in events, and stay in the message as ``X-OV-Variables``."""
    template: TemplateName | None = None
    template_variables: dict[str, Any] = {}
    frozen_template: FrozenTemplate | None = None
    """Set when the message is accepted, never asked for."""
    callback_url: str | None = None
    callback_format: CallbackFormat | None = None
    deliver_at: int | None = None
    expires_at: int | None = None
    idempotency_key: str | None = None
    on_missing: OnMissing = OnMissing.EMPTY
    escapes_html: bool = False
    """Recipient variables are escaped in HTML parts."""
    batch_id: str | None = None
    """What the client calls the messages that it may hold or cancel together with this one."""
    sent_with: int | None = None
    """The first message of the call that made several, where that is another one: the call was answered with its id."""
    ignores_unsubscribes: bool = False
    """It goes out whether or not somebody unsubscribed, as every message of a transactional domain does."""
    group: MailGroup | None = None
    """What recipients leave who unsubscribe: this kind of mail, and not all mail of the domain."""

    @property
    def is_tracked(self) -> bool:
        """Whether each recipient's copy has links of its own."""
        return bool(self.tracks_clicks or self.tracks_opens or self.offers_unsubscribe)

    @property
    def callback(self) -> Callback | None:
        """Where the events of the message go, if the message says so."""
        if self.callback_url is None:
            return None
        return Callback(self.callback_url, self.callback_format or CallbackFormat.MAILGUN)

    @property
    def is_plain(self) -> bool:
        """Whether nothing was asked for."""
        return self == NO_OPTIONS


NO_OPTIONS = Options()
NO_SOURCES: Mapping[str, str] = {}
"""Nobody said which header gave which option."""


class DeliveryOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one delivery takes along of its message's options, so that claiming and settling need not read the message."""

    tags: tuple[str, ...] = ()
    """Events of the delivery are counted by them."""
    variables: dict[str, Any] | None = None
    """The recipient's own variables; None where the message has no recipient variables at all."""
    display_name: str | None = None
    """The recipient's name, where it is kept beside the header."""
    tls: TlsDemand | None = None
    is_test: bool = False
    """Everything is done but the last step: nothing leaves."""
    is_transactional: bool = False
    """The domain was one for transactional mail, which goes out whether or not somebody unsubscribed."""
    is_report: bool = False
    """It carries a report of our own to the sender: its events are counted nowhere, and posted to nobody."""
    is_forward: bool = False
    """It carries mail that the domain received and passes on."""
    callback: Callback | None = None
    """Where its events are posted, instead of to the webhooks of its domain."""
    group_id: int | None = None
    """The group whose list stops it, whatever the domain is for."""

    @property
    def is_beside_lists(self) -> bool:
        """Whether the lists of the domain's recipients are not about who gets it."""
        return self.is_report or self.is_forward


PLAIN_DELIVERY = DeliveryOptions()
TRANSACTIONAL_DELIVERY = DeliveryOptions(is_transactional=True)
REPORT_DELIVERY = DeliveryOptions(is_report=True)
FORWARD_DELIVERY = DeliveryOptions(is_forward=True)


class OptionFault(msgspec.Struct, frozen=True):
    """A value that is not understood: where it stands, and what was expected there."""

    name: str
    """The header or parameter."""
    text: str
    """One sentence without its final stop."""


def merged_tags(tags: list[str]) -> tuple[str, ...]:
    """Return tags in their order, each once, compared without case and kept as first written."""
    seen: dict[str, str] = {}
    for tag in tags:
        seen.setdefault(tag.casefold(), tag)
    return tuple(seen.values())
