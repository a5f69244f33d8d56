"""``postroad inbound``: what becomes of mail that sending domains receive."""

from typing import Any

import click

from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, table, utc_time
from postroad.cli.parameters import NumberType
from postroad.feedback.inbound_routes import InboundRoutes, describe
from postroad.model.inbound_route import InboundRoute
from postroad.net.clock import now_ms
from postroad.storage.database import Database


@click.group()
def inbound() -> None:
    """Routes for mail that sending domains receive and that is no bounce, complaint or unsubscribing."""


@inbound.command()
@click.argument("domain")
@click.option("--from", "mail_from", default="", help="Regular expression for the address of MAIL FROM.")
@click.option("--to", "mail_to", default="", help="Regular expression for the recipient.")
@click.option("--subject", default="", help="Regular expression for the subject.")
@click.option("--forward", "forward_to", default="", help="Address to forward to; the routes behind go on.")
@click.option("--stop", "is_stop", is_flag=True, help="Look at no route behind; discard what none has forwarded.")
@click.option("--position", type=NumberType(min=1), help="Where it goes; at the end without it.")
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    domain: str,
    mail_from: str,
    mail_to: str,
    subject: str,
    forward_to: str,
    is_stop: bool,
    position: int | None,
) -> None:
    """Add a route of DOMAIN: what every expression given matches is forwarded, or stopped."""
    if bool(forward_to) is is_stop:
        refuse("Say what the route does: --forward ADDRESS, or --stop.")
    added = await InboundRoutes(database, now_ms).add(
        acting(),
        domain,
        mail_from=mail_from,
        mail_to=mail_to,
        subject=subject,
        forward_to=forward_to,
        position=position or 0,
    )
    ((condition, deed),) = describe([added])
    answer(invocation, _document(added), f"Route {added.position} of {domain}: {condition}: {deed}.")


@inbound.command("list")
@click.argument("domain")
@with_database
async def list_routes(invocation: Invocation, database: Database, domain: str) -> None:
    """List the routes of DOMAIN in the order in which they are looked at."""
    found = await InboundRoutes(database, now_ms).of_domain(acting(), domain)
    rows = [(str(one.position), *words) for one, words in zip(found, describe(found), strict=True)]
    answer(invocation, [_document(one) for one in found], table(("NO", "WHERE", "DOES"), rows))


@inbound.command()
@click.argument("domain")
@click.argument("position", type=NumberType(min=1))
@with_database
async def remove(invocation: Invocation, database: Database, domain: str, position: int) -> None:
    """Remove the route of DOMAIN with a number; those behind move up."""
    removed = await InboundRoutes(database, now_ms).remove(acting(), domain, position)
    answer(invocation, _document(removed) | {"state": "removed"}, f"Removed route {position} of {domain}.")


@inbound.command()
@click.argument("domain")
@click.argument("position", type=NumberType(min=1))
@click.argument("to", type=NumberType(min=1))
@with_database
async def move(invocation: Invocation, database: Database, domain: str, position: int, to: int) -> None:
    """Have the route of DOMAIN with a number looked at in another place."""
    await InboundRoutes(database, now_ms).move(acting(), domain, position, to)
    answer(invocation, {"domain": domain, "position": to}, f"Route {position} of {domain} is number {to} now.")


@inbound.command()
@click.argument("domain")
@click.option("--from", "mail_from", default="", help="Address of MAIL FROM.")
@click.option("--to", "mail_to", required=True, help="The recipient.")
@click.option("--subject", default="")
@with_database
async def test(
    invocation: Invocation, database: Database, domain: str, *, mail_from: str, mail_to: str, subject: str
) -> None:
    """Say what the routes of DOMAIN would do with a message, without sending one."""
    routes = InboundRoutes(database, now_ms)
    routing = await routes.test(acting(), domain, mail_from=mail_from, mail_to=mail_to, subject=subject)
    by = ", ".join(map(str, routing.matched))
    if not routing.is_taken:
        words = "No route matches: it is refused with 550 5.1.1."
    elif routing.forward_to:
        words = f"Forwarded to {', '.join(routing.forward_to)} (route {by})."
    else:
        words = f"Discarded (route {by})."
    document = {"taken": routing.is_taken, "forward_to": list(routing.forward_to), "routes": list(routing.matched)}
    answer(invocation, document, words)


def _document(route: InboundRoute) -> dict[str, Any]:
    return {
        "position": route.position,
        "mail_from": route.mail_from,
        "mail_to": route.mail_to,
        "subject": route.subject,
        "action": route.action.value,
        "forward_to": route.forward_to,
        "created_at": utc_time(route.created_at),
        "created_by": route.created_by,
    }
