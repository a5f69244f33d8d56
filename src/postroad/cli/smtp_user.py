"""``postroad smtp-user``: who may submit mail by SMTP."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import click
import msgspec

from postroad.accounts.accounts import Accounts
from postroad.accounts.logins.lockouts import Lockouts
from postroad.accounts.smtp_user_changes import LARGEST_LIMIT, SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers, generated_password
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, confirm, facts, local_time, table, utc_time
from postroad.model.client_fault import ClientFault
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.refused import MissingError
from postroad.net.clock import now_ms
from postroad.policy.repetition import ADVICE
from postroad.storage.database import Database

_BY_ADDRESS_WARNING = (
    "whoever sends from these addresses is this user, without a password; "
    "it acts on the listener smtp.listen_by_address only"
)


_NO_LIMIT = 0


class LimitType(click.ParamType[int]):
    """A number of recipients, or ``none`` for any number, which is read as zero."""

    name = "recipients"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        if value == "none":
            return _NO_LIMIT
        digits = value.lstrip("0") if value.isascii() and value.isdigit() else ""
        if not digits:
            self.fail(f"{value!r} is not a number of recipients: write one such as 500, or none.", param, ctx)
        # Python reads no number of thousands of digits.
        if len(digits) > len(str(LARGEST_LIMIT)) or int(digits) > LARGEST_LIMIT:
            self.fail(f"A limit is at most {LARGEST_LIMIT} recipients; write none for no limit.", param, ctx)
        return int(digits)


@click.group("smtp-user")
def smtp_user() -> None:
    """SMTP users: each may submit mail for one sending domain, and do nothing else."""


def _password_options(command: Any) -> Any:
    generate = click.option("--generate", is_flag=True, help="Make a strong password and show it once.")
    stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    return generate(stdin(command))


def _choices_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options for what may be chosen of a user; it gets one ``change``."""
    options = [
        click.option("--note", default=None, help="What the user is for."),
        click.option(
            "--network", "networks", multiple=True, metavar="CIDR", help="Log-ins only from there; repeatable."
        ),
        click.option(
            "--require-tls/--no-require-tls", "requires_tls", default=None, help="Log-ins only over encryption."
        ),
        click.option("--hourly-limit", type=LimitType(), default=None, help="Recipients in a clock hour, or none."),
        click.option("--daily-limit", type=LimitType(), default=None, help="Recipients in a day (UTC), or none."),
        click.option(
            "--allow-from",
            "allowed_from",
            multiple=True,
            metavar="ADDRESS|@DOMAIN",
            help="From may be this only; repeatable.",
        ),
    ]

    @functools.wraps(command)
    def choosing(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in SmtpUserChange.__struct_fields__}
        chosen = {name: value for name, value in chosen.items() if value is not None and value != ()}
        for name in ("hourly_limit", "daily_limit"):
            if chosen.get(name) == _NO_LIMIT:
                chosen[name] = None
        return command(change=SmtpUserChange(**chosen), **given)

    decorated: Callable[..., Any] = choosing
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


@smtp_user.command()
@click.argument("username")
@click.option("--domain", "domain_name", help="Sending domain; without it the one the user name is at.")
@click.option("--address", "proof", multiple=True, metavar="CIDR", help="Network that proves the user; repeatable.")
@_choices_options
@_password_options
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    username: str,
    domain_name: str | None,
    proof: tuple[str, ...],
    change: SmtpUserChange,
    generate: bool,
    password_stdin: bool,
) -> None:
    """Add an SMTP user: with a password that is asked for, or proven by its network address."""
    if proof and (generate or password_stdin or change.networks):
        raise click.UsageError("A user is proven by a password or by --address, not by both.")
    if proof:
        change = msgspec.structs.replace(change, networks=proof)
    password = None if proof else _password(generate=generate, from_stdin=password_stdin)
    try:
        added = await SmtpUsers(database, now_ms).add(
            acting(),
            username,
            domain_name=domain_name,
            kind=CredentialKind.ADDRESS if proof else CredentialKind.PASSWORD,
            password=password,
            choices=change,
        )
    except MissingError as error:
        if domain_name is None and error.field == "domain":
            refuse(f"{str(error).rstrip('.')}, with --domain")
        raise
    document = _document(added.user) | {"warning": added.warning}
    lines = [f"Added SMTP user {added.user.username}."]
    if generate:
        document["password"] = str(password)
        lines.append(f"Password: {password!s}  (it is not shown again)")
    for warning in filter(None, (added.warning, _warning(added.user))):
        click.echo(f"Warning: {warning}", err=True)
    answer(invocation, document, "\n".join(lines))


