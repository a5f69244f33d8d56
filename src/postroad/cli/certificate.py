"""``postroad certificate``: the certificate that the doors show."""

from typing import Any

import click

from postroad.certificates.facts import facts_of
from postroad.certificates.renewals import Renewals
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, facts, local_time, utc_time
from postroad.model.certificate import ObtainedCertificate
from postroad.net.clock import now_ms
from postroad.node.certificate import certified_names, is_obtained
from postroad.storage.database import Database


@click.group()
def certificate() -> None:
    """The certificate that is obtained by ACME for all nodes."""


@certificate.command()
@with_database
async def show(invocation: Invocation, database: Database) -> None:
    """Show the obtained certificate, when it is asked for next, and why the last attempt failed."""
    _require_obtained(invocation)
    found = await Renewals(database, now_ms).obtained(acting())
    document = _document(found, certified_names(invocation.settings))
    answer(invocation, document, _in_words(found, document))


@certificate.command()
@with_database
async def renew(invocation: Invocation, database: Database) -> None:
    """Have a running node ask for a new certificate within ten seconds, whatever the age of the present one."""
    _require_obtained(invocation)
    await Renewals(database, now_ms).ask_now(acting())
    answer(invocation, {"asked_for": True}, "A running node asks for a new certificate within ten seconds.")


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
