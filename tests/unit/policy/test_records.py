"""What a domain must publish, and how it is written down."""

from typing import Any

import dns.rdataclass
import dns.rdatatype
import dns.zone
import msgspec
import pytest

from postroad.model.client_access import ClientAccess
from postroad.model.domain import DkimKey, DomainSettings, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.policy.records import (
    ExpectedRecord,
    InstallationNames,
    RecordPurpose,
    as_zone_line,
    dkim_zone_records,
    dmarc_names,
    expected_records,
    organisational_selector,
    zone_target,
)

DOMAIN = SendingDomain(id=1, account_id=1, name="news.example.com", state=DomainState.UNVERIFIED, created_at=0)
NAMES = InstallationNames(
    inbound_host="in.mail.example.net", spf_mechanisms=("ip4:192.0.2.1", "include:spf.example.net")
)


def key(
    selector: str = "postroad1", state: KeyState = KeyState.PUBLISHED, algorithm: KeyAlgorithm = KeyAlgorithm.RSA
) -> DkimKey:
    return DkimKey(
        id=1,
        domain_id=1,
        selector=selector,
        algorithm=algorithm,
        state=state,
        public_key=f"KEY{selector}",
        created_at=0,
    )


def records(
    *keys: DkimKey, names: InstallationNames = NAMES, organisational: str | None = "example.com"
) -> list[tuple[str, str, str, str, bool]]:
    return [
        (record.purpose.value, record.name, record.form, record.value, record.is_required)
        for record in expected_records(DOMAIN, keys or (key(),), names, organisational)
    ]


def test_a_domain_publishes_its_key_its_return_path_and_is_advised_on_the_rest() -> None:
    text = "v=DKIM1; k=rsa; p=KEYpostroad1"

    assert records() == [
        ("dkim", "postroad1._domainkey.news.example.com", "TXT", text, True),
        ("return-path-mx", "rp.news.example.com", "MX", "10 in.mail.example.net", True),
        (
            "return-path-spf",
            "rp.news.example.com",
            "TXT",
            "v=spf1 ip4:192.0.2.1 include:spf.example.net -all",
            True,
        ),
        ("dmarc", "_dmarc.news.example.com", "TXT", "v=DMARC1; p=none", False),
        ("organisational-dkim", "postroad1-news._domainkey.example.com", "TXT", text, False),
    ]


def test_an_operator_with_a_return_path_host_asks_for_one_alias_instead() -> None:
    names = InstallationNames(inbound_host="in.example.net", return_path_host="rp.example.net")

    assert [record for record in records(names=names) if record[0].startswith("return-path")] == [
        ("return-path-cname", "rp.news.example.com", "CNAME", "rp.example.net", True)
    ]


def test_tracking_is_listed_where_the_installation_has_a_tracking_host() -> None:
    names = InstallationNames(tracking_host="track.example.net")

    assert ("tracking", "t.news.example.com", "CNAME", "track.example.net", False) in records(names=names)
    assert not [record for record in records() if record[0] == "tracking"]


def test_a_tracking_host_of_its_own_is_where_its_record_is() -> None:
    domain = msgspec.structs.replace(DOMAIN, settings=DomainSettings(tracking_host="click.news.example.com"))
    names = InstallationNames(tracking_host="track.example.net")

    found = [one.name for one in expected_records(domain, (key(),), names, None) if one.value == "track.example.net"]
    assert found == ["click.news.example.com"]


def mail_client_records(**access: Any) -> list[tuple[str, str, str]]:
    names = InstallationNames(clients=ClientAccess(**access))
    found = expected_records(DOMAIN, (key(),), names, "example.com")
    clients = [one for one in found if one.purpose is RecordPurpose.MAIL_CLIENTS]
    assert not any(one.is_required for one in clients)
    return [(one.name, one.form, one.value) for one in clients]


def test_mail_clients_are_led_to_the_doors_that_the_installation_has() -> None:
    implicit = ("_submissions._tcp.news.example.com", "SRV", "0 1 465 mail.example.net")
    with_starttls = ("_submission._tcp.news.example.com", "SRV", "0 1 587 mail.example.net")

    assert mail_client_records(submission_host="mail.example.net", starttls_port=587, tls_port=465) == [
        implicit,
        with_starttls,
    ]
    assert mail_client_records(submission_host="mail.example.net", starttls_port=587) == [with_starttls]
    assert mail_client_records(submission_host="mail.example.net", tls_port=465) == [implicit]
    assert mail_client_records(submission_host="mail.example.net", setup_host="console.example.net") == []
    assert mail_client_records(starttls_port=587, setup_host="console.example.net") == []


