"""``postroad check``: what is wrong with this installation, and how to mend it."""

import asyncio
import socket
import sys

import click

from postroad.certificates.renewals import Renewals
from postroad.cli import (
    address_findings,
    door_findings,
    findings,
    inbound_findings,
    sign_in_findings,
    tracking_findings,
    webhook_findings,
)
from postroad.cli.findings import Finding
from postroad.cli.invocation import Invocation, acting, ended, opened, run_with_database, with_settings
from postroad.cli.output import answer
from postroad.config import ConfigError, Settings
from postroad.dns import resolver
from postroad.model.certificate import HostCertificate, ObtainedCertificate
from postroad.model.domain import DomainState, SendingDomain
from postroad.net.clock import now_ms
from postroad.node.certificate import has_obtained_hosts, is_obtained
from postroad.node.client_access import client_access
from postroad.node.soundness import require_sound
from postroad.storage import certificates, domains, inbound_routes, webhook_calls, webhooks
from postroad.storage.database import Database
from postroad.storage.errors import StorageError

_MARKS = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


@click.command()
@click.option("--deep", is_flag=True, help="Also talk to others: resolvers, mail hosts on port 25, a time server.")
@with_settings
def check(invocation: Invocation, *, deep: bool) -> None:
    """Look at configuration, database, certificate, DNS, port 25 and clock, and say how to mend what is wrong."""
    found = [_configuration(invocation.settings)]
    if found[0].status == "ok":
        # The further looks take it that settings are what they should be.
        found += _near(invocation)
        if deep:
            found += asyncio.run(_far(invocation))
    lines = [f"{_MARKS[one.status]}  {one.subject}: {one.text} {one.remedy}".rstrip() for one in found]
    answer(invocation, found, "\n".join(lines))
    if any(one.status == "wrong" for one in found):
        sys.exit(1)


def _configuration(settings: Settings) -> Finding:
    try:
        require_sound(settings)
    except ConfigError as error:
        return Finding("configuration", "wrong", ended(str(error)), "Mend it, and look again: no node starts with it.")
    return Finding("configuration", "ok", "Every setting is understood.")


def _near(invocation: Invocation) -> list[Finding]:
    settings = invocation.settings
    return [
        findings.data_folder(settings),
        *findings.disk(settings),
        findings.database(settings),
        *_of_certificate(invocation),
        door_findings.http_listeners(settings),
        door_findings.mail_clients(client_access(settings)),
        findings.admin_listener(settings),
        findings.address_listener(settings),
        inbound_findings.returned_mail(settings),
        *sign_in_findings.single_sign_on(settings),
        findings.notices(settings),
        *_of_tracking(invocation),
        *_of_webhooks(invocation),
        *address_findings.disposable_list(settings),
    ]


async def _far(invocation: Invocation) -> list[Finding]:
    settings = invocation.settings
    lookup = resolver.from_settings(settings.dns, now_ms)
    try:
        return [
            await findings.resolver(lookup),
            await findings.greeting_name(
                lookup, settings.delivery.hostname or settings.smtp.hostname or socket.getfqdn()
            ),
            await findings.port_25(lookup),
            await findings.clock(),
            await door_findings.mail_client_records(
                lookup, client_access(settings), await _sending_domains(invocation)
            ),
            *await inbound_findings.inbound_host(lookup, settings),
            *await inbound_findings.receiving_domains(lookup, settings, await _domains_with_routes(invocation)),
            *await sign_in_findings.provider(settings),
        ]
    finally:
        await lookup.aclose()


def _of_certificate(invocation: Invocation) -> list[Finding]:
    settings, now = invocation.settings, now_ms()
    if not is_obtained(settings):
        return door_findings.certificate_files(settings, now)
    try:
        obtained = run_with_database(invocation, _obtained)
    except (StorageError, click.ClickException):
        # What is wrong with the database is a finding of its own.
        return []
    return door_findings.obtained_certificate(settings, obtained, now)


def _of_tracking(invocation: Invocation) -> list[Finding]:
    async def seen(database: Database) -> tuple[list[SendingDomain], list[HostCertificate]]:
        hosts = await database.read(certificates.of_hosts)
        return await database.read(domains.list_in_state, DomainState.ACTIVE), list(hosts.values())

    found = tracking_findings.certificate_files_of_hosts(invocation.settings)
    found += tracking_findings.geo_database(invocation.settings)
    try:
        active, hosts = run_with_database(invocation, seen)
    except (StorageError, click.ClickException):
        return found
    found += tracking_findings.tracking(invocation.settings, active)
    return found + (tracking_findings.certificates_of_hosts(hosts) if has_obtained_hosts(invocation.settings) else [])


def _of_webhooks(invocation: Invocation) -> list[Finding]:
    async def look(database: Database) -> list[Finding]:
        found = await database.read(webhooks.list_all)
        return webhook_findings.receivers(found, await database.read(webhook_calls.paused_webhooks))

    try:
        return run_with_database(invocation, look)
    except (StorageError, click.ClickException):
        return []


async def _obtained(database: Database) -> ObtainedCertificate | None:
    return await Renewals(database, now_ms).obtained(acting())


async def _domains_with_routes(invocation: Invocation) -> list[str]:
    async def names(database: Database) -> list[str]:
        return await database.read(inbound_routes.domains_with_routes)

    try:
        return await opened(invocation, names)
    except StorageError:
        return []


async def _sending_domains(invocation: Invocation) -> list[str]:
    async def names(database: Database) -> list[str]:
        return [one.name for one in await database.read(domains.list_in_state, DomainState.ACTIVE)]

    try:
        return await opened(invocation, names)
    except StorageError:
        return []
