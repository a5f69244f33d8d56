"""Settings of TLS where we are the server."""

from typing import Annotated

import msgspec


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificate that the SMTP doors show; SIGHUP has changed files read again."""

    certificate: Annotated[
        str,
        msgspec.Meta(
            description="PEM file of the certificate with its intermediates; empty makes a self-signed one in the data folder."
        ),
    ] = ""
    key: Annotated[
        str,
        msgspec.Meta(
            description="PEM file of the certificate's private key; empty where the certificate's file holds it."
        ),
    ] = ""
