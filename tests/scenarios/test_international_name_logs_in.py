"""A user with an international name logs in by that name as people type it (RFC 4616 §2: names are UTF-8)."""

import base64
import smtplib

import pytest

from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World

pytestmark = pytest.mark.peer("nsd")

TYPED = "app@münchen.example"
PASSWORD = "Zwölf-Boxkämpfer-jagen-Viktor"


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_an_international_name_as_typed_is_taken_by_plain_and_by_login(world: World) -> None:
    world.product.run("smtp-user", "add", TYPED, "--domain", DOMAIN, "--password-stdin", given=f"{PASSWORD}\n")

    # The library's own login() takes ASCII only.
    with smtplib.SMTP(LOOPBACK, world.product.submission_port, timeout=30) as client:
        client.ehlo()
        assert client.docmd("AUTH", "PLAIN " + _coded(f"\0{TYPED}\0{PASSWORD}"))[0] == 235
    with smtplib.SMTP(LOOPBACK, world.product.submission_port, timeout=30) as client:
        client.ehlo()
        assert client.docmd("AUTH", "LOGIN " + _coded(TYPED))[0] == 334
        assert client.docmd(_coded(PASSWORD))[0] == 235
    with smtplib.SMTP(LOOPBACK, world.product.submission_port, timeout=30) as client:
        client.ehlo()
        assert client.docmd("AUTH", "PLAIN " + _coded(f"\0{TYPED}\0wrong"))[0] == 535
