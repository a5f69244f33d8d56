"""Webhooks: where the events of sending domains are posted; passwords and tokens are sealed."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.audit import AuditEntry
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import MAX_PER_TYPE, Login, Webhook
from postroad.storage import audit, revision, rows
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict, Outdated
from postroad.storage.schema.control_plane import domains, event_keys, webhook_receivers, webhooks
from postroad.storage.schema.data_plane import webhook_calls
from postroad.storage.secrets import Vault

_decode_types = msgspec.json.Decoder(tuple[EventType, ...]).decode


def add(connection: Connection, vault: Vault, webhook: Webhook, login: Login) -> Webhook:
    """Add a webhook, whose id is given to it now.

    Raises Conflict where the domain has the same address and format already, or as many for a type as it may have.
    """
    # So that two at a time, on two nodes, do not each find room for one more.
    connection.execute(select(domains.c.id).where(domains.c.id == webhook.domain_id).with_for_update())
    _require_room(webhook, of_domain(connection, webhook.domain_id))
    return _add(connection, vault, webhook, login)


def _add(connection: Connection, vault: Vault, webhook: Webhook, login: Login) -> Webhook:
    statement = insert_into(connection, webhooks).values(
        account_id=webhook.account_id,
        domain_id=webhook.domain_id,
        created_at=webhook.created_at,
        created_by=webhook.created_by,
        paused_at=webhook.paused_at,
        **_values(vault, webhook, login),
    )
    row = connection.execute(statement.returning(*webhooks.c)).mappings().one()
    revision.bump(connection)
    return _webhook(row)


def change(
    connection: Connection, vault: Vault, webhook: Webhook, login: Login, *, made_from: tuple[Webhook, Login]
) -> Webhook:
    """Write the address, format, types, note and login of a webhook anew; where it takes no calls, it is tried at once.

    Raises Conflict as ``add`` does and where it is gone, and Outdated where it is not any more what the change was made
    from; whether it is paused is no part of that.
    """
    connection.execute(select(domains.c.id).where(domains.c.id == webhook.domain_id).with_for_update())
    others = of_domain(connection, webhook.domain_id)
    stored = next((one for one in others if one.id == webhook.id), None)
    before, kept = made_from
    if stored is not None and (
        msgspec.structs.replace(stored, paused_at=before.paused_at) != before
        or login_of(connection, vault, webhook.id) != kept
    ):
        raise Outdated(f"webhook {webhook.id}")
    _require_room(webhook, others)
    return _change(connection, vault, webhook, login)


def _change(connection: Connection, vault: Vault, webhook: Webhook, login: Login) -> Webhook:
    statement = update(webhooks).where(webhooks.c.id == webhook.id).values(_values(vault, webhook, login))
    row = connection.execute(statement.returning(*webhooks.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"the webhook to {webhook.url} was removed just now")
    _try_now(connection, webhook.id)
    revision.bump(connection)
    return _webhook(row)


class Change(msgspec.Struct, frozen=True):
    """One of several changes that are made together."""

    webhook: Webhook | None
    """With an id where it is changed, without where it is added; None where one is removed."""
    login: Login
    entry: AuditEntry
    removed: int = 0
    """The id of what is removed."""


def arrange(connection: Connection, vault: Vault, domain_id: int, changes: Collection[Change]) -> list[Webhook]:
    """Make changes together, and return the domain's webhooks then.

    Raises Conflict as ``add`` does for what there would be in the end, and where one to be changed is gone.
    """
    connection.execute(select(domains.c.id).where(domains.c.id == domain_id).with_for_update())
    for one in changes:
        if one.webhook is None:
            remove(connection, one.removed)
        elif one.webhook.id:
            _change(connection, vault, one.webhook, one.login)
        else:
            _add(connection, vault, one.webhook, one.login)
        audit.record(connection, one.entry)
    # Only now: what one gives up may be what another one takes.
    found = of_domain(connection, domain_id)
    for webhook in found:
        _require_room(webhook, found)
    return found


def _try_now(connection: Connection, webhook_id: int) -> None:
    # The failures stay counted until a call gets through: one more, and the pause goes on.
    mine = update(webhook_receivers).where(webhook_receivers.c.receiver == webhook_id)
    connection.execute(mine.values(next_try_at=None))


def _values(vault: Vault, webhook: Webhook, login: Login) -> dict[str, Any]:
    place = _place(webhook.domain_id, webhook.url)
    return {
        "url": webhook.url,
        "format": webhook.format.value,
        "event_types": msgspec.json.encode(webhook.event_types).decode(),
        "note": rows.storable(webhook.note),
        "password": vault.encrypt(login.password.encode(), place) if login.password else None,
        "token": vault.encrypt(login.token.encode(), place) if login.token else None,
    }


def _require_room(webhook: Webhook, others: Collection[Webhook]) -> None:
    for kind in webhook.event_types:
        having = [one for one in others if kind in one.event_types and one.id != webhook.id]
        if any(one.url == webhook.url and one.format is webhook.format for one in having):
            raise Conflict(f"{kind.value} events are posted to {webhook.url} as {webhook.format.value} already")
        if len(having) >= MAX_PER_TYPE:
            raise Conflict(
                f"{kind.value} events are posted to {MAX_PER_TYPE} addresses already, and no more are allowed"
            )


def get(connection: Connection, webhook_id: int) -> Webhook | None:
    """Return a webhook."""
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).mappings().one_or_none()
    return None if row is None else _webhook(row)


def get_many(connection: Connection, webhook_ids: Collection[int]) -> list[Webhook]:
    """Return webhooks by their ids, without those that have gone."""
    query = select(webhooks).where(webhooks.c.id.in_(sorted(webhook_ids)))
    return [_webhook(row) for row in connection.execute(query).mappings()]


def login_of(connection: Connection, vault: Vault, webhook_id: int) -> Login | None:
    """Return what a webhook's receiver wants to be shown; None where there is no such webhook."""
    query = select(webhooks).where(webhooks.c.id == webhook_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    place = _place(row["domain_id"], row["url"])
    opened = {
        name: Secret("" if row[name] is None else vault.decrypt(row[name], place).decode())
        for name in ("password", "token")
    }
    return Login(**opened)


def of_domain(connection: Connection, domain_id: int) -> list[Webhook]:
    """Return a domain's webhooks, in the order in which they were added."""
    query = select(webhooks).where(webhooks.c.domain_id == domain_id).order_by(webhooks.c.id)
    return [_webhook(row) for row in connection.execute(query).mappings()]


def list_all(connection: Connection, account_id: int | None = None) -> list[Webhook]:
    """Return the webhooks of an account, or of all."""
    query = select(webhooks).order_by(webhooks.c.domain_id, webhooks.c.id)
    if account_id is not None:
        query = query.where(webhooks.c.account_id == account_id)
    return [_webhook(row) for row in connection.execute(query).mappings()]


def set_paused(connection: Connection, webhook_id: int, paused_at: int | None) -> bool:
    """Let a webhook's calls wait from now on, or go on; resuming also ends a pause of the circuit breaker."""
    changed = connection.execute(
        update(webhooks).where(webhooks.c.id == webhook_id).values(paused_at=paused_at)
    ).rowcount
    if paused_at is None:
        _try_now(connection, webhook_id)
    revision.bump(connection)
    return changed == 1


def remove(connection: Connection, webhook_id: int) -> bool:
    """Remove a webhook; calls that wait for it are dropped by the relay, or in slices."""
    removed = connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount
    connection.execute(delete(webhook_receivers).where(webhook_receivers.c.receiver == webhook_id))
    revision.bump(connection)
    return removed == 1


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Remove a domain's webhooks, with the calls that wait."""
    mine = select(webhooks.c.id).where(webhooks.c.domain_id == domain_id)
    connection.execute(delete(webhook_receivers).where(webhook_receivers.c.receiver.in_(mine)))
    connection.execute(delete(webhook_calls).where(webhook_calls.c.receiver.in_(mine)))
    connection.execute(delete(webhooks).where(webhooks.c.domain_id == domain_id))


def event_key(connection: Connection, vault: Vault, account_id: int) -> bytes | None:
    """Return an account's private key for formats that sign with ECDSA (PKCS #8, DER); None where it has none yet."""
    query = select(event_keys.c.private_key).where(event_keys.c.account_id == account_id)
    sealed = connection.execute(query).scalar_one_or_none()
    return None if sealed is None else vault.decrypt(sealed, _key_place(account_id))


def ensure_event_key(connection: Connection, vault: Vault, account_id: int, fresh: bytes, now: int) -> bytes:
    """Return an account's private key, storing ``fresh`` where it has none."""
    statement = insert_into(connection, event_keys).values(
        account_id=account_id, private_key=vault.encrypt(fresh, _key_place(account_id)), created_at=now
    )
    connection.execute(statement.on_conflict_do_nothing())
    found = event_key(connection, vault, account_id)
    assert found is not None, "it was stored just now where there was none"
    return found


def _webhook(row: RowMapping) -> Webhook:
    return Webhook(
        id=row["id"],
        account_id=row["account_id"],
        domain_id=row["domain_id"],
        url=row["url"],
        format=CallbackFormat(row["format"]),
        event_types=_decode_types(row["event_types"]),
        note=row["note"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        paused_at=row["paused_at"],
        has_password=row["password"] is not None,
        has_token=row["token"] is not None,
    )


def _place(domain_id: int, url: str) -> str:
    return f"webhooks/{domain_id}/{url}"


def _key_place(account_id: int) -> str:
    return f"event_keys/{account_id}"
