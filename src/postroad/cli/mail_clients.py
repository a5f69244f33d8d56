"""``postroad domain mail-clients``: what people's mail clients are told, and a profile for Apple's Mail."""

import click

from postroad.cli.invocation import Invocation, acting, open_vault, refuse, with_database
from postroad.cli.output import answer, facts
from postroad.domains.registration import Registration
from postroad.httpd.autoconfig import apple
from postroad.httpd.autoconfig.servers import Servers, servers_of
from postroad.net.clock import now_ms
from postroad.node.client_access import client_access
from postroad.policy.alignment import OrganisationalDomains
from postroad.protocol.smtp.address import AddressError, parse_path
from postroad.storage.database import Database


@click.command("mail-clients")
@click.argument("name")
@click.option(
    "--apple-profile", "address", metavar="ADDRESS", help="Print the profile for an SMTP user's Apple devices."
)
@with_database
async def mail_clients(invocation: Invocation, database: Database, name: str, address: str | None) -> None:
    """Show what Outlook, Thunderbird, Apple's Mail and phones are told, which is also what to type there."""
    vault = await open_vault(invocation, database)
    registration = Registration(database, vault, invocation.settings.domains, OrganisationalDomains(), now_ms)
    found = await registration.find(acting(), name)
    access = client_access(invocation.settings)
    if not access.is_offered:
        refuse("smtp.hostname is no name that others know, so that mail clients are told nothing")
    servers = servers_of(found, access)
    if address is not None:
        click.echo(_profile(servers, address))
        return
    doors = [(one.host, one.port, "TLS" if one.begins_with_tls else "STARTTLS") for one in servers.outgoing]
    document = {
        "outgoing": [{"host": host, "port": port, "encryption": how} for host, port, how in doors],
        "imap_host": servers.imap_host,
        "asked_at": access.setup_host,
    }
    answer(
        invocation,
        document,
        facts(
            (
                ("outgoing server", "\n".join(f"{host}, port {port} with {how}" for host, port, how in doors)),
                ("user name", f"an SMTP user of {found.name}, in full"),
                ("mailboxes", servers.imap_host or "not known: set imap_host for Thunderbird and Apple's Mail"),
                ("asked at", access.setup_host),
            )
        ),
    )


def _profile(servers: Servers, address: str) -> str:
    try:
        path = parse_path(address, is_utf8=True)
    except AddressError as error:
        refuse(str(error))
    if path.rpartition("@")[2] != servers.domain:
        refuse(f"{address} is no address of {servers.domain}")
    if not servers.imap_host:
        refuse(f"Apple's Mail sets up an account only with a mailbox: set imap_host of {servers.domain} first")
    return apple.profile(servers, path).decode()
