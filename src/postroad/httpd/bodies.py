"""Bodies of requests that pages and small services read whole, up to a number of octets."""

from collections.abc import AsyncGenerator

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request


async def bounded(request: Request, most_octets: int, too_large: str) -> AsyncGenerator[bytes, None]:
    """Yield a body piece by piece; raises HTTPException where it is larger, with the sentence for that, or breaks off."""
    octets = 0
    try:
        async for chunk in request.stream():
            octets += len(chunk)
            if octets > most_octets:
                raise HTTPException(413, too_large)
            yield chunk
    except ClientDisconnect as error:
        # Nobody is there to be told.
        raise HTTPException(400, "The request broke off.") from error
