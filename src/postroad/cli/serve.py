"""``postroad serve``: run this node until it is told to stop."""

import click
import msgspec

from postroad.accounts.people.links import Link
from postroad.cli.invocation import Invocation, read_settings, refuse, with_settings
from postroad.cli.parameters import NumberType
from postroad.config import ConfigError, Settings
from postroad.model.refused import RefusedError
from postroad.net.listen import ListenError
from postroad.net.tls import CertificateError
from postroad.node.first_start import operators_link
from postroad.node.installation import ensure_schema
from postroad.node.run import run_node
from postroad.node.supervisor import ROLES

START_ERRORS = (ConfigError, ListenError, CertificateError, RefusedError, ValueError)
"""What keeps a node from starting; each says why in a sentence."""


def how_to_begin(email: str, link: Link) -> str:
    """Return what the operator of a new installation does first."""
    return (
        f"No operator has a password yet. Open this link within a day to choose the one of {email}; it works once:\n\n"
        f"  {link.url!s}\n"
    )


@click.command()
@click.option("--workers", type=NumberType(1, 64), help="Worker processes, over the configuration.")
@click.option("--roles", default=",".join(ROLES), show_default=True, help="What this node does, with commas between.")
@with_settings
def serve(invocation: Invocation, workers: int | None, roles: str) -> None:
    """Run a node until it is told to stop: it takes mail, delivers it and does upkeep."""
    wanted = tuple(role.strip() for role in roles.split(","))
    unknown = sorted(set(wanted) - set(ROLES))
    if unknown:
        raise click.UsageError(f"{', '.join(unknown)} is not a role; they are {', '.join(ROLES)}.")
    given = click.get_current_context().params

    def chosen(settings: Settings) -> Settings:
        return settings if workers is None else msgspec.structs.replace(settings, workers=workers)

    def prepare(settings: Settings) -> None:
        ensure_schema(settings)
        link = operators_link(settings)
        if link is not None:
            click.echo(how_to_begin(settings.accounts.operator_email, link))

    try:
        run_node(
            chosen(invocation.settings),
            roles=wanted,
            reload=lambda: chosen(read_settings(given["config_file"], given["data_dir"])),
            prepare=prepare,
        )
    except START_ERRORS as error:
        refuse(str(error))
