"""What ``postroad check`` looks at of returned mail: whether it finds its way here."""

from collections.abc import Awaitable, Callable, Sequence

from postroad.cli.findings import Finding, takes_connections
from postroad.config import Settings
from postroad.dns.answer import AnswerStatus, Mx, RecordType
from postroad.dns.resolver import Lookup
from postroad.net.listen import parse_endpoint

_SUBJECT = "returned mail"
_PORT = 25
_MOST_DOMAINS = 50


def returned_mail(settings: Settings) -> Finding:
    """Look whether there is a door for returned mail and a name that leads to it."""
    listen, host = settings.inbound.listen, settings.domains.inbound_host or settings.domains.return_path_host
    if not listen and not host:
        text = "What receivers return after delivery goes nowhere: there is neither a door nor a name for it."
        return Finding(_SUBJECT, "warning", text, "Set inbound.listen and domains.inbound_host.")
    if not listen:
        text = f"Returned mail goes to {host}; this node has no door for it."
        return Finding(_SUBJECT, "ok", text, "Set inbound.listen where it is to come here.")
    try:
        ports = {parse_endpoint(one).port for one in listen}
    except ValueError as error:
        return Finding(_SUBJECT, "wrong", f"inbound.listen: {error}.", "Mend inbound.listen.")
    if not host:
        text = "The door is open, but no domain's MX record leads to it."
        return Finding(_SUBJECT, "warning", text, "Set domains.inbound_host to the name of this machine.")
    if _PORT not in ports:
        text = f"{', '.join(listen)} takes returned mail, which other hosts bring to port {_PORT}."
        return Finding(_SUBJECT, "warning", text, f"Listen on port {_PORT}, or have a firewall lead it there.")
    return Finding(_SUBJECT, "ok", f"{', '.join(listen)} takes what comes back to {host}.")


async def inbound_host(
    lookup: Lookup,
    settings: Settings,
    reach: Callable[[str, int], Awaitable[bool]] = takes_connections,
) -> list[Finding]:
    """Look whether the name for returned mail leads to an open port 25; nothing where there is none."""
    host = settings.domains.inbound_host
    if not host:
        return []
    answers = [await lookup.resolve(host, record_type) for record_type in (RecordType.A, RecordType.AAAA)]
    if not any(one.status is AnswerStatus.FOUND for one in answers):
        text = f"{host}, which the domains' MX records name, has no address."
        return [Finding("inbound host", "wrong", text, "Publish an A record, or mend domains.inbound_host.")]
    if not await reach(host, _PORT):
        text = f"{host} takes no connections on port {_PORT}: what receivers return is lost."
        return [Finding("inbound host", "wrong", text, "Open incoming port 25, and see that a node listens on it.")]
    return [Finding("inbound host", "ok", f"{host} was reached on port {_PORT}.")]


async def receiving_domains(lookup: Lookup, settings: Settings, with_routes: Sequence[str]) -> list[Finding]:
    """Look whether mail for the domains that have inbound routes comes here."""
    host = settings.domains.inbound_host.lower()
    astray = []
    for domain in with_routes[:_MOST_DOMAINS] if host else ():
        answer = await lookup.resolve(domain, RecordType.MX)
        hosts = {one.host.lower().rstrip(".") for one in answer.records if isinstance(one, Mx)}
        if answer.status is not AnswerStatus.TEMPORARY and host not in hosts:
            astray.append(domain)
    if not astray:
        return []
    text = f"{', '.join(astray)} has inbound routes, but no MX record that leads to {host}."
    return [Finding("inbound routes", "warning", text, f"Publish `MX 10 {host}.` there, or remove the routes.")]