@smtp_user.command("list")
@click.option("--domain", "domain_name", help="Only the users of this sending domain.")
@click.option("--account", "account_name", help="Only the users of this account.")
@with_database
async def list_users(
    invocation: Invocation, database: Database, *, domain_name: str | None, account_name: str | None
) -> None:
    """List SMTP users."""
    actor = acting()
    if account_name is not None:
        account = await Accounts(database, now_ms).find(actor, account_name)
        actor = msgspec.structs.replace(actor, account_id=account.id)
    users = await SmtpUsers(database, now_ms).all(actor, domain_name)
    locked = frozenset(await Lockouts(database, now_ms).of_users(actor))
    rows = [(one.username, _state(one, locked), _proof(one), _last_use(one), one.note) for one in users]
    headings = ("USER", "STATE", "PROVEN BY", "LAST USED", "NOTE")
    by_address = [one.username for one in users if one.kind is CredentialKind.ADDRESS]
    if by_address and not invocation.is_json:
        click.echo(f"Warning: {', '.join(by_address)}: {_BY_ADDRESS_WARNING}.", err=True)
    answer(invocation, [_document(one, locked) for one in users], table(headings, rows))


@smtp_user.command()
@click.argument("username")
@with_database
async def show(invocation: Invocation, database: Database, username: str) -> None:
    """Show an SMTP user: its restrictions, how much of its limits is used, and when it was last used."""
    users = SmtpUsers(database, now_ms)
    user = await users.find(acting(), username)
    faults = (await users.faults(acting(), [user])).get(user.id, [])
    usage = {demand.period.value: used for demand, used in await users.usage(acting(), user.id)}
    locked = frozenset(await Lockouts(database, now_ms).of_users(acting()))
    pairs = [
        ("user", user.username),
        ("state", _state(user, locked)),
        ("proven by", _proof(user)),
        ("networks", ", ".join(user.networks) if user.kind is CredentialKind.PASSWORD else ""),
        ("encryption", "required" if user.requires_tls else ""),
        ("this hour", _used(usage.get("hour"), user.hourly_limit)),
        ("this day", _used(usage.get("day"), user.daily_limit)),
        ("from", ", ".join(user.allowed_from)),
        ("note", user.note),
        ("created", local_time(user.created_at)),
        ("last used", _last_use(user)),
        ("warning", _warning(user) or ""),
        *(("repeats", _fault_text(fault)) for fault in faults),
    ]
    told = {"used": usage, "faults": [_fault_document(fault) for fault in faults]}
    answer(invocation, _document(user, locked) | told, facts(pairs))


@smtp_user.command()
@click.argument("username")
@_choices_options
@click.option("--any-network", is_flag=True, help="Log-ins from everywhere.")
@click.option("--any-from", is_flag=True, help="Every From at the sending domain or a parent of it.")
@with_database
async def edit(
    invocation: Invocation,
    database: Database,
    *,
    username: str,
    change: SmtpUserChange,
    any_network: bool,
    any_from: bool,
) -> None:
    """Change an SMTP user's note and restrictions; they hold within five seconds, for open sessions too."""
    for name, values, is_any, option in (
        ("--network", change.networks, any_network, "--any-network"),
        ("--allow-from", change.allowed_from, any_from, "--any-from"),
    ):
        if is_any and values is not msgspec.UNSET:
            raise click.UsageError(f"Either {name} or {option}.")
    if any_network:
        change = msgspec.structs.replace(change, networks=())
    if any_from:
        change = msgspec.structs.replace(change, allowed_from=())
    if change == SmtpUserChange():
        raise click.UsageError("Say what to change; --help names it.")
    users = SmtpUsers(database, now_ms)
    user = await users.edit(acting(), (await users.find(acting(), username)).id, change)
    answer(invocation, _document(user), f"Changed SMTP user {user.username}.")


@smtp_user.command("set-password")
@click.argument("username")
@_password_options
@with_database
async def set_password(
    invocation: Invocation, database: Database, username: str, *, generate: bool, password_stdin: bool
) -> None:
    """Give an SMTP user another password; the old one ends within five seconds."""
    users = SmtpUsers(database, now_ms)
    user = await users.find(acting(), username)
    password = _password(generate=generate, from_stdin=password_stdin)
    await users.set_password(acting(), user.id, password)
    document: dict[str, Any] = {"username": user.username}
    text = f"The password of {user.username} has been changed."
    if generate:
        document["password"] = str(password)
        text += f"\nPassword: {password!s}  (it is not shown again)"
    answer(invocation, document, text)


