"""The lists of sending domains: looked at, added to, taken from."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import msgspec

from postroad.model import base64url
from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.policy.suppression import MOST_REASON, comparable, understood
from postroad.policy.suppression_csv import ListError, instant_of, tag_of
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import audit, domains, suppressions
from postroad.storage.database import Database
from postroad.storage.suppressions import Place, Wanted, place_of

_EXPORTED_AT_ONCE = 1_000
_MOST_FAULTS = 20
_REMOVED_AT_ONCE = 500
_MOST_BEGINNING = 254

_Written = tuple[Suppression | None, Suppression]
"""An entry that was written, and the one whose place it took."""
_Records = Callable[[list[_Written]], Iterator[AuditEntry]]


class Page(msgspec.Struct, frozen=True):
    """Entries in their order, and where the next page begins."""

    entries: list[Suppression]
    after: Place | None
    """The place to go on from; None on the last page."""


def place_text(place: Place) -> str:
    """Return a place as a link or a command names it."""
    fields = msgspec.json.encode(msgspec.structs.astuple(place))
    return base64url.encode(fields)


_RowId = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]


def place_from(text: str) -> Place:
    """Read what :func:`place_text` wrote; raises MissingError for anything else."""
    try:
        fields = base64url.decode(text)
        domain_id, *texts = msgspec.json.decode(fields, type=tuple[_RowId, str, str, str])
        if any("\0" in text for text in texts):
            raise ValueError("PostgreSQL has no text with NUL")
    except (ValueError, msgspec.DecodeError) as error:
        raise MissingError("There is no such suppression.") from error
    return Place(domain_id, *texts)


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks for."""

    domain_id: int | None = None
    typed: str = ""
    """What addresses begin with."""
    kind: SuppressionKind | None = None


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is to be on a list."""

    address: str
    kind: SuppressionKind
    tag: str = ""
    reason: str = ""
    at: str = ""
    """When it came to be, in one of the forms that lists are written with; empty for now."""


class RefusedEntriesError(RefusedError):
    """Several entries that cannot be added together."""

    def __init__(self, sentence: str, by_place: Mapping[int, RefusedError]) -> None:
        super().__init__(sentence)
        self.by_place = by_place
        """What is wrong with each, by its place among them from 0."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries of a list: those of a time, in milliseconds since 1970 with both ends, some of them."""

    since: int | None = None
    until: int | None = None
    limit: int
    offset: int = 0


