"""Sending domains and their records as Mailgun's API tells them."""

import msgspec
import pytest

from postroad.dialects.mailgun.domains import connection_of, document_of, records_document, state_of
from postroad.model.client_access import ClientAccess
from postroad.model.domain import DkimKey, DomainSettings, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.model.options import TlsDemand
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import InstallationNames, expected_records

NOW = 1_780_000_000_000
NAMES = InstallationNames(
    inbound_host="mx.example.net",
    spf_mechanisms=("ip4:192.0.2.1",),
    tracking_host="t.example.net",
    clients=ClientAccess(submission_host="mail.example.net", tls_port=465, starttls_port=587),
)
DOMAIN = SendingDomain(
    id=7, account_id=1, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW, verified_at=NOW
)


def key(selector: str, state: KeyState, *, signs_organisational: bool = False) -> DkimKey:
    return DkimKey(
        id=1,
        domain_id=7,
        selector=selector,
        algorithm=KeyAlgorithm.RSA,
        state=state,
        public_key="p",
        signs_organisational=signs_organisational,
        created_at=NOW,
    )


KEYS = (key("postroad1", KeyState.ACTIVE, signs_organisational=True), key("postroad2", KeyState.PUBLISHED))
RECORDS = expected_records(DOMAIN, KEYS, NAMES, "example.com")


def valid(domain: SendingDomain, verdicts: tuple[RecordVerdict, ...] = ()) -> dict[str, str]:
    document = records_document(domain, KEYS, RECORDS, verdicts)
    listed = document["sending_dns_records"] + document["receiving_dns_records"]
    assert all(one["is_active"] is (one["valid"] == "valid") for one in listed)
    return {f"{one['record_type']} {one['name']}": one["valid"] for one in listed}


def test_records_are_told_by_what_they_are_for() -> None:
    document = records_document(DOMAIN, KEYS, RECORDS)
    assert document["receiving_dns_records"] == [
        {
            "record_type": "MX",
            "name": "rp.news.example.com",
            "value": "mx.example.net",
            "priority": "10",
            "valid": "valid",
            "cached": [],
            "is_active": True,
        }
    ]
    assert "SRV" not in {one["record_type"] for one in document["sending_dns_records"]}


def test_without_a_check_what_the_last_one_left_is_told() -> None:
    assert valid(DOMAIN) == {
        "TXT postroad1._domainkey.news.example.com": "valid",
        "TXT postroad2._domainkey.news.example.com": "unknown",
        "MX rp.news.example.com": "valid",
        "TXT rp.news.example.com": "valid",
        "CNAME t.news.example.com": "unknown",
        "TXT _dmarc.news.example.com": "unknown",
        "TXT postroad1-news._domainkey.example.com": "valid",
        "TXT postroad2-news._domainkey.example.com": "unknown",
    }
    for changes in (
        {"state": DomainState.UNVERIFIED},
        {"failing_since": NOW},
        {"verified_at": None, "checked_at": NOW},
    ):
        told = valid(msgspec.structs.replace(DOMAIN, **changes))
        assert {told[name] for name in told if "example.com" in name and "-news" not in name} == {"unknown"}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (VerdictStatus.OK, "valid"),
        (VerdictStatus.DIFFERENT, "invalid"),
        (VerdictStatus.MISSING, "unknown"),
        (VerdictStatus.UNKNOWN, "unknown"),
    ],
)
def test_after_a_check_what_it_found_is_told(status: VerdictStatus, word: str) -> None:
    verdicts = tuple(RecordVerdict(expected=one, status=status) for one in RECORDS)
    assert set(valid(DOMAIN, verdicts).values()) == {word}


@pytest.mark.parametrize(
    ("state", "word", "is_disabled"),
    [
        (DomainState.VETTING, "unverified", False),
        (DomainState.UNVERIFIED, "unverified", False),
        (DomainState.ACTIVE, "active", False),
        (DomainState.DISABLED, "disabled", True),
        (DomainState.REJECTED, "disabled", True),
    ],
)
def test_every_state_has_a_word(state: DomainState, word: str, is_disabled: bool) -> None:
    document = document_of(msgspec.structs.replace(DOMAIN, state=state))
    assert (document["state"], document["is_disabled"]) == (word, is_disabled)
    assert state_of(msgspec.structs.replace(DOMAIN, state=state)) == word


@pytest.mark.parametrize(("host", "prefix"), [("l.news.example.com", "l"), ("other.example.net", ""), ("", "")])
def test_the_prefix_is_of_a_host_below_the_domain(host: str, prefix: str) -> None:
    settings = DomainSettings(tracking_host=host)
    assert document_of(msgspec.structs.replace(DOMAIN, settings=settings))["web_prefix"] == prefix


def test_what_is_demanded_of_connections() -> None:
    assert [connection_of(one) for one in (TlsDemand.NOTHING, TlsDemand.ENCRYPT, TlsDemand.VERIFY)] == [
        (False, False),
        (True, True),
        (True, False),
    ]
