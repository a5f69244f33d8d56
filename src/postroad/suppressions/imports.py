"""Lists that are uploaded: read line by line, written in batches, and followed while it lasts."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import structlog

from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.model.suppression import Fault, ImportProgress, Suppression, SuppressionImport, SuppressionKind
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.policy.suppression_csv import ListError, ListFacts, lines_in, read
from postroad.storage import audit, domains, suppression_imports, suppressions
from postroad.storage.database import Database
from postroad.storage.errors import StorageError

log = structlog.get_logger()

_LINES_AT_ONCE = 500
_MOST_FAULTS = 100
_MOST_WAITING = 4
"""Lists that a worker holds in memory, beside the one that it reads."""
_KEPT_MS = 30 * 86_400_000
_SILENT_MS = 60_000
"""After so long without a step the worker that read the list is gone."""
_MOST_NAME = 200

Told = Callable[[ImportProgress], None]


class _Upload(msgspec.Struct, frozen=True):
    started: SuppressionImport
    octets: bytes
    facts: ListFacts
    actor: Actor
    domain: SendingDomain
    is_anew: bool


class Imports:
    """Takes lists in. What is there already is passed over, or written anew: a list can be given again after anything."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiting: asyncio.Queue[_Upload] = asyncio.Queue(_MOST_WAITING)

    async def begin(
        self,
        actor: Actor,
        domain: SendingDomain,
        kind: SuppressionKind,
        octets: bytes,
        file_name: str,
        *,
        is_anew: bool = False,
    ) -> SuppressionImport:
        """Take a list that :meth:`run` reads; raises RefusedError where it cannot be one, or too many wait.

        With ``is_anew`` entries that are there already are written anew.
        """
        upload = await self._begun(actor, domain, kind, octets, file_name, is_anew=is_anew)
        try:
            self._waiting.put_nowait(upload)
        except asyncio.QueueFull as error:
            await self._end(upload, msgspec.structs.replace(upload.started.progress, failure="too many lists waited"))
            raise RefusedError("Several lists are being read already; try again in a minute.", field="file") from error
        return upload.started

    async def take(
        self, actor: Actor, domain: SendingDomain, kind: SuppressionKind, octets: bytes, file_name: str, *, told: Told
    ) -> ImportProgress:
        """Read a list at once, telling how far it has come; raises RefusedError where it cannot be one."""
        return await self._take(await self._begun(actor, domain, kind, octets, file_name), told)

    async def run(self) -> None:
        """Read the lists that :meth:`begin` took, one after the other, until cancelled."""
        while True:
            upload = await self._waiting.get()
            try:
                await self._take(upload, lambda _progress: None)
            except Exception:
                # Shown as broken off once it has been silent; the others go on.
                log.exception("suppression_import_failed", import_id=upload.started.id)
            finally:
                self._waiting.task_done()

    async def all_read(self) -> None:
        """Wait until every list that was taken has been dealt with."""
        await self._waiting.join()

    async def get(self, actor: Actor, import_id: int) -> SuppressionImport:
        """Return how far an import has come; raises MissingError."""
        found = await self._database.read(suppression_imports.get, import_id)
        if found is None:
            raise MissingError("There is no such import.")
        require_sight(actor, found.account_id, "such import")
        return found

    def is_broken_off(self, one: SuppressionImport) -> bool:
        """Whether nobody reads a list any more that was not read to its end."""
        return one.finished_at is None and one.updated_at < self._clock() - _SILENT_MS

    async def domain_of(self, one: SuppressionImport) -> str:
        """Return the name of the sending domain that a list is for."""
        domain = await self._database.read(domains.get, one.domain_id)
        return "" if domain is None else domain.name

    async def _begun(
        self,
        actor: Actor,
        domain: SendingDomain,
        kind: SuppressionKind,
        octets: bytes,
        file_name: str,
        *,
        is_anew: bool = False,
    ) -> _Upload:
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        now = self._clock()
        facts = ListFacts(account_id=domain.account_id, domain_id=domain.id, kind=kind, now=now, by=actor.name)
        try:
            total = lines_in(octets)
            # The first line shows whether it can be a list at all, before anything is said to have begun.
            if next(iter(read(octets, facts)), None) is None:
                raise ListError("The list is empty.")
        except ListError as error:
            raise RefusedError(str(error), field="file") from error
        started = SuppressionImport(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            file_name=file_name[:_MOST_NAME],
            created_by=actor.name,
            started_at=now,
            updated_at=now,
            progress=ImportProgress(total=total),
        )
        entry = _audited(
            actor, "suppression.import_begun", domain, started, at=now, after={"lines": total, "kind": kind.value}
        )
        started = await self._database.write(_begin, started, entry, now - _KEPT_MS)
        return _Upload(started, octets, facts, actor, domain, is_anew)

    async def _take(self, upload: _Upload, told: Told) -> ImportProgress:
        progress = upload.started.progress
        try:
            for lines, entries, faults in _batches(upload):
                read_on = _read_on(progress, lines, entries, faults)
                progress = await self._database.write(_step, upload, entries, read_on, self._clock())
                told(progress)
        except StorageError as error:
            progress = msgspec.structs.replace(progress, failure=f"the database refused it: {error}")
            log.warning("suppression_import_broken_off", import_id=upload.started.id, error=str(error))
        await self._end(upload, progress)
        return progress

    async def _end(self, upload: _Upload, progress: ImportProgress) -> None:
        now = self._clock()
        counts = {name: getattr(progress, name) for name in ("done", "added", "known", "bad", "failure")}
        entry = _audited(upload.actor, "suppression.imported", upload.domain, upload.started, at=now, after=counts)
        await self._database.write(_finish, upload.started.id, progress, now, entry)


