"""Unsubscribe groups as SendGrid's calls of ``asm/groups`` tell them, and who left them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects.sendgrid.bodies import given, id_in, number_in, object_from, required_text
from postroad.model.refused import MissingError, RefusedError
from postroad.model.suppression import Suppression
from postroad.model.unsubscribe_group import LONGEST_NAME, MOST, UnsubscribeGroup

MOST_LISTED = 10_000
"""Addresses in one answer."""
_MOST_SKIPPED = 10_000_000


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a call says of a group; None for what it does not say."""

    name: str | None
    description: str | None
    is_default: bool | None

    def over(self, group: UnsubscribeGroup) -> UnsubscribeGroup:
        """Return a group with what is said of it."""
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(group, **said)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    limit: int
    offset: int


def read_new(document: Any) -> Wish:
    """Read the body of a call that makes a group. Raises RefusedError."""
    required_text(object_from(document), "name", LONGEST_NAME)
    return read_change(document)


def read_change(document: Any) -> Wish:
    """Read the body of a call that changes a group. Raises RefusedError."""
    fields = object_from(document)
    return Wish(
        name=given(fields, "name", str),
        description=given(fields, "description", str),
        is_default=given(fields, "is_default", bool),
    )


def read_ids(texts: Collection[str]) -> frozenset[int]:
    """Return which groups a list is narrowed to; none where it is not. Raises RefusedError."""
    if len(texts) > MOST:
        raise RefusedError(f"id can be given {MOST} times", field="id")
    try:
        return frozenset(id_in(one, "group") for one in texts)
    except MissingError as error:
        raise RefusedError("id must be the number of a group", field="id") from error


def read_part(query: Mapping[str, str]) -> Part:
    """Read the parameters of a list of addresses. Raises RefusedError."""
    limit, offset = number_in(query, "limit", MOST_LISTED, least=1), number_in(query, "offset", _MOST_SKIPPED)
    return Part(limit=limit or MOST_LISTED, offset=offset or 0)


def told(group: UnsubscribeGroup) -> dict[str, Any]:
    """Return a group."""
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "is_default": group.is_default,
    }


def counted(group: UnsubscribeGroup, unsubscribes: int) -> dict[str, Any]:
    """Return a group with how many left it."""
    return told(group) | {"last_email_sent_at": None, "unsubscribes": unsubscribes}


def left(one: Suppression, group: UnsubscribeGroup) -> dict[str, Any]:
    """Return who left a group."""
    return {
        "email": one.address,
        "group_id": group.id,
        "group_name": group.name,
        "created_at": one.created_at // 1000,
    }


def of_address(groups: Sequence[UnsubscribeGroup], entries: Collection[Suppression]) -> dict[str, Any]:
    """Return which groups an address has left, and which not."""
    gone = {(one.domain_id, one.tag) for one in entries}
    return {"suppressions": [told(one) | {"suppressed": (one.domain_id, one.tag) in gone} for one in groups]}
