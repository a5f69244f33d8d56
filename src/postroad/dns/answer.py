"""Questions and answers as values: what a DNS message says, without the library's types."""

import enum
from collections.abc import Iterator

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import msgspec

_LONGEST_CHAIN = 16
# RFC 2181 §8: a TTL with the top bit set counts as zero.
_LARGEST_TTL_S = 2**31 - 1


class RecordType(enum.Enum):
    """The record types that sending mail asks for; the values are their numbers."""

    A = 1
    CNAME = 5
    PTR = 12
    MX = 15
    TXT = 16
    AAAA = 28
    SRV = 33


class AnswerStatus(enum.Enum):
    """What became of a question."""

    FOUND = "found"
    NO_DATA = "no-data"
    """The name exists and has no record of this type (RFC 2308 §2.2)."""
    NO_SUCH_DOMAIN = "no-such-domain"
    """The name does not exist (RFC 2308 §2.1)."""
    TEMPORARY = "temporary"
    """No resolver gave a usable answer: nothing is known of the name."""


class Mx(msgspec.Struct, frozen=True, order=True):
    """One mail exchanger record."""

    preference: int
    host: str
    """A-labels in lower case without the final dot; empty for the null MX (RFC 7505)."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a question: always a value, never an exception."""

    status: AnswerStatus
    records: tuple[str | Mx, ...] = ()
    """Addresses, names without the final dot, the joined strings of a TXT record, or ``0 1 587 host`` of an SRV."""
    canonical_name: str = ""
    """The name that holds the records, where aliases (CNAME) led elsewhere."""
    ttl_s: int = 0
    expires_at: int = 0
    is_authentic: bool = False
    """A resolver that may be trusted with it has validated the answer (AD; RFC 4035 §3.2.3)."""
    detail: str = ""
    """What went wrong, in one sentence, where the status is ``temporary``."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The records of every type but MX."""
        return tuple(record for record in self.records if isinstance(record, str))

    @property
    def exchangers(self) -> tuple[Mx, ...]:
        """The records of an MX question, lowest preference first, then by name."""
        return tuple(sorted(record for record in self.records if isinstance(record, Mx)))


def temporary(detail: str) -> Answer:
    """Return the answer that nothing is known, with the reason."""
    return Answer(status=AnswerStatus.TEMPORARY, detail=detail)


def encode_name(name: str) -> dns.name.Name | None:
    """Return a name as DNS carries it, or None where it cannot exist there (RFC 1035 §2.3.4)."""
    try:
        return dns.name.from_text(name.rstrip(".") + ".")
    except (dns.exception.DNSException, UnicodeError):
        return None


def decode_name(name: dns.name.Name) -> str:
    """Return a name in lower case without its final dot; the root is empty."""
    return name.to_text(omit_final_dot=True).lower() if name != dns.name.root else ""


def read_answer(message: dns.message.Message, record_type: RecordType, now: int, *, is_trusted: bool) -> Answer:
    """Return what a complete response says of its question; a response that makes no sense is ``temporary``."""
    rcode = message.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN} or len(message.question) != 1:
        return temporary(_failure(message))
    chain = _follow(message, message.question[0].name, record_type)
    if chain is None:
        return temporary("the answer's aliases go round in a circle")
    name, ttl_s, records = chain
    if records is not None:
        status = AnswerStatus.FOUND
        ttl_s = min(ttl_s, records.ttl)
    else:
        # RFC 2308 §2.1: with aliases, the code tells of the name at their end.
        status = AnswerStatus.NO_SUCH_DOMAIN if rcode == dns.rcode.NXDOMAIN else AnswerStatus.NO_DATA
        ttl_s = min(ttl_s, _negative_ttl_s(message))
    return Answer(
        status=status,
        records=tuple(_values(records, record_type)) if records is not None else (),
        canonical_name=decode_name(name),
        ttl_s=ttl_s,
        expires_at=now + ttl_s * 1000,
        is_authentic=is_trusted and bool(message.flags & dns.flags.AD),
    )


def _follow(
    message: dns.message.Message, name: dns.name.Name, record_type: RecordType
) -> tuple[dns.name.Name, int, dns.rrset.RRset | None] | None:
    """Follow the aliases within a response; returns the last name, the smallest TTL on the way and the records."""
    ttl_s = _LARGEST_TTL_S
    for _ in range(_LONGEST_CHAIN):
        records = _find(message, name, record_type.value)
        alias = None if records is not None or record_type is RecordType.CNAME else _find(message, name, 5)
        if alias is None:
            return name, ttl_s, records
        ttl_s = min(ttl_s, alias.ttl)
        name = alias[0].target
    return None


def _find(message: dns.message.Message, name: dns.name.Name, type_number: int) -> dns.rrset.RRset | None:
    for rrset in message.answer:
        if rrset.rdtype == type_number and rrset.rdclass == dns.rdataclass.IN and rrset.name == name:
            return rrset
    return None


def _negative_ttl_s(message: dns.message.Message) -> int:
    # RFC 2308 §5: the lesser of the SOA's own TTL and its MINIMUM field; without an SOA nothing may be kept.
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(rrset.ttl, int(rrset[0].minimum))
    return 0


def _values(records: dns.rrset.RRset, record_type: RecordType) -> Iterator[str | Mx]:
    for record in records:
        match record_type:
            case RecordType.A | RecordType.AAAA:
                yield record.address
            case RecordType.CNAME | RecordType.PTR:
                yield decode_name(record.target)
            case RecordType.MX:
                yield Mx(record.preference, decode_name(record.exchange))
            case RecordType.SRV:
                yield f"{record.priority} {record.weight} {record.port} {decode_name(record.target)}"
            case RecordType.TXT:
                # RFC 7208 §3.3, RFC 6376 §3.6.2.2: the strings of one record are joined without anything between.
                yield b"".join(record.strings).decode("utf-8", "replace")


def _failure(message: dns.message.Message) -> str:
    """Say why a response is of no use, with the resolver's own explanation (RFC 8914) where it gives one."""
    text = dns.rcode.to_text(message.rcode())
    for error in message.extended_errors():
        explanation = error.text or dns.edns.EDECode(error.code).name.replace("_", " ").lower()
        return f"{text}: {explanation}"
    return text