def _batches(upload: _Upload) -> Iterator[tuple[int, list[Suppression], list[Fault]]]:
    entries: list[Suppression] = []
    faults: list[Fault] = []
    done = before = 0
    for done, found in read(upload.octets, upload.facts):
        match found:
            case Suppression():
                entries.append(found)
            case Fault():
                faults.append(found)
        if done - before >= _LINES_AT_ONCE:
            yield done, entries, faults
            entries, faults, before = [], [], done
    if done > before or entries or faults:
        yield done, entries, faults


def _read_on(progress: ImportProgress, lines: int, entries: list[Suppression], faults: list[Fault]) -> ImportProgress:
    return msgspec.structs.replace(
        progress,
        done=lines,
        known=progress.known + len(entries),
        bad=progress.bad + len(faults),
        faults=(*progress.faults, *faults)[:_MOST_FAULTS],
    )


def _begin(connection: Any, started: SuppressionImport, entry: AuditEntry, forget_before: int) -> SuppressionImport:
    audit.record(connection, entry)
    return suppression_imports.begin(connection, started, forget_before)


def _step(
    connection: Any, upload: _Upload, entries: list[Suppression], progress: ImportProgress, now: int
) -> ImportProgress:
    """Write a batch with how far it brings the import; all its entries are known but those that are new."""
    if upload.is_anew:
        added = sum(before is None for before, _ in suppressions.put(connection, entries))
    else:
        added = len(suppressions.add(connection, entries))
    progress = msgspec.structs.replace(progress, added=progress.added + added, known=progress.known - added)
    suppression_imports.note(connection, upload.started.id, progress, now)
    return progress


def _finish(connection: Any, import_id: int, progress: ImportProgress, now: int, entry: AuditEntry) -> None:
    audit.record(connection, entry)
    suppression_imports.note(connection, import_id, progress, now, now)


def _audited(
    actor: Actor, action: str, domain: SendingDomain, one: SuppressionImport, *, at: int, after: dict[str, Any]
) -> AuditEntry:
    target = f"{one.file_name} into {domain.name}"
    return entry_of(actor, action, target, at=at, account_id=domain.account_id, after=after)
