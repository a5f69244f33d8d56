"""Sending domains by our own API: what is told of them, and what of them can be changed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.operation import DomainName, Instant, Next, Operation, PageQuery
from postroad.model.domain import DkimKey, DomainSettings, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import ExpectedRecord, RecordPurpose


class DomainsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sending domains."""

    name: (
        Annotated[str, Meta(min_length=1, max_length=253, description="What names contain.", examples=["news"])] | None
    ) = None
    state: Annotated[DomainState | None, Meta(description="Where they stand; only an active one may send.")] = None


class DomainQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a domain is looked at."""

    dns: Annotated[
        bool,
        Meta(
            description="Looks the records up now, which changes nothing; without, nothing is said of what was found."
        ),
    ] = False


class NewDomain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sending domain to add."""

    name: DomainName
    settings: DomainSettings = DomainSettings()


def _some_settings() -> dict[str, Any]:
    """Return the settings, each of which may be left out, as a schema."""
    _, types = msgspec.json.schema_components([DomainSettings], ref_template="#/components/schemas/{name}")
    properties = types["DomainSettings"]["properties"]
    without_default = {
        name: {key: text for key, text in of.items() if key != "default"} for name, of in properties.items()
    }
    return {"properties": without_default, "additionalProperties": False}


class DomainChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be otherwise with a sending domain; what is not said stays as it is."""

    settings: Annotated[
        dict[str, Any],
        Meta(description="Those that change.", extra_json_schema=_some_settings()),
    ] = {}
    is_paused: Annotated[bool | UnsetType, Meta(description="New mail is put off while it is.")] = UNSET
    pause_reason: Annotated[str, Meta(max_length=500, description="Why, where `is_paused` is true.")] = ""
    is_disabled: Annotated[
        bool | UnsetType, Meta(description="Sends nothing while it is; its records are verified anew afterwards.")
    ] = UNSET


class ShownRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A DNS record to publish."""

    purpose: RecordPurpose
    type: Annotated[str, Meta(examples=["TXT"])]
    name: str
    value: str
    is_required: bool
    reason: Annotated[str, Meta(description="What it is good for.")]
    status: Annotated[
        VerdictStatus | None, Meta(description="How what is published compares; null where nobody looked.")
    ]
    found: Annotated[str | None, Meta(description="What is published.")]
    hint: Annotated[str | None, Meta(description="What to change, where something should.")]


class ShownKey(msgspec.Struct, frozen=True, kw_only=True):
    """A DKIM key."""

    selector: str
    algorithm: KeyAlgorithm
    state: Annotated[KeyState, Meta(description="`published` waits until its record is seen; only `active` ones sign.")]
    public_key: str


class ListedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A sending domain as a list has it."""

    name: str
    state: DomainState
    created_at: Instant
    verified_at: Instant | None
    checked_at: Annotated[Instant | None, Meta(description="When its records were last compared with DNS.")]
    failing_since: Annotated[
        Instant | None, Meta(description="Since when an active domain's records are missing or different.")
    ]
    is_paused: bool
    paused_at: Instant | None
    pause_reason: str
    settings: DomainSettings


class ShownDomain(ListedDomain, frozen=True, kw_only=True):
    """A sending domain with its keys and records."""

    stops_at: Annotated[Instant | None, Meta(description="When it stops unless its records are mended.")]
    dkim_keys: tuple[ShownKey, ...]
    records: tuple[ShownRecord, ...]


class DomainPage(msgspec.Struct, frozen=True, kw_only=True):
    """Sending domains in the order of their names."""

    domains: tuple[ListedDomain, ...]
    next: Next


def _facts(domain: SendingDomain) -> dict[str, Any]:
    def moment(at: int | None) -> Any:
        return None if at is None else instant(at)

    return {
        "name": domain.name,
        "state": domain.state,
        "created_at": instant(domain.created_at),
        "verified_at": moment(domain.verified_at),
        "checked_at": moment(domain.checked_at),
        "failing_since": moment(domain.failing_since),
        "is_paused": domain.paused_at is not None,
        "paused_at": moment(domain.paused_at),
        "pause_reason": domain.pause_reason,
        "settings": domain.settings,
    }


def listed(domain: SendingDomain) -> ListedDomain:
    """Return a domain as a list has it."""
    return ListedDomain(**_facts(domain))


def shown(
    domain: SendingDomain,
    keys: Sequence[DkimKey],
    records: Sequence[ExpectedRecord],
    verdicts: Sequence[RecordVerdict] = (),
    *,
    stops_at: int | None = None,
) -> ShownDomain:
    """Return a domain with its records, and with what was found of each that somebody looked at."""
    judged: Mapping[ExpectedRecord, RecordVerdict] = {one.expected: one for one in verdicts}
    return ShownDomain(
        **_facts(domain),
        stops_at=None if stops_at is None else instant(stops_at),
        dkim_keys=tuple(
            ShownKey(selector=one.selector, algorithm=one.algorithm, state=one.state, public_key=one.public_key)
            for one in keys
        ),
        records=tuple(_record(one, judged.get(one)) for one in records),
    )


def _record(record: ExpectedRecord, verdict: RecordVerdict | None) -> ShownRecord:
    return ShownRecord(
        purpose=record.purpose,
        type=record.form,
        name=record.name,
        value=record.value,
        is_required=record.is_required,
        reason=record.reason,
        status=None if verdict is None else verdict.status,
        found=None if verdict is None else verdict.found,
        hint=None if verdict is None else verdict.hint,
    )


_AT = 1_795_775_400_000
_DOMAIN = SendingDomain(
    id=1,
    account_id=1,
    name="news.example.com",
    state=DomainState.ACTIVE,
    created_at=_AT,
    verified_at=_AT,
    checked_at=_AT,
)
_KEY = DkimKey(
    id=1,
    domain_id=1,
    selector="pr1",
    algorithm=KeyAlgorithm.RSA,
    state=KeyState.ACTIVE,
    public_key="MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A",
    created_at=_AT,
)
_RECORD = ExpectedRecord(
    purpose=RecordPurpose.DKIM,
    name="pr1._domainkey.news.example.com",
    form="TXT",
    value="v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A",
    is_required=True,
    reason="Receivers verify the signature by it.",
)
_SHOWN = shown(
    _DOMAIN, [_KEY], [_RECORD], [RecordVerdict(expected=_RECORD, status=VerdictStatus.OK, found=_RECORD.value)]
)
_ALL, _ONE = "/domains", "/domains/{domain}"
LIST_DOMAINS = Operation(
    name="listDomains",
    method="GET",
    path=_ALL,
    summary="List the sending domains",
    query=DomainsQuery,
    answer=DomainPage,
    sample=DomainPage(domains=(listed(_DOMAIN),), next=None),
)
ADD_DOMAIN = Operation(
    name="addDomain",
    method="POST",
    path=_ALL,
    summary="Add a sending domain; the answer has the DNS records that it is to publish",
    body=NewDomain,
    answer=ShownDomain,
    status=201,
    sample=shown(_DOMAIN, [_KEY], [_RECORD]),
    sample_body={"name": "news.example.com", "settings": {"tracks_clicks": True}},
)
SHOW_DOMAIN = Operation(
    name="showDomain",
    method="GET",
    path=_ONE,
    summary="See a sending domain, its DNS records, and what of them is published",
    query=DomainQuery,
    answer=ShownDomain,
    sample=_SHOWN,
)
CHANGE_DOMAIN = Operation(
    name="changeDomain",
    method="PATCH",
    path=_ONE,
    summary="Change the settings of a sending domain, pause it, or disable it",
    body=DomainChange,
    answer=ShownDomain,
    sample=shown(_DOMAIN, [_KEY], [_RECORD]),
    sample_body={"settings": {"tracks_opens": True, "hourly_quota": 10_000}, "is_paused": False},
)
REMOVE_DOMAIN = Operation(
    name="removeDomain",
    method="DELETE",
    path=_ONE,
    summary="Remove a sending domain that nothing is bound to",
    status=204,
)
VERIFY_DOMAIN = Operation(
    name="verifyDomain",
    method="POST",
    path=f"{_ONE}/verify",
    summary="Compare the records with DNS; the domain starts or goes on as they allow",
    answer=ShownDomain,
    sample=_SHOWN,
)
ROTATE_DKIM = Operation(
    name="rotateDkim",
    method="POST",
    path=f"{_ONE}/rotate-dkim",
    summary="Make new DKIM keys, which sign once their records are seen",
    answer=ShownDomain,
    sample=_SHOWN,
)
OPERATIONS = (LIST_DOMAINS, ADD_DOMAIN, SHOW_DOMAIN, CHANGE_DOMAIN, REMOVE_DOMAIN, VERIFY_DOMAIN, ROTATE_DKIM)
