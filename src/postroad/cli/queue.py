"""``postroad queue``: what waits, why, and steering it by hand."""

import asyncio
from collections.abc import Callable
from typing import Any

import click
import msgspec

from postroad.cli.asking import where_it_waits
from postroad.cli.command_ids import command_ids
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, confirm, counted, facts, local_time, table, utc_time
from postroad.cli.parameters import ID, NumberType, Selection, selection_options, selector_of
from postroad.cli.waiting import owner_of, reasons
from postroad.messages.steering import Steered, Verb, steer
from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.ids import text_of
from postroad.model.options import TlsDemand
from postroad.net.clock import now_ms
from postroad.node.lease import node_name
from postroad.storage import deliveries, domains, site_limits, workers
from postroad.storage.database import Database
from postroad.storage.deliveries import OPEN_STATES, Selector

_SLICE = 500
_DEMANDS = {
    TlsDemand.NOTHING: "",
    TlsDemand.ENCRYPT: "an encrypted connection",
    TlsDemand.VERIFY: "an encrypted connection to a verified host",
}


class _Verb(msgspec.Struct, frozen=True):
    """One way to steer: what it is called, the states it concerns, and the change it makes."""

    name: str
    past: str
    states: tuple[DeliveryState, ...]
    verb: Verb


_HOLD = _Verb("hold", "Held", (DeliveryState.SCHEDULED,), Verb.HOLD)
_RELEASE = _Verb("release", "Released", (DeliveryState.HELD,), Verb.RELEASE)
_RETRY = _Verb("retry", "Made due", (DeliveryState.SCHEDULED,), Verb.RETRY)
_CANCEL = _Verb("cancel", "Cancelled", (DeliveryState.SCHEDULED, DeliveryState.HELD), Verb.CANCEL)


@click.group()
def queue() -> None:
    """Deliveries that are not finished, and how to steer them."""


