"""SMTP users by our own API: who may hand in mail for a sending domain."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Next, Operation, PageQuery
from postroad.model.credential import CredentialKind, SmtpUser

_Note = Annotated[str, Meta(max_length=500, description="What it is for.")]
_Networks = Annotated[
    tuple[Annotated[str, Meta(max_length=64)], ...],
    Meta(max_length=100, description="Where it may log in from; none for everywhere.", examples=[["192.0.2.0/24"]]),
]
_Limit = Annotated[int, Meta(ge=1, le=2**31 - 1)]
_AllowedFrom = Annotated[
    tuple[Annotated[str, Meta(max_length=320)], ...],
    Meta(
        max_length=100,
        description="Addresses that From may have, or `@` and a domain; none for every one at the sending domain.",
        examples=[["hello@news.example.com"]],
    ),
]
_Password = Annotated[str, Meta(min_length=1, max_length=1000)]


class SmtpUsersQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which SMTP users."""

    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None


class SmtpUserSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be chosen for an SMTP user."""

    note: _Note | UnsetType = UNSET
    networks: _Networks | UnsetType = UNSET
    requires_tls: Annotated[bool | UnsetType, Meta(description="Log-ins in clear text are refused.")] = UNSET
    hourly_limit: Annotated[
        _Limit | UnsetType | None, Meta(description="Recipients in a clock hour of UTC; null for any number.")
    ] = UNSET
    daily_limit: Annotated[
        _Limit | UnsetType | None, Meta(description="Recipients in a day of UTC; null for any number.")
    ] = UNSET
    allowed_from: _AllowedFrom | UnsetType = UNSET


class NewSmtpUser(SmtpUserSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An SMTP user to add."""

    username: Annotated[
        str,
        Meta(
            min_length=1, max_length=254, description="In the form of an address.", examples=["shop@news.example.com"]
        ),
    ]
    domain: Annotated[
        DomainName | None, Meta(description="The sending domain; where it is not said, the one that the name is at.")
    ] = None
    password: Annotated[_Password | None, Meta(description="Made here where it is not said.")] = None


class SmtpUserChange(SmtpUserSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise with an SMTP user; what is not said stays as it is."""

    password: _Password | UnsetType = UNSET
    is_disabled: Annotated[bool | UnsetType, Meta(description="Its log-ins are refused while it is.")] = UNSET


class ShownSmtpUser(msgspec.Struct, frozen=True, kw_only=True):
    """An SMTP user."""

    id: str
    username: str
    domain: Annotated[str | None, Meta(description="The sending domain.")]
    proof: Annotated[CredentialKind, Meta(description="`password`, or `address`: the networks that it comes from.")]
    note: str
    networks: tuple[str, ...]
    requires_tls: bool
    hourly_limit: int | None
    daily_limit: int | None
    allowed_from: tuple[str, ...]
    is_disabled: bool
    created_at: Instant
    last_used_at: Instant | None


class AddedSmtpUser(ShownSmtpUser, frozen=True, kw_only=True):
    """An SMTP user that was added."""

    password: Annotated[
        str | None, Meta(description="The one that was made here, which nobody sees again; null where you gave one.")
    ]
    warning: Annotated[str | None, Meta(description="What you should know about it.")]


class SmtpUserPage(msgspec.Struct, frozen=True, kw_only=True):
    """SMTP users in the order of their names."""

    smtp_users: tuple[ShownSmtpUser, ...]
    next: Next


def _facts(user: SmtpUser, domain: str | None) -> dict[str, object]:
    return {
        "id": str(user.id),
        "username": user.username,
        "domain": domain,
        "proof": user.kind,
        "note": user.note,
        "networks": user.networks,
        "requires_tls": user.requires_tls,
        "hourly_limit": user.hourly_limit,
        "daily_limit": user.daily_limit,
        "allowed_from": user.allowed_from,
        "is_disabled": user.disabled_at is not None,
        "created_at": instant(user.created_at),
        "last_used_at": None if user.last_used_at is None else instant(user.last_used_at),
    }


def shown(user: SmtpUser, domain: str | None) -> ShownSmtpUser:
    """Return an SMTP user as the API tells it."""
    return ShownSmtpUser(**_facts(user, domain))  # type: ignore[arg-type]


def added(user: SmtpUser, domain: str | None, password: str | None, warning: str | None) -> AddedSmtpUser:
    """Return an SMTP user that was added, with the password that was made for it."""
    return AddedSmtpUser(**_facts(user, domain), password=password, warning=warning)  # type: ignore[arg-type]


_USER = SmtpUser(
    id=17,
    account_id=1,
    domain_id=1,
    username="shop@news.example.com",
    kind=CredentialKind.PASSWORD,
    note="the shop",
    hourly_limit=500,
    created_at=1_795_775_400_000,
)
_SAMPLE = shown(_USER, "news.example.com")
_ALL, _ONE = "/smtp-users", "/smtp-users/{smtp_user_id}"
LIST_SMTP_USERS = Operation(
    name="listSmtpUsers",
    method="GET",
    path=_ALL,
    summary="List the SMTP users",
    query=SmtpUsersQuery,
    answer=SmtpUserPage,
    sample=SmtpUserPage(smtp_users=(_SAMPLE,), next=None),
)
ADD_SMTP_USER = Operation(
    name="addSmtpUser",
    method="POST",
    path=_ALL,
    summary="Add an SMTP user to a sending domain; the answer has its password where none was given",
    body=NewSmtpUser,
    answer=AddedSmtpUser,
    status=201,
    sample=added(_USER, "news.example.com", "correct-horse-battery", None),
    sample_body={"username": "shop@news.example.com", "note": "the shop", "hourly_limit": 500},
)
SHOW_SMTP_USER = Operation(
    name="showSmtpUser", method="GET", path=_ONE, summary="See an SMTP user", answer=ShownSmtpUser, sample=_SAMPLE
)
CHANGE_SMTP_USER = Operation(
    name="changeSmtpUser",
    method="PATCH",
    path=_ONE,
    summary="Change an SMTP user, give it another password, or disable it; that holds within five seconds",
    body=SmtpUserChange,
    answer=ShownSmtpUser,
    sample=_SAMPLE,
    sample_body={"hourly_limit": 500, "is_disabled": False},
)
REMOVE_SMTP_USER = Operation(
    name="removeSmtpUser", method="DELETE", path=_ONE, summary="Remove an SMTP user; its mail stays", status=204
)
OPERATIONS = (LIST_SMTP_USERS, ADD_SMTP_USER, SHOW_SMTP_USER, CHANGE_SMTP_USER, REMOVE_SMTP_USER)