class Suppressions:
    """Answers people and programs; what is not their account's does not exist for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def search(self, actor: Actor, search: Search, limit: int, after: Place | None = None) -> Page:
        """Return a page of entries, by domain and address."""
        wanted = await self._wanted(actor, search)
        found = await self._database.read(suppressions.page, wanted, limit + 1, after)
        shown = found[:limit]
        return Page(shown, place_of(shown[-1]) if len(found) > limit else None)

    async def search_back(self, actor: Actor, search: Search, limit: int, before: Place | None = None) -> Page:
        """Return the entries just before a place, or the last ones of all, in the same order."""
        wanted = await self._wanted(actor, search)
        found = await self._database.read(suppressions.page_before, wanted, limit, before)
        return Page(found, place_of(found[-1]) if found else None)

    async def export(self, actor: Actor, search: Search) -> AsyncIterator[list[Suppression]]:
        """Return all entries, some at a time; a snapshot is held no longer than one of these reads."""
        wanted = await self._wanted(actor, search)
        after: Place | None = None
        while found := await self._database.read(suppressions.page, wanted, _EXPORTED_AT_ONCE, after):
            yield found
            after = place_of(found[-1])

    async def about(self, actor: Actor, domain_name: str, address: str) -> list[Suppression]:
        """Return all that a domain's lists say of an address."""
        domain = await self.domain(actor, domain_name)
        return await self._database.read(suppressions.about, domain.id, _address(address, SuppressionKind.BLOCK))

    async def get(self, actor: Actor, place: Place) -> Suppression:
        """Return an entry; raises MissingError."""
        found = await self._database.read(suppressions.get, place)
        if found is None:
            raise MissingError("There is no such suppression.")
        require_sight(actor, found.account_id, "such suppression")
        return found

    async def add(
        self,
        actor: Actor,
        domain_name: str,
        address: str,
        kind: SuppressionKind,
        *,
        tag: str = "",
        reason: str = "",
    ) -> Suppression:
        """Add an entry by hand; raises RefusedError where it is there already."""
        domain = await self.domain(actor, domain_name)
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        entry = self._entry(actor, domain, address, kind, tag=tag, reason=reason)
        recorded = _audited(actor, "suppression.added", domain, entry, self._clock(), after=_facts(entry))
        if not await self._database.write(_added, entry, recorded):
            raise RefusedError(await self._why_not(entry, domain), field="address")
        return entry

    async def add_all(
        self, actor: Actor, targets: Sequence[SendingDomain], offered: Sequence[Offered], *, is_anew: bool = False
    ) -> list[Suppression]:
        """Add entries to the lists of some domains, all or none; returns those that were written.

        What is there already stays as it is, or is written anew where ``is_anew`` says so. Raises RefusedEntriesError
        with everything that is wrong, each with its place from 0 where there are several.
        """
        entries: list[Suppression] = []
        by_place: dict[int, RefusedError] = {}
        for domain in targets:
            require_change(actor, domain.account_id, f"sending domain {domain.name}")
        for number, one in enumerate(offered):
            try:
                entries += [self._offered(actor, domain, one) for domain in targets]
            except RefusedError as error:
                by_place[number] = error
        if by_place:
            faults = [f"{number}: {error}" if len(offered) > 1 else str(error) for number, error in by_place.items()]
            more = f" (and {len(faults) - _MOST_FAULTS} more)" if len(faults) > _MOST_FAULTS else ""
            raise RefusedEntriesError("; ".join(faults[:_MOST_FAULTS]) + more, by_place)
        now = self._clock()

        def records(written: list[_Written]) -> Iterator[AuditEntry]:
            for domain in targets:
                of_domain = [(before, one) for before, one in written if one.domain_id == domain.id]
                yield from _audited_together(actor, domain, of_domain, now)

        written = await self._database.write(_put_all if is_anew else _added_all, entries, records)
        return [one for _, one in written]

    def _offered(self, actor: Actor, domain: SendingDomain, one: Offered) -> Suppression:
        entry = self._entry(actor, domain, one.address, one.kind, tag=one.tag, reason=one.reason)
        try:
            return msgspec.structs.replace(entry, created_at=instant_of(one.at, self._clock()))
        except ListError as error:
            raise RefusedError(f"{error}.", field="created_at") from error

    async def remove_address(
        self, actor: Actor, domain_name: str, kind: SuppressionKind | None, address: str, tag: str | None = None
    ) -> int:
        """Remove all that a list says of an address, or only of one tag; returns how many entries that was.

        Without a kind that is all lists. What they say of all addresses of its destination stays.
        """
        domain = await self.domain(actor, domain_name)
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        compared = _address(address, kind or SuppressionKind.BLOCK)
        found = await self._database.read(suppressions.about, domain.id, compared)
        wanted = [
            one for one in found if one.address == compared and kind in {None, one.kind} and tag in {None, one.tag}
        ]
        return await self.remove_about(actor, [place_of(one) for one in wanted])

    async def remove_about(self, actor: Actor, places: Sequence[Place]) -> int:
        """Remove entries together; returns how many there still were."""
        going: list[tuple[Suppression, AuditEntry]] = []
        for place in places:
            with contextlib.suppress(MissingError):
                going.append(await self._going(actor, place))
        return await self._database.write(_all_removed, going)

    async def summary(self, actor: Actor, most: int) -> list[tuple[SuppressionKind, Way, int]]:
        """Return how many entries an actor's lists have, by kind and way; at most ``most`` are counted."""
        wanted = await self._wanted(actor, Search())
        return await self._database.read(suppressions.summary, wanted.domain_ids, most)

    async def remove(self, actor: Actor, place: Place) -> Suppression:
        """Remove an entry; raises MissingError where there is none."""
        found, recorded = await self._going(actor, place)
        if not await self._database.write(_all_removed, [(found, recorded)]):
            raise MissingError("There is no such suppression.")
        return found

    async def _going(self, actor: Actor, place: Place) -> tuple[Suppression, AuditEntry]:
        """Return an entry that is to be removed, and what the audit log says of that; raises MissingError."""
        found = await self.get(actor, place)
        require_change(actor, found.account_id, "such suppression")
        domain = await self._database.read(domains.get, found.domain_id)
        if domain is None:
            raise MissingError("There is no such suppression.")
        return found, self._removal(actor, domain, found)

    async def part(
        self, actor: Actor, domains_of_account: Sequence[SendingDomain], kind: SuppressionKind, part: Part
    ) -> list[Suppression]:
        """Return entries of a kind that are about single addresses and all mail, by domain and address."""
        for domain in domains_of_account:
            require_sight(actor, domain.account_id, f"sending domain {domain.name}")
        wanted = Wanted(domain_ids=tuple(one.id for one in domains_of_account), kind=kind, is_plain=True)
        between = (part.since, part.until)
        return await self._database.read(suppressions.added_between, wanted, between, part.limit, part.offset)

    async def clear(
        self,
        actor: Actor,
        domains_of_account: Sequence[SendingDomain],
        kind: SuppressionKind,
        *,
        is_plain: bool = False,
    ) -> None:
        """Remove all entries of a kind from the lists of some domains.

        With ``is_plain`` what is about a tag or a whole destination stays. A list may be long: others write between its
        parts, each of which is in the audit log.
        """
        for domain in domains_of_account:
            require_change(actor, domain.account_id, f"sending domain {domain.name}")
        for domain in domains_of_account:
            wanted = Wanted(domain_ids=(domain.id,), kind=kind, is_plain=is_plain)
            while await self._database.write(_cleared, wanted, partial(self._clearing, actor, domain, kind)):
                pass

    def _clearing(self, actor: Actor, domain: SendingDomain, kind: SuppressionKind, count: int) -> AuditEntry:
        target = f"{kind.value} entries of {domain.name}"
        values = {"entries": count}
        return entry_of(
            actor, "suppression.cleared", target, at=self._clock(), account_id=domain.account_id, before=values
        )

    async def remove_addresses(
        self,
        actor: Actor,
        domains_of_account: Sequence[SendingDomain],
        kind: SuppressionKind,
        addresses: Collection[str],
    ) -> int:
        """Remove what a kind of list of some domains says of addresses and all mail; returns how many entries that was.

        Raises RefusedError for what is no address, before anything is removed.
        """
        for domain in domains_of_account:
            require_change(actor, domain.account_id, f"sending domain {domain.name}")
        compared = sorted({_address(one, SuppressionKind.BOUNCE) for one in addresses})
        removed = 0
        for domain in domains_of_account:
            for start in range(0, len(compared), _REMOVED_AT_ONCE):
                going = compared[start : start + _REMOVED_AT_ONCE]
                audited = partial(self._removal, actor, domain)
                removed += await self._database.write(_addresses_removed, domain.id, kind, going, audited)
        return removed

    def _removal(self, actor: Actor, domain: SendingDomain, one: Suppression) -> AuditEntry:
        return _audited(actor, "suppression.removed", domain, one, self._clock(), before=_facts(one))

    async def domain(self, actor: Actor, name: str) -> SendingDomain:
        """Return a sending domain by its name; raises MissingError or RefusedError."""
        return await self._database.read(domains.seen, actor, name)

    def _entry(
        self, actor: Actor, domain: SendingDomain, address: str, kind: SuppressionKind, *, tag: str, reason: str
    ) -> Suppression:
        reason = reason.strip()
        if len(reason) > MOST_REASON:
            raise RefusedError(f"A reason has at most {MOST_REASON} characters.", field="reason")
        try:
            compared = tag_of(tag, kind)
        except ListError as error:
            raise RefusedError(f"{error}.", field="tag") from error
        return Suppression(
            account_id=domain.account_id,
            domain_id=domain.id,
            kind=kind,
            address=_address(address, kind),
            tag=compared,
            way=Way.HAND,
            reason=reason,
            created_at=self._clock(),
            created_by=actor.name,
        )

    async def _why_not(self, entry: Suppression, domain: SendingDomain) -> str:
        found = await self._database.read(suppressions.get, place_of(entry))
        if found is None:
            return f"{entry.address} is on the allow list of {domain.name}: remove it there first."
        return f"{entry.address} is on this list of {domain.name} already."

    async def _wanted(self, actor: Actor, search: Search) -> Wanted:
        if search.domain_id is None:
            mine = await self._database.read(domains.list_all, actor.account_id)
            ids = tuple(one.id for one in mine if actor.sees(one.account_id))
        else:
            domain = await self._database.read(domains.get, search.domain_id)
            require_sight(actor, None if domain is None else domain.account_id, "such domain")
            ids = (search.domain_id,)
        return Wanted(domain_ids=ids, beginning=_beginning(search.typed), kind=search.kind)


