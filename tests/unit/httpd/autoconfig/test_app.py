"""Who is answered under which name, and who is not."""

import plistlib
from typing import Any

import pytest
from starlette.testclient import TestClient

from postroad.httpd.autoconfig.app import MailClientSetup, is_asked_by_mail_clients
from postroad.model.client_access import ClientAccess
from postroad.model.domain import DomainSettings, DomainState, SendingDomain

OURS, MAILBOXES, CLAIMED = "news.example.com", "people.example.com", "claimed.example.com"
CONSOLE = "console.example.net"
ACCESS = ClientAccess(
    submission_host="mail.example.net", starttls_port=587, tls_port=465, setup_host=CONSOLE, setup_port=8443
)
QUESTION = "<Autodiscover><Request><EMailAddress>{}</EMailAddress></Request></Autodiscover>"
CONFIGURATION = "/mail/config-v1.1.xml"
WELL_KNOWN = "/.well-known/autoconfig/mail/config-v1.1.xml"
XML = "/autodiscover/autodiscover.xml"


class Domains:
    """The sending domains, and how often they were looked up."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def find(self, name: str) -> SendingDomain | None:
        self.asked.append(name)
        states = {OURS: DomainState.ACTIVE, MAILBOXES: DomainState.ACTIVE, CLAIMED: DomainState.UNVERIFIED}
        if name not in states:
            return None
        settings = DomainSettings(imap_host="imap.provider.example" if name == MAILBOXES else "")
        return SendingDomain(id=1, account_id=1, name=name, state=states[name], settings=settings, created_at=0)


class Clock:
    now = 1_790_000_000_000

    def __call__(self) -> int:
        return self.now


class Asking:
    """A mail client that asks under any name."""

    def __init__(self, access: ClientAccess = ACCESS) -> None:
        self.domains, self.clock = Domains(), Clock()
        app = MailClientSetup(self.domains.find, access, self.clock, is_own_name=lambda name: name == CONSOLE)
        self._client = TestClient(app, follow_redirects=False)

    def get(self, host: str, path: str, scheme: str = "https") -> Any:
        return self._client.get(f"{scheme}://{host}{path}")

    def post(self, host: str, path: str, body: str | bytes) -> Any:
        return self._client.post(f"https://{host}{path}", content=body)


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (f"autoconfig.{OURS}", f"{CONFIGURATION}?emailaddress=ada%40{OURS}"),
        (f"AUTOCONFIG.{OURS.upper()}:443", f"{CONFIGURATION}?emailaddress=ada@{OURS.upper()}"),
        (f"autoconfig.{OURS}", CONFIGURATION),
        (OURS, f"{WELL_KNOWN}?emailaddress=nobody@{OURS}"),
        (CONSOLE, f"{WELL_KNOWN}?emailaddress=ada@{OURS}"),
    ],
)
def test_thunderbird_is_answered_under_the_domains_name_and_the_consoles(asking: Asking, host: str, path: str) -> None:
    reply = asking.get(host, path)

    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/xml")
    assert reply.headers["cache-control"] == "public, max-age=600"
    assert f"<domain>{OURS}</domain>" in reply.text


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (f"autoconfig.{OURS}", f"{CONFIGURATION}?emailaddress=ada@elsewhere.example"),
        (f"autoconfig.{OURS}", f"{CONFIGURATION}?emailaddress=ada@{MAILBOXES}"),
        ("autoconfig.elsewhere.example", f"{CONFIGURATION}?emailaddress=ada@{OURS}"),
        ("elsewhere.example", f"{CONFIGURATION}?emailaddress=ada@{OURS}"),
        (CONSOLE, f"{CONFIGURATION}?emailaddress=ada@elsewhere.example"),
        (CONSOLE, f"{CONFIGURATION}?emailaddress=ada@{CLAIMED}"),
        (CONSOLE, f"/mail/apple.mobileconfig?emailaddress=ada@{CLAIMED}"),
        (CONSOLE, CONFIGURATION),
        (CONSOLE, f"/autodiscover/autodiscover.json?Email=ada@{CLAIMED}&Protocol=AutodiscoverV1"),
    ],
)
def test_other_domains_and_other_names_get_404(asking: Asking, host: str, path: str) -> None:
    assert asking.get(host, path).status_code == 404


def test_a_name_that_may_not_ask_does_not_even_reach_the_database(asking: Asking) -> None:
    asking.get("elsewhere.example", f"{CONFIGURATION}?emailaddress=ada@{OURS}")

    assert asking.domains.asked == []


def test_whether_a_user_exists_makes_no_difference(asking: Asking) -> None:
    replies = [asking.get(CONSOLE, f"{CONFIGURATION}?emailaddress={name}@{OURS}") for name in ("ada", "no-one-at-all")]

    assert replies[0].text == replies[1].text


@pytest.mark.parametrize("given", ["ada", "@", "ada@", "a b@c", "ada@-.example", "x" * 300 + "@" + OURS])
def test_what_is_no_address_is_said_so(asking: Asking, given: str) -> None:
    assert asking.get(CONSOLE, f"{CONFIGURATION}?emailaddress={given}").status_code == 400


@pytest.mark.parametrize("path", [XML, "/Autodiscover/Autodiscover.xml", "/AUTODISCOVER/autoDiscover.XML"])
def test_outlook_is_answered_in_any_letter_case(asking: Asking, path: str) -> None:
    assert is_asked_by_mail_clients(path)
    reply = asking.post(f"autodiscover.{OURS}", path, QUESTION.format(f"ada@{OURS}"))

    assert reply.status_code == 200
    assert f"<LoginName>ada@{OURS}</LoginName>" in reply.text
    assert "public" not in reply.headers.get("cache-control", "")


def test_outlook_is_told_when_its_schema_is_not_spoken(asking: Asking) -> None:
    mobile = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
    question = QUESTION.format(
        f"ada@{OURS}</EMailAddress><AcceptableResponseSchema>{mobile}</AcceptableResponseSchema><EMailAddress>"
    )

    assert "<ErrorCode>601</ErrorCode>" in asking.post(CONSOLE, XML, question).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("<a", 400),
        ('<!DOCTYPE a [<!ENTITY x "y">]><a/>', 400),
        (QUESTION.format("ada"), 400),
        (QUESTION.format("ada@elsewhere.example"), 404),
        (QUESTION.format("x" * 20_000), 413),
    ],
)
def test_outlooks_bad_questions_are_refused(asking: Asking, body: str, status: int) -> None:
    assert asking.post(CONSOLE, XML, body).status_code == status


def test_outlooks_last_try_in_the_clear_is_led_to_the_certified_name(asking: Asking) -> None:
    reply = asking.get(f"autodiscover.{OURS}", XML, scheme="http")

    assert (reply.status_code, reply.headers["location"]) == (302, f"https://{CONSOLE}:8443{XML}")
    assert asking.get(CONSOLE, XML).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        f"/autodiscover/autodiscover.json?Email=ada%40{OURS}&Protocol=Autodiscoverv1&RedirectCount=1",
        f"/Autodiscover/Autodiscover.json/v1.0/ada@{OURS}?protocol=AutoDiscoverV1",
    ],
)
def test_outlooks_json_says_where_the_xml_is(asking: Asking, path: str) -> None:
    reply = asking.get(f"autodiscover.{OURS}", path)

    assert reply.json() == {"Protocol": "AutodiscoverV1", "Url": f"https://{CONSOLE}:8443{XML}"}


def test_outlooks_json_knows_no_other_protocol(asking: Asking) -> None:
    reply = asking.get(CONSOLE, f"/autodiscover/autodiscover.json?Email=ada@{OURS}&Protocol=ActiveSync")

    assert (reply.status_code, reply.json()["ErrorCode"]) == (400, "InvalidProtocol")


def test_apple_gets_a_profile_where_the_mailboxes_are_known(asking: Asking) -> None:
    reply = asking.get(CONSOLE, f"/mail/apple.mobileconfig?emailaddress=Ada@{MAILBOXES.upper()}")

    assert reply.headers["content-type"] == "application/x-apple-aspen-config"
    assert reply.headers["content-disposition"] == f'attachment; filename="{MAILBOXES}.mobileconfig"'
    assert plistlib.loads(reply.content)["PayloadContent"][0]["EmailAddress"] == f"Ada@{MAILBOXES}"


def test_apple_is_told_what_is_missing_where_they_are_not(asking: Asking) -> None:
    reply = asking.get(CONSOLE, f"/mail/apple.mobileconfig?emailaddress=ada@{OURS}")

    assert reply.status_code == 404
    assert "imap_host" in reply.text


def test_without_doors_nobody_is_told_anything() -> None:
    asking = Asking(ClientAccess(setup_host=CONSOLE))

    assert asking.get(CONSOLE, f"{CONFIGURATION}?emailaddress=ada@{OURS}").status_code == 404


def test_a_domain_is_looked_up_once_a_minute(asking: Asking) -> None:
    for _ in range(3):
        asking.get(CONSOLE, f"{CONFIGURATION}?emailaddress=ada@{OURS}")
        asking.get(CONSOLE, f"{CONFIGURATION}?emailaddress=ada@elsewhere.example")
    assert asking.domains.asked == [OURS, "elsewhere.example"]

    asking.clock.now += 60_000
    asking.get(CONSOLE, f"{CONFIGURATION}?emailaddress=ada@{OURS}")
    assert asking.domains.asked == [OURS, "elsewhere.example", OURS]


@pytest.mark.parametrize("path", ["/", "/mail", "/mail/other.xml", "/autodiscover", "/autodiscover/autodiscover.jsonx"])
def test_other_paths_are_the_consoles(path: str) -> None:
    assert not is_asked_by_mail_clients(path)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_configurations_are_only_read(asking: Asking, method: str) -> None:
    reply = asking._client.request(method, f"https://{CONSOLE}{CONFIGURATION}")

    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD")