def test_mail_clients_ask_the_console_under_names_that_its_certificate_allows() -> None:
    access = {"submission_host": "mail.example.net", "tls_port": 465, "setup_host": "console.example.net"}

    assert mail_client_records(**access, setup_port=8443)[1:] == [
        ("_autodiscover._tcp.news.example.com", "SRV", "0 1 8443 console.example.net"),
        ("autoconfig.news.example.com", "CNAME", "console.example.net"),
    ]
    certified = mail_client_records(**access, certified_names=("autodiscover.news.example.com",))
    assert certified[-1] == ("autodiscover.news.example.com", "CNAME", "console.example.net")


def test_an_operators_zone_turns_keys_into_aliases_for_both_selectors() -> None:
    names = InstallationNames(dkim_zone="dkim.example.net")

    assert [record for record in records(names=names) if record[0] == "dkim"] == [
        (
            "dkim",
            "postroad1._domainkey.news.example.com",
            "CNAME",
            "postroad1.news-example-com.dkim.example.net",
            True,
        ),
        (
            "dkim",
            "postroad2._domainkey.news.example.com",
            "CNAME",
            "postroad2.news-example-com.dkim.example.net",
            False,
        ),
    ]


def test_the_operators_zone_holds_the_keys_that_the_aliases_lead_to() -> None:
    [record] = dkim_zone_records("news.example.com", (key(),), "dkim.example.net")

    assert (record.name, record.value) == (
        "postroad1.news-example-com.dkim.example.net",
        "v=DKIM1; k=rsa; p=KEYpostroad1",
    )


def test_only_the_key_that_signs_is_required_while_another_waits() -> None:
    keys = (
        key("postroad1", KeyState.ACTIVE),
        key("postroad2"),
        key("postroad1e", KeyState.ACTIVE, KeyAlgorithm.ED25519),
    )

    required = {record[1].partition(".")[0]: record[4] for record in records(*keys) if record[0] == "dkim"}
    assert required == {"postroad1": True, "postroad2": False, "postroad1e": False}


def test_a_retired_key_is_no_longer_asked_for() -> None:
    names = [record[1] for record in records(key("postroad1", KeyState.RETIRED), key("postroad2", KeyState.ACTIVE))]

    assert not [name for name in names if name.startswith("postroad1")]


@pytest.mark.parametrize(
    ("domain", "organisational", "selector"),
    [
        ("news.example.com", "example.com", "postroad1-news"),
        ("a.b.example.com", "example.com", "postroad1-a-b"),
        ("a-b.example.com", "example.com", "postroad1-a--b"),
        ("example.com", "example.com", None),
        ("news.example.com", None, None),
        (f"{'x' * 60}.example.com", "example.com", None),
    ],
)
def test_a_sub_domain_has_a_selector_of_its_own_at_the_organisational_domain(
    domain: str, organisational: str | None, selector: str | None
) -> None:
    assert organisational_selector("postroad1", domain, organisational) == selector


def test_no_two_domains_share_a_name_in_the_operators_zone() -> None:
    domains = ["news.example.com", "news-example.com", "news.example-com", "x" * 61 + ".com", "x" * 60 + ".com"]

    targets = {zone_target("postroad1", domain, "dkim.example.net") for domain in domains}

    assert len(targets) == len(domains)
    assert all(len(label) <= 63 for target in targets for label in target.split("."))


@pytest.mark.parametrize(
    ("domain", "organisational", "names"),
    [
        ("a.b.example.com", "example.com", ("_dmarc.a.b.example.com", "_dmarc.b.example.com", "_dmarc.example.com")),
        ("example.com", "example.com", ("_dmarc.example.com",)),
        ("mail.internal", None, ("_dmarc.mail.internal",)),
    ],
)
def test_a_dmarc_record_is_looked_for_up_to_the_organisational_domain(
    domain: str, organisational: str | None, names: tuple[str, ...]
) -> None:
    assert dmarc_names(domain, organisational) == names


@pytest.mark.parametrize(
    ("form", "value"),
    [("TXT", "v=DKIM1; p=" + "x" * 400), ("TXT", 'say "hi" \\ bye'), ("MX", "10 in.example.net"), ("CNAME", "a.test")],
)
def test_a_zone_line_means_to_a_name_server_what_the_record_says(form: str, value: str) -> None:
    record = ExpectedRecord(
        purpose=RecordPurpose.DKIM,
        name="x.example.com",
        form=form,  # type: ignore[arg-type]
        value=value,
        is_required=True,
        reason="",
    )

    zone = dns.zone.from_text(as_zone_line(record), origin="example.com.", relativize=False, check_origin=False)
    [data] = zone.find_rdataset("x.example.com.", form)

    text = b"".join(data.strings).decode() if form == "TXT" else data.to_text().rstrip(".")
    assert text == value
