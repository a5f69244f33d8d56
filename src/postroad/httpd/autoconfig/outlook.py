"""Outlook's autodiscovery: the XML of [MS-OXDSCLI] ("POX"), and the JSON that says where that is to be had."""

from xml.parsers import expat
from xml.sax.saxutils import escape

import msgspec

from postroad.httpd.autoconfig.servers import IMAP_TLS_PORT, Servers

SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
LARGEST_REQUEST = 16_384
_LONGEST_TEXT = 1_024

_DOCUMENT = """\
<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
{response}</Autodiscover>
"""
_SETTINGS = """\
  <Response xmlns="{schema}">
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
{protocols}    </Account>
  </Response>
"""
_PROTOCOL = """\
      <Protocol>
        <Type>{kind}</Type>
        <Server>{host}</Server>
        <Port>{port}</Port>
        <DomainRequired>off</DomainRequired>
        <LoginName>{login}</LoginName>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>{encryption}</Encryption>
        <AuthRequired>on</AuthRequired>
{more}      </Protocol>
"""
# The mailbox is elsewhere: its login does not open this door, and is not to be tried first.
_SMTP_ONLY = "        <UsePOPAuth>off</UsePOPAuth>\n        <SMTPLast>off</SMTPLast>\n"
_ERROR = """\
  <Response>
    <Error Time="{time}" Id="{id}">
      <ErrorCode>{code}</ErrorCode>
      <Message>{message}</Message>
      <DebugData/>
    </Error>
  </Response>
"""


class Question(msgspec.Struct, frozen=True):
    """What Outlook asks: the settings of an address, in a schema it understands."""

    address: str
    schema: str


class UnreadableError(Exception):
    """What was posted is no question; the text says why."""


def read_question(body: bytes) -> Question:
    """Read a posted question; raises UnreadableError, also for a document type, in which entities are declared."""
    found = {"EMailAddress": "", "AcceptableResponseSchema": ""}
    place: list[str] = []

    def begin(name: str, _attributes: dict[str, str]) -> None:
        place.append(name.rpartition(" ")[2])

    def end(_name: str) -> None:
        place.pop()

    def text(data: str) -> None:
        if place[-2:-1] == ["Request"] and place[-1] in found:
            found[place[-1]] = (found[place[-1]] + data)[:_LONGEST_TEXT]

    def refuse(*_facts: object) -> None:
        raise UnreadableError("a document type is not taken")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableError(f"this is not XML: {error}") from error
    if not found["EMailAddress"].strip():
        raise UnreadableError("it names no EMailAddress")
    return Question(found["EMailAddress"].strip(), found["AcceptableResponseSchema"].strip())


def settings(servers: Servers, address: str) -> str:
    """Return the settings of an address: its submission server, and its mailbox where that is known."""
    first = servers.outgoing[0]
    protocols = _PROTOCOL.format(
        kind="SMTP",
        host=escape(first.host),
        port=first.port,
        login=escape(address),
        encryption="SSL" if first.begins_with_tls else "TLS",
        more=_SMTP_ONLY,
    )
    if servers.imap_host:
        imap = _PROTOCOL.format(
            kind="IMAP",
            host=escape(servers.imap_host),
            port=IMAP_TLS_PORT,
            login=escape(address),
            encryption="SSL",
            more="",
        )
        protocols = imap + protocols
    return _DOCUMENT.format(response=_SETTINGS.format(schema=SCHEMA, protocols=protocols))


def other_schema(time: str, number: int) -> str:
    """Return the error for a schema that is not spoken, such as ActiveSync's: code 601 of [MS-OXDSCLI] §2.2.4.2."""
    error = _ERROR.format(time=time, id=number, code=601, message="Provider is not available")
    return _DOCUMENT.format(response=error)
