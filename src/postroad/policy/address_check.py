"""Whether mail to an address is likely to arrive: its form, its domain, what it looks like, and what became of earlier mail.

No mailbox is asked: hosts see that as a search for addresses to send spam to, and many answer yes to everything.
"""

from collections.abc import Collection, Iterator, Sequence

import msgspec

from postroad.model.address_check import AddressCheck, AddressHistory, AddressReason, AddressResult
from postroad.model.route import MailHosts, MxStatus
from postroad.policy.suppression import comparable
from postroad.protocol.smtp.address import AddressError, parse_path

LONGEST = 512
"""Characters of what is checked: as many as clients of other platforms may send."""
_SHORTEST_MISSPELT = 8
"""Domains that are shorter have too many real neighbours to guess by."""
_MANY_LETTERS = 11
"""Domains of so many letters may have two mistakes."""
_ENDINGS = {
    "com": ("cim", "cmo", "comm", "con", "coom", "cpm", "ocm", "vom", "xom"),
    "net": ("bet", "met", "ner", "nett", "nte"),
    "org": ("ogr", "orgg", "orh", "prg"),
}
"""What is typed for common endings, and is no ending itself."""
_CUT_SHORT = frozenset({"co", "cm", "om"})
"""Countries whose ending is rather half of ``com``."""
_WITHOUT_MAIL = {
    MxStatus.NO_SUCH_DOMAIN: AddressReason.NO_SUCH_DOMAIN,
    MxStatus.NULL_MX: AddressReason.NULL_MX,
    MxStatus.NO_HOSTS: AddressReason.NO_MAIL_HOST,
}
_RISKY = (AddressReason.DISPOSABLE, AddressReason.TYPO, AddressReason.FAILING, AddressReason.ROLE)


class KnownNames(msgspec.Struct, frozen=True, kw_only=True):
    """What addresses are compared with, in small letters."""

    roles: Collection[str] = frozenset()
    disposable: Collection[str] = frozenset()
    """Domains; those below them count too."""
    providers: Collection[str] = frozenset()
    """Domains of mailbox providers that take everybody."""
    misspelt: Sequence[str] = ()
    """Those that other domains are compared with; of equally near ones the first is meant."""


class Parts(msgspec.Struct, frozen=True):
    """An address that was understood."""

    local_part: str
    domain: str
    """In A-labels."""

    @property
    def address(self) -> str:
        """The address as mail would go to it."""
        return f"{self.local_part}@{self.domain}"


def understood(text: str) -> Parts:
    """Return the parts of an address, without spaces around it; raises AddressError."""
    text = text.strip()
    if len(text) > LONGEST:
        raise AddressError("The address has more than 254 octets")
    # Brackets and source routes are of the envelope's form alone (RFC 5321 §4.1.2).
    if text.startswith(("<", "@")):
        raise AddressError("Write the address as local@domain")
    local, _, domain = parse_path(text, is_utf8=True).rpartition("@")
    if not domain:
        raise AddressError("Write the address as local@domain")
    if not domain.startswith("[") and "." not in domain:
        raise AddressError(f"{domain} is no domain of the Internet: it has no dot")
    return Parts(local, domain)


def malformed(text: str, why: AddressError) -> AddressCheck:
    """Return what is said of what is no address."""
    reasons = (AddressReason.SYNTAX,)
    detail = f"{str(why).rstrip('.')}."
    return AddressCheck(address=text.strip(), result=AddressResult.UNDELIVERABLE, reasons=reasons, detail=detail)


