"""The audit log: who changed what, from where, when."""

from typing import Any

import msgspec

from postroad.model.actor import Actor, ActorKind


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One administrative act. Secrets are never in it: a changed password is noted as changed."""

    id: int = 0
    at: int
    account_id: int | None
    actor_kind: ActorKind
    actor_id: int | None
    actor_name: str
    client_address: str
    action: str
    """Noun and participle: ``smtp_user.added``, ``domain.approved``."""
    target: str
    """What was changed, as people name it: a user name, a domain."""
    before: dict[str, Any] | None = None
    """The values that changed, as they were."""
    after: dict[str, Any] | None = None


def entry_of(
    actor: Actor,
    action: str,
    target: str,
    *,
    at: int,
    account_id: int | None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Return the entry of what an actor does to a target of an account; only what differs is kept of the values."""
    if before is not None and after is not None:
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        before = {name: value for name, value in before.items() if name in changed}
        after = {name: value for name, value in after.items() if name in changed}
    return AuditEntry(
        at=at,
        account_id=account_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        client_address=actor.client_address,
        action=action,
        target=target,
        before=before,
        after=after,
    )
