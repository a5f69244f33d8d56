"""What makes two submissions the same message."""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from postroad.model.dedupe import Deduplicate, First, NamedCall, Repeatable, Repeats
from postroad.model.domain import DomainSettings, SendingDomain
from postroad.model.message import Accepted
from postroad.model.options import Options
from postroad.model.submission import Admitted
from postroad.policy.admission import subject_of
from postroad.policy.suppression import comparable
from postroad.protocol.mime.header import HeaderBlock, split

_MINUTE_MS = 60_000
_KEY_OCTETS = 16
# RFC 2046 §5.1.1: at most 70 characters, and quoted where blanks or semicolons are among them.
_BOUNDARY = re.compile(rb'boundary[ \t]*=[ \t]*(?:"([^"\r\n]{1,70})"|([^"\s;]{1,70}))', re.IGNORECASE)
# RFC 2046 §5.1.1: a delimiter stands at the beginning of a line, and white space may follow it.
_DELIMITER = re.compile(rb"^--([^\r\n]{1,160})", re.MULTILINE)
_encode = msgspec.json.Encoder(order="deterministic").encode


def repeatable(
    admitted: Admitted,
    settings: DomainSettings,
    *,
    asked: Options,
    domain_id: int,
    reverse_path: str,
    recipients: Sequence[str],
    now: int,
) -> Repeatable | None:
    """Return how repeats of a message are noticed; None where they are not.

    ``asked`` is what the client wrote: a default of the domain that was changed meanwhile makes no other message.
    """
    options = admitted.options
    minutes = settings.deduplicate_minutes
    if not minutes or options.is_test:
        return None
    content = None
    if options.idempotency_key is not None:
        kind, name = b"key", options.idempotency_key.encode()
        content = fingerprint(admitted, asked, reverse_path)
    elif settings.deduplicate is Deduplicate.CONTENT:
        kind, name = b"content", fingerprint(admitted, asked, reverse_path)
    elif settings.deduplicate is Deduplicate.MESSAGE_ID and admitted.has_own_message_id:
        kind, name = b"message-id", admitted.message_id_header.encode("utf-8", "surrogateescape")
    else:
        return None
    base = hashlib.blake2b(b"%d\0%b\0%b\0" % (domain_id, kind, name), digest_size=_KEY_OCTETS)
    keys = []
    for recipient in recipients:
        one = base.copy()
        one.update(comparable(recipient).encode("utf-8", "surrogateescape"))
        keys.append(one.digest())
    return Repeatable(keys=tuple(keys), content=content, expires_at=now + minutes * _MINUTE_MS)


def named_call(name: str, content: bytes, *, domain: SendingDomain, least_minutes: int, now: int) -> NamedCall:
    """Return what a call is known by that its caller named.

    Args:
        name: The name, which means something within the sending domain only.
        content: All that the call asks for.
        domain: The sending domain.
        least_minutes: How long the name holds, where the domain says less.
        now: When the call came.
    """
    minutes = max(domain.settings.deduplicate_minutes, least_minutes)
    named = hashlib.blake2b(b"%d\0call\0%b" % (domain.id, name.encode()), digest_size=_KEY_OCTETS)
    return NamedCall(
        key=named.digest(),
        content=hashlib.blake2b(content, digest_size=_KEY_OCTETS).digest(),
        expires_at=now + minutes * _MINUTE_MS,
    )


def fingerprint(admitted: Admitted, asked: Options, reverse_path: str) -> bytes:
    """Return what is the same for sender, subject, body and options that are the same.

    The body is what its Content fields make of it. Boundaries of multiparts, which programs make anew each time, and
    the time to send at do not count.
    """
    options = msgspec.structs.replace(asked, idempotency_key=None, deliver_at=None, expires_at=None)
    whole = hashlib.blake2b(digest_size=_KEY_OCTETS)
    block = split(admitted.content)
    assert isinstance(block, HeaderBlock), "what was admitted has a header"
    # What leaves decides, however the subject is shown.
    subject = subject_of(block)
    for part in (reverse_path.encode(), admitted.header_from.encode(), subject.encode(), _encode(options)):
        whole.update(b"%d\0" % len(part) + part)
    for field in block.fields:
        if field.name.startswith(b"content-"):
            whole.update(comparable_field(block.raw(field)))
    whole.update(comparable_body(admitted.content))
    return whole.digest()


def comparable_body(content: bytes) -> bytes:
    """Return the body of a message without the boundaries of its multiparts."""
    body = content[content.find(b"\r\n\r\n") + 4 :]
    named = frozenset(quoted or bare for quoted, bare in _BOUNDARY.findall(content))
    if not named:
        return body

    def without(line: re.Match[bytes]) -> bytes:
        name = line[1].rstrip(b" \t")
        if name in named:
            return b"--"
        return b"----" if name.endswith(b"--") and name[:-2] in named else line[0]

    # In one pass, however many boundaries somebody names: content of strangers must not cost more than its length.
    return _DELIMITER.sub(without, _BOUNDARY.sub(b"boundary=", body))


def comparable_field(field: bytes) -> bytes:
    """Return a header field without the boundary that it names."""
    return _BOUNDARY.sub(b"boundary=", field)


def sorted_out(batch: Sequence[Accepted], firsts: dict[bytes, First]) -> list[Repeats | None]:
    """Return per message what of it repeats ``firsts`` or an earlier message of the batch; adds the rest to ``firsts``."""
    return [_repeats(accepted, firsts) for accepted in batch]


def _repeats(accepted: Accepted, firsts: dict[bytes, First]) -> Repeats | None:
    offered = accepted.repeatable
    if offered is None:
        return None
    pairs = list(zip(offered.keys, accepted.deliveries, strict=True))
    known = {delivery.id: firsts[key] for key, delivery in pairs if key in firsts}
    if offered.content is not None and any(first.content != offered.content for first in known.values()):
        return Repeats(known, is_reused=True)
    for key, delivery in pairs:
        # What ended before it began, as a suppressed recipient's, is no first copy: the next one is not its repeat.
        if delivery.id not in known and not delivery.state.is_final:
            firsts.setdefault(key, First(accepted.message.id, delivery.id, offered.content))
    return Repeats(known) if known else None


def without_repeats(accepted: Accepted, repeats: Repeats | None) -> Accepted | None:
    """Return what is to be stored of a message; None for nothing."""
    if repeats is None:
        return accepted
    if repeats.is_reused or len(repeats.firsts) == len(accepted.deliveries):
        return None
    deliveries = tuple(one for one in accepted.deliveries if one.id not in repeats.firsts)
    return msgspec.structs.replace(
        accepted,
        message=msgspec.structs.replace(accepted.message, recipient_count=len(deliveries)),
        deliveries=deliveries,
        events=tuple(one for one in accepted.events if one.delivery_id not in repeats.firsts),
    )
