"""The stored templates of sending domains, as people and programs change them."""

import asyncio
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import SendingDomain
from postroad.model.options import FrozenTemplate, Options
from postroad.model.refused import MissingError, RefusedError
from postroad.model.template import LONGEST_DESCRIPTION, StoredTemplate, TemplateSource, TemplateVersion, VersionFacts
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.policy.template_name import lookup_keys, name_fault, tag_fault
from postroad.rendering.placeholder import Addressee
from postroad.storage import domains, templates
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.templating.compiled import CompiledVersion, Content, PartError, Rendering, compiled, keyed
from postroad.templating.data import MessageFacts, data_for

MOST_OCTETS = 512 * 1024
MOST_VERSIONS = 1_000
MOST_TEMPLATES = 1_000
_REMOVED_AT_ONCE = 500
_PARTS = (("html", "HTML"), ("text", "text"), ("subject", "subject"))


class Shown(msgspec.Struct, frozen=True):
    """A template with the facts of its versions, newest first."""

    template: StoredTemplate
    domain: SendingDomain
    versions: tuple[VersionFacts, ...]


class Templates:
    """Adds, changes and removes templates on somebody's behalf; what breaks a rule raises RefusedError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    # -- looking -------------------------------------------------------------------------------------------------------

    async def all(
        self, actor: Actor, *, account_id: int | None = None, domain_id: int | None = None
    ) -> list[StoredTemplate]:
        """Return the templates of a domain, of an account, or all that the actor sees, by name."""
        scope = actor.account_id if account_id is None else account_id
        found = await self._database.read(templates.list_all, scope, domain_id)
        return [one for one in found if actor.sees(one.account_id)]

    async def get(self, actor: Actor, template_id: int) -> StoredTemplate:
        """Return a template; raises MissingError."""
        template = await self._database.read(templates.get, template_id)
        if template is None:
            raise MissingError("There is no such template.")
        require_sight(actor, template.account_id, "such template")
        return template

    async def find(self, actor: Actor, domain_name: str, name: str) -> StoredTemplate:
        """Return the template that a domain's messages find by a name; raises MissingError."""
        domain = await self._database.read(domains.seen, actor, domain_name)
        template = await self._database.read(templates.by_keys, domain.id, lookup_keys(name.strip()))
        if template is None:
            raise MissingError(f"There is no template {name} of {domain.name}.", field="name")
        return template

    async def shown(self, actor: Actor, template_id: int) -> Shown:
        """Return a template with its versions."""
        template = await self.get(actor, template_id)
        domain = await self._database.read(domains.get, template.domain_id)
        if domain is None:
            raise MissingError("There is no such template.")
        return Shown(template, domain, tuple(await self._database.read(templates.versions, template.id)))

    async def newest(self, found: Sequence[StoredTemplate]) -> dict[int, tuple[int, int]]:
        """Return the number of the newest version of each template, and when it was made."""
        return await self._database.read(templates.newest, [one.id for one in found])

    async def version(self, actor: Actor, template_id: int, name: str | int = "") -> TemplateVersion:
        """Return a version by its number or tag, the active one where none is named; raises MissingError."""
        template = await self.get(actor, template_id)
        wanted = str(name).strip() or str(template.active_number)
        found = await self._database.read(templates.version, template.id, wanted)
        if found is None:
            raise MissingError(f"There is no version {wanted} of {template.name}.", field="version")
        return found

    async def diff(self, actor: Actor, template_id: int, older: str | int, newer: str | int) -> str:
        """Return how one version differs from another, as a unified diff; empty where they are the same."""
        before, after = await self.version(actor, template_id, older), await self.version(actor, template_id, newer)
        parts = [_diff_of(before, after, part, title) for part, title in _PARTS]
        if before.source.inlines_css != after.source.inlines_css:
            parts.append(f"inline CSS: {_yes(before.source)} → {_yes(after.source)}\n")
        return "".join(parts)

    async def preview(
        self, actor: Actor, template_id: int, source: TemplateSource, data: Mapping[str, Any], *, label: str = "draft"
    ) -> Content:
        """Return what a source would make, as a version of a template, of sample data over the built-in variables.

        Raises:
            RefusedError: it is not understood or cannot be rendered; ``field`` names the part.
        """
        template = await self.get(actor, template_id)
        domain = await self._database.read(domains.get, template.domain_id)
        if domain is None:
            raise MissingError("There is no such template.")
        try:
            rendering = await self._rendering(template, source, label)
            # A draft may be anything: the other pages of the console go on beside it.
            return await asyncio.to_thread(rendering.content, self._sample(domain, data))
        except PartError as error:
            raise refusal(error) from error

    # -- changing ------------------------------------------------------------------------------------------------------

    async def add(
        self,
        actor: Actor,
        domain_name: str,
        name: str,
        source: TemplateSource,
        *,
        tag: str = "",
        note: str = "",
        description: str = "",
    ) -> StoredTemplate:
        """Add a template to a domain; what it is written as becomes its first version, and the active one."""
        domain = await self._database.read(domains.seen, actor, domain_name)
        require_change(actor, domain.account_id, f"sending domain {domain_name}")
        name = name.strip()
        if fault := name_fault(name):
            raise RefusedError(fault, field="name")
        description = _described(description)
        version = self._version(actor, source, template_id=0, name=name, tag=tag, note=note)
        if await self._database.read(templates.count, domain.id) >= MOST_TEMPLATES:
            raise RefusedError(f"{domain.name} has {MOST_TEMPLATES:,} templates; remove one first.", field="domain")
        wanted = StoredTemplate(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            name=name,
            created_at=version.created_at,
            description=description,
        )
        entry = _entry(actor, "template.added", domain, name, version.created_at, after=_facts(source) | {"version": 1})
        try:
            return await self._database.write(recorded, entry, templates.add, wanted, version)
        except Conflict as error:
            raise RefusedError(f"{domain.name} has a template {name} already.", field="name") from error

    async def add_version(
        self,
        actor: Actor,
        template_id: int,
        source: TemplateSource,
        *,
        tag: str = "",
        note: str = "",
        activates: bool = False,
    ) -> TemplateVersion:
        """Add a version to a template, after it was compiled; messages use it once it is active."""
        template, domain = await self._to_change(actor, template_id)
        version = self._version(actor, source, template_id=template.id, name=template.name, tag=tag, note=note)
        await self._make_room(template)
        before = await self._database.read(templates.versions, template.id)
        if version.tag is not None and version.tag in {one.tag for one in before}:
            raise RefusedError(f"{template.name} has a version {version.tag} already.", field="tag")
        number = max((one.number for one in before), default=0) + 1
        after = _facts(source) | {"version": number, "active": activates}
        entry = _entry(actor, "template.changed", domain, template.name, version.created_at, after=after)
        try:
            return await self._database.write(recorded, entry, templates.add_version, version, activates=activates)
        except Conflict as error:
            raise RefusedError(f"{template.name} was changed by someone else just now; look at it again.") from error

    async def describe(self, actor: Actor, template_id: int, description: str) -> StoredTemplate:
        """Say what a template is for."""
        template, domain = await self._to_change(actor, template_id)
        described = msgspec.structs.replace(template, description=_described(description))
        before, after = {"description": template.description}, {"description": described.description}
        entry = _entry(actor, "template.changed", domain, template.name, self._clock(), before=before, after=after)
        try:
            await self._database.write(recorded, entry, templates.describe, template.id, described.description)
        except Conflict as error:
            raise MissingError("There is no such template.") from error
        return described

    async def replace_version(
        self,
        actor: Actor,
        template_id: int,
        name: str | int,
        source: TemplateSource,
        *,
        note: str,
        tags: tuple[str, str] | None = None,
    ) -> TemplateVersion:
        """Have another version in the place of one: it takes over its tag, and is active where that was.

        What the old one was written as stays, under its number, for the messages that were accepted with it. ``tags`` are
        those of the new version and of the old one from then on, which has none where they are not said.
        """
        template, domain = await self._to_change(actor, template_id)
        await self._make_room(template)
        old = await self.version(actor, template_id, name)
        tag, old_tag = tags or (old.tag or "", "")
        version = self._version(actor, source, template_id=template.id, name=template.name, tag=tag, note=note)
        after = _facts(source) | {"in place of": old.label}
        entry = _entry(actor, "template.changed", domain, template.name, version.created_at, after=after)
        try:
            return await self._database.write(
                recorded, entry, templates.replace_version, version, old, old_tag=old_tag or None
            )
        except Conflict as error:
            raise RefusedError(f"{template.name} was changed by someone else just now; look at it again.") from error

    async def remove_version(self, actor: Actor, template_id: int, name: str | int) -> TemplateVersion:
        """Remove a version that is not the active one, and that no message is made of which is not delivered yet."""
        template, domain = await self._to_change(actor, template_id)
        version = await self.version(actor, template_id, name)
        if version.id == template.active_version_id:
            raise RefusedError(f"Version {version.label} of {template.name} is the active one: activate another first.")
        await self.require_none_under_way(template)
        entry = _entry(
            actor, "template.changed", domain, template.name, self._clock(), before={"version": version.number}
        )
        try:
            await self._database.write(recorded, entry, templates.remove_version, version)
        except Conflict as error:
            raise RefusedError(f"{template.name} was changed by someone else just now; look at it again.") from error
        return version

    async def activate(self, actor: Actor, template_id: int, name: str | int) -> TemplateVersion:
        """Make a version the one that messages have which name none; messages that were accepted keep theirs."""
        template, domain = await self._to_change(actor, template_id)
        version = await self.version(actor, template_id, name)
        if version.id == template.active_version_id:
            return version
        entry = _entry(
            actor,
            "template.activated",
            domain,
            template.name,
            self._clock(),
            before={"version": template.active_number},
            after={"version": version.number},
        )
        try:
            await self._database.write(recorded, entry, templates.activate, template.id, version.id)
        except Conflict as error:
            raise MissingError("There is no such template.") from error
        return version

    async def remove(self, actor: Actor, template_id: int) -> StoredTemplate:
        """Remove a template; refused while messages that are not delivered yet are made of it."""
        template, domain = await self._to_change(actor, template_id)
        await self.require_none_under_way(template)
        now = self._clock()
        entry = _entry(
            actor, "template.removed", domain, template.name, now, before={"version": template.active_number}
        )
        try:
            await self._database.write(recorded, entry, templates.remove, template.id, now)
        except Conflict as error:
            raise MissingError("There is no such template.") from error
        return template

    async def _make_room(self, template: StoredTemplate) -> None:
        """Raise RefusedError where a template has too many versions; some go first that are kept for messages alone."""
        found = await self._database.read(templates.versions, template.id)
        if len(found) < MOST_VERSIONS:
            return
        held = await self._database.read(templates.held, template.domain_id)
        spare = [one.id for one in reversed(found) if one.is_replaced and one.id not in held]
        spare = [one for one in spare if one != template.active_version_id]
        if not spare:
            raise RefusedError(
                f"{template.name} has {MOST_VERSIONS:,} versions; go on with a template of another name."
            )
        # The latest ones may be in the hands of messages that are just being accepted.
        await self._database.write(templates.remove_versions, template.id, spare[:_REMOVED_AT_ONCE])

    async def require_none_under_way(self, template: StoredTemplate) -> None:
        """Raise RefusedError where messages that are not delivered yet are made of a template."""
        waiting = await self._database.read(templates.under_way, template)
        if waiting:
            what = "1 message is" if waiting == 1 else f"{waiting:,} messages are"
            raise RefusedError(f"{what} made of {template.name} and not delivered yet; wait for or cancel them first.")

    def _version(
        self, actor: Actor, source: TemplateSource, *, template_id: int, name: str, tag: str, note: str
    ) -> TemplateVersion:
        """Return a version to store; raises RefusedError where it cannot be one."""
        tag, note = tag.strip(), note.strip()
        if tag and (fault := tag_fault(tag)):
            raise RefusedError(fault, field="tag")
        if len(note) > LONGEST_DESCRIPTION:
            raise RefusedError(f"A note has at most {LONGEST_DESCRIPTION} characters.", field="note")
        check(name, source)
        return TemplateVersion(
            id=0,
            template_id=template_id,
            number=0,
            tag=tag or None,
            note=note,
            created_at=self._clock(),
            created_by=actor.name,
            source=source,
        )

    async def _to_change(self, actor: Actor, template_id: int) -> tuple[StoredTemplate, SendingDomain]:
        template = await self.get(actor, template_id)
        require_change(actor, template.account_id, "such template")
        domain = await self._database.read(domains.get, template.domain_id)
        if domain is None:
            raise MissingError("There is no such template.")
        return template, domain

    # -- previews ------------------------------------------------------------------------------------------------------

    async def _rendering(self, template: StoredTemplate, source: TemplateSource, label: str) -> Rendering:
        root = compiled(template.name, label, source)
        active = await self._database.read(templates.active, template.domain_id)
        others = {one.key: one.version_id for one in active if one.template_id != template.id}
        partials: dict[str, CompiledVersion] = {}
        todo = others if root.makes_partial_names else _called(root.partial_names, others)
        while todo:
            read = await self._database.read(templates.named_versions, todo.values())
            new = keyed(compiled(one.name, str(one.version.number), one.version.source) for one in read.values())
            partials |= new
            if any(one.makes_partial_names for one in new.values()):
                called = others
            else:
                called = _called((name for one in new.values() for name in one.partial_names), others)
            todo = {key: version_id for key, version_id in called.items() if key not in partials}
        return Rendering.of(root, partials | keyed(iter([root])))

    def _sample(self, domain: SendingDomain, data: Mapping[str, Any]) -> dict[str, Any]:
        facts = MessageFacts(
            header_from=f"hello@{domain.name}",
            subject="The message's own subject",
            accepted_at=self._clock(),
            domain_name=domain.name,
        )
        options = Options(
            tracks_opens=domain.settings.tracks_opens,
            tracks_clicks=domain.settings.tracks_clicks,
            frozen_template=FrozenTemplate((), domain.settings.is_transactional),
        )
        addressee = Addressee(address="recipient@example.net", variables=data)
        return data_for(facts, options, addressee, None)


