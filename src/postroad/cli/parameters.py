"""The kinds of values that commands take: ids, instants, and selections of deliveries."""

import functools
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
import msgspec

from postroad.cli.invocation import acting, refuse
from postroad.model.delivery import DeliveryState
from postroad.model.ids import EPOCH_MS, HIGHEST_ID, from_text, made_at
from postroad.net.clock import now_ms
from postroad.protocol.smtp.address import with_a_labels
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector

_AGO = re.compile(r"(\d+)\s*(min|h|d)")
_UNIT_MS = {"min": 60_000, "h": 3_600_000, "d": 86_400_000}


class IdType(click.ParamType[int]):
    """An id as the 250 reply and every listing show it."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number an id stands for."""
        if isinstance(value, int):
            return value
        try:
            return from_text(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class InstantType(click.ParamType[int]):
    """An instant: ``2h`` for two hours ago, or a date with or without a time, local where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the instant in milliseconds since 1970."""
        if isinstance(value, int):
            return value
        ago = _AGO.fullmatch(value.strip())
        if ago is not None:
            return now_ms() - int(ago[1]) * _UNIT_MS[ago[2]]
        try:
            at = int(datetime.fromisoformat(value).astimezone().timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time: write 30min, 2h, 3d, or 2026-11-21T14:00.", param, ctx)
        if not EPOCH_MS <= at <= made_at(HIGHEST_ID):
            self.fail(f"{value} is before 2026 or after 2060, when there is no mail of ours.", param, ctx)
        return at


class RecipientType(click.ParamType[str]):
    """A recipient's address or domain, or its beginning; as people write it, or in A-labels."""

    name = "text"

    def convert(self, value: Any, _param: click.Parameter | None, _ctx: click.Context | None) -> str:
        """Return it with its domain in A-labels, as recipients are kept."""
        return with_a_labels(value)


class NumberType(click.IntRange):
    """A whole number within bounds."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            bounds = f"at least {self.min}" if self.max is None else f"{self.min} to {self.max}"
            self.fail(f"{value!r} is not a whole number, {bounds}.", param, ctx)


ID = IdType()
RECIPIENT = RecipientType()
ROW_ID = NumberType(1, (1 << 63) - 1)
"""The number of a row of the control plane, as its listing shows it."""
INSTANT = InstantType()


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The options that select deliveries, as they were given."""

    delivery_id: int | None
    message_id: int | None
    account_name: str | None
    domain_name: str | None
    destination: str | None
    recipient: str | None
    pool: str | None
    states: tuple[str, ...]
    accepted_before: int | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said, which selects the whole queue."""
        return not any(getattr(self, name) for name in self.__struct_fields__)


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that select deliveries; it gets one ``selection``."""
    options = [
        click.option("--delivery", "delivery_id", type=ID, help="One delivery."),
        click.option("--message", "message_id", type=ID, help="The deliveries of one message."),
        click.option("--account", "account_name", help="Those of one account."),
        click.option("--domain", "domain_name", help="Those of one sending domain."),
        click.option("--destination", type=RECIPIENT, help="Those to one recipient domain."),
        click.option("--recipient", type=RECIPIENT, help="Those to one address."),
        click.option("--pool", help="Those of one egress pool."),
        click.option(
            "--state",
            "states",
            multiple=True,
            type=click.Choice([state.value for state in DeliveryState]),
            help="Those in one state; repeatable.",
        ),
        click.option("--before", "accepted_before", type=INSTANT, help="Those accepted before then: 2h, 2026-11-21."),
    ]

    @functools.wraps(command)
    def selecting(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in Selection.__struct_fields__}
        return command(selection=Selection(**chosen), **given)

    decorated: Callable[..., Any] = selecting
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


async def selector_of(database: Database, selection: Selection) -> Selector:
    """Return the stored selection that the options stand for; refuses names that do not exist."""
    return Selector(
        delivery_id=selection.delivery_id,
        message_id=selection.message_id,
        account_id=await account_id_of(database, selection.account_name),
        domain_id=await domain_id_of(database, selection.domain_name),
        destination=None if selection.destination is None else selection.destination.lower(),
        recipient=selection.recipient,
        pool=selection.pool,
        states=tuple(DeliveryState(state) for state in selection.states),
        accepted_before=selection.accepted_before,
    )


async def account_id_of(database: Database, name: str | None) -> int | None:
    """Return the id of an account, or None where none is named."""
    if name is None:
        return None
    account = await database.read(accounts.by_name, name)
    if account is None:
        refuse(f"There is no account {name}.")
    return account.id


async def domain_id_of(database: Database, name: str | None) -> int | None:
    """Return the id of a sending domain, or None where none is named."""
    if name is None:
        return None
    return (await database.read(domains.seen, acting(), name)).id
