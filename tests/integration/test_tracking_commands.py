"""``postroad tracking``, and what ``postroad check`` says of it, against a real database in a data folder."""

import asyncio
import json
from pathlib import Path

import pytest
import trustme

from postroad.net.clock import now_ms
from postroad.storage import certificates
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in
from tests.mmdb import write_places

HOST = "t.news.example.com"
DIRECTORY = "https://authority.example/directory"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return commands_in(tmp_path / "data")


def test_destinations_are_taken_down_listed_and_put_back(run: Run) -> None:
    assert run("tracking", "block", "https://Evil.example/", "--reason", "phishing").stdout == (
        "Tracked links lead to evil.example no longer.\n"
    )
    assert "already" in run("tracking", "block", "evil.example", expect=1).stderr
    assert "no dot in its host" in run("tracking", "block", "evil", expect=1).stderr
    [listed] = json.loads(run("tracking", "list", "--json").stdout)
    assert (listed["destination"], listed["reason"]) == ("evil.example", "phishing")
    assert "again" in run("tracking", "unblock", "EVIL.example").stdout
    assert "not blocked" in run("tracking", "unblock", "evil.example", expect=1).stderr
    run("tracking", "block", "https://shop.example/stolen/")
    # As it is listed.
    assert "again" in run("tracking", "unblock", "shop.example/stolen/").stdout


def test_keys_are_numbered(run: Run) -> None:
    assert [run("tracking", "rotate-key").stdout for _ in range(2)] == ["Made key 1.\n", "Made key 2.\n"]
    told = json.loads(run("audit", "search", "--json").stdout)
    assert [(one["action"], one["target"]) for one in told if one["action"].startswith("tracking_key.")] == [
        ("tracking_key.added", "tracking key 2"),
        ("tracking_key.added", "tracking key 1"),
    ]


def test_a_domain_that_is_tracked_without_a_host_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_DOMAINS__VERIFICATION", "off")
    run("domain", "add", "news.example.com")
    assert " tracking:" not in run("check").stdout
    run("domain", "set", "news.example.com", "tracks_clicks=on")
    assert "warning  tracking: Nothing is tracked of news.example.com" in run("check").stdout
    run("domain", "set", "news.example.com", "tracking_host=t.news.example.com")
    assert "ok       tracking: Every domain" in run("check").stdout


def test_a_domain_shows_how_its_tracking_host_stands_and_broken_files_are_found(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTROAD_DOMAINS__VERIFICATION", "off")
    run("domain", "add", "news.example.com")
    assert json.loads(run("domain", "show", "news.example.com", "--json").stdout)["tracking_host"] is None
    run("domain", "set", "news.example.com", "tracking_host=t.news.example.com")
    assert "t.news.example.com: links begin with http:" in run("domain", "show", "news.example.com").stdout

    folder = tmp_path / "hosts"
    folder.mkdir()
    issued = trustme.CA().issue_cert("t.news.example.com")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "t.pem")
    monkeypatch.setenv("POSTROAD_HTTP__LISTEN_TLS", "127.0.0.1:0")
    monkeypatch.setenv("POSTROAD_TLS__HOST_CERTIFICATES", str(folder))
    shown = run("domain", "show", "news.example.com").stdout
    assert "t.news.example.com: links begin with https:" in shown
    assert "a file of tls.host_certificates" in shown
    assert "ok       host certificates: The files hold certificates for 1 name" in run("check").stdout
    (folder / "broken.pem").write_text("nothing")
    assert "WRONG    host certificates: " in run("check", expect=1).stdout


def test_a_database_of_places_is_looked_at(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "places.mmdb"
    monkeypatch.setenv("POSTROAD_TRACKING__GEO_DATABASE", str(path))
    assert f"warning  geo database: {path} is no MaxMind database" in run("check").stdout
    write_places(path, {"203.0.113.0/24": ("DE", "")}, kind="GeoLite2-ASN")
    assert "holds neither countries nor cities" in run("check").stdout
    write_places(path, {"203.0.113.0/24": ("DE", "")})
    assert "ok       geo database" in run("check").stdout


def test_certificates_of_hosts_are_listed_and_asked_for_by_hand(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POSTROAD_DOMAINS__VERIFICATION", "off")
    monkeypatch.setenv("POSTROAD_SMTP__HOSTNAME", "mail.example.com")
    monkeypatch.setenv("POSTROAD_HTTP__LISTEN_TLS", "127.0.0.1:0")
    monkeypatch.setenv("POSTROAD_TLS__ACME__DIRECTORY", DIRECTORY)
    monkeypatch.setenv("POSTROAD_TLS__ACME__AGREE_TERMS", "true")
    run("domain", "add", "news.example.com")
    run("domain", "set", "news.example.com", f"tracking_host={HOST}")
    assert "is the tracking host of no active domain" in run("certificate", "renew", "--host", HOST, expect=1).stderr
    assert json.loads(run("certificate", "show", "--json").stdout)["hosts"] == []

    asyncio.run(fail(tmp_path / "data"))
    assert f"{HOST}  none yet" in run("certificate", "show").stdout
    [seen] = json.loads(run("certificate", "show", "--json").stdout)["hosts"]
    assert (seen["host"], seen["attempts"], seen["last_error"]) == (HOST, 1, "refused")
    run("certificate", "renew", "--host", HOST.upper())
    [asked] = json.loads(run("certificate", "show", "--json").stdout)["hosts"]
    assert asked["next_attempt_at"] < seen["next_attempt_at"]
    told = json.loads(run("audit", "search", "--json").stdout)
    assert ("certificate.asked_for", HOST) in {(one["action"], one["target"]) for one in told}


async def fail(data_dir: Path) -> None:
    """Have the authority refuse a certificate."""
    database = await open_database("", data_dir=data_dir, clock=now_ms)
    later = now_ms() + 86_400_000
    await database.write(certificates.claim, None, DIRECTORY, later, HOST)
    await database.write(certificates.note_failure, "refused", later, HOST)
    await database.close()
