"""Sending domains."""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, select, update

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DkimKey, DomainQuery, DomainSettings, DomainState, SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import (
    audit,
    list_checks,
    revision,
    suppression_imports,
    suppressions,
    tags,
    templates,
    unsubscribe_groups,
    webhooks,
)
from postroad.storage import dkim_keys as key_rows
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.schema.control_plane import api_keys, dkim_keys, domains, inbound_routes, smtp_users
from postroad.storage.schema.data_plane import deliveries
from postroad.storage.secrets import Vault

_NOTED = frozenset({"checked_at", "failing_since"})
"""Columns that nothing a cache holds depends on."""
_AT_A_TIME = 1_000


def add(connection: Connection, domain: SendingDomain) -> SendingDomain:
    """Add a domain, whose id is given to it now; raises Conflict where the name is taken."""
    statement = insert_into(connection, domains).values(_values(domain))
    row = connection.execute(statement.on_conflict_do_nothing().returning(*domains.c)).mappings().one_or_none()
    if row is None:
        raise Conflict(f"domain {domain.name}")
    revision.bump(connection)
    return _domain(row)


def add_with_keys(
    connection: Connection,
    vault: Vault,
    domain: SendingDomain,
    keys: Sequence[DkimKey],
    lapsed_claim: int | None = None,
) -> SendingDomain:
    """Add a domain and its first keys, in the place of another account's lapsed claim where one is named.

    Raises Conflict where the name is taken, or the claim is none any more.
    """
    if lapsed_claim is not None:
        _drop_claim(connection, lapsed_claim)
    added = add(connection, domain)
    for key in keys:
        key_rows.add(connection, vault, msgspec.structs.replace(key, domain_id=added.id))
    return added


def _drop_claim(connection: Connection, domain_id: int) -> None:
    claim = select(domains.c.id).where(domains.c.id == domain_id, domains.c.verified_at.is_(None))
    if connection.execute(claim.with_for_update()).first() is None:
        raise Conflict("the name was verified just now")
    # They were never able to send: only a verified domain is.
    connection.execute(delete(smtp_users).where(smtp_users.c.domain_id == domain_id))
    connection.execute(delete(api_keys).where(api_keys.c.domain_id == domain_id))
    remove(connection, domain_id)


def get(connection: Connection, domain_id: int) -> SendingDomain | None:
    """Return a domain."""
    row = connection.execute(select(domains).where(domains.c.id == domain_id)).mappings().one_or_none()
    return None if row is None else _domain(row)


def get_many(connection: Connection, domain_ids: Collection[int]) -> list[SendingDomain]:
    """Return some domains, those that there are."""
    wanted = sorted(domain_ids)
    found: list[SendingDomain] = []
    for at in range(0, len(wanted), _AT_A_TIME):
        query = select(domains).where(domains.c.id.in_(wanted[at : at + _AT_A_TIME]))
        found.extend(_domain(row) for row in connection.execute(query).mappings())
    return found


def by_name(connection: Connection, name: str) -> SendingDomain | None:
    """Return the domain of a name, an A-label in lower case."""
    row = connection.execute(select(domains).where(domains.c.name == name)).mappings().one_or_none()
    return None if row is None else _domain(row)


def seen(connection: Connection, actor: Actor, name: str, advice: str = "") -> SendingDomain:
    """Return the domain that somebody named, in whatever spelling; ``advice`` follows where there is none.

    Raises:
        RefusedError: the text is no domain name.
        MissingError: there is no such domain, or the actor does not see it: one answer, which tells nobody what others have.
    """
    try:
        found = by_name(connection, normal_domain(name.strip().rstrip(".")))
    except AddressError as error:
        raise RefusedError(f"{error}.", field="domain") from error
    if found is None or not actor.sees(found.account_id):
        raise MissingError(f"There is no sending domain {name}{advice and ': '}{advice}.", field="domain")
    return found


def list_all(connection: Connection, account_id: int | None = None) -> list[SendingDomain]:
    """Return the domains of an account, or of all, in the order of their names."""
    query = select(domains).order_by(domains.c.name)
    if account_id is not None:
        query = query.where(domains.c.account_id == account_id)
    return [_domain(row) for row in connection.execute(query).mappings()]


def page(connection: Connection, account_id: int, wanted: DomainQuery) -> tuple[list[SendingDomain], int]:
    """Return some of the domains of an account in the order of their names, and how many there are of that kind."""
    query = select(domains).where(domains.c.account_id == account_id)
    if wanted.states:
        query = query.where(domains.c.state.in_([one.value for one in wanted.states]))
    if wanted.name:
        query = query.where(domains.c.name == wanted.name)
    if wanted.after:
        query = query.where(domains.c.name > wanted.after)
    if wanted.part:
        query = query.where(domains.c.name.contains(wanted.part, autoescape=True))
    total = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    order = domains.c.name.desc() if wanted.is_descending else domains.c.name
    rows = connection.execute(query.order_by(order).limit(wanted.limit).offset(wanted.skip)).mappings()
    return [_domain(row) for row in rows], total