def judge(text: str, parts: Parts, hosts: MailHosts, history: AddressHistory, names: KnownNames) -> AddressCheck:
    """Return what is said of an address, by what is known of it."""
    reached = history.delivered_at or 0
    is_role, is_disposable = _is_role(parts, names), _is_disposable(parts.domain, names)
    has_bounced = history.bounce_listed_at is not None and history.bounce_listed_at >= reached
    is_failing = not has_bounced and history.failed_at is not None and history.failed_at >= reached
    was_delivered = bool(reached) and not has_bounced and not is_failing
    # Mail has arrived there: it was meant as it is written.
    meant = None if was_delivered else _meant(parts.domain, hosts.status, names)
    marks = {
        AddressReason.BOUNCED: has_bounced,
        # Misspelt names of providers are often for sale, and listed as disposable: what was meant helps more.
        AddressReason.TYPO: meant is not None,
        AddressReason.DISPOSABLE: is_disposable,
        AddressReason.FAILING: is_failing,
        AddressReason.ROLE: is_role,
    }
    reasons = (*_of_domain(hosts.status), *(reason for reason, holds in marks.items() if holds))
    return AddressCheck(
        address=text.strip(),
        result=_result(reasons),
        reasons=reasons,
        local_part=parts.local_part,
        domain=parts.domain,
        suggestion=None if meant is None else f"{parts.local_part}@{meant}",
        is_role=is_role,
        is_disposable=is_disposable,
        is_free=parts.domain in names.providers,
        has_bounced=has_bounced,
        is_failing=is_failing,
        was_delivered=was_delivered,
        detail=f"{hosts.detail[:1].upper()}{hosts.detail[1:].rstrip('.')}." if hosts.detail else "",
    )


def _of_domain(status: MxStatus) -> Iterator[AddressReason]:
    if status in _WITHOUT_MAIL:
        yield _WITHOUT_MAIL[status]
    elif status is MxStatus.TEMPORARY:
        yield AddressReason.DNS_AWAY


def _result(reasons: Collection[AddressReason]) -> AddressResult:
    if AddressReason.BOUNCED in reasons or not set(_WITHOUT_MAIL.values()).isdisjoint(reasons):
        return AddressResult.UNDELIVERABLE
    if AddressReason.DNS_AWAY in reasons:
        return AddressResult.UNKNOWN
    return AddressResult.DELIVERABLE if set(_RISKY).isdisjoint(reasons) else AddressResult.RISKY


def _is_role(parts: Parts, names: KnownNames) -> bool:
    local = comparable(parts.address).rpartition("@")[0]
    # What follows a plus sign is the owner's business (RFC 5233 §1).
    return local.partition("+")[0] in names.roles


def _is_disposable(domain: str, names: KnownNames) -> bool:
    labels = domain.split(".")
    return any(".".join(labels[start:]) in names.disposable for start in range(len(labels) - 1))


def _meant(domain: str, status: MxStatus, names: KnownNames) -> str | None:
    """Return the domain that was probably meant, or None where this one may well be."""
    if domain in names.providers:
        return None
    near = [(_distance(domain, one), place, one) for place, one in enumerate(names.misspelt)]
    fitting = [
        (steps, place, one)
        for steps, place, one in near
        if steps <= _most_steps(one) and not _is_of_country(domain, one)
    ]
    if fitting:
        return min(fitting)[2]
    return _with_usual_ending(domain) if status is MxStatus.NO_SUCH_DOMAIN else None


def _most_steps(domain: str) -> int:
    if len(domain) < _SHORTEST_MISSPELT:
        return 0
    return 2 if len(domain) >= _MANY_LETTERS else 1


def _is_of_country(domain: str, provider: str) -> bool:
    """Whether a domain is a provider's own name under a country: many have more of those than are known here."""
    name, _, ending = domain.partition(".")
    return name == provider.partition(".")[0] and len(ending) == 2 and ending not in _CUT_SHORT


def _with_usual_ending(domain: str) -> str | None:
    rest, _, ending = domain.rpartition(".")
    return next((f"{rest}.{usual}" for usual, typed in _ENDINGS.items() if ending in typed), None)


def _distance(one: str, other: str) -> int:
    """Return how many letters are to be added, left out, changed or swapped with their neighbour; 3 stands for more than 2."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before_last: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, against in enumerate(other, 1):
            steps = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                steps = min(steps, before_last[column - 2] + 1)
            current.append(steps)
        if min(current) > 2:
            return 3
        before_last, last = last, current
    return min(last[-1], 3)
