"""``/v4/address/validate``: whether mail to an address is likely to arrive."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.mailgun.address_check import address_fault, document
from postroad.dialects.mailgun.errors import Refusal
from postroad.httpd.api.address_checks import check_address
from postroad.httpd.api.mailgun.form import form_of
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal


async def check_by_query(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Check the address of the query."""
    return await _check(services, request, key, request.query_params.get("address"))


async def check_by_form(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Check the address of a form; one in the query does as well."""
    form = await form_of(services, request)
    given = [*form.texts("address"), *request.query_params.getlist("address")]
    return await _check(services, request, key, given[0] if given else None)


async def _check(services: ApiServices, request: Request, key: KeyPrincipal, address: str | None) -> Response | Refusal:
    fault = address_fault(address)
    if fault:
        return Refusal(400, fault)
    assert address is not None
    check = await check_address(services, request, key, address)
    return JSONResponse(document(check), headers=NO_STORE)


SERVED = (
    Served("GET", "/v4/address/validate", check_by_query),
    Served("POST", "/v4/address/validate", check_by_form),
)
