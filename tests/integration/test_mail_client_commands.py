"""What mail clients are told, asked by command, and an obtained certificate that nobody asks for."""

import json
import plistlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.commands import commands_in

NAME = "news.example.com"

Output = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Output:
    invoke = commands_in(tmp_path / "data", ("domain", "add", NAME))
    monkeypatch.setenv("POSTROAD_SMTP__HOSTNAME", "mail.example.net")
    monkeypatch.setenv("POSTROAD_SMTP__LISTEN_TLS", ":465")
    monkeypatch.setenv("POSTROAD_HTTP__PUBLIC_URL", "https://console.example.net")
    return lambda *arguments, **options: invoke(*arguments, **options).output


def test_a_command_tells_what_mail_clients_are_told(run: Output) -> None:
    assert json.loads(run("domain", "mail-clients", NAME, "--json")) == {
        "outgoing": [
            {"host": "mail.example.net", "port": 465, "encryption": "TLS"},
            {"host": "mail.example.net", "port": 587, "encryption": "STARTTLS"},
        ],
        "imap_host": "",
        "asked_at": "console.example.net",
    }
    assert "mail.example.net, port 465 with TLS" in run("domain", "mail-clients", NAME)


def test_a_command_makes_a_profile_for_apple_where_the_mailboxes_are_known(run: Output) -> None:
    profile = ("domain", "mail-clients", NAME, "--apple-profile")
    assert "set imap_host" in run(*profile, f"ada@{NAME}", expect=1)
    run("domain", "set", NAME, "imap_host=imap.provider.example")

    account = plistlib.loads(run(*profile, f"ada@{NAME}").encode())["PayloadContent"][0]

    assert (account["EmailAddress"], account["IncomingMailServerHostName"]) == (f"ada@{NAME}", "imap.provider.example")
    assert "no address of" in run(*profile, "ada@elsewhere.example", expect=1)
    assert run(*profile, "ada", expect=1)


def test_without_a_name_that_others_know_there_is_nothing_to_tell(run: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_SMTP__HOSTNAME", "localhost")

    assert "smtp.hostname" in run("domain", "mail-clients", NAME, expect=1)


def test_the_obtained_certificate_is_told_of_once_there_is_an_authority(
    run: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "tls.acme.directory is empty" in run("certificate", "show", expect=1)
    monkeypatch.setenv("POSTROAD_TLS__ACME__DIRECTORY", "https://authority.example/directory")
    monkeypatch.setenv("POSTROAD_TLS__ACME__AGREE_TERMS", "true")

    assert "No certificate was asked for yet" in run("certificate", "show")
    assert json.loads(run("certificate", "show", "--json"))["wanted_names"] == [
        "mail.example.net",
        "console.example.net",
    ]
    assert "No certificate was asked for yet" in run("certificate", "renew", expect=1)
    assert "warning  ACME: No certificate was obtained yet" in run("check")
