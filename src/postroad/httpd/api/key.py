"""What a key is: the first thing to ask with a new one."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from postroad.model.credential import KeyPrincipal


async def show(request: Request, principal: KeyPrincipal) -> Response:
    """Say what the key that was sent is for, and from which address it came."""
    key = principal.key
    created_at = datetime.fromtimestamp(key.created_at / 1000, UTC).isoformat(timespec="seconds")
    document = {
        "prefix": key.prefix,
        "kind": "account" if key.domain_id is None else "domain",
        "account": principal.account,
        "domain": principal.sending_domain,
        "note": key.note,
        "networks": list(key.networks),
        "created_at": created_at.replace("+00:00", "Z"),
        "client_address": request.client.host if request.client else "",
    }
    return JSONResponse(document, headers={"Cache-Control": "no-store"})