def _beginning(typed: str) -> str:
    """Return what addresses begin with where somebody typed so, as the lists compare them."""
    local, at, domain = typed.strip()[:_MOST_BEGINNING].rpartition("@")
    if not at:
        return comparable(f"{domain}@").removesuffix("@")
    # Half a domain is typed in between, and is none.
    with contextlib.suppress(AddressError):
        domain = normal_domain(domain)
    return comparable(f"{local}@{domain}")


def _address(text: str, kind: SuppressionKind) -> str:
    try:
        return understood(text, kind)
    except AddressError as error:
        raise RefusedError(f"{str(error).rstrip('.')}.", field="address") from error


def _added(connection: Any, entry: Suppression, recorded: AuditEntry) -> bool:
    if not suppressions.add(connection, [entry]):
        return False
    audit.record(connection, recorded)
    return True


def _added_all(connection: Any, entries: list[Suppression], records: _Records) -> list[_Written]:
    return _recorded(connection, [(None, one) for one in suppressions.add(connection, entries)], records)


def _put_all(connection: Any, entries: list[Suppression], records: _Records) -> list[_Written]:
    return _recorded(connection, suppressions.put(connection, entries), records)


def _recorded(connection: Any, written: list[_Written], records: _Records) -> list[_Written]:
    for one in records(written):
        audit.record(connection, one)
    return written


