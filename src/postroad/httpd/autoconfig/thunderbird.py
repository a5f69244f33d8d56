"""Thunderbird's configuration file, version 1.1, which Evolution, K-9 Mail, FairEmail and others read as well."""

from xml.sax.saxutils import escape

from postroad.httpd.autoconfig.servers import IMAP_TLS_PORT, Servers

_INCOMING = """\
    <incomingServer type="imap">
      <hostname>{host}</hostname>
      <port>{port}</port>
      <socketType>SSL</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </incomingServer>
"""
# "password-cleartext" is the format's word for PLAIN and LOGIN, whatever encrypts them.
_OUTGOING = """\
    <outgoingServer type="smtp">
      <hostname>{host}</hostname>
      <port>{port}</port>
      <socketType>{socket_type}</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </outgoingServer>
"""
_DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="{domain}">
    <domain>{domain}</domain>
    <displayName>{domain}</displayName>
    <displayShortName>{domain}</displayShortName>
{servers}  </emailProvider>
</clientConfig>
"""


def configuration(servers: Servers) -> str:
    """Return the file for a domain; Thunderbird itself takes one without an incoming server for none."""
    incoming = _INCOMING.format(host=escape(servers.imap_host), port=IMAP_TLS_PORT) if servers.imap_host else ""
    outgoing = "".join(
        _OUTGOING.format(host=escape(one.host), port=one.port, socket_type="SSL" if one.begins_with_tls else "STARTTLS")
        for one in servers.outgoing
    )
    return _DOCUMENT.format(domain=escape(servers.domain), servers=incoming + outgoing)
