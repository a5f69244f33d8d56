"""What our own API says of each of its calls: the routes and OpenAPI's description are both made of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

PREFIX = "/api/postroad/v1"
MOST_PER_PAGE = 100

Instant = Annotated[datetime, Meta(tz=True, examples=["2026-11-28T09:30:00Z"])]
DomainName = Annotated[str, Meta(min_length=1, max_length=253, examples=["news.example.com"])]
RecipientName = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=320,
        description="A recipient's address, or `@` and a recipient domain.",
        examples=["ada@example.net"],
    ),
]


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One call: what it takes, what it answers, and who may make it."""

    name: str
    """How generated clients call it."""
    method: str
    path: str
    """Behind ``PREFIX``, with the names of its parameters in braces."""
    summary: str
    query: type | None = None
    """A type whose fields are the parameters behind the question mark."""
    body: type | None = None
    answer: type | None = None
    """None where a success has no body."""
    status: int = 200
    sample: Any = None
    """An answer, made up."""
    sample_body: Mapping[str, Any] | None = None

    @property
    def whole_path(self) -> str:
        """The path as it is called."""
        return f"{PREFIX}{self.path}"


class PageQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a list is asked for."""

    limit: Annotated[int, Meta(ge=1, le=MOST_PER_PAGE, description="The most that one answer lists.")] = 50
    cursor: (
        Annotated[
            str,
            Meta(
                max_length=2000,
                description="The `next` of the page before; the other parameters must be the same.",
                examples=["WyIwNk4xREhZSDFSODEwIl0"],
            ),
        ]
        | None
    ) = None


Next = Annotated[str | None, Meta(description="The `cursor` of the next page; null where there is none.")]
