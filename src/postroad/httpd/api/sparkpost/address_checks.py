"""``/api/v1/recipient-validation/single/ADDRESS``: whether mail to an address is likely to arrive."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sparkpost.address_check import document
from postroad.httpd.api.address_checks import check_address
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal


async def check(services: ApiServices, request: Request, key: KeyPrincipal) -> Response:
    """Check an address."""
    found = await check_address(services, request, key, request.path_params["address"])
    return JSONResponse(document(found), headers=NO_STORE)


SERVED = (
    # A local part may have slashes in it (RFC 5321 §4.1.2).
    Served("GET", "/api/v1/recipient-validation/single/{address:path}", check),
)
