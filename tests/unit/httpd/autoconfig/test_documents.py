"""The documents that mail clients read, beside ones written by hand from their makers' descriptions.

Thunderbird: https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat. Outlook: [MS-OXDSCLI] §2.2.4 and the
schema of Office's "Plan to automatically configure user accounts". Apple: the payload com.apple.mail.managed.
"""

import plistlib
from xml.etree import ElementTree as ET

import pytest

from postroad.httpd.autoconfig import apple, outlook, thunderbird
from postroad.httpd.autoconfig.servers import Servers, servers_of
from postroad.model.client_access import ClientAccess
from postroad.model.domain import DomainSettings, DomainState, SendingDomain

ADDRESS = "ada@news.example.com"
BOTH = ClientAccess(submission_host="mail.example.net", starttls_port=587, tls_port=465)
STARTTLS_ONLY = ClientAccess(submission_host="mail.example.net", starttls_port=587)
OUTLOOK = {
    "a": "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006",
    "r": "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a",
}

THUNDERBIRD_EXPECTED = """
<clientConfig version="1.1">
  <emailProvider id="news.example.com">
    <domain>news.example.com</domain>
    <displayName>news.example.com</displayName>
    <displayShortName>news.example.com</displayShortName>
    <incomingServer type="imap">
      <hostname>imap.provider.example</hostname>
      <port>993</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>mail.example.net</hostname>
      <port>465</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </outgoingServer>
    <outgoingServer type="smtp">
      <hostname>mail.example.net</hostname>
      <port>587</port>
      <socketType>STARTTLS</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </outgoingServer>
  </emailProvider>
</clientConfig>
"""
OUTLOOK_EXPECTED = """
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
      <Protocol>
        <Type>SMTP</Type>
        <Server>mail.example.net</Server>
        <Port>465</Port>
        <DomainRequired>off</DomainRequired>
        <LoginName>ada@news.example.com</LoginName>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>SSL</Encryption>
        <AuthRequired>on</AuthRequired>
        <UsePOPAuth>off</UsePOPAuth>
        <SMTPLast>off</SMTPLast>
      </Protocol>
    </Account>
  </Response>
</Autodiscover>
"""


def servers(access: ClientAccess = BOTH, imap_host: str = "") -> Servers:
    domain = SendingDomain(
        id=1,
        account_id=1,
        name="news.example.com",
        state=DomainState.ACTIVE,
        settings=DomainSettings(imap_host=imap_host),
        created_at=0,
    )
    return servers_of(domain, access)


def canonical(text: str) -> str:
    return ET.canonicalize(text, strip_text=True)


def test_thunderbird_reads_what_its_format_asks_for() -> None:
    found = thunderbird.configuration(servers(imap_host="IMAP.provider.example"))

    assert canonical(found) == canonical(THUNDERBIRD_EXPECTED)


def test_thunderbird_is_told_no_mailbox_that_nobody_named_and_no_door_that_is_shut() -> None:
    document = ET.fromstring(thunderbird.configuration(servers(STARTTLS_ONLY)))

    assert document.findall(".//incomingServer") == []
    assert [one.text for one in document.findall(".//outgoingServer/socketType")] == ["STARTTLS"]


def test_outlook_reads_what_its_schema_asks_for() -> None:
    assert canonical(outlook.settings(servers(), ADDRESS)) == canonical(OUTLOOK_EXPECTED)


def test_outlook_is_told_of_starttls_and_of_a_mailbox_elsewhere() -> None:
    document = ET.fromstring(outlook.settings(servers(STARTTLS_ONLY, "imap.provider.example"), ADDRESS))

    imap, smtp = document.findall(".//r:Protocol", OUTLOOK)
    assert [imap.findtext(f"r:{name}", None, OUTLOOK) for name in ("Type", "Server", "Port")] == [
        "IMAP", "imap.provider.example", "993",
    ]  # fmt: skip
    assert [smtp.findtext(f"r:{name}", None, OUTLOOK) for name in ("Port", "SSL", "Encryption")] == ["587", "on", "TLS"]


def test_what_an_address_holds_stays_text() -> None:
    document = ET.fromstring(outlook.settings(servers(), "a<b>&c@news.example.com"))

    assert document.findtext(".//r:LoginName", None, OUTLOOK) == "a<b>&c@news.example.com"


def test_a_schema_that_is_not_spoken_is_answered_with_outlooks_error() -> None:
    document = ET.fromstring(outlook.other_schema("12:34:56.789", 17))

    error = document.find("a:Response/a:Error", OUTLOOK)
    assert error is not None
    assert error.attrib == {"Time": "12:34:56.789", "Id": "17"}
    assert error.findtext("a:ErrorCode", None, OUTLOOK) == "601"


def test_apple_reads_an_account_with_both_servers() -> None:
    document = plistlib.loads(apple.profile(servers(imap_host="imap.provider.example"), ADDRESS))

    assert document["PayloadType"] == "Configuration"
    [account] = document["PayloadContent"]
    identifiers = {account.pop("PayloadUUID"), document["PayloadUUID"]}
    assert len(identifiers) == 2
    assert account == {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": "net.postroad.mail.news.example.com.account",
        "PayloadDisplayName": ADDRESS,
        "EmailAccountDescription": ADDRESS,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": ADDRESS,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": "imap.provider.example",
        "IncomingMailServerPortNumber": 993,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": ADDRESS,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": "mail.example.net",
        "OutgoingMailServerPortNumber": 465,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": ADDRESS,
        "OutgoingPasswordSameAsIncomingPassword": False,
    }


def test_a_newer_profile_of_an_address_takes_the_place_of_the_older_one() -> None:
    first, again = (plistlib.loads(apple.profile(servers(imap_host="imap.a.example"), ADDRESS)) for _ in range(2))
    other = plistlib.loads(apple.profile(servers(imap_host="imap.a.example"), "bob@news.example.com"))

    assert first["PayloadUUID"] == again["PayloadUUID"] != other["PayloadUUID"]


QUESTION = """<?xml version="1.0" encoding="{encoding}"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
  <Request>
    <EMailAddress> ada@news.example.com </EMailAddress>
    <AcceptableResponseSchema>{schema}</AcceptableResponseSchema>
  </Request>
</Autodiscover>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_outlooks_question_is_read(encoding: str) -> None:
    body = QUESTION.format(encoding=encoding, schema=OUTLOOK["r"]).encode(encoding)

    assert outlook.read_question(body) == outlook.Question(ADDRESS, OUTLOOK["r"])


LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 9))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<Autodiscover><Request><EMailAddress>ada@news.example.com</EMailAddress></Request>",
        b"<Autodiscover><Request></Request></Autodiscover>",
        b"<Autodiscover><EMailAddress>ada@news.example.com</EMailAddress></Autodiscover>",
        b"\xff\xfe\xff",
        b'<?xml version="1.0" encoding="no-such-encoding"?><a/>',
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><Autodiscover><Request><EMailAddress>&l8;</EMailAddress>'.encode(),
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><Request><EMailAddress>&x;</EMailAddress></Request></a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "y">]><a/>'.encode("utf-16"),
        b"<a>" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_question_or_declares_anything_is_refused(body: bytes) -> None:
    with pytest.raises(outlook.UnreadableError):
        outlook.read_question(body)


def test_a_very_long_address_is_cut_and_so_is_none() -> None:
    long = b"<a><Request><EMailAddress>" + b"x" * 10_000 + b"</EMailAddress></Request></a>"

    assert len(outlook.read_question(long).address) == 1024
