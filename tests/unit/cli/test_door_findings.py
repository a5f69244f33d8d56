"""What ``check`` says of certificate, HTTPS and mail clients."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from cryptography import x509

from postroad.cli import door_findings
from postroad.cli.findings import Finding
from postroad.config import Settings
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.model.certificate import ObtainedCertificate
from postroad.model.client_access import ClientAccess
from postroad.net.clock import now_ms
from postroad.net.self_signed import ensure_self_signed

DIRECTORY = "https://authority.example/directory"
ACME: dict[str, dict[str, Any]] = {"tls": {"acme": {"directory": DIRECTORY}}, "smtp": {"hostname": "mail.example.net"}}
AUTHORITY = trustme.CA()
ACCESS = ClientAccess(
    submission_host="mail.example.net", starttls_port=587, tls_port=465, setup_host="console.example.net"
)


def settings(**sections: dict[str, Any]) -> Settings:
    return msgspec.convert(sections, Settings)


def statuses(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.subject, one.status) for one in found]


@pytest.mark.parametrize(("days_before_the_end", "status"), [(100, "ok"), (10, "warning"), (-1, "wrong")])
@pytest.mark.parametrize("has_key_file", [True, False])
def test_a_certificate_is_judged_by_the_days_it_has_left(
    tmp_path: Path, days_before_the_end: int, status: str, has_key_file: bool
) -> None:
    certificate, key = ensure_self_signed(tmp_path, "mail.example.com", now_ms())
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    now = ends - dt.timedelta(days=days_before_the_end) - dt.timedelta(hours=1)
    if not has_key_file:
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    tls = {"certificate": str(certificate), "key": str(key) if has_key_file else ""}

    found = door_findings.certificate_files(settings(tls=tls), int(now.timestamp() * 1000))

    assert statuses(found) == [("certificate", status)]


def test_a_certificate_that_cannot_be_used_is_wrong_and_a_self_signed_one_is_warned_of(tmp_path: Path) -> None:
    broken = {"certificate": str(tmp_path / "nowhere.pem")}

    assert statuses(door_findings.certificate_files(settings(tls=broken), now_ms())) == [("certificate", "wrong")]
    assert statuses(door_findings.certificate_files(settings(), now_ms())) == [("certificate", "warning")]


@pytest.mark.parametrize(
    ("held", "sections", "lacking"),
    [
        ("mail.example.net", {}, ""),
        ("*.example.net", {"http": {"public_url": "https://console.example.net", "listen_tls": [":443"]}}, ""),
        ("other.example.net", {}, "mail.example.net"),
        (
            "mail.example.net",
            {"http": {"public_url": "https://console.example.net", "listen_tls": [":443"]}},
            "console.example.net",
        ),
        # A proxy adds TLS to the console, with a certificate of its own.
        ("mail.example.net", {"http": {"public_url": "https://console.example.net"}}, ""),
    ],
)
def test_names_that_people_connect_under_are_looked_for_in_the_certificate(
    tmp_path: Path, held: str, sections: dict[str, Any], lacking: str
) -> None:
    path = tmp_path / "certificate.pem"
    AUTHORITY.issue_cert(held).private_key_and_cert_chain_pem.write_to_path(str(path))
    given = settings(tls={"certificate": str(path)}, smtp={"hostname": "mail.example.net"}, **sections)

    found = door_findings.certificate_files(given, now_ms())[1:]

    assert [one.status for one in found] == (["warning"] if lacking else [])
    assert not lacking or lacking in found[0].text


def obtained(*, certificate: bool, last_error: str = "") -> ObtainedCertificate:
    chain = AUTHORITY.issue_cert("mail.example.net").cert_chain_pems[0].bytes().decode()
    return ObtainedCertificate(
        directory=DIRECTORY,
        certificate=chain if certificate else None,
        next_attempt_at=now_ms(),
        attempts=3 if last_error else 0,
        last_error=last_error,
    )


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, [("ACME", "warning")]),
        (obtained(certificate=False), [("ACME", "warning")]),
        (obtained(certificate=True), [("certificate", "ok")]),
        (obtained(certificate=True, last_error="port 80 is shut"), [("certificate", "ok"), ("ACME", "warning")]),
        (obtained(certificate=False, last_error="port 80 is shut"), [("ACME", "wrong")]),
    ],
)
def test_a_certificate_that_the_authority_does_not_issue_is_told_with_the_reason(
    state: ObtainedCertificate | None, expected: list[tuple[str, str]]
) -> None:
    found = door_findings.obtained_certificate(settings(**ACME), state, now_ms())

    assert statuses(found) == expected
    if state is not None and state.last_error:
        assert "at attempt 3 (port 80 is shut)" in found[-1].text


@pytest.mark.parametrize(
    ("http", "status"),
    [
        ({}, "ok"),
        ({"listen": ["10.0.0.5:8025"]}, "ok"),
        ({"listen": []}, "ok"),
        ({"listen": ["0.0.0.0:80"]}, "warning"),
        ({"listen": ["127.0.0.1:8025", ":80"]}, "warning"),
        ({"listen": ["9.9.9.9:80"]}, "warning"),
        ({"listen": ["nonsense"]}, "wrong"),
        ({"public_url": "http://console.example.net"}, "warning"),
        ({"public_url": "http://localhost:8025"}, "ok"),
        ({"public_url": "https://console.example.net", "listen_tls": [":443"]}, "ok"),
    ],
)
def test_a_console_that_strangers_reach_without_tls_is_a_warning(http: dict[str, Any], status: str) -> None:
    assert door_findings.http_listeners(settings(http=http)).status == status


def test_mail_clients_need_a_name_to_be_told() -> None:
    assert door_findings.mail_clients(ClientAccess()).status == "warning"
    assert door_findings.mail_clients(ACCESS).status == "ok"
    nowhere_to_ask = msgspec.structs.replace(ACCESS, setup_host="")
    assert "nowhere to ask" in door_findings.mail_clients(nowhere_to_ask).text


class TableLookup:
    """Answers with SRV records from a table; what is not in it does not exist."""

    def __init__(self, **services: str) -> None:
        self._table = {f"_{service}._tcp.news.example.com": record for service, record in services.items()}

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        record = self._table.get(name) if record_type is RecordType.SRV else None
        if record is None:
            return Answer(status=AnswerStatus.NO_SUCH_DOMAIN)
        return Answer(status=AnswerStatus.FOUND, records=(record,))


@pytest.mark.parametrize(
    ("services", "status", "text"),
    [
        ({}, "ok", "missing at news.example.com"),
        ({"submission": "0 1 587 mail.example.net"}, "ok", "missing at news.example.com"),
        ({"submission": "0 1 587 old.provider.example"}, "warning", "news.example.com lead mail clients elsewhere"),
    ],
)
async def test_records_that_lead_mail_clients_elsewhere_are_a_warning_and_missing_ones_are_told(
    services: dict[str, str], status: str, text: str
) -> None:
    finding = await door_findings.mail_client_records(TableLookup(**services), ACCESS, ["news.example.com"])

    assert finding.status == status
    assert text in finding.text
