"""Clients that repeat a refused message too soon after 4xx, or at all after 5xx: when it is a fault, and what it costs."""

import hashlib

import msgspec

from postroad.model.client_fault import FaultKind
from postroad.model.submission import Submission
from postroad.policy.dedupe import comparable_body, comparable_field
from postroad.protocol.mime.header import HeaderBlock

SOONEST_MS = 60_000
"""How long a client is asked to wait after 4xx."""
REMEMBERED_MS = 86_400_000
FORGIVEN_AFTER_MS = 600_000
"""A credential that did nothing wrong for so long begins anew."""
PATIENCE = 5
"""Faults in a row that cost nothing."""
_DELAY_STEP_MS = 1_000
_LONGEST_DELAY_MS = 10_000
_CHANGING = frozenset({b"date", b"message-id", b"received"})
"""Fields that programs write anew at each try."""

ADVICE = {
    FaultKind.TOO_SOON: "Wait at least a minute after a reply that begins with 4, and longer each time.",
    FaultKind.AFTER_REFUSAL: "Do not repeat a message whose reply begins with 5: change what the reply names, or give it up.",
}
"""What to change of the program that sends."""


class Refusal(msgspec.Struct, frozen=True):
    """One message's last refusal."""

    at: int
    is_permanent: bool
    reply: str


class Conduct(msgspec.Struct, frozen=True):
    """How often a credential repeated lately."""

    faults: int = 0
    last_at: int = 0


def fault_of(before: Refusal, now: int, *, is_accepted: bool) -> FaultKind | None:
    """Return what is wrong with a repeat of a message that was refused before, if anything."""
    passed = now - before.at
    if before.is_permanent:
        # Accepted after all: somebody has changed what the reply named, such as an address that the user may send from.
        return FaultKind.AFTER_REFUSAL if passed < REMEMBERED_MS and not is_accepted else None
    return FaultKind.TOO_SOON if passed < SOONEST_MS else None


def after_fault(conduct: Conduct, now: int) -> Conduct:
    """Return the conduct of a credential that did one more thing wrong."""
    is_new = now - conduct.last_at >= FORGIVEN_AFTER_MS
    return Conduct(1 if is_new else conduct.faults + 1, now)


def delay_ms(conduct: Conduct) -> int:
    """Return how long the reply to a faulty repeat is held back."""
    return min(_LONGEST_DELAY_MS, max(0, conduct.faults - PATIENCE) * _DELAY_STEP_MS)


def print_of(submission: Submission) -> bytes:
    """Return what is the same for a message that is handed in again to the same recipients."""
    recipients = sorted(one.forward_path.lower() for one in submission.envelope.recipients)
    whole = hashlib.blake2b(
        "\0".join((submission.envelope.reverse_path, *recipients)).encode("utf-8", "replace"), digest_size=16
    )
    block = submission.block
    if isinstance(block, HeaderBlock):
        for field in block.fields:
            if field.name not in _CHANGING:
                raw = block.raw(field)
                whole.update(comparable_field(raw) if field.name == b"content-type" else raw)
    else:
        # What cannot be read as a header is compared by its lines.
        for line in submission.content.partition(b"\r\n\r\n")[0].split(b"\r\n"):
            if line.partition(b":")[0].strip().lower() not in _CHANGING:
                whole.update(comparable_field(line))
    whole.update(comparable_body(submission.content))
    return whole.digest()
