"""What is handed to a session and what it hands back, and how both are put to the client machine."""

from collections.abc import Callable

import msgspec

from postroad.model.attempt import FailureKind
from postroad.model.envelope import Notify
from postroad.model.outcome import Phase
from postroad.protocol.smtp.client import ConnectionEnded, Problem, Stage, TransactionEnded
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.transaction import Transaction


class Transmission(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery's final bytes and envelope, ready to leave."""

    delivery_id: int
    reverse_path: str
    """The return path of this delivery alone."""
    recipient: str
    content: bytes
    is_eight_bit: bool = False
    is_utf8: bool = False
    ret: str | None = None
    envid: str | None = None
    notify: Notify = Notify.UNSET
    original_recipient: str | None = None


class TransmissionResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one transmission ended."""

    delivery_id: int
    phase: Phase
    reply: Reply | None
    failure: FailureKind | None
    """Null when the host took responsibility."""
    detail: str
    """What went wrong where no reply says it."""
    started_at: int
    duration_ms: int
    notes: tuple[str, ...]


class ConnectFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why no session came about, or what ended it."""

    phase: Phase
    kind: FailureKind
    text: str
    reply: Reply | None = None
    source_address: str = ""
    """Where it was tried from."""
    notes: tuple[str, ...] = ()


OnResult = Callable[[TransmissionResult], None]

# RSET and QUIT stand between transactions: what fails there fails before the next MAIL.
_BETWEEN = {Stage.RSET: Phase.MAIL, Stage.QUIT: Phase.MAIL}
_PHASES: dict[Stage, Phase] = {stage: _BETWEEN.get(stage) or Phase(stage.value) for stage in Stage}
_KINDS = {problem: FailureKind(problem.value) for problem in Problem}


def result_of(event: TransactionEnded, *, started_at: int, ended_at: int, notes: tuple[str, ...]) -> TransmissionResult:
    """Return a transaction's end in the terms of delivery."""
    return TransmissionResult(
        delivery_id=event.key,
        phase=_PHASES[event.stage],
        reply=event.reply,
        failure=_failure_of(event),
        detail=event.detail,
        started_at=started_at,
        duration_ms=ended_at - started_at,
        notes=notes + event.notes if notes else event.notes,
    )


def transaction_of(transmission: Transmission) -> Transaction:
    """Return the transmission as the client machine takes it."""
    notify = transmission.notify
    return Transaction(
        key=transmission.delivery_id,
        reverse_path=transmission.reverse_path,
        recipient=transmission.recipient,
        content=transmission.content,
        is_eight_bit=transmission.is_eight_bit,
        is_utf8=transmission.is_utf8,
        ret=transmission.ret,
        envid=transmission.envid,
        notify=",".join(flag.name for flag in Notify if flag in notify and flag.name) if notify else None,
        original_recipient=transmission.original_recipient,
    )


def _failure_of(event: TransactionEnded) -> FailureKind | None:
    if event.problem is None:
        return FailureKind.REPLY if event.reply is not None and event.reply.code >= 400 else None
    if event.problem is Problem.PROTOCOL and event.stage is Stage.FINAL_DOT:
        # What the host meant to say about the content is not known: the same as if nothing had come.
        return FailureKind.LOST
    return _KINDS[event.problem]


def connect_failure_of(event: ConnectionEnded) -> ConnectFailure | None:
    """Return why the connection ended; null after our own QUIT."""
    if event.stage is Stage.QUIT:
        return None
    phase = _PHASES[event.stage] if event.stage else Phase.MAIL
    if event.problem is None:
        return ConnectFailure(phase=phase, kind=FailureKind.REPLY, text=str(event.reply), reply=event.reply)
    return ConnectFailure(phase=phase, kind=_KINDS[event.problem], text=event.detail, reply=event.reply)
