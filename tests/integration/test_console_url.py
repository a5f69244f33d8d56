"""Links lead to where people reach the console: the public URL, or what this machine can open itself."""

from typing import Any

import pytest

from postroad.config import Settings
from postroad.httpd.settings import HttpSettings
from postroad.node.first_start import console_url
from postroad.smtpd.settings import SmtpSettings


@pytest.mark.parametrize(
    ("http", "url"),
    [
        ({"public_url": "https://mail.example.com/"}, "https://mail.example.com"),
        ({"listen": ("127.0.0.1:8025",)}, "http://127.0.0.1:8025"),
        ({"listen": ("0.0.0.0:80",)}, "http://127.0.0.1:80"),
        ({"listen": ("[::]:8025",)}, "http://[::1]:8025"),
        ({"listen": ("[2001:db8::1]:8025",)}, "http://[2001:db8::1]:8025"),
        ({"listen": (), "listen_tls": ("0.0.0.0:443",)}, "https://mx.example.com"),
        ({"listen": (), "listen_tls": ("0.0.0.0:8443",)}, "https://mx.example.com:8443"),
    ],
)
def test_links_begin_with_where_the_console_is_reached(http: dict[str, Any], url: str) -> None:
    settings = Settings(http=HttpSettings(**http), smtp=SmtpSettings(hostname="mx.example.com"))

    assert console_url(settings) == url
