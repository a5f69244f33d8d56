"""Every setting is given nonsense: none may start a node."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from postroad.config import ConfigError, Settings, load
from postroad.config.fields import SettingField, fields_by_path
from postroad.node.soundness import require_sound

FIELDS = fields_by_path(Settings)
NOT_OF_ITS_TYPE = {
    "int": '"many"',
    "float": "nan",
    "bool": '"maybe"',
    "choice": '"nonsense"',
    "list": "5",
    "table": "5",
}
UNSEEN = '"a b\\r\\nc"'
"""What no text may be, whatever it is for: it would be two lines of a protocol, or of a file."""

NONSENSE: dict[str, tuple[str, ...]] = {
    "database.url": ('"mysql://db/postroad"', '"postgresql://["', '"nonsense"'),
    "smtp.listen": ('["nonsense"]', '["0.0.0.0:99999"]', '["mail.example.net:587"]', '[""]'),
    "smtp.listen_tls": ('["0.0.0.0"]',),
    "smtp.listen_by_address": ('["nonsense"]',),
    "smtp.hostname": ('"a b"', '"mail..example.net"', '"mail_1.example.net"', '"https://mail.example.net"', '"mäil.example.net"'),
    "smtp.proxy_protocol_from": ('["10.0.0.0/99"]', '["10.0.0.1/8"]', '["proxy.example.net"]'),
    "smtp.rbl_zones": ('["zen.example=127.0.0.1"]', '["not a zone"]'),
    "smtp.rbl_allow": ('["office"]',),
    "inbound.listen": ('["25:0.0.0.0"]',),
    "inbound.proxy_protocol_from": ('["office"]',),
    "accounts.operator_email": ('"operator"', '"@@"', '"a b@example.net"'),
    "accounts.notices_from": ('"@@"', '"nonsense"', '"<>"', '"Postroad <noreply@example.net>"'),
    "accounts.oidc.email_domains": ('["@example.com"]', '["a b"]', '[""]'),
    "accounts.oidc.authorities": ('"/nowhere.pem"',),
    "accounts.lockout.minutes": ("[]", "[0]", '["x"]'),
    "dns.resolvers": ('["::1:53"]', '["dns.example.net"]', '["192.0.2.1:0"]'),
    "domains.inbound_host": ('"a b"', '"mail.example.net."', '"10 mail.example.net"'),
    "domains.return_path_host": ('"a b"', '"@"'),
    "domains.return_path_label": ('"-"', '"rp."', '"rp\\n"'),
    "domains.spf": ('["bogus mech"]', '["-all"]', '[""]'),
    "domains.dkim_zone": ('"a b"', '"dkim..example.net"'),
    "submission.default_pool": ('"nopool"', '""'),
    "delivery.hostname": ('"a b"',),
    "delivery.smarthost": ('"a b:25"', '"relay:99999"', '"https://relay.example.net"', '":25"'),
    "delivery.routes": (
        '[{ destination = "a b" }]',
        '[{ destination = ".example.com" }]',
        '[{ destination = "example.com", host = "a b" }]',
        '[{ destination = "example.com", username = "a\\u0000b" }]',
        '[{ destination = "example.com" }, { destination = "Example.com" }]',
    ),
    "delivery.sources": (
        '{ x = { ipv4 = "1.2.3.4.5" } }',
        '{ x = { ipv4 = "2001:db8::1" } }',
        '{ x = { ipv6 = "192.0.2.1" } }',
        '{ x = { ipv4 = "192.0.2.1", hostname = "a b" } }',
        "{ x = {} }",
    ),
    "delivery.pools": ("{ x = 0 }", "{ default = {} }", "{ default = { x = 0 } }", "{ default = { x = -1, y = 1 } }"),
    "delivery.retry_schedule": ('"5x"', '"0s"', '""'),
    "tls.acme.directory": ('"ftp://x"', '"nonsense"'),
    "tls.acme.email": ('"@@"',),
    "tls.acme.names": ('["a b"]', '[""]'),
    "tls.acme.http_listen": ('["80"]',),
    "tls.acme.authorities": ('"/nowhere.pem"',),
    "http.listen": ('["localhost"]',),
    "http.listen_tls": ('["nonsense"]',),
    "http.public_url": (
        '"ftp://x"', '"mail.example.com"', '"https://"', '"https://["', '"https://a b"', '"https://x:99999"',
        '"https://me@x.example"', '"https://x.example/?a"',
    ),
    "http.trusted_proxies": ('["10.0.0.0/99"]', '["*"]', '["proxy"]'),
    "tracking.host": ('"t example"', '"https://t.example.com"', '"t.example.com:99999"', '"t.example.com:"'),
    "tracking.machine_networks": ('["office"]',),
    "admin.listen": ('"nonsense"', '"localhost"'),
    "accounts.oidc.issuer": ('"nonsense"', '"https://["', '"https://x:port"', '"http://login.example.com"'),
    "accounts.oidc.name": ('""',),
}  # fmt: skip
AS_ITS_SECTION = {"accounts.oidc.issuer"}
"""What is refused in the name of its section: several settings have a part in it."""
ANY_TEXT = {
    "data_dir",
    "user",
    "accounts.oidc.client_id",
    "accounts.oidc.client_secret",
    "accounts.oidc.name",
    "accounts.oidc.creates_users_in",
    "tls.certificate",
    "tls.key",
    "tls.host_certificates",
    "tracking.geo_database",
    "address_check.disposable_domains",
}
"""Names, and files: whether these are there is said at the start, and by `postroad check`."""


def nonsense_for(setting: SettingField) -> list[str]:
    return [
        *NONSENSE.get(setting.path, ()),
        *([NOT_OF_ITS_TYPE[setting.kind]] if setting.kind in NOT_OF_ITS_TYPE else [UNSEEN]),
        *([f"[{UNSEEN}]"] if setting.type_text == "list of texts" else []),
    ]


CASES = [(path, value) for path, field in FIELDS.items() for value in nonsense_for(field)]


@pytest.fixture
def started(tmp_path: Path) -> Any:
    def start(text: str) -> None:
        file = tmp_path / "postroad.toml"
        file.write_text(text, "utf-8")
        require_sound(load(file, {}))

    return start


@pytest.mark.parametrize(("path", "value"), CASES)
def test_nonsense_is_refused_in_the_name_of_its_setting(started: Any, path: str, value: str) -> None:
    section, _, name = path.rpartition(".")
    header = f"[{section}]\n" if section else ""

    with pytest.raises(ConfigError) as refused:
        started(f"{header}{name} = {value}\n")

    assert (section if path in AS_ITS_SECTION else path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "\r" not in str(refused.value)


def test_every_text_has_to_be_something_or_may_be_anything() -> None:
    texts = {path for path, field in FIELDS.items() if field.kind == "text" or field.type_text == "list of texts"}

    assert texts - set(NONSENSE) - ANY_TEXT == set()


@pytest.mark.parametrize(
    "text",
    [
        "",
        '[smtp]\nhostname = "192.0.2.1"\nlisten = [":587", "[::]:587"]',
        '[smtp]\nhostname = "[IPv6:2001:db8::1]"',
        '[inbound]\nproxy_protocol_from = [" 10.0.0.0/8"]',
        '[dns]\nresolvers = ["::1", "2001:db8::53", "[::1]:53", "127.0.0.1:5353"]',
        '[domains]\nspf = ["ip4:192.0.2.1", "include:spf.example.net"]\ninbound_host = "In.example.net"',
        '[delivery]\nsmarthost = "mail_relay:2525"',
        '[delivery]\nsmarthost = "[2001:db8::1]:25"',
        '[delivery]\nroutes = [{ destination = "*.Example.com" }, { destination = "*", host = "192.0.2.1" }]',
        # One file serves nodes that have other sources.
        '[delivery]\npools = { bulk = { a = 1, b = 0 } }\n[submission]\ndefault_pool = "bulk"',
        '[delivery]\nsources = { a = { ipv4 = "192.0.2.1", ipv6 = "2001:db8::1" } }',
        '[http]\npublic_url = "https://mail.example.com:8443/"',
        '[http]\npublic_url = "http://[::1]:8025"\ntrusted_proxies = ["10.0.0.0/8", "2001:db8::1"]',
        '[tracking]\nhost = "click.example.net:8080"',
        '[admin]\nlisten = ""',
        '[accounts]\nnotices_from = "noreply@example.net"',
        '[accounts.oidc]\nissuer = "http://localhost:8080/realms/staff"\nclient_id = "postroad"\nemail_domains = ["example.com"]',
    ],
)
def test_what_makes_sense_is_taken(started: Any, text: str) -> None:
    started(text)


def test_a_pool_that_is_not_there_is_refused_with_those_that_are(started: Any) -> None:
    with pytest.raises(ConfigError, match="there is no pool 'default': name one of bulk, news"):
        started("[delivery]\npools = { bulk = { a = 1 }, news = { a = 1 } }")


def test_a_password_in_the_database_url_is_not_said_again(started: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        started('[database]\nurl = "mysql://me:secret@db/postroad"')

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ssl=require", "its parameter ssl is not known"),
        ("sslmode=on", "its parameter sslmode is one of disable, allow, prefer, require, verify-ca, verify-full"),
        ("connect_timeout=soon", "its parameter connect_timeout is a whole number of seconds"),
        ("channel_binding=require", "its parameter channel_binding can only be prefer or disable"),
        ("nonsense", "it is not where a database can be"),
    ],
)
def test_a_parameter_of_the_database_url_is_refused_by_its_name(started: Any, query: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        started(f'[database]\nurl = "postgresql://me:secret@db/postroad?{query}"')

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("password", ["geheim?geheim=1", "geheim?geheim", "x?geheim=1&sslmode=require"])
def test_a_password_with_a_question_mark_is_not_said_as_a_parameter(started: Any, password: str) -> None:
    with pytest.raises(ConfigError) as refused:
        started(f'[database]\nurl = "postgresql://me:{password}@db/postroad"')

    assert "heim" not in str(refused.value)


def test_a_user_that_the_machine_does_not_have_keeps_root_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = msgspec.convert({"user": "nobody-of-this-name"}, Settings)

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    require_sound(settings)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="user: there is no user nobody-of-this-name on this machine"):
        require_sound(settings)
