"""The first minutes of a newcomer: the two printed lines work, and the mail is in the inbox with a valid signature."""

import json
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.dev import Dev, running_dev


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running_dev(tmp_path_factory.mktemp("dev")) as running:
        yield running


def newest_with_subject(dev: Dev, subject: str) -> dict[str, Any]:
    for count in range(1, 50):
        for capture in dev.wait_for_mail(count):
            if capture["subject"] == subject:
                opened: dict[str, Any] = dev.get(f"/inbox/{capture['id']}")
                return opened | capture
    raise AssertionError(f"no message with the subject {subject!r} arrived")


@pytest.mark.peer("curl")
@pytest.mark.parametrize("tool", ["curl", "python"])
def test_a_printed_line_sends_a_first_message(dev: Dev, tool: str) -> None:
    subprocess.run(["sh", "-c", dev.facts[tool]], check=True, timeout=30)

    found = newest_with_subject(dev, f"Hello from {tool}")

    assert found["dkim_valid"] is True
    assert found["recipients"] == ["you@example.net"]
    assert str(found["reverse_path"]).startswith("bounce+")


def test_submission_works_over_starttls_and_implicit_tls(dev: Dev) -> None:
    smtp = dev.facts["smtp"]
    content = "From: hello@{domain}\r\nTo: you@example.net\r\nSubject: {subject}\r\n\r\nOver TLS.\r\n"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.starttls(context=context)
        client.login(smtp["username"], smtp["password"])
        client.sendmail(smtp["sender"], ["you@example.net"], content.format(domain=smtp["domain"], subject="STARTTLS"))
    with smtplib.SMTP_SSL(smtp["host"], smtp["tls_port"], context=context) as client:
        client.login(smtp["username"], smtp["password"])
        client.sendmail(smtp["sender"], ["you@example.net"], content.format(domain=smtp["domain"], subject="Implicit"))

    assert newest_with_subject(dev, "STARTTLS")["dkim_valid"] is True
    assert newest_with_subject(dev, "Implicit")["dkim_valid"] is True


@pytest.mark.parametrize("demand", ["yes", "encrypt"])
def test_a_message_that_demands_tls_reaches_the_inbox_though_nobody_vouches_for_it(dev: Dev, demand: str) -> None:
    smtp = dev.facts["smtp"]
    content = f"From: {smtp['sender']}\r\nTo: you@example.net\r\nSubject: Demand {demand}\r\n"
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.login(smtp["username"], smtp["password"])
        client.sendmail(
            smtp["sender"], ["you@example.net"], f"{content}X-OV-Require-TLS: {demand}\r\n\r\nOver TLS.\r\n"
        )

    assert newest_with_subject(dev, f"Demand {demand}")["dkim_valid"] is True


def test_the_html_of_strangers_is_served_without_rights(dev: Dev) -> None:
    smtp = dev.facts["smtp"]
    content = (
        f"From: {smtp['sender']}\r\nTo: you@example.net\r\nSubject: Script\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/html\r\n\r\n<script>alert(1)</script><p>Text</p>\r\n"
    )
    with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
        client.login(smtp["username"], smtp["password"])
        client.sendmail(smtp["sender"], ["you@example.net"], content)
    capture = newest_with_subject(dev, "Script")
    headers = subprocess.run(
        ["curl", "-sD", "-", "-o", "/dev/null", f"{dev.facts['inbox']}/{capture['id']}/html"],
        check=True, capture_output=True, text=True, timeout=10,
    ).stdout  # fmt: skip

    policy = "content-security-policy: sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:"
    assert policy in headers.lower()


def test_health_readiness_and_metrics_are_answered_on_the_same_port(dev: Dev) -> None:
    assert dev.get("/healthz")["ok"] is True
    assert dev.get("/readyz")["ok"] is True
    # What never happened is not counted.
    subprocess.run(["sh", "-c", dev.facts["python"]], check=True, timeout=30)
    assert "postroad_accepted_total" in dev.get("/metrics", accept="text/plain")


def test_a_second_start_keeps_the_printed_password(tmp_path: Path) -> None:
    with running_dev(tmp_path) as first:
        before = json.dumps(first.facts["smtp"]["password"])
    with running_dev(tmp_path) as second:
        assert before == json.dumps(second.facts["smtp"]["password"])
