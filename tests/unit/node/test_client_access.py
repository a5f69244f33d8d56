"""What the settings say of how mail clients reach the installation."""

from typing import Any

import msgspec
import pytest

from postroad.config import Settings
from postroad.model.client_access import ClientAccess
from postroad.node.client_access import client_access, names_of


def access(smtp: dict[str, Any], **sections: dict[str, Any]) -> ClientAccess:
    return client_access(msgspec.convert({"smtp": {"hostname": "Mail.example.net"} | smtp} | sections, Settings))


def test_clients_are_told_the_usual_ports_where_they_are_listened_on() -> None:
    listening = {"listen": ["[::1]:2587", "0.0.0.0:587"], "listen_tls": [":465"]}

    assert access(listening) == ClientAccess(submission_host="mail.example.net", starttls_port=587, tls_port=465)
    assert access({"listen": [":2587"]}) == ClientAccess(submission_host="mail.example.net", starttls_port=2587)
    assert not access({"listen": []}).is_offered


@pytest.mark.parametrize("hostname", ["", "localhost", "192.0.2.1"])
def test_without_a_name_that_others_know_clients_are_told_nothing(hostname: str) -> None:
    assert access({"hostname": hostname}) == ClientAccess()


@pytest.mark.parametrize(
    ("public_url", "host", "port"),
    [
        ("https://Console.example.net", "console.example.net", 443),
        ("https://console.example.net:8443/", "console.example.net", 8443),
        ("http://console.example.net", "", 443),
        ("https://192.0.2.1", "", 443),
        ("", "", 443),
    ],
)
def test_clients_ask_the_console_where_it_is_reached_by_name_over_https(public_url: str, host: str, port: int) -> None:
    found = access({}, http={"public_url": public_url})

    assert (found.setup_host, found.setup_port) == (host, port)


def test_the_records_of_sending_domains_lead_there() -> None:
    settings = msgspec.convert({"smtp": {"hostname": "mail.example.net"}}, Settings)

    assert names_of(settings).clients == client_access(settings)
