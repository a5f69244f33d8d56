"""``/v3/validations/email``: whether mail to an address is likely to arrive."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.dialects.sendgrid.address_check import Asked, asked, document
from postroad.dialects.sendgrid.errors import Refusal, faulty
from postroad.httpd.api.address_checks import check_address
from postroad.httpd.api.json_upload import json_of
from postroad.httpd.api.proof import client_address
from postroad.httpd.api.routes import NO_STORE, Served
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal


async def check(services: ApiServices, request: Request, key: KeyPrincipal) -> Response | Refusal:
    """Check an address."""
    wanted = asked(await json_of(services, request))
    if not isinstance(wanted, Asked):
        return faulty(wanted)
    found = await check_address(services, request, key, wanted.email)
    return JSONResponse(document(found, wanted.source, client_address(request)), headers=NO_STORE)


SERVED = (Served("POST", "/v3/validations/email", check),)
