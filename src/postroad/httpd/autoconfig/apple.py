"""A configuration profile for Apple's Mail on Macs, iPhones and iPads (payload com.apple.mail.managed), unsigned."""

import plistlib
import uuid
from typing import Any

from postroad.httpd.autoconfig.servers import IMAP_TLS_PORT, Servers

_NAMESPACE = uuid.UUID("6f3c7c0e-6d0e-5a43-9d0c-52c1b9f5a4ce")


def profile(servers: Servers, address: str) -> bytes:
    """Return the profile for one address; the payload needs an incoming server, so ``imap_host`` may not be empty.

    The same address always gives the same identifiers, so that a newer profile takes the place of an older one.
    """
    document = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"net.postroad.mail.{servers.domain}",
        "PayloadUUID": _identifier("profile", address),
        "PayloadDisplayName": f"Mail of {address}",
        "PayloadDescription": f"Sets up the mail account of {address}; the passwords are asked for.",
        "PayloadContent": [_account(servers, address)],
    }
    return plistlib.dumps(document)


def _account(servers: Servers, address: str) -> dict[str, Any]:
    outgoing = servers.outgoing[0]
    return {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"net.postroad.mail.{servers.domain}.account",
        "PayloadUUID": _identifier("account", address),
        "PayloadDisplayName": address,
        "EmailAccountDescription": address,
        "EmailAccountType": "EmailTypeIMAP",
        "EmailAddress": address,
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": servers.imap_host,
        "IncomingMailServerPortNumber": IMAP_TLS_PORT,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": outgoing.host,
        "OutgoingMailServerPortNumber": outgoing.port,
        # Apple's word for both kinds of TLS: the port tells them apart.
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": False,
    }


def _identifier(what: str, address: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{what} {address}")).upper()
