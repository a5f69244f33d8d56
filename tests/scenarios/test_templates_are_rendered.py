"""A message names a stored template: it arrives as rendered, or is refused with the place of the fault."""

import email.policy
import itertools
import json
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.dev import Dev, running_dev

_SEEN_S = 10.0
"""A worker notices a change within a second or two; a busy machine may take longer."""


class Shop:
    """An application that has its mails made by templates."""

    def __init__(self, dev: Dev, data_dir: Path) -> None:
        self.dev = dev
        self.domain = dev.facts["smtp"]["domain"]
        self._data_dir = data_dir

    def run(self, *arguments: str, given: str = "") -> Any:
        command = [sys.executable, "-m", "postroad", *arguments, "--data", str(self._data_dir), "--json"]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=60, env=os.environ, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def add(self, name: str, html: str, *others: str) -> None:
        self.run("template", "add", name, "--domain", self.domain, *others, given=html)

    def send(self, template: str, subject: str, *recipients: str, **headers: Any) -> str:
        """Hand a message in, again until its template is known; return the id that it was accepted under."""
        smtp = self.dev.facts["smtp"]
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = smtp["sender"], ", ".join(recipients), subject
        message["X-OV-Template"] = template
        for name, value in headers.items():
            message[f"X-OV-{name.replace('_', '-')}"] = value if isinstance(value, str) else json.dumps(value)
        until = time.monotonic() + _SEEN_S
        while True:
            with smtplib.SMTP(smtp["host"], smtp["port"]) as client:
                client.login(smtp["username"], smtp["password"])
                code, reply = client.mail(smtp["sender"])
                for recipient in recipients:
                    code, reply = client.rcpt(recipient)
                assert code == 250, reply
                code, reply = client.data(message.as_bytes(policy=email.policy.SMTP))
            if code == 250:
                return reply.decode().split()[-1]
            if b"has no template" not in reply or time.monotonic() > until:
                raise smtplib.SMTPDataError(code, reply)
            time.sleep(0.1)

    def arrived(self, recipient: str) -> dict[str, Any]:
        """Return what a recipient got."""
        for count in range(1, 50):
            for capture in self.dev.wait_for_mail(count):
                if recipient in capture["recipients"]:
                    opened: dict[str, Any] = self.dev.get(f"/inbox/{capture['id']}")
                    return opened | capture
        raise AssertionError(f"nothing for {recipient} arrived")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    data_dir = tmp_path_factory.mktemp("dev")
    with running_dev(data_dir) as dev:
        yield Shop(dev, data_dir)


def test_a_message_arrives_as_its_template_makes_it_of_its_variables(shop: Shop) -> None:
    shop.add("foot", "<p>{{domain.name}}</p>")
    shop.add(
        "order",
        "<h1>Hi {{name}}</h1><ul>{{#each items}}<li>{{this}}</li>{{/each}}</ul>{{> foot}}",
        "--subject",
        "Order {{number}} for {{name}}",
    )
    shop.send(
        "order.html",
        "",
        "ann@one.example.net",
        "bob@one.example.net",
        Template_Variables={"name": "%recipient.first%", "items": ["Tea & cake"]},
        Recipient_Variables={
            "ann@one.example.net": {"first": "Ann", "number": 7},
            "bob@one.example.net": {"first": "Bob", "number": 8},
        },
    )

    ann, bob = shop.arrived("ann@one.example.net"), shop.arrived("bob@one.example.net")

    assert ann["html"].strip() == f"<h1>Hi Ann</h1><ul><li>Tea &amp; cake</li></ul><p>{shop.domain}</p>"
    assert ann["text"].strip().splitlines() == ["Hi Ann", "", "* Tea & cake", "", shop.domain]
    assert (ann["subject"], bob["subject"]) == ("Order 7 for Ann", "Order 8 for Bob")
    assert "Hi Bob" in bob["html"]
    assert ann["dkim_valid"] is bob["dkim_valid"] is True
    assert not [name for name, _ in ann["headers"] if name.lower().startswith("x-ov-")]


def test_what_cannot_be_rendered_is_refused_with_line_and_column(shop: Shop) -> None:
    shop.add("broken", "<p>Hi</p>\n{{divide 1 by}}")

    with pytest.raises(smtplib.SMTPDataError) as refused:
        shop.send("broken", "x", "ann@two.example.net", Template_Variables={"by": "none"})
    with pytest.raises(smtplib.SMTPDataError) as unknown:
        shop.send("broken:9", "x", "ann@two.example.net")

    code, reply = refused.value.smtp_code, str(refused.value.smtp_error)
    assert (code, reply[2:7]) == (550, "5.6.0")
    assert "X-OV-Template: Template broken, version 1, HTML, line 2, column 3" in reply
    assert "has no template broken with a version 9" in str(unknown.value.smtp_error)


def test_a_new_active_version_changes_no_message_that_waits(shop: Shop) -> None:
    shop.add("news-foot", "<i>Old foot</i>")
    shop.add("news", "<p>Old {{x}}</p>{{> news-foot}}")
    variables = {"x": "words"}
    later = str(int(time.time()) + 3600)
    waiting = shop.send("news", "x", "ann@three.example.net", Template_Variables=variables, Deliver_At=later)
    shop.add("news", "<p>New {{x}}</p>")
    shop.add("news-foot", "<i>New foot</i>")
    until = time.monotonic() + _SEEN_S
    for number in itertools.count():
        recipient = f"bob{number}@three.example.net"
        shop.send("news", "x", recipient, Template_Variables=variables)
        if "New" in shop.arrived(recipient)["html"]:
            break
        assert time.monotonic() < until, "the new version is not used"
    assert "made of template news, version 1" in json.dumps(shop.run("message", "show", waiting))
    shop.run("queue", "retry", "--message", waiting, "--yes")

    assert shop.arrived("ann@three.example.net")["html"].strip() == "<p>Old words</p><i>Old foot</i>"
