"""Stored templates and their versions.

A template that is removed is no longer found; its versions stay a while longer, for the messages that were accepted with
them, as do all versions that are no longer active.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, delete, func, select, update

from postroad.model.options import Options
from postroad.model.template import ActiveTemplate, StoredTemplate, TemplateSource, TemplateVersion, VersionFacts
from postroad.policy.template_name import key_of
from postroad.storage import revision
from postroad.storage.dialect import insert_into
from postroad.storage.errors import Conflict
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import template_versions, templates
from postroad.storage.schema.data_plane import messages

_FACTS = ("id", "template_id", "number", "tag", "note", "created_at", "created_by")
_AT_ONCE = 500
_decode_options = msgspec.json.Decoder(Options).decode


class NamedVersion(msgspec.Struct, frozen=True):
    """A version with the name of its template."""

    name: str
    version: TemplateVersion


def add(connection: Connection, template: StoredTemplate, version: TemplateVersion) -> StoredTemplate:
    """Add a template with its first version; both get their ids now. Raises Conflict where the name is taken."""
    values = {
        "account_id": template.account_id,
        "domain_id": template.domain_id,
        "name": template.name,
        "key": key_of(template.name),
        "created_at": template.created_at,
        "description": storable(template.description),
    }
    statement = insert_into(connection, templates).values(values).on_conflict_do_nothing()
    template_id = connection.execute(statement.returning(templates.c.id)).scalar_one_or_none()
    if template_id is None:
        raise Conflict(f"template {template.name}")
    added = add_version(connection, msgspec.structs.replace(version, template_id=template_id), activates=True)
    return msgspec.structs.replace(template, id=template_id, active_version_id=added.id, active_number=added.number)


def add_version(connection: Connection, version: TemplateVersion, *, activates: bool) -> TemplateVersion:
    """Add a version, whose id and number are given to it now.

    Raises Conflict where its template is gone, or has a version of this tag already.
    """
    _lock(connection, version.template_id)
    newest = select(func.max(template_versions.c.number)).where(template_versions.c.template_id == version.template_id)
    number = (connection.execute(newest).scalar_one() or 0) + 1
    values = {name: getattr(version, name) for name in _FACTS if name != "id"}
    values |= {name: storable(text) for name, text in _texts(version.source).items()}
    values |= {"number": number, "note": storable(version.note), "inlines_css": version.source.inlines_css}
    statement = insert_into(connection, template_versions).values(values).on_conflict_do_nothing()
    version_id = connection.execute(statement.returning(template_versions.c.id)).scalar_one_or_none()
    if version_id is None:
        raise Conflict(f"version {version.tag}")
    if activates:
        _activate(connection, version.template_id, version_id)
    revision.bump(connection)
    return msgspec.structs.replace(version, id=version_id, number=number)


def activate(connection: Connection, template_id: int, version_id: int) -> None:
    """Make a version the active one; raises Conflict where its template is gone."""
    _lock(connection, template_id)
    _activate(connection, template_id, version_id)
    revision.bump(connection)


def describe(connection: Connection, template_id: int, description: str) -> None:
    """Say what a template is for; raises Conflict where it is gone."""
    statement = update(templates).where(*_stands(template_id)).values(description=storable(description))
    if connection.execute(statement).rowcount != 1:
        raise Conflict("template was removed")


def replace_version(
    connection: Connection, version: TemplateVersion, old: VersionFacts, *, old_tag: str | None = None
) -> TemplateVersion:
    """Add a version in the place of another, active where that is, which has ``old_tag`` from then on. Raises Conflict."""
    _lock(connection, version.template_id)
    connection.execute(update(template_versions).where(template_versions.c.id == old.id).values(tag=old_tag))
    active = select(templates.c.active_version_id).where(templates.c.id == version.template_id)
    return add_version(connection, version, activates=connection.execute(active).scalar_one() == old.id)


def remove_version(connection: Connection, version: VersionFacts) -> None:
    """Remove a version for good; raises Conflict where its template is gone, or has it as the active one."""
    _lock(connection, version.template_id)
    active = select(templates.c.active_version_id).where(templates.c.id == version.template_id)
    if connection.execute(active).scalar_one() == version.id:
        raise Conflict("the version is the active one")
    connection.execute(delete(template_versions).where(template_versions.c.id == version.id))
    revision.bump(connection)


def get(connection: Connection, template_id: int) -> StoredTemplate | None:
    """Return a template."""
    return next(_found(connection, _query().where(templates.c.id == template_id)), None)


def by_keys(connection: Connection, domain_id: int, keys: Sequence[str]) -> StoredTemplate | None:
    """Return the template of a domain under the first of the keys that has one."""
    query = _query().where(templates.c.domain_id == domain_id, templates.c.key.in_(keys))
    by_key = {key_of(one.name): one for one in _found(connection, query)}
    return next((by_key[key] for key in keys if key in by_key), None)


def list_all(
    connection: Connection, account_id: int | None = None, domain_id: int | None = None
) -> list[StoredTemplate]:
    """Return the templates of a domain, of an account, or all, in the order of their names."""
    query = _query().order_by(templates.c.key, templates.c.domain_id)
    if account_id is not None:
        query = query.where(templates.c.account_id == account_id)
    if domain_id is not None:
        query = query.where(templates.c.domain_id == domain_id)
    return list(_found(connection, query))


def active(connection: Connection, domain_id: int) -> list[ActiveTemplate]:
    """Return how messages of a domain find its templates."""
    query = select(templates.c.key, templates.c.id, templates.c.active_version_id).where(
        templates.c.domain_id == domain_id, templates.c.removed_at.is_(None)
    )
    return [ActiveTemplate(*row) for row in connection.execute(query)]


def count(connection: Connection, domain_id: int) -> int:
    """Return how many templates a domain has."""
    stands = (templates.c.domain_id == domain_id, templates.c.removed_at.is_(None))
    found: int = connection.execute(select(func.count()).select_from(templates).where(*stands)).scalar_one()
    return found


def versions(connection: Connection, template_id: int) -> list[VersionFacts]:
    """Return the versions of a template without what they are written as, newest first."""
    query = (
        select(*(template_versions.c[name] for name in _FACTS))
        .where(template_versions.c.template_id == template_id)
        .order_by(template_versions.c.number.desc())
    )
    return [VersionFacts(**row) for row in connection.execute(query).mappings()]


def newest(connection: Connection, template_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Return the number of the newest version of each of some templates, and when it was made."""
    t = template_versions.c
    found: dict[int, tuple[int, int]] = {}
    wanted = sorted(template_ids)
    for at in range(0, len(wanted), _AT_ONCE):
        query = select(t.template_id, func.max(t.number), func.max(t.created_at)).group_by(t.template_id)
        rows = connection.execute(query.where(t.template_id.in_(wanted[at : at + _AT_ONCE])))
        found |= {template_id: (number, created_at) for template_id, number, created_at in rows}
    return found


