"""``postroad certificate``: the certificate that the doors show."""

from typing import Any

import click

from postroad.certificates.facts import facts_of
from postroad.certificates.renewals import Renewals
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, facts, local_time, table, utc_time
from postroad.model.certificate import HostCertificate, ObtainedCertificate
from postroad.net.clock import now_ms
from postroad.node.certificate import certified_names, is_obtained
from postroad.storage.database import Database


@click.group()
def certificate() -> None:
    """The certificates that are obtained by ACME for all nodes."""


@certificate.command()
@with_database
async def show(invocation: Invocation, database: Database) -> None:
    """Show the obtained certificate and those of tracking hosts, when they are asked for next, and why the last attempt failed."""
    _require_obtained(invocation)
    renewals = Renewals(database, now_ms)
    found, hosts = await renewals.obtained(acting()), await renewals.hosts(acting())
    document = _document(found, certified_names(invocation.settings))
    words = _in_words(found, document)
    if hosts:
        words += "\n\n" + table(("TRACKING HOST", "VALID UNTIL", "ASKED FOR NEXT", "LAST ERROR"), map(_host_row, hosts))
    answer(invocation, document | {"hosts": [_host_document(one) for one in hosts]}, words)


@certificate.command()
@click.option("--host", help="The tracking host of a domain, in place of the certificate of the doors.")
@with_database
async def renew(invocation: Invocation, database: Database, host: str | None) -> None:
    """Have a running node ask for a new certificate within ten seconds, whatever the age of the present one."""
    _require_obtained(invocation)
    renewals = Renewals(database, now_ms)
    await (renewals.ask_now(acting()) if host is None else renewals.ask_now_for_host(acting(), host.lower()))
    answer(invocation, {"asked_for": True}, "A running node asks for a new certificate within ten seconds.")


def _host_row(one: HostCertificate) -> tuple[str, ...]:
    until = local_time(one.expires_at) if one.expires_at else "none yet"
    return one.host, until, local_time(one.next_attempt_at), one.last_error


def _host_document(one: HostCertificate) -> dict[str, Any]:
    return {
        "host": one.host,
        "valid_until": utc_time(one.expires_at),
        "next_attempt_at": utc_time(one.next_attempt_at),
        "attempts": one.attempts,
        "last_error": one.last_error,
    }


def _require_obtained(invocation: Invocation) -> None:
    if not is_obtained(invocation.settings):
        refuse("The certificate is not obtained by ACME: tls.acme.directory is empty, or tls.certificate wins over it")


def _document(found: ObtainedCertificate | None, wanted: tuple[str, ...]) -> dict[str, Any]:
    issued = None if found is None or found.certificate is None else facts_of(found.certificate.encode())
    return {
        "wanted_names": wanted,
        "names": issued.names if issued else (),
        "issuer": issued.issuer if issued else None,
        "valid_from": utc_time(issued.not_before) if issued else None,
        "valid_until": utc_time(issued.not_after) if issued else None,
        "next_attempt_at": utc_time(found.next_attempt_at) if found else None,
        "attempts": found.attempts if found else 0,
        "last_error": found.last_error if found else "",
    }


def _in_words(found: ObtainedCertificate | None, document: dict[str, Any]) -> str:
    if found is None:
        return "No certificate was asked for yet: a node does that when it starts."
    return facts(
        (
            ("names", ", ".join(document["names"]) or "none yet; a self-signed certificate is shown"),
            ("issuer", document["issuer"] or ""),
            ("valid until", local_time(found.expires_at) if found.expires_at else ""),
            ("asked for next", local_time(found.next_attempt_at)),
            ("failures in a row", str(found.attempts) if found.last_error else ""),
            ("last error", found.last_error),
        )
    )
