"""Which From a sending domain may use: its own name or a parent of it, down to the organisational domain."""

from collections.abc import Callable

from publicsuffixlist import PublicSuffixList

OrganisationalDomainOf = Callable[[str], str | None]
"""Gives the organisational domain of a name, or None for a public suffix."""

_MAX_REMEMBERED = 10_000


class OrganisationalDomains:
    """Knows the organisational domain of every name, by the public suffix list.

    Reading the list takes 50 ms: it is made once, when a process starts, and handed to whoever asks.
    """

    def __init__(self) -> None:
        self._list = PublicSuffixList()
        self._known: dict[str, str | None] = {}

    def __call__(self, domain: str) -> str | None:
        """Return the organisational domain of a name in A-labels, or None for a public suffix."""
        if domain not in self._known:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            self._known[domain] = self._list.privatesuffix(domain)
        return self._known[domain]


def header_from_is_aligned(
    sending_domain: str, header_from_domain: str, organisational_domain_of: OrganisationalDomainOf
) -> bool:
    """Whether From may be at ``header_from_domain`` for mail of ``sending_domain``; both as A-labels in lower case.

    It may be at the sending domain itself or at one of its parents, as long as that is not above the organisational
    domain: never at a sub-domain, a sibling or a public suffix.
    """
    if header_from_domain == sending_domain:
        return True
    if not sending_domain.endswith("." + header_from_domain):
        return False
    organisational = organisational_domain_of(sending_domain)
    return organisational is not None and (
        header_from_domain == organisational or header_from_domain.endswith("." + organisational)
    )
