"""Settings of sending domains."""

from typing import Annotated, Literal

import msgspec

from postroad.policy.records import InstallationNames


class DomainsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sending domains: who may add them, what they publish, and how they are checked."""

    vetting: Annotated[
        Literal["auto", "manual"],
        msgspec.Meta(
            description="`auto` lets every new domain be verified; `manual` has the operator approve it before."
        ),
    ] = "auto"
    verification: Annotated[
        Literal["on", "off"],
        msgspec.Meta(
            description="`off` lets a domain send without looking at its DNS records, for installations that relay."
        ),
    ] = "on"
    inbound_host: Annotated[
        str, msgspec.Meta(description="Host that takes returned mail: the MX of the domains' return paths.")
    ] = ""
    return_path_host: Annotated[
        str,
        msgspec.Meta(
            description="Name with MX and SPF of its own; domains then publish one CNAME to it instead of both."
        ),
    ] = ""
    return_path_label: Annotated[
        str, msgspec.Meta(min_length=1, description="First label of a domain's return-path name.")
    ] = "rp"
    spf: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="SPF mechanisms for the addresses that mail leaves from, such as `ip4:192.0.2.1` or "
            "`include:spf.example.net`."
        ),
    ] = ()
    dkim_zone: Annotated[
        str,
        msgspec.Meta(
            description="Zone that the operator serves the DKIM keys in; domains then publish CNAMEs into it, and a "
            "change of key asks nothing of them."
        ),
    ] = ""
    grace_s: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=90 * 86_400,
            description="Seconds an active domain goes on sending after its records were found missing or different.",
        ),
    ] = 3 * 86_400
    check_every_s: Annotated[
        int,
        msgspec.Meta(ge=60, le=30 * 86_400, description="Seconds between two checks of an active domain's records."),
    ] = 86_400
    claim_s: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=365 * 86_400,
            description="Seconds an account keeps a name it has not verified, after which another may claim it.",
        ),
    ] = 7 * 86_400


def installation_names(settings: DomainsSettings, tracking_host: str = "") -> InstallationNames:
    """Return the installation's own names, which the domains' records lead to."""
    return InstallationNames(
        inbound_host=settings.inbound_host,
        return_path_host=settings.return_path_host,
        spf_mechanisms=settings.spf,
        tracking_host=tracking_host,
        dkim_zone=settings.dkim_zone,
        return_path_label=settings.return_path_label,
    )
