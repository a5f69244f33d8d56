"""A worker's view of the stored templates: what messages are accepted with, and what they are rendered from.

A message that is accepted takes along the ids of the versions it is made of, its partials' too, so that every attempt
renders the same and a new active version changes no message that waits.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import islice
from time import monotonic
from typing import Any

import msgspec

from postroad.model.delivery import Delivery
from postroad.model.domain import SendingDomain
from postroad.model.message import Message
from postroad.model.options import FrozenTemplate, Options, TemplateName
from postroad.model.submission import Admitted, Rejected
from postroad.model.template import ActiveTemplate
from postroad.policy.admission import LONGEST_SUBJECT, RULES, subject_of
from postroad.policy.suppression import comparable
from postroad.policy.template_name import key_of, lookup_keys
from postroad.protocol.mime.header import HeaderFault, split
from postroad.rendering.errors import ImpossibleCopyError
from postroad.rendering.merge import Merged
from postroad.rendering.merge_values import Filling, Values
from postroad.rendering.placeholder import Addressee, segments_of
from postroad.rendering.template_content import Texts, with_template
from postroad.storage import revision, templates
from postroad.storage.database import Database
from postroad.templates import DEFAULT_LIMITS, Limits
from postroad.templating.compiled import LIGHT, CompiledVersion, PartError, Rendering, compiled, keyed
from postroad.templating.data import MessageFacts, data_for

_DOMAINS = 2_000
_ROOM_OCTETS = 16 * 1024 * 1024
"""Of sources whose compiled form is kept; that takes several times as much."""
_RENDERINGS = 1_000
_INLINE_RECIPIENTS = 2
"""For more of them it is tried in a thread whether the template can be rendered."""
_TRIED_WITHIN_S = 5.0
"""For how long it is tried; who comes after that finds out when the message leaves."""
_MOST_PARTIALS = 2_000

_LARGE = 256 * 1024

Names = Mapping[str, ActiveTemplate]
DomainOf = Callable[[int], Awaitable[SendingDomain | None]]
"""Finds a sending domain."""


class TemplateLibrary:
    """Gives compiled templates from memory; ``refresh`` keeps the memory true and must be called after each change."""

    def __init__(self, database: Database, domain_of: DomainOf, monotonic_s: Callable[[], float] = monotonic) -> None:
        self._database = database
        self._domain_of = domain_of
        self._monotonic_s = monotonic_s
        self._names: OrderedDict[int, Names] = OrderedDict()
        self._versions: OrderedDict[int, CompiledVersion] = OrderedDict()
        self._renderings: OrderedDict[tuple[int, ...], Rendering] = OrderedDict()
        self._room = _ROOM_OCTETS
        self._revision: int | None = None
        self._generation = 0

    # -- when a message is accepted ------------------------------------------------------------------------------------

    async def freeze(
        self, domain: SendingDomain, admitted: Admitted, recipients: Sequence[str], now: int, *, most_faults: int = 1
    ) -> Admitted | Rejected:
        """Return a message with the versions that it will be rendered from, once every recipient's copy can be.

        One without a subject of its own is shown with the template's, where that is the same in all copies.

        Args:
            domain: The sending domain, whose templates they are.
            admitted: The message; its options name a template.
            recipients: Addresses, as in the envelope.
            now: When it is accepted.
            most_faults: How many copies that cannot be made are looked for.
        """
        options = admitted.options
        assert options.template is not None
        try:
            version_id = await self._version_id(domain.id, options.template)
            if version_id is None:
                return _unknown(options.template, domain.name)
            versions = await self._closure(domain.id, version_id)
            rendering = await self._rendering(versions)
            held = msgspec.structs.replace(
                options,
                template=TemplateName(rendering.root.name, rendering.root.label),
                frozen_template=FrozenTemplate(versions, domain.settings.is_transactional),
            )
        except PartError as error:
            return _failed(str(error))
        except LookupError:
            # It was removed for good since its name was read.
            return _unknown(options.template, domain.name)
        facts = MessageFacts(
            header_from=admitted.header_from, subject=admitted.subject, accepted_at=now, domain_name=domain.name
        )
        subjects: set[str] = set()
        is_short = len(recipients) <= _INLINE_RECIPIENTS and len(admitted.content) <= _LARGE

        def tried(limits: Limits) -> list[str]:
            subjects.clear()
            faults = self._faults(
                rendering, facts, held, admitted.content, recipients, subjects=subjects, limits=limits
            )
            return list(islice(faults, most_faults))

        def shown() -> Admitted:
            subject = admitted.subject or (subjects.pop() if len(subjects) == 1 else "")
            return msgspec.structs.replace(admitted, options=held, subject=subject[:LONGEST_SUBJECT])

        is_light = is_short and not rendering.is_heavy
        if is_light and not tried(LIGHT):
            return shown()
        # What was too much for the loop may be right all the same.
        faults = await asyncio.to_thread(tried, DEFAULT_LIMITS)
        rendering.was_heavy |= is_light and not faults
        return _failed(*dict.fromkeys(faults)) if faults else shown()

    def _faults(
        self,
        rendering: Rendering,
        facts: MessageFacts,
        options: Options,
        content: bytes,
        recipients: Sequence[str],
        *,
        subjects: set[str],
        limits: Limits,
    ) -> Iterator[str]:
        """Yield why copies cannot be made, for each that cannot be; ``subjects`` gets the template's of the others."""
        variables = options.recipient_variables
        until = self._monotonic_s() + _TRIED_WITHIN_S
        for number, recipient in enumerate(recipients):
            own = None if variables is None else variables.get(comparable(recipient), {})
            try:
                addressee = Addressee(address=recipient, variables=own or {})
                texts, _ = _texts(rendering, facts, options, addressee, own, limits=limits)
                subjects.add(texts.subject)
                if number == 0:
                    with_template(content, texts, 0)
            except PartError as error:
                yield f"{error} The recipient is {recipient}." if own else str(error)
            except ValueError as error:
                yield f"Template {rendering.root.name} cannot be used: {error}."
            if self._monotonic_s() > until:
                # Nobody knows those of the others.
                subjects.add("")
                break

    # -- when it leaves ------------------------------------------------------------------------------------------------

    async def content_of(self, message: Message, delivery: Delivery, content: bytes, addressee: Addressee) -> Merged:
        """Return a message with its template's texts in place of its own, the same at every attempt.

        Args:
            message: The message; it was accepted with a template.
            delivery: Whose copy it is; ``options.variables`` are the recipient's own.
            content: What was submitted, its placeholders replaced.
            addressee: The recipient.

        Raises:
            LookupError: the template's versions, or the domain, are gone.
            ImpossibleCopyError: it cannot be rendered, which was not to be seen when the message was accepted.
        """
        options = message.options
        domain = await self._domain_of(message.domain_id)
        if options.frozen_template is None or domain is None:
            raise LookupError("what the message's template was is not known any more")
        facts = MessageFacts(
            header_from=message.header_from,
            # The recipient's own: what is stored is for people, and may name what is filled in, or be the template's.
            subject=_subject_in(content),
            accepted_at=message.accepted_at,
            domain_name=domain.name,
        )

        def made(limits: Limits) -> Merged:
            texts, missing = _texts(rendering, facts, options, addressee, delivery.options.variables, limits=limits)
            return Merged(with_template(content, texts, message.id), missing)

        try:
            rendering = await self._rendering(options.frozen_template.versions)
            is_light = not rendering.is_heavy and len(content) <= _LARGE
            if is_light:
                with contextlib.suppress(PartError):
                    return made(LIGHT)
            # What was too much for the loop may be right all the same.
            merged = await asyncio.to_thread(made, DEFAULT_LIMITS)
        except PartError as error:
            raise ImpossibleCopyError(str(error)) from error
        rendering.was_heavy |= is_light
        return merged

    # -- the memory ----------------------------------------------------------------------------------------------------

    async def refresh(self) -> bool:
        """Forget which versions are active when the control plane has changed, and tell whether it had."""
        current = await self._database.read(revision.current)
        if current == self._revision:
            return False
        self._revision = current
        self._generation += 1
        self._names.clear()
        return True

    async def _version_id(self, domain_id: int, wanted: TemplateName) -> int | None:
        found = _named(wanted.name, await self._names_of(domain_id))
        if found is None or wanted.version is None:
            return None if found is None else found.version_id
        version = await self._database.read(templates.version, found.template_id, wanted.version)
        return None if version is None else version.id

    async def _closure(self, domain_id: int, version_id: int) -> tuple[int, ...]:
        """Return the ids of a version and of all that it can call, as they are active now."""
        names = await self._names_of(domain_id)
        [root] = await self._compiled([version_id])
        # A template that calls itself, as a tree of comments does, calls the same version.
        own = key_of(root.name)
        found = {version_id: root}
        todo = [root]
        while todo and len(found) <= _MOST_PARTIALS:
            called: set[int] = set()
            for one in todo:
                if one.makes_partial_names:
                    called.update(active.version_id for key, active in names.items() if key != own)
                hits = (_named(name, names) for name in one.partial_names)
                called.update(hit.version_id for hit in hits if hit is not None and hit.key != own)
            new = sorted(called - found.keys())
            todo = await self._compiled(new)
            found.update(zip(new, todo, strict=True))
        return (version_id, *sorted(found.keys() - {version_id}))

    async def _names_of(self, domain_id: int) -> Names:
        names = self._names.get(domain_id)
        if names is None:
            generation = self._generation
            names = {one.key: one for one in await self._database.read(templates.active, domain_id)}
            # What was read before a change must not stay in memory after it.
            if generation == self._generation:
                self._names[domain_id] = names
                if len(self._names) > _DOMAINS:
                    self._names.popitem(last=False)
        else:
            self._names.move_to_end(domain_id)
        return names

    async def _rendering(self, versions: tuple[int, ...]) -> Rendering:
        rendering = self._renderings.get(versions)
        if rendering is None:
            found = await self._compiled(versions)
            rendering = Rendering.of(found[0], keyed(iter(found)))
            self._renderings[versions] = rendering
            if len(self._renderings) > _RENDERINGS:
                self._renderings.popitem(last=False)
        else:
            self._renderings.move_to_end(versions)
        return rendering

    async def _compiled(self, version_ids: Sequence[int]) -> list[CompiledVersion]:
        """Return versions in the order of their ids; raises LookupError where one is gone."""
        ready = {one: self._versions[one] for one in version_ids if one in self._versions}
        lacking = [one for one in version_ids if one not in ready]
        for version_id in ready:
            self._versions.move_to_end(version_id)
        if lacking:
            read = await self._database.read(templates.named_versions, lacking)
            for version_id in lacking:
                named = read.get(version_id)
                if named is None:
                    raise LookupError(f"there is no version of a template with the id {version_id}")
                ready[version_id] = compiled(named.name, str(named.version.number), named.version.source)
                self._keep(version_id, ready[version_id])
        return [ready[one] for one in version_ids]

    def _keep(self, version_id: int, version: CompiledVersion) -> None:
        if version_id in self._versions:
            return
        self._versions[version_id] = version
        self._room -= version.octets
        while self._room < 0:
            _, oldest = self._versions.popitem(last=False)
            self._room += oldest.octets
            # They would keep it alive.
            self._renderings.clear()


