"""Pauses sending domains by themselves when too much of their mail bounces, or is complained of."""

from typing import Protocol

import structlog

from postroad.model.actor import SYSTEM
from postroad.model.audit import entry_of
from postroad.model.domain import SendingDomain
from postroad.policy.pause import HOURS, Cause, PauseReason, asks_for_pauses, tally_lately, why_pause
from postroad.storage import domain_pauses, domains, revision
from postroad.storage.database import Database
from postroad.storage.rows import HOUR_MS

log = structlog.get_logger()

_AT_A_TIME = 500
_TOO_MUCH = {
    Cause.BOUNCES: "too much of its mail bounced",
    Cause.COMPLAINTS: "too many recipients complained of its mail",
}
_ADVICE = {
    Cause.BOUNCES: (
        "Look at what bounced, in the console under Messages, and at where these addresses come from: lists that are old,",
        "bought or unconfirmed are the usual reason. Take them out of what you send.",
    ),
    Cause.COMPLAINTS: (
        "Look at which mail they complained of: the counters by tag, and the complaints themselves with",
        "`postroad events search --type complained`. Mail that people did not ask for, that comes too often, or that they",
        "cannot unsubscribe from is the usual reason. Send those who complained nothing more.",
    ),
}


class AdminNotices(Protocol):
    """Writes to the admins of an account; ``accounts`` has the one that does."""

    async def send(self, account_id: int, *, subject: str, text: str) -> None:
        """Mail a notice to each of them. Never raises: a notice is not worth it."""


class PauseWatch:
    """Looks at the counters of the domains that ask for it, and pauses those with more bounces or complaints than allowed."""

    def __init__(self, database: Database, admins: AdminNotices) -> None:
        self._database = database
        self._admins = admins
        self._watched: list[SendingDomain] = []
        self._revision: int | None = None

    async def pause_domains(self, database: Database, now: int, _slices: object) -> int:
        """Do the task of upkeep; returns how many domains were paused."""
        watched = {domain.id: domain for domain in await self._watch(database)}
        hour = now // HOUR_MS
        paused = 0
        ids = list(watched)
        for at in range(0, len(ids), _AT_A_TIME):
            found = await database.read(domain_pauses.tallies, ids[at : at + _AT_A_TIME], hour - HOURS + 1, hour + 1)
            for domain_id, by_hour in found.items():
                domain = watched[domain_id]
                why = why_pause(domain, tally_lately(domain, by_hour, now))
                if why is not None and await self._pause(domain, why, now):
                    paused += 1
        return paused

    async def _watch(self, database: Database) -> list[SendingDomain]:
        """Return the domains to look at, read anew when the control plane has changed."""
        current = await database.read(revision.current)
        if current != self._revision:
            self._watched = [
                domain
                for domain in await database.read(domains.list_all)
                if asks_for_pauses(domain) and domain.paused_at is None
            ]
            self._revision = current
        return self._watched

    async def _pause(self, domain: SendingDomain, why: PauseReason, now: int) -> bool:
        entry = entry_of(
            SYSTEM, "domain.paused", domain.name, at=now, account_id=domain.account_id, after={"reason": why.sentence}
        )
        # Whoever paused it first has told of it.
        if not await self._database.write(domain_pauses.pause, entry, domain.id, at=now, reason=why.sentence):
            return False
        log.warning("domain_paused", domain=domain.name, why=why.sentence)
        await self._admins.send(
            domain.account_id, subject=f"{domain.name} is paused: {_TOO_MUCH[why.cause]}", text=_text(domain, why)
        )
        return True


def _text(domain: SendingDomain, why: PauseReason) -> str:
    lines = [
        f"New mail from {domain.name} is put off until somebody resumes the domain.",
        "",
        why.sentence,
        "",
        "Programs that submit are answered with 450 4.7.1 and asked to try again later. What was accepted before still",
        "goes out.",
        "",
        *_ADVICE[why.cause],
        "Then resume the domain on its page in the console, or have an operator do it with",
        f"`postroad domain resume {domain.name}`. Bounces and complaints are counted anew from then on.",
    ]
    return "\n".join(lines) + "\n"
