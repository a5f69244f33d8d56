"""Bodies that are read whole: those within the bound, those beyond, and those that break off."""

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from postroad.httpd.bodies import bounded


async def body_of(*messages: Message) -> bytes:
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    request = Request({"type": "http", "headers": []}, receive)
    return b"".join([piece async for piece in bounded(request, 4, "It is too large.")])


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_within_the_bound_comes_whole() -> None:
    assert await body_of(piece(b"ab"), piece(b"cd", more=False)) == b"abcd"


@pytest.mark.parametrize(
    ("last", "status", "sentence"),
    [
        (piece(b"cde", more=False), 413, "It is too large."),
        ({"type": "http.disconnect"}, 400, "The request broke off."),
    ],
)
async def test_a_body_beyond_it_or_without_an_end_is_refused(last: Message, status: int, sentence: str) -> None:
    with pytest.raises(HTTPException) as refused:
        await body_of(piece(b"ab"), last)

    assert (refused.value.status_code, refused.value.detail) == (status, sentence)