def _subject_in(content: bytes) -> str:
    block = split(content)
    return "" if isinstance(block, HeaderFault) else subject_of(block)


def _named(name: str, names: Names) -> ActiveTemplate | None:
    return next((names[key] for key in lookup_keys(name) if key in names), None)


def _texts(
    rendering: Rendering,
    facts: MessageFacts,
    options: Options,
    addressee: Addressee,
    own: Mapping[str, Any] | None,
    *,
    limits: Limits,
) -> tuple[Texts, frozenset[str]]:
    """Return what a template makes for one recipient, and what was missing.

    Args:
        rendering: The template.
        facts: What the built-in variables say.
        options: The message's, as they hold.
        addressee: The recipient.
        own: The recipient's own variables; None where the message has no recipient variables at all.
        limits: How much the template may do.

    Raises:
        PartError: The template cannot be rendered within the limits.
        ImpossibleCopyError: What is filled in is too much.
    """
    filling = Filling(
        addressee=addressee,
        on_missing=options.on_missing,
        escapes_html=options.escapes_html,
        only_links=own is None,
    )
    values = None if own is None and not addressee.links else Values(filling)
    try:
        made = rendering.content(data_for(facts, options, addressee, values), options.on_missing.value, limits)
    except RecursionError as error:
        raise ImpossibleCopyError("the data is nested too deeply") from error
    if values is None:
        return Texts(html=made.html or "", text=made.text or "", subject=made.subject or ""), frozenset(made.missing)
    texts = Texts(
        html=_filled(made.html or "", values, is_html=True),
        text=_filled(made.text or "", values),
        subject=_filled(made.subject or "", values),
    )
    return texts, frozenset(values.missing) | frozenset(made.missing)


def _filled(text: str, values: Values, *, is_html: bool = False) -> str:
    """Return what was rendered with the placeholders replaced that the template's author wrote into it."""
    if "%" not in text:
        return text
    parts = segments_of(text.encode("utf-8", "replace"))
    return "".join(part.decode() if isinstance(part, bytes) else values.text(part, is_html=is_html) for part in parts)


def _failed(fault: str, *others: str) -> Rejected:
    return Rejected("template_failed", RULES["template_failed"][0], fault, others=others)


def _unknown(wanted: TemplateName, domain_name: str) -> Rejected:
    what = f"template {wanted.name}" + ("" if wanted.version is None else f" with a version {wanted.version}")
    return Rejected("template_unknown", RULES["template_unknown"][0], f"{domain_name} has no {what}.")
