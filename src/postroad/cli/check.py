"""``postroad check``: what is wrong with this installation, and how to mend it."""

import asyncio
import socket
import sys

import click

from postroad.cli import findings
from postroad.cli.findings import Finding
from postroad.cli.invocation import Invocation, refuse, with_settings
from postroad.cli.output import answer
from postroad.dns import resolver
from postroad.net.clock import now_ms

_MARKS = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


@click.command()
@click.option("--deep", is_flag=True, help="Also talk to others: resolvers, mail hosts on port 25, a time server.")
@with_settings
def check(invocation: Invocation, *, deep: bool) -> None:
    """Look at configuration, database, certificate, DNS, port 25 and clock, and say how to mend what is wrong."""
    found = _near(invocation)
    if deep:
        found += asyncio.run(_far(invocation))
    lines = [f"{_MARKS[one.status]}  {one.subject}: {one.text} {one.remedy}".rstrip() for one in found]
    answer(invocation, found, "\n".join(lines))
    if any(one.status == "wrong" for one in found):
        sys.exit(1)


def _near(invocation: Invocation) -> list[Finding]:
    settings = invocation.settings
    return [
        Finding("configuration", "ok", "Every setting is understood."),
        findings.data_folder(settings),
        findings.database(settings),
        findings.certificate(settings, now_ms()),
        findings.admin_listener(settings),
        findings.address_listener(settings),
    ]


async def _far(invocation: Invocation) -> list[Finding]:
    settings = invocation.settings
    try:
        lookup = resolver.from_settings(settings.dns, now_ms)
    except ValueError as error:
        refuse(f"dns.resolvers: {error}.")
    try:
        return [
            await findings.resolver(lookup),
            await findings.greeting_name(
                lookup, settings.delivery.hostname or settings.smtp.hostname or socket.getfqdn()
            ),
            await findings.port_25(lookup),
            await findings.clock(),
        ]
    finally:
        await lookup.aclose()
