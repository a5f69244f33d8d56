"""Managing by HTTP, in whatever dialect: a key of the account acts as one of its admins does."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request

from postroad.httpd.api.proof import client_address
from postroad.httpd.api.services import ApiServices, Management
from postroad.model.actor import Actor, ActorKind
from postroad.model.credential import KeyPrincipal
from postroad.model.domain import SendingDomain
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.protocol.smtp.address import AddressError, normal_domain
from postroad.storage import domains

Answer = TypeVar("Answer")


class Managing(msgspec.Struct, frozen=True, kw_only=True):
    """One call that manages: who calls, and what with."""

    services: ApiServices
    actor: Actor
    account_id: int
    networks: str = ""
    """The list of networks that the key may be used from; a key of the account that it makes reaches no further."""

    @property
    def management(self) -> Management:
        """What the account is managed by."""
        return self.services.management

    async def domain(self, name: str) -> SendingDomain:
        """Return the account's sending domain of a name. Raises MissingError, RefusedError for what is no name."""
        return await self.services.database.read(domains.seen, self.actor, name)

    async def domains(self, name: str | None) -> list[SendingDomain]:
        """Return the sending domain of a name, or all of the account where none is said. Raises as ``domain`` does."""
        if name:
            return [await self.domain(name)]
        return await self.management.registration.all(self.actor, self.account_id)


Managed = Callable[[Managing, Request], Awaitable[Answer]]


def managed(endpoint: Managed[Answer]) -> Callable[[ApiServices, Request, KeyPrincipal], Awaitable[Answer]]:
    """Return an endpoint that keys of one sending domain are refused at, with ForbiddenError."""

    async def checked(services: ApiServices, request: Request, key: KeyPrincipal) -> Answer:
        if key.sending_domain is not None:
            raise _no_key_to_manage(key)
        return await endpoint(_managing(services, request, key, Role.ADMIN), request)

    return checked


def readable(endpoint: Managed[Answer]) -> Callable[[ApiServices, Request, KeyPrincipal], Awaitable[Answer]]:
    """Return an endpoint that keys of one sending domain may look by, where the path names that ``domain``."""

    async def checked(services: ApiServices, request: Request, key: KeyPrincipal) -> Answer:
        if key.sending_domain is None:
            return await endpoint(_managing(services, request, key, Role.ADMIN), request)
        try:
            named = normal_domain(request.path_params["domain"])
        except AddressError:
            named = ""
        if named != key.sending_domain:
            raise _no_key_to_manage(key)
        return await endpoint(_managing(services, request, key, Role.USER), request)

    return checked


def _managing(services: ApiServices, request: Request, key: KeyPrincipal, role: Role) -> Managing:
    asked = [*map(str, request.path_params.values()), *(value for _, value in request.query_params.multi_items())]
    if any("\0" in text for text in asked):
        # PostgreSQL has no text with NUL, so that nothing is found by one.
        raise RefusedError("The path and the query can have no NUL characters.")
    return Managing(
        services=services,
        actor=actor_of(request, key, role),
        account_id=key.key.account_id,
        networks=" ".join(key.key.networks),
    )


def _no_key_to_manage(key: KeyPrincipal) -> ForbiddenError:
    return ForbiddenError(
        f"This API key sends for {key.sending_domain} and does nothing else: managing needs an API key of the account."
    )


def actor_of(request: Request, key: KeyPrincipal, role: Role) -> Actor:
    """Return who acts where a key changes something."""
    return Actor(
        kind=ActorKind.API_KEY,
        id=key.key.id,
        name=key.key.prefix,
        client_address=client_address(request),
        account_id=key.key.account_id,
        role=role,
    )


def status_of(error: RefusedError) -> int:
    """Return the HTTP status of a change that was not made."""
    match error:
        case MissingError():
            return 404
        case ForbiddenError():
            return 403
    return 400
