"""The lists of sending domains by our own API: who gets no mail of them, and why."""

from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Next, Operation, PageQuery
from postroad.model.ids import text_of
from postroad.model.options import MAX_TAG_LENGTH
from postroad.model.suppression import Suppression, SuppressionKind, Way

MOST_ENTRIES = 1_000
_Address = Annotated[str, Meta(min_length=1, max_length=320, examples=["ada@example.net"])]


class SuppressionsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries."""

    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None
    kind: SuppressionKind | None = None
    address: (
        Annotated[str, Meta(min_length=1, max_length=320, description="What addresses begin with.", examples=["ada@"])]
        | None
    ) = None


class AddressQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lists say of an address."""

    domain: Annotated[DomainName, Meta(description="The sending domain.")]
    address: _Address
    kind: Annotated[SuppressionKind | None, Meta(description="Of this kind alone.")] = None


class NewSuppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry to add."""

    address: Annotated[_Address, Meta(description="For `block` and `allow` also `@` and a recipient domain.")]
    tag: Annotated[str, Meta(max_length=MAX_TAG_LENGTH, description="Of an unsubscribe: the one tag it is about.")] = ""
    reason: Annotated[str, Meta(description="For people.")] = ""
    created_at: Annotated[Instant | None, Meta(description="When it came to be; now where it is not said.")] = None


class NewSuppressions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of one kind to add to the lists of a sending domain, all of them or none."""

    domain: DomainName
    kind: SuppressionKind
    entries: Annotated[tuple[NewSuppression, ...], Meta(min_length=1, max_length=MOST_ENTRIES)]


class ShownSuppression(msgspec.Struct, frozen=True, kw_only=True):
    """An entry."""

    id: str
    domain: Annotated[str | None, Meta(description="The sending domain.")]
    kind: SuppressionKind
    address: str
    tag: Annotated[str, Meta(description="Of an unsubscribe: the one tag it is about; empty for all mail.")]
    way: Annotated[Way, Meta(description="How it came to be.")]
    reason: str
    created_at: Instant
    created_by: Annotated[str, Meta(description="Who added it; empty where Postroad did so by itself.")]
    message_id: Annotated[str | None, Meta(description="The `id` of the message that led to it.")]


class SuppressionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries by sending domain and address."""

    suppressions: tuple[ShownSuppression, ...]
    next: Next


class AddedSuppressions(msgspec.Struct, frozen=True, kw_only=True):
    """What was added."""

    suppressions: Annotated[tuple[ShownSuppression, ...], Meta(description="Those that are new.")]
    known: Annotated[
        int,
        Meta(description="Entries that were left as they are: they were there, or the address is on the allow list."),
    ]


def shown(entry: Suppression, domain: str | None, entry_id: str) -> ShownSuppression:
    """Return an entry as the API tells it."""
    return ShownSuppression(
        id=entry_id,
        domain=domain,
        kind=entry.kind,
        address=entry.address,
        tag=entry.tag,
        way=entry.way,
        reason=entry.reason,
        created_at=instant(entry.created_at),
        created_by=entry.created_by,
        message_id=None if entry.message_id is None else text_of(entry.message_id),
    )


_SAMPLE = ShownSuppression(
    id="WzEsImFkYUBleGFtcGxlLm5ldCIsImJsb2NrIiwiIl0",
    domain="news.example.com",
    kind=SuppressionKind.BLOCK,
    address="ada@example.net",
    tag="",
    way=Way.HAND,
    reason="asked by phone",
    created_at=instant(1_795_775_400_000),
    created_by="pr_acc_1a2",
    message_id=None,
)
_ALL, _ONE = "/suppressions", "/suppressions/{suppression_id}"
LIST_SUPPRESSIONS = Operation(
    name="listSuppressions",
    method="GET",
    path=_ALL,
    summary="List the addresses that get no mail, and the allow list",
    query=SuppressionsQuery,
    answer=SuppressionPage,
    sample=SuppressionPage(suppressions=(_SAMPLE,), next=None),
)
ADD_SUPPRESSIONS = Operation(
    name="addSuppressions",
    method="POST",
    path=_ALL,
    summary=f"Add up to {MOST_ENTRIES:,} entries of one kind to the lists of a sending domain, all of them or none",
    body=NewSuppressions,
    answer=AddedSuppressions,
    status=201,
    sample=AddedSuppressions(suppressions=(_SAMPLE,), known=0),
    sample_body={
        "domain": "news.example.com",
        "kind": "block",
        "entries": [{"address": "ada@example.net", "reason": "asked by phone"}],
    },
)
REMOVE_ADDRESS = Operation(
    name="removeSuppressedAddress",
    method="DELETE",
    path=_ALL,
    summary="Remove what the lists of a sending domain say of an address",
    query=AddressQuery,
    status=204,
)
SHOW_SUPPRESSION = Operation(
    name="showSuppression", method="GET", path=_ONE, summary="See an entry", answer=ShownSuppression, sample=_SAMPLE
)
REMOVE_SUPPRESSION = Operation(
    name="removeSuppression", method="DELETE", path=_ONE, summary="Remove an entry", status=204
)
OPERATIONS = (LIST_SUPPRESSIONS, ADD_SUPPRESSIONS, REMOVE_ADDRESS, SHOW_SUPPRESSION, REMOVE_SUPPRESSION)
