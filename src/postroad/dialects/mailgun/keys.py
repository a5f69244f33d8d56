"""API keys as Mailgun's API tells them: what they are for is said by a kind and a role."""

from typing import Any

import msgspec

from postroad.dialects.mailgun.parameters import Parameters
from postroad.model.credential import ApiKey
from postroad.model.refused import RefusedError
from postroad.protocol.mime.date import utc_moment

KINDS = ("domain", "user", "web")
_SENDING, _ADMIN = "sending", "admin"
_ROLES = (_SENDING, _ADMIN)


class WantedKey(msgspec.Struct, frozen=True):
    """A key that is asked for."""

    domain: str
    """What it sends for; empty for a key that manages the account."""
    note: str


def read_wanted(parameters: Parameters) -> WantedKey:
    """Return which key is to be made; raises RefusedError for one that would be another than what is asked for."""
    kind, domain = parameters.one_of("kind", KINDS), parameters.text("domain_name")
    role = parameters.text("role").lower() or (_SENDING if kind == "domain" else "")
    if not role:
        raise RefusedError("role parameter is missing", field="role")
    if role not in _ROLES:
        raise RefusedError(
            f"role cannot be {role[:60]}: a key has the role sending, for one domain, or admin, for the account",
            field="role",
        )
    if parameters.number("expiration", 0):
        raise RefusedError("expiration cannot be kept: a key ends when it is deleted; leave it out", field="expiration")
    if role == _SENDING:
        return WantedKey(parameters.needed("domain_name"), parameters.text("description"))
    if domain or kind == "domain":
        raise RefusedError(
            "a key with the role admin is not of one domain: leave domain_name out, or kind", field="role"
        )
    return WantedKey("", parameters.text("description"))


def key_document(key: ApiKey, domain: str | None) -> dict[str, Any]:
    """Return a key."""
    created_at = utc_moment(key.created_at).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "id": str(key.id),
        "description": key.note,
        "kind": "user" if key.domain_id is None else "domain",
        "role": _ADMIN if key.domain_id is None else _SENDING,
        "created_at": created_at,
        "updated_at": created_at,
        "is_disabled": False,
        "domain_name": domain,
        "requestor": None,
        "user_name": None,
    }


def is_of_kind(key: ApiKey, kind: str) -> bool:
    """Whether a key is of a kind, or any is asked for."""
    return not kind or (kind == "domain") is (key.domain_id is not None)
