"""``postroad smtp-user``: who may submit mail by SMTP."""

import secrets
import sys
from typing import Any

import click

from postroad.accounts.smtp_users import SmtpUsers
from postroad.cli.invocation import Invocation, refuse, with_database
from postroad.cli.output import answer, confirm, local_time, table, utc_time
from postroad.model.credential import Secret, SmtpUser
from postroad.net.clock import now_ms
from postroad.policy.password import RANDOM_BYTES, generate_password
from postroad.storage.database import Database


@click.group("smtp-user")
def smtp_user() -> None:
    """SMTP users: each may submit mail for one sending domain, and do nothing else."""


def _password_options(command: Any) -> Any:
    generate = click.option("--generate", is_flag=True, help="Make a strong password and show it once.")
    stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    return generate(stdin(command))


@smtp_user.command()
@click.argument("username")
@click.option("--domain", "domain_name", help="Sending domain; without it the one the user name is at.")
@click.option("--address", "networks", multiple=True, metavar="CIDR", help="Network that proves the user; repeatable.")
@click.option("--note", default="", help="What the user is for.")
@_password_options
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    username: str,
    domain_name: str | None,
    networks: tuple[str, ...],
    note: str,
    generate: bool,
    password_stdin: bool,
) -> None:
    """Add an SMTP user: with a password that is asked for, or proven by its network address."""
    if networks and (generate or password_stdin):
        raise click.UsageError("A user is proven by a password or by --address, not by both.")
    password = None if networks else _password(generate=generate, from_stdin=password_stdin)
    added = await SmtpUsers(database, now_ms).add(
        username, domain_name=domain_name, password=password, networks=networks, note=note
    )
    document = _document(added.user) | {"warning": added.warning}
    lines = [f"Added SMTP user {added.user.username}."]
    if generate:
        document["password"] = str(password)
        lines.append(f"Password: {password!s}  (it is not shown again)")
    if added.warning:
        click.echo(f"Warning: {added.warning}", err=True)
    answer(invocation, document, "\n".join(lines))


@smtp_user.command("list")
@click.option("--domain", "domain_name", help="Only the users of this sending domain.")
@with_database
async def list_users(invocation: Invocation, database: Database, domain_name: str | None) -> None:
    """List SMTP users."""
    users = await SmtpUsers(database, now_ms).all(domain_name)
    rows = [(one.username, _state(one), _proof(one), local_time(one.last_used_at), one.note) for one in users]
    headings = ("USER", "STATE", "PROVEN BY", "LAST USED", "NOTE")
    answer(invocation, [_document(one) for one in users], table(headings, rows))


@smtp_user.command("set-password")
@click.argument("username")
@_password_options
@with_database
async def set_password(
    invocation: Invocation, database: Database, username: str, *, generate: bool, password_stdin: bool
) -> None:
    """Give an SMTP user another password; the old one ends within five seconds."""
    users = SmtpUsers(database, now_ms)
    user = await users.find(username)
    password = _password(generate=generate, from_stdin=password_stdin)
    await users.set_password(username, password)
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
    """Refuse an SMTP user's log-ins and next messages, within five seconds."""
    await SmtpUsers(database, now_ms).disable(username)
    answer(invocation, {"username": username, "state": "disabled"}, f"{username} is disabled.")


@smtp_user.command()
@click.argument("username")
@with_database
async def enable(invocation: Invocation, database: Database, username: str) -> None:
    """Let a disabled SMTP user log in again."""
    await SmtpUsers(database, now_ms).enable(username)
    answer(invocation, {"username": username, "state": "active"}, f"{username} may log in again.")


@smtp_user.command()
@click.argument("username")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(invocation: Invocation, database: Database, username: str, *, is_confirmed: bool) -> None:
    """Remove an SMTP user; mail it submitted stays."""
    users = SmtpUsers(database, now_ms)
    user = await users.find(username)
    confirm(f"Remove SMTP user {user.username}?", is_confirmed=is_confirmed)
    await users.remove(username)
    answer(invocation, {"username": user.username, "state": "removed"}, f"Removed SMTP user {user.username}.")


def _password(*, generate: bool, from_stdin: bool) -> Secret:
    if generate and from_stdin:
        raise click.UsageError("Either --generate or --password-stdin.")
    if generate:
        return generate_password(secrets.token_bytes(RANDOM_BYTES))
    if from_stdin:
        return Secret(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        refuse("There is no terminal to ask for the password on: use --password-stdin or --generate.")
    return Secret(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _state(user: SmtpUser) -> str:
    return "active" if user.disabled_at is None else "disabled"


def _proof(user: SmtpUser) -> str:
    return ", ".join(user.networks) or "password"


def _document(user: SmtpUser) -> dict[str, Any]:
    return {
        "username": user.username,
        "state": _state(user),
        "kind": user.kind.value,
        "networks": user.networks,
        "note": user.note,
        "created_at": utc_time(user.created_at),
        "last_used_at": utc_time(user.last_used_at),
    }
