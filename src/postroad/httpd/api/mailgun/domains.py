"""``/v3/domains`` and ``/v4/domains``: sending domains, and the check of their DNS records."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun import domain_settings
from postroad.dialects.mailgun.domains import document_of, login_of, read_query, records_document
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed, readable
from postroad.httpd.api.routes import Served
from postroad.model.credential import Secret
from postroad.model.domain import DomainSettings, SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.password import password_refusal
from postroad.policy.record_comparison import RecordVerdict

_CHECK_PAUSE_S = 10
"""Between two checks of a domain: each asks strangers' name servers."""


async def listed(managing: Managing, request: Request) -> Response:
    """List the account's domains."""
    query = read_query(await parameters_of(managing, request))
    found, total = await managing.management.registration.page(managing.actor, managing.account_id, query)
    none = {"receiving_dns_records": None, "sending_dns_records": None}
    return answered({"items": [document_of(one) | none for one in found], "total_count": total})


async def show(managing: Managing, request: Request) -> Response:
    """Show a domain with its records."""
    return await _shown(managing, await domain_of(managing, request))


async def add(managing: Managing, request: Request) -> Response:
    """Add a domain, and the SMTP user ``postmaster`` where its password is given."""
    parameters = await parameters_of(managing, request)
    name = parameters.needed("name")
    domain_settings.require_kept(parameters)
    settings = domain_settings.with_connection(DomainSettings(), parameters)
    password = _password(parameters.text("smtp_password"))
    registration = managing.management.registration
    added = await registration.add(managing.actor, managing.account_id, name, settings)
    try:
        if parameters.text("web_prefix"):
            wanted = domain_settings.with_web_prefix(added.name, added.settings, parameters.text("web_prefix"))
            added = await registration.change_settings(managing.actor, added.name, wanted)
        if password:
            await managing.management.smtp_users.add(
                managing.actor, login_of(added), domain_name=added.name, password=password
            )
    except RefusedError:
        # A call that is refused changes nothing.
        await registration.remove(managing.actor, added.name)
        raise
    return await _shown(managing, added, message="Domain has been created")


async def change(managing: Managing, request: Request) -> Response:
    """Change a domain's settings."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    settings = domain_settings.changed(domain, parameters)
    password = _password(parameters.text("smtp_password"))
    registration = managing.management.registration
    changed = await registration.change_settings(managing.actor, domain.name, settings)
    if password:
        try:
            await _set_password(managing, domain, password)
        except RefusedError:
            # A call that is refused changes nothing.
            await registration.change_settings(managing.actor, domain.name, domain.settings)
            raise
    return await _shown(managing, changed, message="Domain has been updated")


async def verify(managing: Managing, request: Request) -> Response:
    """Compare the domain's records with live DNS; it becomes active where all that it needs is right."""
    domain = await domain_of(managing, request)
    verification = managing.management.verification
    verdicts = await verification.verify(managing.actor, domain.id, at_most_every_s=_CHECK_PAUSE_S)
    domain = await domain_of(managing, request)
    return await _shown(managing, domain, verdicts, message="Domain DNS records have been updated")


async def remove(managing: Managing, request: Request) -> Response:
    """Remove a domain that nothing is bound to any more."""
    domain = await domain_of(managing, request)
    await managing.management.registration.remove(managing.actor, domain.name)
    return answered({"message": "Domain has been deleted"})


async def _shown(
    managing: Managing, domain: SendingDomain, verdicts: Sequence[RecordVerdict] = (), *, message: str = ""
) -> Response:
    keys = await managing.management.registration.keys_of(domain)
    records = await managing.management.verification.expected(domain)
    said = {"message": message} if message else {}
    return answered({"domain": document_of(domain)} | records_document(domain, keys, records, verdicts) | said)


async def _set_password(managing: Managing, domain: SendingDomain, password: Secret) -> None:
    users = managing.management.smtp_users
    try:
        user = await users.find(managing.actor, login_of(domain))
    except MissingError:
        await users.add(managing.actor, login_of(domain), domain_name=domain.name, password=password)
    else:
        await users.set_password(managing.actor, user.id, password)


def _password(text: str) -> Secret:
    """Return a password that keeps the rule, or none; raises RefusedError that says the rule."""
    refusal = password_refusal(text) if text else None
    if refusal is not None:
        raise RefusedError(f"smtp_password: {refusal}", field="smtp_password")
    return Secret(text)


SERVED = tuple(
    one
    for version in ("/v3", "/v4")
    for one in (
        Served("GET", f"{version}/domains", managed(listed)),
        Served("POST", f"{version}/domains", managed(add)),
        Served("GET", f"{version}/domains/{{domain}}", readable(show)),
        Served("PUT", f"{version}/domains/{{domain}}", managed(change)),
        Served("DELETE", f"{version}/domains/{{domain}}", managed(remove)),
        Served("PUT", f"{version}/domains/{{domain}}/verify", managed(verify)),
    )
)