def _all_removed(connection: Any, going: list[tuple[Suppression, AuditEntry]]) -> int:
    removed = [recorded for one, recorded in going if suppressions.remove(connection, place_of(one)) is not None]
    for recorded in removed:
        audit.record(connection, recorded)
    return len(removed)


def _cleared(connection: Any, wanted: Wanted, audited: Callable[[int], AuditEntry]) -> int:
    count = suppressions.remove_some(connection, wanted, _REMOVED_AT_ONCE)
    if count:
        audit.record(connection, audited(count))
    return count


def _addresses_removed(
    connection: Any,
    domain_id: int,
    kind: SuppressionKind,
    addresses: Sequence[str],
    audited: Callable[[Suppression], AuditEntry],
) -> int:
    removed = suppressions.remove_addresses(connection, domain_id, kind, addresses)
    for one in removed:
        audit.record(connection, audited(one))
    return len(removed)


def _facts(entry: Suppression) -> dict[str, Any]:
    facts = {
        "kind": entry.kind.value,
        "tag": entry.tag,
        "way": entry.way.value,
        "reason": entry.reason,
        "created_by": entry.created_by,
    }
    return {name: value for name, value in facts.items() if value}


def _audited_together(
    actor: Actor, domain: SendingDomain, written: Sequence[_Written], now: int
) -> Iterator[AuditEntry]:
    """Return the entries of the audit log on what was written at once: a single address with its facts, more as a number."""
    for action, part in (
        ("suppression.added", [one for one in written if one[0] is None]),
        ("suppression.changed", [one for one in written if one[0] is not None]),
    ):
        if len(part) == 1:
            before, entry = part[0]
            values = {"after": _facts(entry)} | ({"before": _facts(before)} if before else {})
            yield _audited(actor, action, domain, entry, now, **values)
        elif part:
            target = f"{len(part)} addresses of {domain.name}"
            kinds = sorted({one.kind.value for _, one in part})
            yield entry_of(actor, action, target, at=now, account_id=domain.account_id, after={"kinds": kinds})


def _audited(
    actor: Actor, action: str, domain: SendingDomain, entry: Suppression, at: int, **values: Any
) -> AuditEntry:
    target = f"{entry.address} of {domain.name}"
    return entry_of(actor, action, target, at=at, account_id=domain.account_id, **values)
