"""Which sending domains a call is about, as SendGrid's paths name none."""

from starlette.requests import Request

from postroad.httpd.api.managing import Managing
from postroad.model.domain import SendingDomain
from postroad.model.refused import RefusedError

_HEADER = "on-behalf-of"


async def chosen_domains(managing: Managing, request: Request) -> list[SendingDomain]:
    """Return the domain that ``?domain=`` or the header ``on-behalf-of`` names, or all of the account.

    Raises MissingError for a domain that the account does not have, RefusedError where the two differ.
    """
    return await managing.domains(_name(request))


async def named_domain(managing: Managing, request: Request) -> SendingDomain | None:
    """Return the domain that a call names; None where it names none. Raises as ``chosen_domains`` does."""
    name = _name(request)
    return await managing.domain(name) if name else None


async def single_domain(managing: Managing, request: Request) -> SendingDomain:
    """Return the domain that a call names, or the only one that the account has. Raises RefusedError."""
    found = await chosen_domains(managing, request)
    if len(found) != 1:
        raise RefusedError(
            f"this call needs to know which sending domain it is for: name it by `?domain=` or in the header {_HEADER}",
            field="domain",
        )
    return found[0]


def _name(request: Request) -> str:
    asked, header = request.query_params.get("domain", ""), request.headers.get(_HEADER, "")
    if asked and header and asked.lower() != header.lower():
        raise RefusedError(f"the query's domain and the header {_HEADER} name two domains; name one", field="domain")
    return asked or header
