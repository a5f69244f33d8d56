"""``postroad domain``: the names that mail is sent from, and the records they publish."""

import contextlib
import difflib
import enum
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import click
import msgspec

from postroad.accounts.accounts import Accounts
from postroad.cli.invocation import Invocation, acting, open_vault, refuse, with_database
from postroad.cli.mail_clients import mail_clients
from postroad.cli.output import answer, confirm, facts, local_time, table, utc_time
from postroad.cli.tracking_hosts import host_document, host_text
from postroad.dialects.headers.values import OptionValueError, read_switch
from postroad.dns import resolver
from postroad.domains.registration import Registration
from postroad.domains.verification import Verification
from postroad.model.account import Account
from postroad.model.actor import Actor
from postroad.model.certificate import TrackingHostStanding
from postroad.model.domain import DkimKey, DomainSettings, DomainState, SendingDomain
from postroad.model.setting_type import misfit
from postroad.net.clock import now_ms
from postroad.node.sending_domains import registration_of, verification_of
from postroad.node.tracking_hosts import TrackingHosts
from postroad.policy.alignment import OrganisationalDomains
from postroad.policy.quota import Demand
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import ExpectedRecord, as_zone_line, dkim_zone_records
from postroad.storage.database import Database


@click.group()
def domain() -> None:
    """Sending domains: the names that mail may be sent from."""


domain.add_command(mail_clients)


class _Services(msgspec.Struct, frozen=True):
    """The domain services of one command."""

    registration: Registration
    verification: Verification
    tracking_hosts: TrackingHosts


@contextlib.asynccontextmanager
async def _services(invocation: Invocation, database: Database) -> AsyncIterator[_Services]:
    settings = invocation.settings
    vault = await open_vault(invocation, database)
    organisational_domains = OrganisationalDomains()
    # Without a cache in front: a record published a moment ago is to be seen.
    try:
        lookup = resolver.from_settings(settings.dns, now_ms)
    except ValueError as error:
        refuse(f"dns.resolvers: {error}.")
    try:
        yield _Services(
            registration_of(settings, database, vault, organisational_domains),
            verification_of(settings, database, vault, organisational_domains, lookup),
            TrackingHosts(settings, database, now_ms),
        )
    finally:
        await lookup.aclose()


@domain.command()
@click.argument("name")
@click.option("--account", "account_name", help="Account it belongs to; without it the default one.")
@with_database
async def add(invocation: Invocation, database: Database, name: str, account_name: str | None) -> None:
    """Add a sending domain and print the DNS records to publish."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    async with _services(invocation, database) as services:
        added = await services.registration.add(acting(), account.id, name)
        await _answer_with_records(invocation, services, added, account)


@domain.command("list")
@click.option("--account", "account_name", help="Only the domains of this account.")
@with_database
async def list_domains(invocation: Invocation, database: Database, account_name: str | None) -> None:
    """List sending domains."""
    accounts = {one.id: one for one in await Accounts(database, now_ms).all(acting())}
    account = await Accounts(database, now_ms).find(acting(), account_name) if account_name is not None else None
    async with _services(invocation, database) as services:
        found = await services.registration.all(acting(), None if account is None else account.id)
    rows = [(one.name, _standing(one), accounts[one.account_id].name, local_time(one.checked_at)) for one in found]
    documents = [_document(one, accounts[one.account_id]) for one in found]
    answer(invocation, documents, table(("DOMAIN", "STATE", "ACCOUNT", "CHECKED"), rows))


@domain.command()
@click.argument("name")
@with_database
async def show(invocation: Invocation, database: Database, name: str) -> None:
    """Show a domain, its settings, how much of its quotas is used, and the DNS records to paste into its zone."""
    async with _services(invocation, database) as services:
        found = await services.registration.find(acting(), name)
        await _answer_with_records(invocation, services, found, await _account_of(database, found))


@domain.command()
@click.argument("name")
@with_database
async def verify(invocation: Invocation, database: Database, name: str) -> None:
    """Compare each record with live DNS and say what is missing or different; an unverified domain becomes active."""
    async with _services(invocation, database) as services:
        before = await services.registration.find(acting(), name)
        verdicts = await services.verification.verify(acting(), before.id)
        await services.tracking_hosts.look_again(before)
        after = await services.registration.find(acting(), name)
    document = _document(after, await _account_of(database, after)) | {"records": [_judged(one) for one in verdicts]}
    closing = f"{after.name} is {_standing(after)}."
    answer(invocation, document, "\n".join([*itertools.chain(*map(_verdict_lines, verdicts)), closing]))
    if any(one.expected.is_required and one.status is not VerdictStatus.OK for one in verdicts):
        refuse(f"{after.name} does not publish all that it needs.")


@domain.command()
@click.argument("name")
@with_database
async def approve(invocation: Invocation, database: Database, name: str) -> None:
    """Let a domain that waits for the operator be verified."""
    await _move(invocation, database, name, Registration.approve, "approved")


@domain.command()
@click.argument("name")
@with_database
async def reject(invocation: Invocation, database: Database, name: str) -> None:
    """Refuse a domain for good, whatever state it is in: only `approve` brings it back."""
    await _move(invocation, database, name, Registration.reject, "rejected")


@domain.command()
@click.argument("name")
@with_database
async def disable(invocation: Invocation, database: Database, name: str) -> None:
    """Stop a domain's mail, within a second; what it has in the queue still leaves."""
    await _move(invocation, database, name, Registration.disable, "disabled")


