"""Notices clients that repeat what was refused, tells of them, and slows them down when they do not stop.

Each worker remembers what it refused itself; a client's connections come to all of them, so a repeat that goes to another
worker is noticed a try later. Only refusals are remembered, and not those for which storage is to blame.
"""

import asyncio
from typing import Protocol

import msgspec
import structlog

from postroad.model.client_fault import ClientFault, FaultKind
from postroad.model.credential import CredentialKind
from postroad.model.submission import Rejected, Submission
from postroad.net.clock import Clock
from postroad.policy.repetition import SOONEST_MS, Conduct, Refusal, after_fault, delay_ms, fault_of, print_of
from postroad.protocol.mime.encoded_word import decode
from postroad.protocol.mime.header import HeaderBlock
from postroad.storage import client_faults
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.submission.refusal_memory import RefusalMemory

log = structlog.get_logger()

_MOST_CREDENTIALS = 5_000
"""Whose conduct is remembered."""
_LONGEST_SUBJECT = 255
_SUBJECT_OCTETS = 1_000
_LONGEST_REPLY = 500
"""It may name what the client wrote, and is kept many times."""
_GATHER_S = 1.0
_LARGEST_INLINE = 262_144


class Meter(Protocol):
    """What is counted of repetitions."""

    def repeated(self, kind: str) -> None:
        """Count one message that was repeated as it should not be."""


class _Watched(msgspec.Struct):
    conduct: Conduct = Conduct()
    put_off_at: int = 0


class _Untold(msgspec.Struct, frozen=True):
    username: str
    fault: ClientFault


class Repetitions:
    """Remembers refusals of one worker; ``run`` must be running beside it for people to learn of them."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        meter: Meter,
    ) -> None:
        self._database = database
        self._clock = clock
        self._meter = meter
        self._refusals = RefusalMemory()
        self._watched: dict[int, _Watched] = {}
        self._unwritten: dict[tuple[int, FaultKind], _Untold] = {}

    def concerns(self, submission: Submission, *, is_refused: bool) -> bool:
        """Whether there is anything to look at: a refusal, or a message of a credential that was put off just now."""
        if submission.principal.kind is CredentialKind.API_KEY:
            # What is told of repeats belongs to SMTP users, whose ids are others.
            return False
        if is_refused:
            return True
        watched = self._watched.get(submission.principal.credential_id)
        return watched is not None and self._clock() - watched.put_off_at < SOONEST_MS

    async def note(self, submission: Submission, refused: Rejected | None) -> float:
        """Take note of how a submission ended; returns how many seconds its reply is to be held back.

        The door does that, once it has let go of the content.
        """
        credential_id = submission.principal.credential_id
        if not credential_id:
            return 0.0
        now = self._clock()
        is_small = len(submission.content) <= _LARGEST_INLINE
        of_message = print_of(submission) if is_small else await asyncio.to_thread(print_of, submission)
        watched = self._take(credential_id)
        before = self._refusals.take(credential_id, of_message)
        kind = None if before is None else fault_of(before, now, is_accepted=refused is None)
        if refused is not None:
            is_permanent = refused.enhanced_status.startswith("5")
            reply = f"{refused.enhanced_status} {refused.text}"[:_LONGEST_REPLY]
            self._refusals.put(credential_id, of_message, Refusal(now, is_permanent, reply))
            if not is_permanent:
                watched.put_off_at = now
        if before is None or kind is None:
            return 0.0
        watched.conduct = after_fault(watched.conduct, now)
        self._tell(submission, kind, before, now)
        # Who was accepted after all is answered at once: a late 250 would only make it repeat again.
        return 0.0 if refused is None else delay_ms(watched.conduct) / 1000

    async def write(self) -> None:
        """Write what has gathered, and log each once, however many repeats it stands for."""
        gathered, self._unwritten = list(self._unwritten.values()), {}
        if not gathered:
            return
        try:
            await self._database.write(client_faults.note, [one.fault for one in gathered])
        except StorageError as error:
            log.warning("client_faults_not_written", count=len(gathered), why=str(error))
            for one in gathered:
                self._gather(one)
            return
        for one in gathered:
            _log_repeats(one)

    async def run(self) -> None:
        """Write each second until cancelled."""
        while True:
            await asyncio.sleep(_GATHER_S)
            await self.write()

    def _take(self, credential_id: int) -> _Watched:
        watched = self._watched.pop(credential_id, None) or _Watched()
        self._watched[credential_id] = watched
        while len(self._watched) > _MOST_CREDENTIALS:
            del self._watched[next(iter(self._watched))]
        return watched

    def _tell(self, submission: Submission, kind: FaultKind, before: Refusal, now: int) -> None:
        self._meter.repeated(kind.value)
        principal, recipients = submission.principal, submission.envelope.recipients
        fault = ClientFault(
            credential_id=principal.credential_id,
            account_id=principal.account_id,
            kind=kind,
            count=1,
            first_at=now,
            last_at=now,
            client_address=submission.client.address,
            subject=_subject_of(submission),
            recipient=_storable(recipients[0].forward_path),
            recipient_count=len(recipients),
            reply=_storable(before.reply),
        )
        self._gather(_Untold(principal.username, fault))

    def _gather(self, one: _Untold) -> None:
        fault = one.fault
        key = (fault.credential_id, fault.kind)
        other = self._unwritten.get(key)
        if other is not None:
            newest = max(fault, other.fault, key=lambda each: each.last_at)
            first_at = min(fault.first_at, other.fault.first_at)
            fault = msgspec.structs.replace(newest, count=fault.count + other.fault.count, first_at=first_at)
        self._unwritten[key] = _Untold(one.username, fault)


def _log_repeats(one: _Untold) -> None:
    fault = one.fault
    log.info(
        "client_repeats",
        username=one.username,
        client_address=fault.client_address,
        kind=fault.kind.value,
        count=fault.count,
        reply=fault.reply,
    )


def _subject_of(submission: Submission) -> str:
    block = submission.block
    field = block.first(b"subject") if isinstance(block, HeaderBlock) else None
    if field is None or not isinstance(block, HeaderBlock):
        return ""
    return _storable(decode(block.text(field)[:_SUBJECT_OCTETS])[:_LONGEST_SUBJECT])


def _storable(text: str) -> str:
    # What was refused may hold anything, and PostgreSQL has no NUL in a text.
    return text.replace("\0", "").encode("utf-8", "replace").decode()