def list_in_state(connection: Connection, state: DomainState) -> list[SendingDomain]:
    """Return the domains in one state, those first whose records were compared longest ago."""
    query = select(domains).where(domains.c.state == state.value)
    return [_domain(row) for row in connection.execute(query.order_by(domains.c.checked_at, domains.c.id)).mappings()]


def change(
    connection: Connection, vault: Vault, before: SendingDomain, after: SendingDomain, keys: Sequence[DkimKey] = ()
) -> bool:
    """Store what differs between ``before`` and ``after``, with changed keys and new ones (those without an id).

    False, and nothing is stored, where the domain is no longer in the state it was in before, or where its settings are to
    differ and are no longer those from before.
    """
    old, new = _values(before), _values(after)
    differing = {name: value for name, value in new.items() if value != old[name]}
    if "settings" in differing and not _has_settings(connection, before):
        return False
    statement = update(domains).where(domains.c.id == before.id, domains.c.state == before.state.value)
    if connection.execute(statement.values(differing or {"state": before.state.value})).rowcount != 1:
        return False
    for key in keys:
        if key.id:
            key_rows.replace(connection, key)
        else:
            key_rows.add(connection, vault, msgspec.structs.replace(key, domain_id=before.id))
    if differing.keys() - _NOTED:
        revision.bump(connection)
    return True


def _has_settings(connection: Connection, domain: SendingDomain) -> bool:
    # Compared as they are read: another version may have written them otherwise.
    query = select(domains).where(domains.c.id == domain.id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return row is not None and _domain(row).settings == domain.settings


def change_recorded(
    connection: Connection,
    entry: AuditEntry,
    vault: Vault,
    before: SendingDomain,
    after: SendingDomain,
    *,
    keys: Sequence[DkimKey] = (),
) -> bool:
    """Do what ``change`` does, and write its audit entry where it was done."""
    is_changed = change(connection, vault, before, after, keys)
    if is_changed:
        audit.record(connection, entry)
    return is_changed


def bound_to(connection: Connection, domain_id: int) -> dict[str, int]:
    """Return how many of what keeps a domain from being removed, by what it is; nothing at all where it may go."""
    counts = {
        noun: connection.execute(select(func.count()).where(table.c.domain_id == domain_id)).scalar_one()
        for noun, table in (("SMTP user", smtp_users), ("API key", api_keys))
    }
    under_way = deliveries.c.state.in_([state.value for state in DeliveryState if not state.is_final])
    query = select(func.count()).where(deliveries.c.domain_id == domain_id, under_way)
    counts["delivery"] = connection.execute(query).scalar_one()
    return {noun: count for noun, count in counts.items() if count}


def remove(connection: Connection, domain_id: int) -> None:
    """Remove a domain with its keys, templates, suppressions, list checks, routes and webhooks; raises Conflict while SMTP users or API keys are bound to it."""
    for noun, table in (("SMTP users", smtp_users), ("API keys", api_keys)):
        if connection.execute(select(table.c.id).where(table.c.domain_id == domain_id).limit(1)).first():
            raise Conflict(f"{noun} are bound to the domain")
    templates.remove_of_domain(connection, domain_id)
    suppressions.remove_of_domain(connection, domain_id)
    unsubscribe_groups.remove_of_domain(connection, domain_id)
    tags.remove_of_domain(connection, domain_id)
    suppression_imports.remove_of_domain(connection, domain_id)
    list_checks.remove_of_domain(connection, domain_id)
    webhooks.remove_of_domain(connection, domain_id)
    connection.execute(delete(inbound_routes).where(inbound_routes.c.domain_id == domain_id))
    connection.execute(delete(dkim_keys).where(dkim_keys.c.domain_id == domain_id))
    connection.execute(delete(domains).where(domains.c.id == domain_id))
    revision.bump(connection)


def _values(domain: SendingDomain) -> dict[str, object]:
    values = msgspec.structs.asdict(domain)
    del values["id"]
    return values | {"state": domain.state.value, "settings": msgspec.json.encode(domain.settings).decode()}


def _domain(row: RowMapping) -> SendingDomain:
    facts = dict(row)
    settings = msgspec.json.decode(facts.pop("settings"), type=DomainSettings)
    return SendingDomain(**facts | {"state": DomainState(facts["state"]), "settings": settings})