def version(connection: Connection, template_id: int, name: str) -> TemplateVersion | None:
    """Return a version by its number or tag."""
    is_named = template_versions.c.tag == name
    if name.isascii() and name.isdigit() and len(name) < 10:
        is_named = template_versions.c.number == int(name)
    query = select(template_versions).where(template_versions.c.template_id == template_id, is_named)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _version(row)


def named_versions(connection: Connection, version_ids: Collection[int]) -> dict[int, NamedVersion]:
    """Return versions by their ids, whether or not they are active or their templates still stand."""
    found: dict[int, NamedVersion] = {}
    wanted = sorted(version_ids)
    for at in range(0, len(wanted), _AT_ONCE):
        query = (
            select(template_versions, templates.c.name.label("template_name"))
            .join(templates, templates.c.id == template_versions.c.template_id)
            .where(template_versions.c.id.in_(wanted[at : at + _AT_ONCE]))
        )
        for row in connection.execute(query).mappings():
            found[row["id"]] = NamedVersion(row["template_name"], _version(row))
    return found


def under_way(connection: Connection, template: StoredTemplate) -> int:
    """Return how many messages of its domain that are not delivered yet are made of a template, or hold it as a partial."""
    query = select(template_versions.c.id).where(template_versions.c.template_id == template.id)
    own = frozenset(connection.execute(query).scalars())
    return sum(1 for versions in _held(connection, template.domain_id) if not own.isdisjoint(versions))


