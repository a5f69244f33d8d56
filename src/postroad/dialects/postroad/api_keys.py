"""API keys by our own API."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Next, Operation, PageQuery
from postroad.model.credential import ApiKey

_Note = Annotated[str, Meta(max_length=500, description="What it is for.")]
_Networks = Annotated[
    tuple[Annotated[str, Meta(max_length=64)], ...],
    Meta(
        max_length=100,
        description="Where it may be used from; none for everywhere. A key of the account that is bound to networks binds those of "
        "the account that it adds without any to the same ones, and gives them none that is in none of its own.",
        examples=[["192.0.2.0/24"]],
    ),
]


class ApiKeysQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which API keys."""

    domain: Annotated[DomainName | None, Meta(description="Those of a sending domain.")] = None


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API key to add."""

    domain: Annotated[
        DomainName | None, Meta(description="The one that it sends for; where none is said, it manages the account.")
    ] = None
    note: _Note = ""
    networks: _Networks = ()


class ApiKeyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise with an API key; what is not said stays as it is."""

    note: _Note | UnsetType = UNSET
    networks: _Networks | UnsetType = UNSET


class ShownApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key."""

    id: str
    prefix: Annotated[str, Meta(description="Its first characters.")]
    domain: Annotated[
        str | None, Meta(description="The one that it sends for; null for a key that manages the account.")
    ]
    note: str
    networks: tuple[str, ...]
    created_at: Instant
    last_used_at: Instant | None


class AddedApiKey(ShownApiKey, frozen=True, kw_only=True):
    """An API key that was added."""

    key: Annotated[str, Meta(description="The key itself, which nobody sees again.")]


class ApiKeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """API keys in the order in which they were added."""

    api_keys: tuple[ShownApiKey, ...]
    next: Next


def _facts(key: ApiKey, domain: str | None) -> dict[str, object]:
    return {
        "id": str(key.id),
        "prefix": key.prefix,
        "domain": domain,
        "note": key.note,
        "networks": key.networks,
        "created_at": instant(key.created_at),
        "last_used_at": None if key.last_used_at is None else instant(key.last_used_at),
    }


def shown(key: ApiKey, domain: str | None) -> ShownApiKey:
    """Return a key as the API tells it."""
    return ShownApiKey(**_facts(key, domain))  # type: ignore[arg-type]


def added(key: ApiKey, domain: str | None, text: str) -> AddedApiKey:
    """Return a key that was added, with its text."""
    return AddedApiKey(**_facts(key, domain), key=text)  # type: ignore[arg-type]


_KEY = ApiKey(id=17, account_id=1, domain_id=1, prefix="pr_dom_1a2", note="the shop", created_at=1_795_775_400_000)
_SAMPLE = shown(_KEY, "news.example.com")
_ALL, _ONE = "/api-keys", "/api-keys/{api_key_id}"
LIST_API_KEYS = Operation(
    name="listApiKeys",
    method="GET",
    path=_ALL,
    summary="List the API keys of the account, and of its sending domains",
    query=ApiKeysQuery,
    answer=ApiKeyPage,
    sample=ApiKeyPage(api_keys=(_SAMPLE,), next=None),
)
ADD_API_KEY = Operation(
    name="addApiKey",
    method="POST",
    path=_ALL,
    summary="Add an API key, of a sending domain or of the account; its text is in this answer only",
    body=NewApiKey,
    answer=AddedApiKey,
    status=201,
    sample=added(_KEY, "news.example.com", "pr_dom_…"),
    sample_body={"domain": "news.example.com", "note": "the shop"},
)
SHOW_API_KEY = Operation(
    name="showApiKey", method="GET", path=_ONE, summary="See an API key", answer=ShownApiKey, sample=_SAMPLE
)
CHANGE_API_KEY = Operation(
    name="changeApiKey",
    method="PATCH",
    path=_ONE,
    summary="Change the note of an API key, and where it may be used from",
    body=ApiKeyChange,
    answer=ShownApiKey,
    sample=_SAMPLE,
    sample_body={"networks": ["192.0.2.0/24"]},
)
REMOVE_API_KEY = Operation(
    name="removeApiKey",
    method="DELETE",
    path=_ONE,
    summary="Remove an API key; it is refused within five seconds",
    status=204,
)
OPERATIONS = (LIST_API_KEYS, ADD_API_KEY, SHOW_API_KEY, CHANGE_API_KEY, REMOVE_API_KEY)
