"""``postroad route``: destinations that go through a host of the operator's choice instead of their MX."""

import sys
from typing import Any

import click

from postroad.cli.invocation import Invocation, open_vault, refuse, with_database
from postroad.cli.output import answer, table, utc_time
from postroad.cli.parameters import NumberType
from postroad.model.route import Login, TlsRule
from postroad.net.address import normalise, parse_address
from postroad.net.clock import now_ms
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import routes
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.routes import StoredRoute


@click.group()
def route() -> None:
    """Routes: destinations that leave through a host of your choice."""


@route.command()
@click.argument("destination")
@click.argument("host")
@click.option("--port", type=NumberType(1, 65_535), default=25, show_default=True, help="Port of the host.")
@click.option(
    "--tls",
    "tls_rule",
    type=click.Choice([rule.value for rule in TlsRule]),
    default=TlsRule.OPPORTUNISTIC.value,
    show_default=True,
    help="What is demanded of the connection.",
)
@click.option("--implicit-tls", is_flag=True, help="TLS from the first octet, as on port 465.")
@click.option("--username", help="Name to log in with.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    destination: str,
    host: str,
    port: int,
    tls_rule: str,
    implicit_tls: bool,
    username: str | None,
    password_stdin: bool,
) -> None:
    """Send mail for DESTINATION (a domain, *.example.com for all below one, or *) through HOST."""
    wanted = StoredRoute(
        destination=read_destination(destination),
        host=_read_host(host),
        port=port,
        tls_rule=TlsRule(tls_rule),
        implicit_tls=implicit_tls,
        login=None if username is None else Login(username, _password(from_stdin=password_stdin)),
        created_at=now_ms(),
    )
    if wanted.login is not None and wanted.tls_rule in {TlsRule.NEVER, TlsRule.OPPORTUNISTIC} and not implicit_tls:
        refuse("A password does not travel in the clear: add --tls encrypt, --tls verify or --implicit-tls.")
    vault = await open_vault(invocation, database)
    try:
        added = await database.write(routes.add, vault, wanted)
    except Conflict:
        refuse(f"{wanted.destination} has a route already: remove it first.")
    answer(invocation, _document(added), f"Mail for {added.destination} leaves through {added.host}:{added.port}.")


@route.command("list")
@with_database
async def list_routes(invocation: Invocation, database: Database) -> None:
    """List routes."""
    found = await database.read(routes.list_all, await open_vault(invocation, database))
    rows = [
        (one.destination, f"{one.host}:{one.port}", _tls(one), one.login.username if one.login else "") for one in found
    ]
    headings = ("DESTINATION", "THROUGH", "TLS", "USER")
    answer(invocation, [_document(one) for one in found], table(headings, rows))


@route.command()
@click.argument("destination")
@with_database
async def remove(invocation: Invocation, database: Database, destination: str) -> None:
    """Remove a destination's route."""
    name = read_destination(destination)
    if not await database.write(routes.remove, name):
        refuse(f"{name} has no route.")
    answer(invocation, {"destination": name, "state": "removed"}, f"Removed the route of {name}.")


def read_destination(text: str) -> str:
    """Return a destination in its one spelling; refuses what is none."""
    if text == "*":
        return text
    # The configuration writes *.example.com for all below a domain; both spellings are understood.
    below = text.removeprefix("*")
    dot = "." if below.startswith(".") else ""
    try:
        return dot + normal_domain(below.removeprefix("."))
    except AddressError as error:
        refuse(str(error))


def _read_host(text: str) -> str:
    if parse_address(text) is not None:
        return normalise(text)
    try:
        return normal_domain(text)
    except AddressError as error:
        refuse(str(error))


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        refuse("There is no terminal to ask for the password on: use --password-stdin.")
    return str(click.prompt("Password", hide_input=True, err=True))


def _tls(route: StoredRoute) -> str:
    return f"{route.tls_rule.value}{', implicit' if route.implicit_tls else ''}"


def _document(route: StoredRoute) -> dict[str, Any]:
    return {
        "destination": route.destination,
        "host": route.host,
        "port": route.port,
        "tls_rule": route.tls_rule.value,
        "implicit_tls": route.implicit_tls,
        "username": route.login.username if route.login else None,
        "created_at": utc_time(route.created_at),
    }