def check(name: str, source: TemplateSource) -> None:
    """Raise RefusedError where a source is not one; ``field`` names the part, the sentence line and column."""
    if not source.html.strip() and not source.text.strip():
        raise RefusedError("A template has HTML, or text, or both.", field="html")
    for part, title in _PARTS:
        octets = len(getattr(source, part).encode("utf-8", "replace"))
        if octets > MOST_OCTETS:
            raise RefusedError(
                f"The {title} has {octets // 1024 + 1:,} KB; at most {MOST_OCTETS // 1024} are allowed.", field=part
            )
    try:
        compiled(name, "draft", source)
    except PartError as error:
        raise refusal(error) from error


def refusal(error: PartError) -> RefusedError:
    """Return what whoever wrote a template is told of a fault in it."""
    return RefusedError(f"Line {error.line}, column {error.column}: {error.sentence}", field=error.part)


def _called(names: Iterable[str], among: Mapping[str, int]) -> dict[str, int]:
    found = (next((key for key in lookup_keys(name) if key in among), None) for name in names)
    return {key: among[key] for key in found if key is not None}


def _diff_of(before: TemplateVersion, after: TemplateVersion, part: str, title: str) -> str:
    old, new = getattr(before.source, part), getattr(after.source, part)
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"{title}, version {before.label}", f"{title}, version {after.label}", n=3,
        lineterm="",
    )  # fmt: skip
    return "".join(f"{line}\n" for line in lines)


def _described(description: str) -> str:
    if len(description.strip()) > LONGEST_DESCRIPTION:
        raise RefusedError(f"A description has at most {LONGEST_DESCRIPTION} characters.", field="description")
    return description.strip()


def _yes(source: TemplateSource) -> str:
    return "yes" if source.inlines_css else "no"


def _facts(source: TemplateSource) -> dict[str, Any]:
    return {f"{part}_octets": len(getattr(source, part).encode("utf-8", "replace")) for part, _ in _PARTS} | {
        "inlines_css": source.inlines_css
    }


def _entry(
    actor: Actor,
    action: str,
    domain: SendingDomain,
    name: str,
    at: int,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    target = f"{name} of {domain.name}"
    return entry_of(actor, action, target, at=at, account_id=domain.account_id, before=before, after=after)
