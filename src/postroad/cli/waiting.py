"""Why a delivery waits: due time, last reply, which limit, which lease, which pool, in sentences."""

from collections.abc import Collection, Iterator

from postroad.cli.output import counted, duration, local_time
from postroad.model.delivery import Delivery, DeliveryState
from postroad.storage.deliveries import Why
from postroad.storage.site_limits import SiteLimit
from postroad.storage.workers import Worker


def reasons(
    why: Why, now: int, workers: Collection[Worker], limit: SiteLimit | None, *, with_worker: str | None = None
) -> list[str]:
    """Return what a delivery waits for, the most weighty first; for one that has ended, how it did.

    Args:
        why: The delivery with its facts.
        now: The instant.
        workers: The live ones.
        limit: What the installation keeps to at its site.
        with_worker: What the worker that holds it says.
    """
    return list(_reasons(why, now, workers, limit, with_worker))


def owner_of(delivery: Delivery, workers: Collection[Worker]) -> Worker | None:
    """Return the live worker that holds a delivery."""
    owner = delivery.lease.owner if delivery.state is DeliveryState.LEASED and delivery.lease else None
    return next((one for one in workers if one.incarnation == owner), None)


def _reasons(
    why: Why, now: int, workers: Collection[Worker], limit: SiteLimit | None, with_worker: str | None
) -> Iterator[str]:
    delivery = why.delivery
    if delivery.state.is_final:
        yield f"It is {delivery.state.value} since {local_time(delivery.due_at)}; nothing more will happen."
        return
    match delivery.state:
        case DeliveryState.HELD:
            by = why.last_event.data.get("by") if why.last_event is not None else None
            yield f"It is held{f' by {by}' if by else ''} until `postroad queue release` lets it go."
        case DeliveryState.LEASED:
            yield _lease(delivery, now, workers)
            if with_worker is not None:
                yield with_worker
        case DeliveryState.SCHEDULED if delivery.due_at > now:
            yield f"It is due {local_time(delivery.due_at)}, in {duration(delivery.due_at - now)}."
        case _:
            yield f"It is due since {local_time(delivery.due_at)}, for {duration(now - delivery.due_at)}."
    if not any(delivery.pool in worker.pools for worker in workers):
        yield f"No live worker has the addresses of pool {delivery.pool}: it cannot leave."
    if why.ahead_in_lane:
        ahead = counted(why.ahead_in_lane, "delivery", "deliveries")
        yield f"{ahead} of this sending domain to {delivery.destination} leave before it."
    if limit is not None:
        yield _site(limit, now)
    if delivery.last_reply:
        yield f"The last of {counted(delivery.attempts, 'attempt')} ended with: {delivery.last_reply}"
    yield f"It is given up {local_time(delivery.expires_at)}, in {duration(delivery.expires_at - now)}."


def _lease(delivery: Delivery, now: int, workers: Collection[Worker]) -> str:
    assert delivery.lease is not None, "a leased delivery has its lease"
    owner = owner_of(delivery, workers)
    held = f"until {local_time(delivery.lease.until)} (lease {delivery.lease.epoch})"
    if owner is None:
        ends = "has ended" if delivery.lease.until <= now else f"ends in {duration(delivery.lease.until - now)}"
        return f"A worker that shows no sign of life holds it {held}; the lease {ends}, then another takes it."
    return f"Worker {owner.number} on {owner.node} (process {owner.pid}) holds it {held}."


def _site(limit: SiteLimit, now: int) -> str:
    because = f": {limit.reason}" if limit.reason else ""
    if limit.paused_until is not None and limit.paused_until > now:
        return f"Site {limit.site} is left alone from {limit.source} until {local_time(limit.paused_until)}{because}"
    connections = counted(limit.window, "connection")
    return f"At most {connections} from {limit.source} to site {limit.site} at once{because}"
