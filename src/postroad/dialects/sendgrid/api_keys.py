"""API keys as SendGrid's callers know them: a list of scopes says what a key may, and here there are two such lists."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from postroad.dialects.sendgrid.bodies import given, object_from, required_text
from postroad.model.credential import ApiKey
from postroad.model.refused import RefusedError

LONGEST_NAME = 100
MOST_SHOWN = 1_000


def _all_of(*names: str) -> Iterator[str]:
    return (f"{name}.{verb}" for name in names for verb in ("create", "delete", "read", "update"))


SENDING = (
    "mail.send",
    *_all_of("mail.batch", "user.scheduled_sends"),
    "validations.email.create",
)
"""What a key of a sending domain may."""
MANAGING = (
    *_all_of("api_keys", "asm.groups", "asm.groups.suppressions", "asm.suppressions.global"),
    "categories.read",
    "categories.stats.read",
    "stats.read",
    *_all_of("suppression", "templates", "templates.versions", "templates.versions.activate"),
    *_all_of("user.webhooks.event.settings", "user.webhooks.event.test", "whitelabel"),
)
"""What a key of the account may."""
_SAID_OF_ALL = frozenset({"2fa_required", "sender_verification_eligible", "sender_verification_legacy"})
"""What the vendor lists among the scopes of every key."""


class Wish(msgspec.Struct, frozen=True):
    """What a call says of a key."""

    name: str
    sends: bool | None
    """Whether its scopes are those of a key that sends for a domain; null where it names none."""


def scopes_of(*, sends: bool) -> list[str]:
    """Return the scopes of a key of one kind or the other."""
    return list(SENDING if sends else MANAGING)


def read_wish(document: Any) -> Wish:
    """Read the body of a call that makes a key or writes one over. Raises RefusedError."""
    fields = object_from(document)
    scopes = given(fields, "scopes", list)
    if not all(isinstance(one, str) for one in scopes or ()):
        raise RefusedError("scopes must be a list of texts", field="scopes")
    # No list at all asks for a key that manages; one that names nothing must not.
    return Wish(read_name(fields), None if scopes is None else _sends(scopes))


def read_name(document: Any) -> str:
    """Read the name that a key is given. Raises RefusedError."""
    return required_text(object_from(document), "name", LONGEST_NAME)


def _sends(scopes: Iterable[str]) -> bool:
    asked = set(scopes) - _SAID_OF_ALL
    if asked and asked <= set(SENDING):
        return True
    if asked == set(MANAGING):
        return False
    raise RefusedError(
        "a key either sends for one domain (scopes of mail, user.scheduled_sends and validations, such as mail.send) or manages "
        "the whole account (no list of scopes, or all that GET /v3/scopes tells of such a key): nothing else can be made here",
        field="scopes",
    )


def listed(key: ApiKey) -> dict[str, Any]:
    """Return a key as the list has it."""
    return {"api_key_id": str(key.id), "name": key.note}


def shown(key: ApiKey) -> dict[str, Any]:
    """Return a key with its scopes."""
    return listed(key) | {"scopes": scopes_of(sends=key.domain_id is not None)}
