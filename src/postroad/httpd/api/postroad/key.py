"""What a key is: the first thing to ask with a new one."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from postroad.dialects.postroad.answers import KeyFacts
from postroad.dialects.postroad.message_states import SHOW_KEY
from postroad.httpd.api.postroad.calls import served_as_it_is
from postroad.httpd.api.postroad.writing import json_answer
from postroad.httpd.api.proof import client_address
from postroad.httpd.api.services import ApiServices
from postroad.model.credential import KeyPrincipal


async def show(_services: ApiServices, request: Request, principal: KeyPrincipal) -> Response:
    """Say what the key that was sent is for, and from which address it came."""
    key = principal.key
    created_at = datetime.fromtimestamp(key.created_at / 1000, UTC).isoformat(timespec="seconds")
    return json_answer(
        KeyFacts(
            prefix=key.prefix,
            kind="account" if key.domain_id is None else "domain",
            account=principal.account,
            domain=principal.sending_domain,
            note=key.note,
            networks=tuple(key.networks),
            created_at=created_at.replace("+00:00", "Z"),
            client_address=client_address(request),
        )
    )


SERVED = (served_as_it_is(SHOW_KEY, show),)