@domain.command()
@click.argument("name")
@with_database
async def enable(invocation: Invocation, database: Database, name: str) -> None:
    """Let a disabled domain go on: it sends again once its records have been verified."""
    await _move(invocation, database, name, Registration.enable, "enabled")


@domain.command()
@click.argument("name")
@click.option("--reason", default="", help="Why, for the people of its account.")
@with_database
async def pause(invocation: Invocation, database: Database, name: str, reason: str) -> None:
    """Put off a domain's new mail (450 4.7.1) until it is resumed; what it has in the queue still leaves."""
    async with _services(invocation, database) as services:
        paused = await services.registration.pause(acting(), name, reason)
    answer(invocation, _document(paused, await _account_of(database, paused)), f"{paused.name} is paused.")


@domain.command()
@click.argument("name")
@with_database
async def resume(invocation: Invocation, database: Database, name: str) -> None:
    """End a domain's pause: its mail is accepted again; bounces and complaints are counted anew."""
    async with _services(invocation, database) as services:
        resumed = await services.registration.resume(acting(), name)
    answer(invocation, _document(resumed, await _account_of(database, resumed)), f"{resumed.name} is resumed.")


async def _move(
    invocation: Invocation,
    database: Database,
    name: str,
    move: Callable[[Registration, Actor, str], Awaitable[SendingDomain]],
    past: str,
) -> None:
    async with _services(invocation, database) as services:
        moved = await move(services.registration, acting(), name)
    text = f"{moved.name} is {past}" + ("." if past == moved.state.value else f", and {moved.state.value}.")
    answer(invocation, _document(moved, await _account_of(database, moved)), text)


@domain.command()
@click.argument("name")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(invocation: Invocation, database: Database, name: str, *, is_confirmed: bool) -> None:
    """Remove a domain that nothing is bound to any more; what is known of its mail stays."""
    async with _services(invocation, database) as services:
        found = await services.registration.find(acting(), name)
        confirm(f"Remove {found.name} and its keys?", is_confirmed=is_confirmed)
        await services.registration.remove(acting(), found.name)
    answer(invocation, {"name": found.name, "state": "removed"}, f"Removed {found.name}.")


@domain.command("set")
@click.argument("name")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@with_database
async def set_settings(invocation: Invocation, database: Database, name: str, assignments: Sequence[str]) -> None:
    """Change a domain's settings; `domain show` names them all. Switches take yes or no, and also true, false, on, off, 1, 0."""
    async with _services(invocation, database) as services:
        found = await services.registration.find(acting(), name)
        changed = await services.registration.change_settings(
            acting(), name, changed_settings(found.settings, assignments)
        )
    answer(
        invocation,
        _document(changed, await _account_of(database, changed)),
        facts((key, _shown(value)) for key, value in msgspec.structs.asdict(changed.settings).items()),
    )


@domain.command("rotate-dkim")
@click.argument("name")
@with_database
async def rotate_dkim(invocation: Invocation, database: Database, name: str) -> None:
    """Make a new DKIM key under the other selector; the old one signs until the new one is seen in DNS."""
    async with _services(invocation, database) as services:
        await services.registration.rotate_dkim(acting(), name)
        found = await services.registration.find(acting(), name)
        await _answer_with_records(invocation, services, found, await _account_of(database, found))


def changed_settings(settings: DomainSettings, assignments: Sequence[str]) -> DomainSettings:
    """Return settings with ``KEY=VALUE`` assignments made; refuses what is not known or does not fit."""
    values = msgspec.structs.asdict(settings)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"{assignment!r} is not KEY=VALUE.")
        if key not in values:
            near = difflib.get_close_matches(key, values, n=1)
            refuse(f"{key} is not a setting of a domain{f'; did you mean {near[0]}?' if near else '.'}")
        values[key] = _switch(key, text) if isinstance(values[key], bool) else text
    try:
        return msgspec.convert(values, DomainSettings, strict=False)
    except msgspec.ValidationError as error:
        found = misfit(DomainSettings, error)
        refuse(f"{found.path} {found.text}.")


def _switch(key: str, text: str) -> bool:
    # As the headers of a message are read.
    try:
        return read_switch(text)
    except OptionValueError as error:
        refuse(f"{key} {error}.")


async def _account_of(database: Database, domain: SendingDomain) -> Account:
    return next(one for one in await Accounts(database, now_ms).all(acting()) if one.id == domain.account_id)