@smtp_user.command()
@click.argument("username")
@with_database
async def disable(invocation: Invocation, database: Database, username: str) -> None:
    """Refuse an SMTP user's log-ins and next commands, within five seconds."""
    users = SmtpUsers(database, now_ms)
    user = await users.disable(acting(), (await users.find(acting(), username)).id)
    answer(invocation, {"username": user.username, "state": "disabled"}, f"{user.username} is disabled.")


@smtp_user.command()
@click.argument("username")
@with_database
async def enable(invocation: Invocation, database: Database, username: str) -> None:
    """Let a disabled SMTP user log in again."""
    users = SmtpUsers(database, now_ms)
    user = await users.enable(acting(), (await users.find(acting(), username)).id)
    answer(invocation, {"username": user.username, "state": "active"}, f"{user.username} may log in again.")


@smtp_user.command()
@click.argument("username")
@with_database
async def unlock(invocation: Invocation, database: Database, username: str) -> None:
    """Forget the failed log-ins that have locked an SMTP user; it may log in from everywhere within five seconds."""
    user = await SmtpUsers(database, now_ms).find(acting(), username)
    await Lockouts(database, now_ms).unlock(acting(), user)
    answer(invocation, {"username": user.username, "state": _state(user)}, f"{user.username} is not locked any more.")


@smtp_user.command()
@click.argument("username")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(invocation: Invocation, database: Database, username: str, *, is_confirmed: bool) -> None:
    """Remove an SMTP user; mail it submitted stays."""
    users = SmtpUsers(database, now_ms)
    user = await users.find(acting(), username)
    confirm(f"Remove SMTP user {user.username}?", is_confirmed=is_confirmed)
    await users.remove(acting(), user.id)
    answer(invocation, {"username": user.username, "state": "removed"}, f"Removed SMTP user {user.username}.")


def _password(*, generate: bool, from_stdin: bool) -> Secret:
    if generate and from_stdin:
        raise click.UsageError("Either --generate or --password-stdin.")
    if generate:
        return generated_password()
    if from_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        refuse("There is no terminal to ask for the password on: use --password-stdin or --generate.")
    return Secret(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _state(user: SmtpUser, locked: frozenset[str] = frozenset()) -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "locked" if user.username in locked else "active"


def _proof(user: SmtpUser) -> str:
    return ", ".join(user.networks) if user.kind is CredentialKind.ADDRESS else "password"


def _warning(user: SmtpUser) -> str | None:
    return f"{_BY_ADDRESS_WARNING}." if user.kind is CredentialKind.ADDRESS else None


def _fault_text(fault: ClientFault) -> str:
    example = f"“{fault.subject}” to {fault.recipient} from {fault.client_address}, after {fault.reply}"
    return f"{fault.count:,} times, last {local_time(fault.last_at)}: {example}\n{ADVICE[fault.kind]}"


def _fault_document(fault: ClientFault) -> dict[str, Any]:
    return {
        "kind": fault.kind.value,
        "count": fault.count,
        "first_at": utc_time(fault.first_at),
        "last_at": utc_time(fault.last_at),
        "example": {
            "subject": fault.subject,
            "recipient": fault.recipient,
            "recipient_count": fault.recipient_count,
            "client_address": fault.client_address,
            "reply": fault.reply,
        },
        "advice": ADVICE[fault.kind],
    }


def _used(used: int | None, limit: int | None) -> str:
    return "" if limit is None else f"{used or 0} of {limit} recipients"


def _last_use(user: SmtpUser) -> str:
    if user.last_used_at is None or user.last_used_address is None:
        return local_time(user.last_used_at)
    how = "encrypted" if user.last_used_tls else "in the clear"
    return f"{local_time(user.last_used_at)} from {user.last_used_address}, {how}"


def _document(user: SmtpUser, locked: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {
        "username": user.username,
        "state": _state(user, locked),
        "kind": user.kind.value,
        "networks": user.networks,
        "requires_tls": user.requires_tls,
        "hourly_limit": user.hourly_limit,
        "daily_limit": user.daily_limit,
        "allowed_from": user.allowed_from,
        "note": user.note,
        "created_at": utc_time(user.created_at),
        "last_used_at": utc_time(user.last_used_at),
        "last_used_address": user.last_used_address,
        "last_used_tls": user.last_used_tls,
    }
