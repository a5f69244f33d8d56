"""What became of earlier mail to an address: of one sending domain, of an account, or of the installation."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from postroad.model.address_check import AddressHistory
from postroad.model.event import Event, EventType
from postroad.model.outcome import BounceClass
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.policy.suppression import entries_about, key_of, names_about
from postroad.storage import event_search, suppressions
from postroad.storage.events import EventSelector
from postroad.storage.schema.control_plane import domains

_MOST_DOMAINS = 2_000
"""Sending domains whose lists are asked, the newest ones: each takes two look-ups by key."""
_MOST_EVENTS = 20
_ABOUT_MAILBOX = frozenset({BounceClass.BAD_MAILBOX.value, BounceClass.INACTIVE_MAILBOX.value, BounceClass.QUOTA.value})


def of_address(
    connection: Connection, address: str, *, account_id: int | None, domain_id: int | None, since: int
) -> AddressHistory:
    """Return what the lists and the events since an instant say of an address, in bounded work.

    Args:
        connection: To read by.
        address: As ``policy.suppression.comparable`` writes it.
        account_id: Whose mail it was; None for everybody's.
        domain_id: The one sending domain whose mail it was.
        since: Milliseconds since 1970; lists are asked whatever their age.
    """
    whose = _domains(connection, account_id, domain_id)
    selector = EventSelector(
        account_id=account_id,
        domain_id=domain_id,
        recipient=address,
        types=(EventType.DELIVERED, EventType.BOUNCED),
        since=since,
    )
    found = event_search.search(connection, selector, _MOST_EVENTS, is_newest_first=True).found
    told = [one for one in found if not one.data.get("is_test")]
    return AddressHistory(
        bounce_listed_at=_bounce_listed_at(connection, address, whose),
        delivered_at=max((one.at for one in told if one.type is EventType.DELIVERED), default=None),
        failed_at=max((one.at for one in told if _is_about_mailbox(one)), default=None),
    )


def _domains(connection: Connection, account_id: int | None, domain_id: int | None) -> list[int]:
    query = select(domains.c.id).order_by(domains.c.id.desc()).limit(_MOST_DOMAINS)
    if account_id is not None:
        query = query.where(domains.c.account_id == account_id)
    if domain_id is not None:
        query = query.where(domains.c.id == domain_id)
    return list(connection.execute(query).scalars())


def _bounce_listed_at(connection: Connection, address: str, whose: Sequence[int]) -> int | None:
    """Return since when the newest bounce entry holds that its own domain does not lift by its allow list."""
    names = names_about(address)
    found = suppressions.lookup(connection, {key_of(one, name) for one in whose for name in names})
    listed = [_bounce_of(entries_about(one, address, found)) for one in whose]
    return max((one.created_at for one in listed if one is not None), default=None)


def _bounce_of(entries: Sequence[Suppression]) -> Suppression | None:
    if any(one.kind is SuppressionKind.ALLOW for one in entries):
        return None
    return next((one for one in entries if one.kind is SuppressionKind.BOUNCE), None)


def _is_about_mailbox(event: Event) -> bool:
    return event.type is EventType.BOUNCED and event.data.get("bounce_class") in _ABOUT_MAILBOX
