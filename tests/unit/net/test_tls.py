"""Certificates and contexts, with handshakes in memory."""

import datetime as dt
import ssl
import stat
from pathlib import Path

import pytest
import trustme

from postroad.model.outcome import TlsFacts
from postroad.net.self_signed import ensure_self_signed
from postroad.net.tls import (
    CertificateError,
    ServerCertificate,
    handshake_facts,
    opportunistic_context,
    verifying_context,
)

NOW = 1_790_000_000_000
DAY = 86_400_000
AUTHORITY = trustme.CA()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = "mx.example.test") -> ssl.SSLObject:
    """Run a handshake between two contexts and return the client's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    unfinished = [ours, theirs]
    for _ in range(10):
        for side in list(unfinished):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            unfinished.remove(side)
    assert not unfinished
    return ours


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    pair = AUTHORITY.issue_cert(name)
    certificate, key = folder / "cert.pem", folder / "key.pem"
    pair.cert_chain_pems[0].write_to_path(certificate)
    pair.private_key_pem.write_to_path(key)
    return certificate, key


def subject_seen(certificate: ServerCertificate) -> bytes | None:
    return handshake(certificate.context, opportunistic_context()).getpeercert(binary_form=True)


def test_a_self_signed_certificate_serves_a_handshake_and_its_facts_are_told(tmp_path: Path) -> None:
    certificate = ServerCertificate(*ensure_self_signed(tmp_path, "mx.example.test", NOW))

    facts = handshake_facts(handshake(certificate.context, opportunistic_context()))

    assert facts == TlsFacts(
        version="TLSv1.3",
        cipher="TLS_AES_256_GCM_SHA384",
        certificate_subject="CN=mx.example.test",
        certificate_issuer="CN=mx.example.test",
        certificate_expires_at=NOW + 730 * DAY,
        is_verified=False,
    )


def test_the_self_signed_key_is_for_its_owner_only(tmp_path: Path) -> None:
    _, key = ensure_self_signed(tmp_path / "tls", "mx.example.test", NOW)

    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("hostname", "later_ms", "is_kept"),
    [
        ("mx.example.test", 0, True),
        ("mx.example.test", 699 * DAY, True),
        ("mx.example.test", 701 * DAY, False),
        ("other.example.test", 0, False),
        ("192.0.2.1", 0, False),
    ],
)
def test_the_self_signed_certificate_is_made_anew_only_when_it_must(
    tmp_path: Path, hostname: str, later_ms: int, is_kept: bool
) -> None:
    certificate, _ = ensure_self_signed(tmp_path, "mx.example.test", NOW)
    before = certificate.read_bytes()

    again, key = ensure_self_signed(tmp_path, hostname, NOW + later_ms)

    assert (again.read_bytes() == before) is is_kept
    assert ServerCertificate(again, key)


def test_a_lost_key_brings_a_new_pair(tmp_path: Path) -> None:
    _, key = ensure_self_signed(tmp_path, "mx.example.test", NOW)
    key.unlink()

    assert ServerCertificate(*ensure_self_signed(tmp_path, "mx.example.test", NOW))


def test_a_changed_certificate_shows_in_new_handshakes_of_the_same_context(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "mx.example.test"))
    context, before = certificate.context, subject_seen(certificate)
    assert not certificate.reload_if_changed()

    write_pair(tmp_path, "mx.example.test")

    assert certificate.reload_if_changed()
    assert certificate.context is context
    assert subject_seen(certificate) != before


def test_the_expiry_is_that_of_the_certificate_that_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "both.pem"
    ends = [dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2040, 2041, 2042)]
    pems = [
        AUTHORITY.issue_cert("mx.example.test", not_after=end).private_key_and_cert_chain_pem.bytes() for end in ends
    ]
    path.write_bytes(pems[0])
    certificate = ServerCertificate(path, path)
    seen = [certificate.expires_at]
    path.write_bytes(pems[1] + b"\n")
    assert certificate.reload_if_changed()
    seen.append(certificate.expires_at)
    certificate.show(pems[2])
    seen.append(certificate.expires_at)

    assert seen == [end.timestamp() * 1000 for end in ends]


def test_a_changed_certificate_that_does_not_match_its_key_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "mx.example.test"))
    before = subject_seen(certificate)
    AUTHORITY.issue_cert("other.example.test").cert_chain_pems[0].write_to_path(certificate.certificate)

    for _ in range(2):
        with pytest.raises(CertificateError, match=r"cannot use certificate .*cert\.pem with key .*key\.pem"):
            certificate.reload_if_changed()

    assert subject_seen(certificate) == before


def test_a_certificate_of_another_kind_of_key_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    rsa = AUTHORITY.issue_cert("old.example.test", key_type=trustme.KeyType.RSA)
    path = tmp_path / "both.pem"
    rsa.private_key_and_cert_chain_pem.write_to_path(path)
    certificate = ServerCertificate(path, path)
    context = certificate.context
    AUTHORITY.issue_cert(
        "new.example.test", key_type=trustme.KeyType.ECDSA
    ).private_key_and_cert_chain_pem.write_to_path(path)
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")

    assert certificate.reload_if_changed()

    assert certificate.context is context
    assert handshake(context, verifying_context(tmp_path / "ca.pem"), "new.example.test")
    # Loading the new one beside the old one would still show the old one to this client.
    wants_rsa = verifying_context(tmp_path / "ca.pem")
    wants_rsa.maximum_version = ssl.TLSVersion.TLSv1_2
    wants_rsa.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        handshake(context, wants_rsa, "old.example.test")


def test_a_certificate_from_memory_is_shown_and_leaves_no_file(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "old.example.test"))
    files = sorted(tmp_path.iterdir())
    pair = AUTHORITY.issue_cert("new.example.test")

    certificate.show(pair.private_key_and_cert_chain_pem.bytes())

    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    assert handshake(certificate.context, verifying_context(tmp_path / "ca.pem"), "new.example.test")
    assert sorted(tmp_path.iterdir()) == sorted([*files, tmp_path / "ca.pem"])


def test_a_key_that_does_not_fit_is_not_shown(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "mx.example.test"))
    before = subject_seen(certificate)
    one, other = AUTHORITY.issue_cert("a.example.test"), AUTHORITY.issue_cert("b.example.test")

    with pytest.raises(CertificateError):
        certificate.show(one.private_key_pem.bytes() + other.cert_chain_pems[0].bytes())

    assert subject_seen(certificate) == before


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"cannot read .*nowhere\.pem: No such file"):
        ServerCertificate(tmp_path / "nowhere.pem", tmp_path / "nowhere.key")


@pytest.mark.parametrize("name", ["other.example.test"])
def test_the_verifying_context_refuses_another_hosts_certificate(tmp_path: Path, name: str) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, name))
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate.context, verifying_context(tmp_path / "ca.pem"))


def test_the_verifying_context_refuses_an_unknown_authority(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "mx.example.test"))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificate.context, verifying_context())


def test_a_verified_handshake_says_so(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "mx.example.test"))
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")

    facts = handshake_facts(handshake(certificate.context, verifying_context(tmp_path / "ca.pem")))

    assert facts.is_verified


def test_old_protocol_versions_are_refused_on_either_side(tmp_path: Path) -> None:
    certificate = ServerCertificate(*write_pair(tmp_path, "mx.example.test"))

    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert opportunistic_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_no_unfinished_file_is_left_behind(tmp_path: Path) -> None:
    ensure_self_signed(tmp_path, "mx.example.test", NOW)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["self-signed.crt", "self-signed.key"]
