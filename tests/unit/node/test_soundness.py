"""Settings for a certificate that could not be obtained are refused before a worker starts."""

from typing import Any

import msgspec
import pytest

from postroad.config import ConfigError, Settings
from postroad.node.certificate import certified_names
from postroad.node.soundness import require_sound

ACME = {"directory": "https://authority.example/directory", "agree_terms": True}


def settings(acme: dict[str, Any], **sections: dict[str, Any]) -> Settings:
    tls = {"acme": ACME | acme} | sections.pop("tls", {})
    return msgspec.convert({"smtp": {"hostname": "mail.example.net"}, "tls": tls} | sections, Settings)


@pytest.mark.parametrize(
    ("acme", "sections", "sentence"),
    [
        (
            {"directory": "http://authority.example"},
            {},
            "tls.acme.directory: the directory 'http://authority.example' is no https",
        ),
        ({"agree_terms": False}, {}, "tls.acme: set agree_terms to true once you have read"),
        ({}, {"smtp": {"hostname": ""}}, "tls.acme: there is no name to have certified"),
        ({}, {"smtp": {"hostname": "localhost"}}, "tls.acme: there is no name to have certified"),
        ({"names": ["192.0.2.1"]}, {}, "tls.acme: there is no name to have certified"),
    ],
)
def test_what_no_authority_would_certify_is_refused(
    acme: dict[str, Any], sections: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        require_sound(settings(acme, **sections))


def test_files_win_over_the_authority_so_that_its_settings_do_not_matter() -> None:
    require_sound(settings({"agree_terms": False}, tls={"certificate": "/etc/mail.pem"}))


def test_the_names_are_those_that_clients_connect_to_unless_they_are_given() -> None:
    both = {"http": {"public_url": "https://Console.example.net:8443/"}}

    assert certified_names(settings({})) == ("mail.example.net",)
    assert certified_names(settings({}, **both)) == ("mail.example.net", "console.example.net")
    assert certified_names(settings({"names": ["a.example", "A.example", "b.example"]}, **both)) == (
        "a.example",
        "b.example",
    )


@pytest.mark.parametrize(
    ("smtp", "sentence"),
    [
        ({"rbl_zones": ["zen.example=127.0.0.1"]}, "smtp.rbl_zones: '127.0.0.1' is not a code of a list"),
        ({"rbl_zones": [""]}, "smtp.rbl_zones: '' does not begin with the name of a zone"),
        ({"rbl_allow": ["office"]}, "smtp.rbl_allow: 'office' is not a network"),
    ],
)
def test_lists_that_cannot_be_asked_are_refused(smtp: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        require_sound(msgspec.convert({"smtp": smtp}, Settings))


@pytest.mark.parametrize(
    ("tracking", "sentence"),
    [
        ({"machine_networks": ["office"]}, "tracking.machine_networks: 'office' is not a network"),
        ({"host": "https://t.example.com"}, "tracking.host: 'https://t.example.com' is no host"),
        ({"host": "t.example.com:"}, "tracking.host: 't.example.com:' is no host"),
        ({"host": "t example"}, "tracking.host: 't example' is no host"),
    ],
)
def test_what_links_cannot_lead_over_is_refused(tracking: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        require_sound(msgspec.convert({"tracking": tracking}, Settings))


def test_a_tracking_host_may_have_a_port_and_is_certified_by_its_name() -> None:
    both = {"tracking": {"host": "Click.example.net:8443"}}

    require_sound(settings({}, **both))
    assert certified_names(settings({}, **both)) == ("mail.example.net", "click.example.net")
