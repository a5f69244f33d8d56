"""Verification: comparing the records a domain is to publish with live DNS, and acting on what that shows."""

import asyncio
import contextlib
import math
from collections.abc import Sequence

import msgspec
import structlog

from postroad.dns.answer import AnswerStatus, RecordType
from postroad.dns.resolver import Lookup
from postroad.domains.settings import DomainsSettings
from postroad.model.actor import SYSTEM, Actor
from postroad.model.audit import entry_of
from postroad.model.domain import DkimKey, DomainState, KeyState, SendingDomain
from postroad.model.refused import MissingError, TooSoonError
from postroad.net.clock import Clock
from postroad.policy.alignment import OrganisationalDomainOf
from postroad.policy.permission import require_change, require_sight
from postroad.policy.record_comparison import Found, RecordVerdict, VerdictStatus, compare
from postroad.policy.records import (
    ExpectedRecord,
    InstallationNames,
    RecordPurpose,
    dmarc_names,
    expected_records,
    key_record,
)
from postroad.policy.verification import CheckResult, after_check
from postroad.storage import dkim_keys, domains
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

log = structlog.get_logger()

# A key that waits to be seen, or records that fail, are looked at this often.
_SOON_S = 3_600
_CHECKS_AT_ONCE = 8


class Verification:
    """Checks sending domains against DNS.

    ``lookup`` is best a resolver without our cache in front, so that a record published a moment ago is seen.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        lookup: Lookup,
        *,
        settings: DomainsSettings,
        names: InstallationNames,
        organisational_domain_of: OrganisationalDomainOf,
        clock: Clock,
    ) -> None:
        self._database = database
        self._vault = vault
        self._lookup = lookup
        self._settings = settings
        self._names = names
        self._organisational_domain_of = organisational_domain_of
        self._clock = clock
        self._under_way: set[int] = set()

    async def expected(self, domain: SendingDomain) -> tuple[ExpectedRecord, ...]:
        """Return the records a domain is to publish."""
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        return self._expected(domain, keys)

    def stops_at(self, domain: SendingDomain) -> int | None:
        """Return when an active domain whose records fail will be stopped."""
        if domain.failing_since is None or domain.state is not DomainState.ACTIVE:
            return None
        return domain.failing_since + self._settings.grace_s * 1000

    async def look(self, actor: Actor, domain: SendingDomain) -> list[RecordVerdict]:
        """Compare a domain's records with DNS, and change nothing by it."""
        require_sight(actor, domain.account_id, "such sending domain")
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        return await self._judged(domain, keys)

    async def verify(self, actor: Actor, domain_id: int, *, at_most_every_s: float = 0) -> list[RecordVerdict]:
        """Check a domain record by record, and let it and its keys go on as that allows.

        Raises TooSoonError where the last check is less than ``at_most_every_s`` ago, or one is under way then.
        """
        domain = await self._database.read(domains.get, domain_id)
        if domain is None:
            raise MissingError("There is no such sending domain.")
        require_change(actor, domain.account_id, "such sending domain")
        if at_most_every_s:
            self._require_pause(domain, at_most_every_s)
        self._under_way.add(domain_id)
        try:
            return await self._verify(actor, domain)
        finally:
            self._under_way.discard(domain_id)

    def _require_pause(self, domain: SendingDomain, pause_s: float) -> None:
        if domain.id in self._under_way:
            raise TooSoonError(f"{domain.name} is being checked already.", math.ceil(pause_s))
        waited_s = (self._clock() - (domain.checked_at or 0)) / 1000
        if 0 <= waited_s < pause_s:
            wait_s = math.ceil(pause_s - waited_s)
            raise TooSoonError(f"{domain.name} was checked a moment ago: wait another {wait_s} s.", wait_s)

    async def _verify(self, actor: Actor, domain: SendingDomain) -> list[RecordVerdict]:
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        verdicts = await self._judged(domain, keys)
        if self._settings.verification == "off":
            # Looked at for whoever asked; nothing starts or stops by it.
            result = CheckResult(domain=msgspec.structs.replace(domain, checked_at=self._clock()), keys=tuple(keys))
        else:
            result = after_check(domain, keys, verdicts, self._clock(), self._settings.grace_s * 1000)
        await self._record(actor, domain, keys, result, verdicts)
        return verdicts

    async def check_due(self) -> int:
        """Check every domain whose turn it is and return how many these were."""
        if self._settings.verification == "off":
            return 0
        active = await self._database.read(domains.list_in_state, DomainState.ACTIVE)
        due = [domain for domain in active if await self._is_due(domain)]
        gate = asyncio.Semaphore(_CHECKS_AT_ONCE)

        async def check(domain: SendingDomain) -> None:
            # Removed since it was read: nothing is left to check.
            async with gate:
                with contextlib.suppress(MissingError):
                    await self.verify(SYSTEM, domain.id)

        async with asyncio.TaskGroup() as group:
            for domain in due:
                group.create_task(check(domain))
        return len(due)

    async def _is_due(self, domain: SendingDomain) -> bool:
        """Tell whether an active domain's last check is long enough ago: a day, an hour while something changes."""
        age_s = (self._clock() - (domain.checked_at or 0)) / 1000
        if age_s >= self._settings.check_every_s:
            return True
        if age_s < _SOON_S:
            return False
        keys = await self._database.read(dkim_keys.of_domain, self._vault, domain.id)
        return domain.failing_since is not None or any(key.state is KeyState.PUBLISHED for key in keys)

    async def _judged(self, domain: SendingDomain, keys: Sequence[DkimKey]) -> list[RecordVerdict]:
        expected = self._expected(domain, keys)
        return list(await asyncio.gather(*(self._judge(record, domain, keys) for record in expected)))

    def _expected(self, domain: SendingDomain, keys: Sequence[DkimKey]) -> tuple[ExpectedRecord, ...]:
        return expected_records(domain, tuple(keys), self._names, self._organisational_domain_of(domain.name))

    async def _judge(self, expected: ExpectedRecord, domain: SendingDomain, keys: Sequence[DkimKey]) -> RecordVerdict:
        if expected.purpose is RecordPurpose.DMARC:
            return await self._judge_dmarc(expected, domain)
        verdict = compare(expected, await self._find(expected.name, expected.form))
        key = next(
            (key for key in keys if key.selector == expected.selector and key.state is not KeyState.RETIRED), None
        )
        if expected.form != "CNAME" or key is None or verdict.status is not VerdictStatus.OK:
            return verdict
        return await self._judge_through_alias(verdict, key)

    async def _judge_through_alias(self, verdict: RecordVerdict, key: DkimKey) -> RecordVerdict:
        """Look at the key that an alias leads to: the alias alone verifies no signature."""
        expected = verdict.expected
        behind = msgspec.structs.replace(expected, form="TXT", value=key_record(key))
        seen = compare(behind, await self._find(expected.name, "TXT"))
        if seen.status is VerdictStatus.OK:
            return verdict
        hint = f"The CNAME is right; the operator's zone does not serve the key at {expected.value} yet."
        return msgspec.structs.replace(verdict, status=seen.status, hint=hint)

    async def _judge_dmarc(self, expected: ExpectedRecord, domain: SendingDomain) -> RecordVerdict:
        """Take the nearest DMARC record: the domain's own or that of a parent (RFC 9989 §4.10)."""
        nearest: RecordVerdict | None = None
        for name in dmarc_names(domain.name, self._organisational_domain_of(domain.name)):
            verdict = compare(expected, await self._find(name, "TXT"))
            nearest = nearest or verdict
            if verdict.status is not VerdictStatus.MISSING:
                return verdict
        assert nearest is not None, "the domain's own name is always among them"
        return nearest

    async def _find(self, name: str, form: str) -> Found:
        answer = await self._lookup.resolve(name, RecordType[form])
        match answer.status:
            case AnswerStatus.TEMPORARY:
                return Found(failure=answer.detail)
            case AnswerStatus.FOUND:
                return Found(answer.texts + tuple(f"{mx.preference} {mx.host}" for mx in answer.exchangers))
            case AnswerStatus.NO_DATA | AnswerStatus.NO_SUCH_DOMAIN:
                return Found()

    async def _record(
        self,
        actor: Actor,
        before: SendingDomain,
        keys: Sequence[DkimKey],
        result: CheckResult,
        verdicts: Sequence[RecordVerdict],
    ) -> None:
        changed = [after for key, after in zip(keys, result.keys, strict=True) if key != after]
        if not await self._stored(actor, before, result.domain, changed):
            log.info("domain_check_overtaken", domain=before.name)
            return
        after = result.domain
        for key in changed:
            log.info("dkim_key_changed", domain=after.name, selector=key.selector, state=key.state.value)
        if before.state is not after.state:
            log.info("domain_state_changed", domain=after.name, before=before.state.value, after=after.state.value)
        if result.stops_at is not None:
            wrong = [
                verdict.expected.name
                for verdict in verdicts
                if verdict.expected.is_required and verdict.status is not VerdictStatus.OK
            ]
            event = "domain_records_failing" if after.state is DomainState.ACTIVE else "domain_stopped"
            log.warning(event, domain=after.name, records=wrong, stops_at=result.stops_at)

    async def _stored(self, actor: Actor, before: SendingDomain, after: SendingDomain, keys: Sequence[DkimKey]) -> bool:
        """Store what a check came to; a domain that starts or stops by it is noted in the audit log."""
        if before.state is after.state:
            return await self._database.write(domains.change, self._vault, before, after, keys)
        entry = entry_of(
            actor,
            "domain.activated" if after.state is DomainState.ACTIVE else "domain.stopped",
            after.name,
            at=self._clock(),
            account_id=after.account_id,
            before={"state": before.state.value},
            after={"state": after.state.value},
        )
        return await self._database.write(domains.change_recorded, entry, self._vault, before, after, keys=keys)
