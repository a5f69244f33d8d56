"""``/v3/domains/{domain}/credentials``: the SMTP users of a sending domain."""

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.mailgun.parameters import Parameters, gmt
from postroad.httpd.api.mailgun.named import answered, domain_of, parameters_of
from postroad.httpd.api.managing import Managing, managed
from postroad.httpd.api.routes import Served
from postroad.model.credential import Secret, SmtpUser
from postroad.model.domain import SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.policy.password import password_refusal


async def listed(managing: Managing, request: Request) -> Response:
    """List a domain's SMTP users."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    found, total = await managing.management.smtp_users.page(
        managing.actor, domain, limit=parameters.limit, skip=parameters.skip
    )
    items = [
        {"login": one.username, "mailbox": one.username, "created_at": gmt(one.created_at), "size_bytes": None}
        for one in found
    ]
    return answered({"items": items, "total_count": total})


async def add(managing: Managing, request: Request) -> Response:
    """Add an SMTP user."""
    parameters = await parameters_of(managing, request)
    domain = await domain_of(managing, request)
    login = parameters.text("login") or parameters.text("mailbox")
    if not login:
        raise RefusedError("login parameter is missing", field="login")
    name, password = _full(login, domain), _password(parameters)
    await managing.management.smtp_users.add(managing.actor, name, domain_name=domain.name, password=password)
    return answered({"message": "Created 1 credentials pair(s)"})


async def change(managing: Managing, request: Request) -> Response:
    """Give an SMTP user another password."""
    parameters = await parameters_of(managing, request)
    user = await _user(managing, request)
    await managing.management.smtp_users.set_password(managing.actor, user.id, _password(parameters))
    return answered({"message": "Password changed"})


async def remove(managing: Managing, request: Request) -> Response:
    """Remove an SMTP user."""
    user = await _user(managing, request)
    await managing.management.smtp_users.remove(managing.actor, user.id)
    return answered({"message": "Credentials have been deleted", "spec": user.username})


async def remove_all(managing: Managing, request: Request) -> Response:
    """Remove all SMTP users of a domain."""
    domain = await domain_of(managing, request)
    users = managing.management.smtp_users
    count = 0
    while found := (await users.page(managing.actor, domain, limit=100))[0]:
        for user in found:
            await users.remove(managing.actor, user.id)
        count += len(found)
    return answered({"message": "All domain credentials have been deleted", "count": count})


async def _user(managing: Managing, request: Request) -> SmtpUser:
    domain = await domain_of(managing, request)
    name = _full(request.path_params["login"], domain)
    user = await managing.management.smtp_users.find(managing.actor, name)
    if user.domain_id != domain.id:
        raise MissingError(f"There is no SMTP user {name} of {domain.name}.")
    return user


def _full(login: str, domain: SendingDomain) -> str:
    return login if "@" in login else f"{login}@{domain.name}"


def _password(parameters: Parameters) -> Secret:
    """Return a password that keeps the rule; raises RefusedError that says the rule."""
    # Spaces at its ends belong to a password.
    given = parameters.values.get("password", [""])[0]
    if not given:
        raise RefusedError("password parameter is missing", field="password")
    refusal = password_refusal(given)
    if refusal is not None:
        raise RefusedError(refusal, field="password")
    return Secret(given)


SERVED = (
    Served("GET", "/v3/domains/{domain}/credentials", managed(listed)),
    Served("POST", "/v3/domains/{domain}/credentials", managed(add)),
    Served("DELETE", "/v3/domains/{domain}/credentials", managed(remove_all)),
    Served("PUT", "/v3/domains/{domain}/credentials/{login}", managed(change)),
    Served("DELETE", "/v3/domains/{domain}/credentials/{login}", managed(remove)),
)