@queue.command("list")
@click.option("--limit", type=NumberType(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.option("--after", type=ID, default=0, help="Only those beyond this delivery, for the next page.")
@selection_options
@with_database
async def list_deliveries(
    invocation: Invocation, database: Database, *, selection: Selection, limit: int, after: int
) -> None:
    """List deliveries, oldest first; without --state those that are not finished."""
    selector = _open_by_default(await selector_of(database, selection))
    found = await database.read(deliveries.search, selector, limit, after)
    rows = [
        (
            text_of(one.id),
            one.state.value,
            local_time(one.due_at),
            str(one.attempts),
            one.recipient,
            one.last_reply or "",
        )
        for one in found
    ]
    text = table(("DELIVERY", "STATE", "DUE", "TRIES", "RECIPIENT", "LAST REPLY"), rows)
    answer(invocation, [document(one) for one in found], text)


@queue.command()
@click.argument("delivery_id", type=ID, metavar="DELIVERY")
@with_database
async def show(invocation: Invocation, database: Database, delivery_id: int) -> None:
    """Say everything about one delivery, and why it waits."""
    why = await database.read(deliveries.why, delivery_id)
    if why is None:
        refuse(f"There is no delivery {text_of(delivery_id)}.")
    now, limit = now_ms(), None
    data = why.last_event.data if why.last_event is not None else {}
    if data.get("site") and data.get("egress_source"):
        limit = await database.read(site_limits.get, data["egress_source"], data["site"])
    settings = invocation.settings
    live = await database.read(workers.live, now - settings.retention.worker_silence_s * 1000)
    owner = owner_of(why.delivery, live)
    is_here = owner is not None and owner.node == node_name(settings)
    with_worker = await asyncio.to_thread(where_it_waits, settings.admin.listen, delivery_id) if is_here else None
    waits_for = reasons(why, now, live, limit, with_worker=with_worker)
    one = why.delivery
    pairs = [
        ("delivery", text_of(one.id)),
        ("message", text_of(one.message_id)),
        ("recipient", one.recipient),
        ("state", one.state.value),
        ("accepted", local_time(one.accepted_at)),
        ("pool", one.pool),
        ("priority", str(one.priority)),
        ("mode", "test: nothing leaves" if one.options.is_test else ""),
        ("demands", _DEMANDS[one.options.tls] if one.options.tls else ""),
        ("maybe repeated", "yes: an earlier attempt may have been delivered" if one.maybe_delivered else ""),
        ("why", "\n".join(waits_for)),
    ]
    answer(invocation, document(one) | {"why": waits_for}, facts(pairs))


def _steering_options(command: Callable[..., Any]) -> Callable[..., Any]:
    everything = click.option("--all", "is_all", is_flag=True, help="Mean the whole queue where nothing is selected.")
    yes = click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
    decorated: Callable[..., Any] = selection_options(everything(yes(command)))
    return decorated


@queue.command()
@_steering_options
@with_database
async def hold(invocation: Invocation, database: Database, **given: Any) -> None:
    """Stop scheduled deliveries until they are released."""
    await _steer(invocation, database, _HOLD, **given)


@queue.command()
@_steering_options
@with_database
async def release(invocation: Invocation, database: Database, **given: Any) -> None:
    """Let held deliveries go; they are due at once."""
    await _steer(invocation, database, _RELEASE, **given)


@queue.command()
@_steering_options
@with_database
async def retry(invocation: Invocation, database: Database, **given: Any) -> None:
    """Try deliveries now that wait for a later time."""
    await _steer(invocation, database, _RETRY, **given)


@queue.command()
@_steering_options
@with_database
async def cancel(invocation: Invocation, database: Database, **given: Any) -> None:
    """End deliveries that no worker holds; nothing is mailed to their senders."""
    await _steer(invocation, database, _CANCEL, **given)


async def _steer(
    invocation: Invocation,
    database: Database,
    verb: _Verb,
    *,
    selection: Selection,
    is_all: bool,
    is_confirmed: bool,
) -> None:
    if selection.is_empty and not is_all:
        raise click.UsageError(f"Say which deliveries to {verb.name}, or --all for the whole queue.")
    selector = await selector_of(database, selection)
    counts = await database.read(deliveries.count, selector)
    number = sum(count for state, count in counts.items() if state in verb.states)
    if number:
        confirm(f"{verb.name.capitalize()} {counted(number, 'delivery', 'deliveries')}?", is_confirmed=is_confirmed)
    changed = await _in_slices(database, verb.verb, await _steered(database, selector, selection)) if number else 0
    leased = counts.get(DeliveryState.LEASED, 0)
    text = f"{verb.past} {counted(changed, 'delivery', 'deliveries')}."
    if leased and DeliveryState.SCHEDULED in verb.states:
        text += f" {counted(leased, 'is', 'are')} with a worker at this moment and stayed as they were."
    answer(invocation, {"changed": changed, "leased": leased}, text)


async def _in_slices(database: Database, verb: Verb, steered: Steered) -> int:
    """Make a change in short transactions."""
    total = 0
    async with command_ids(database) as ids:
        while True:
            now = now_ms()
            changed = await steer(database, acting(), verb, steered, now=now, new_id=ids.next, limit=_SLICE)
            total += changed
            if changed < _SLICE:
                return total
            await ids.keep()


async def _steered(database: Database, selector: Selector, selection: Selection) -> Steered:
    """Say for the audit log what is selected, and whose it is where that is one account's."""
    account_id = selector.account_id
    if account_id is None and selector.domain_id is not None:
        domain = await database.read(domains.get, selector.domain_id)
        account_id = None if domain is None else domain.account_id
    if account_id is None and (selector.message_id is not None or selector.delivery_id is not None):
        [*found] = await database.read(deliveries.search, selector, 1)
        account_id = found[0].account_id if found else None
    given = ((name, getattr(selection, name)) for name in Selection.__struct_fields__)
    target = ", ".join(_told(name, value) for name, value in given if value)
    return Steered(selector=selector, target=target or "the whole queue", account_id=account_id)


def _told(option: str, value: Any) -> str:
    if option == "accepted_before":
        return f"accepted before {utc_time(value)}"
    if option == "states":
        return f"state {' or '.join(value)}"
    if option.endswith("_id"):
        return f"{option.removesuffix('_id')} {text_of(value)}"
    return f"{option.removesuffix('_name')} {value}"


def _open_by_default(selector: Selector) -> Selector:
    if selector.states or selector.delivery_id is not None or selector.message_id is not None:
        return selector
    return Selector(**{name: getattr(selector, name) for name in selector.__struct_fields__} | {"states": OPEN_STATES})


def document(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as programs read it."""
    return {
        "id": text_of(delivery.id),
        "message_id": text_of(delivery.message_id),
        "recipient": delivery.recipient,
        "destination": delivery.destination,
        "state": delivery.state.value,
        "pool": delivery.pool,
        "priority": delivery.priority,
        "attempts": delivery.attempts,
        "accepted_at": utc_time(delivery.accepted_at),
        "due_at": utc_time(delivery.due_at),
        "expires_at": utc_time(delivery.expires_at),
        "last_reply": delivery.last_reply,
        "maybe_delivered": delivery.maybe_delivered,
        "tags": list(delivery.options.tags),
        "tls_demand": delivery.options.tls.value if delivery.options.tls else None,
        "is_test": delivery.options.is_test,
    }
