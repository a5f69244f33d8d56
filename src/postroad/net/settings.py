"""Settings of TLS where we are the server."""

from typing import Annotated

import msgspec


class AcmeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate from an authority by ACME (RFC 8555), for all nodes, renewed by itself; `tls.certificate` wins over it."""

    directory: Annotated[
        str,
        msgspec.Meta(
            description="URL of the authority's directory, such as `https://acme-v02.api.letsencrypt.org/directory`; "
            "empty asks no authority."
        ),
    ] = ""
    agree_terms: Annotated[
        bool,
        msgspec.Meta(description="Whether you agree to the authority's terms of service; it issues nothing without."),
    ] = False
    email: Annotated[
        str, msgspec.Meta(description="Address that the authority may write to when something is wrong.")
    ] = ""
    names: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Names to have certified; none means `smtp.hostname`, the host of `http.public_url` and `tracking.host`. "
            "Tracking hosts of domains get certificates of their own where there is `http.listen_tls`."
        ),
    ] = ()
    http_listen: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Addresses where the authority finds its proof, on port 80 for it; what else is asked there is "
            "sent on to `http.public_url`."
        ),
    ] = (":80",)
    authorities: Annotated[
        str,
        msgspec.Meta(description="PEM file of authorities to trust for the directory, in place of the system's."),
    ] = ""


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificates that the SMTP and HTTP doors show; changed files are read within a minute, and at SIGHUP."""

    certificate: Annotated[
        str,
        msgspec.Meta(
            description="PEM file of the certificate with its intermediates; empty has one obtained by ACME, or makes a "
            "self-signed one in the data folder."
        ),
    ] = ""
    key: Annotated[
        str,
        msgspec.Meta(
            description="PEM file of the certificate's private key; empty where the certificate's file holds it."
        ),
    ] = ""
    host_certificates: Annotated[
        str,
        msgspec.Meta(
            description="Folder of certificates for tracking hosts: each `*.pem` holds one with its intermediates and its key, or "
            "has the key in a file of the same name with `.key`. The name that a client asks for chooses."
        ),
    ] = ""
    acme: AcmeSettings = AcmeSettings()
