"""The lists of sending domains: looked at, added to, taken from."""

import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.policy.suppression import MOST_REASON, comparable, understood
from postroad.policy.suppression_csv import ListError, tag_of
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import audit, domains, suppressions
from postroad.storage.database import Database
from postroad.storage.suppressions import Place, Wanted, place_of

_EXPORTED_AT_ONCE = 1_000
_MOST_BEGINNING = 254


class Page(msgspec.Struct, frozen=True):
    """Entries in their order, and where the next page begins."""

    entries: list[Suppression]
    after: Place | None
    """The place to go on from; None on the last page."""


def place_text(place: Place) -> str:
    """Return a place as a link or a command names it."""
    fields = msgspec.json.encode(msgspec.structs.astuple(place))
    return base64.urlsafe_b64encode(fields).decode().rstrip("=")


_RowId = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]


def place_from(text: str) -> Place:
    """Read what :func:`place_text` wrote; raises MissingError for anything else."""
    try:
        fields = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
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

    async def remove(self, actor: Actor, place: Place) -> Suppression:
        """Remove an entry; raises MissingError where there is none."""
        found = await self.get(actor, place)
        require_change(actor, found.account_id, "such suppression")
        domain = await self._database.read(domains.get, found.domain_id)
        if domain is None:
            raise MissingError("There is no such suppression.")
        recorded = _audited(actor, "suppression.removed", domain, found, self._clock(), before=_facts(found))
        if not await self._database.write(_removed, place, recorded):
            raise MissingError("There is no such suppression.")
        return found

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


def _removed(connection: Any, place: Place, recorded: AuditEntry) -> bool:
    if suppressions.remove(connection, place) is None:
        return False
    audit.record(connection, recorded)
    return True


def _facts(entry: Suppression) -> dict[str, Any]:
    facts = {
        "kind": entry.kind.value,
        "tag": entry.tag,
        "way": entry.way.value,
        "reason": entry.reason,
        "created_at": entry.created_at,
        "created_by": entry.created_by,
    }
    return {name: value for name, value in facts.items() if value}


def _audited(
    actor: Actor, action: str, domain: SendingDomain, entry: Suppression, at: int, **values: Any
) -> AuditEntry:
    target = f"{entry.address} of {domain.name}"
    return entry_of(actor, action, target, at=at, account_id=domain.account_id, **values)