async def _answer_with_records(
    invocation: Invocation, services: _Services, domain: SendingDomain, account: Account
) -> None:
    records = await services.verification.expected(domain)
    keys = await services.registration.keys_of(domain)
    zone = invocation.settings.domains.dkim_zone
    own = dkim_zone_records(domain.name, tuple(keys), zone) if zone else ()
    usage = await services.registration.usage_of(domain)
    host = await services.tracking_hosts.standing(domain)
    document = _document(domain, account) | {
        "quotas": {demand.period.value: _quota_document(demand, used) for demand, used in usage},
        "keys": [_key_document(key) for key in keys],
        "records": [_record(one) for one in records],
        "operator_records": [_record(one) for one in own],
        "tracking_host": host_document(host),
    }
    answer(invocation, document, _description(domain, account, keys, records, own=own, usage=usage, host=host))


def _description(
    domain: SendingDomain,
    account: Account,
    keys: Sequence[DkimKey],
    records: Sequence[ExpectedRecord],
    *,
    own: Sequence[ExpectedRecord],
    usage: Sequence[tuple[Demand, int]],
    host: TrackingHostStanding | None,
) -> str:
    settings = "\n".join(f"{key}={_shown(value)}" for key, value in msgspec.structs.asdict(domain.settings).items())
    pairs = [
        ("domain", domain.name),
        ("state", _standing(domain)),
        *([("paused because", domain.pause_reason)] if domain.paused_at is not None else []),
        ("account", account.name),
        ("settings", settings),
        *((f"this {demand.period.value}", _quota_text(demand, used)) for demand, used in usage),
        ("keys", "\n".join(f"{key.selector}: {key.algorithm.value}, {key.state.value}" for key in keys)),
        ("tracking host", host_text(host)),
    ]
    parts = [facts(pairs), f"Publish in the zone of {domain.name}:", _zone_lines(records)]
    if own:
        parts += ["Serve in your own zone:", _zone_lines(own)]
    if domain.state is DomainState.UNVERIFIED:
        parts.append(f"Then run: postroad domain verify {domain.name}")
    return "\n\n".join(parts)


def _zone_lines(records: Sequence[ExpectedRecord]) -> str:
    return "\n".join(
        f"; {'required' if one.is_required else 'recommended'}: {one.reason}\n{as_zone_line(one)}" for one in records
    )


def _verdict_lines(verdict: RecordVerdict) -> list[str]:
    mark = "ok" if verdict.status is VerdictStatus.OK else verdict.status.value.upper()
    weight = "" if verdict.expected.is_required else " (recommended)"
    lines = [f"{mark:<9}  {verdict.expected.form} {verdict.expected.name}{weight}"]
    if verdict.status is not VerdictStatus.OK:
        lines += [f"           {verdict.hint}"] if verdict.hint else []
        lines += [f"           found: {verdict.found}"] if verdict.found else []
        lines += [f"           publish: {as_zone_line(verdict.expected)}"]
    return lines


def _standing(domain: SendingDomain) -> str:
    standing = domain.state.value
    if domain.failing_since is not None:
        standing += f", its records failing since {local_time(domain.failing_since)}"
    if domain.paused_at is not None:
        standing += f", paused since {local_time(domain.paused_at)}"
    return standing


def _quota_text(demand: Demand, used: int) -> str:
    return f"used {used:,} of {demand.limit:,} recipients, frees at {local_time(demand.ends_at)}"


def _quota_document(demand: Demand, used: int) -> dict[str, Any]:
    return {"used": used, "limit": demand.limit, "frees_at": utc_time(demand.ends_at)}


def _shown(value: Any) -> str:
    # As `domain set` reads it.
    match value:
        case bool():
            return str(value).lower()
        case enum.Enum():
            return str(value.value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _document(domain: SendingDomain, account: Account) -> dict[str, Any]:
    return {
        "name": domain.name,
        "state": domain.state.value,
        "account": account.name,
        "settings": msgspec.structs.asdict(domain.settings),
        "created_at": utc_time(domain.created_at),
        "verified_at": utc_time(domain.verified_at),
        "checked_at": utc_time(domain.checked_at),
        "failing_since": utc_time(domain.failing_since),
        "paused_at": utc_time(domain.paused_at),
        "pause_reason": domain.pause_reason,
    }


def _key_document(key: DkimKey) -> dict[str, Any]:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "state": key.state.value,
        "public_key": key.public_key,
    }


def _record(record: ExpectedRecord) -> dict[str, Any]:
    return {
        "purpose": record.purpose.value,
        "name": record.name,
        "type": record.form,
        "value": record.value,
        "is_required": record.is_required,
        "zone_line": as_zone_line(record),
    }


def _judged(verdict: RecordVerdict) -> dict[str, Any]:
    return _record(verdict.expected) | {
        "status": verdict.status.value,
        "found": verdict.found,
        "hint": verdict.hint,
    }
