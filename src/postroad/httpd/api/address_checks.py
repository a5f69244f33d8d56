"""Checking an address by HTTP, in whatever dialect: keys of one sending domain may do it too."""

from starlette.requests import Request

from postroad.httpd.api.managing import actor_of
from postroad.httpd.api.services import ApiServices
from postroad.model.address_check import AddressCheck
from postroad.model.credential import KeyPrincipal
from postroad.model.user import Role


async def check_address(services: ApiServices, request: Request, key: KeyPrincipal, text: str) -> AddressCheck:
    """Return what is to be said of an address, by the mail of the key's own domain or account.

    Raises TooSoonError where too many are under way.
    """
    actor = actor_of(request, key, Role.USER)
    return await services.management.address_checks.check(actor, text, key.key.domain_id)