def held(connection: Connection, domain_id: int) -> set[int]:
    """Return the versions, of whatever templates, that messages of a domain hold which are not delivered yet."""
    return {one for versions in _held(connection, domain_id) for one in versions}


def _held(connection: Connection, domain_id: int) -> Iterator[Collection[int]]:
    waiting = (
        select(messages.c.id, messages.c.options)
        .where(
            messages.c.domain_id == domain_id,
            messages.c.open_deliveries > 0,
            messages.c.options.contains('"frozen_template":', autoescape=True),
        )
        .order_by(messages.c.id)
        .limit(_AT_ONCE)
    )
    last = 0
    while rows := connection.execute(waiting.where(messages.c.id > last)).all():
        last = rows[-1].id
        frozen = (_decode_options(row.options).frozen_template for row in rows)
        yield from (one.versions for one in frozen if one is not None)


def remove_versions(connection: Connection, template_id: int, version_ids: Collection[int]) -> None:
    """Remove some versions for good, but for the active one; raises Conflict where their template is gone."""
    _lock(connection, template_id)
    active = select(templates.c.active_version_id).where(templates.c.id == template_id).scalar_subquery()
    t = template_versions.c
    which = (t.template_id == template_id, t.id.in_(sorted(version_ids)), t.id != active)
    connection.execute(delete(template_versions).where(*which))
    revision.bump(connection)


def remove(connection: Connection, template_id: int, at: int) -> None:
    """Let a template be found no more; raises Conflict where it is gone already."""
    statement = update(templates).where(*_stands(template_id)).values(removed_at=at)
    if connection.execute(statement).rowcount != 1:
        raise Conflict("template was removed")
    revision.bump(connection)


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Remove all that a domain has of templates, for good."""
    _delete(connection, templates.c.domain_id == domain_id)


def delete_removed_before(connection: Connection, before: int, limit: int) -> int:
    """Remove for good what was removed before an instant; returns how many templates that were."""
    query = select(templates.c.id).where(templates.c.removed_at < before).order_by(templates.c.id).limit(limit)
    found = list(connection.execute(query).scalars())
    if found:
        _delete(connection, templates.c.id.in_(found))
    return len(found)


def _delete(connection: Connection, which: ColumnElement[bool]) -> None:
    mine = select(templates.c.id).where(which)
    connection.execute(delete(template_versions).where(template_versions.c.template_id.in_(mine)))
    connection.execute(delete(templates).where(which))


def _lock(connection: Connection, template_id: int) -> None:
    """Make others that add a version or activate one wait; raises Conflict where the template is gone."""
    query = select(templates.c.id).where(*_stands(template_id)).with_for_update()
    if connection.execute(query).first() is None:
        raise Conflict("template was removed")


def _activate(connection: Connection, template_id: int, version_id: int) -> None:
    connection.execute(update(templates).where(templates.c.id == template_id).values(active_version_id=version_id))


def _stands(template_id: int) -> tuple[ColumnElement[bool], ...]:
    return templates.c.id == template_id, templates.c.removed_at.is_(None)


def _query() -> Select[Any]:
    return (
        select(templates, template_versions.c.number)
        .join(template_versions, template_versions.c.id == templates.c.active_version_id)
        .where(templates.c.removed_at.is_(None))
    )


def _found(connection: Connection, query: Select[Any]) -> Iterator[StoredTemplate]:
    for row in connection.execute(query).mappings():
        yield StoredTemplate(
            id=row["id"],
            account_id=row["account_id"],
            domain_id=row["domain_id"],
            name=row["name"],
            created_at=row["created_at"],
            active_version_id=row["active_version_id"],
            active_number=row["number"],
            description=row["description"],
        )


def _texts(source: TemplateSource) -> dict[str, str]:
    return {"html": source.html, "text": source.text, "subject": source.subject}


def _version(row: RowMapping) -> TemplateVersion:
    source = TemplateSource(html=row["html"], text=row["text"], subject=row["subject"], inlines_css=row["inlines_css"])
    return TemplateVersion(**{name: row[name] for name in _FACTS}, source=source)
