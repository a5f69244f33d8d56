"""What commands say of the host that a domain's tracked links lead over."""

from typing import Any

from postroad.cli.output import local_time, utc_time
from postroad.model.certificate import TrackingHostStanding

_HOLDERS = {
    "own": "its own certificate",
    "file": "a file of tls.host_certificates",
    "installation": "the certificate of the doors",
}


def host_text(standing: TrackingHostStanding | None) -> str:
    """Say how the host stands; nothing where there is none."""
    if standing is None:
        return ""
    lines = [f"{standing.host}: links begin with {'https:' if standing.is_https else 'http:'}"]
    if standing.leads_here is not None:
        lines.append(f"DNS: {'leads here' if standing.leads_here else 'does not lead here'}")
    if standing.expires_at is not None:
        until = f"until {local_time(standing.expires_at)}"
        lines.append(f"certificate: held by {_HOLDERS[standing.certificate]}, {until}")
    elif standing.certificate == "none" and not standing.problem:
        lines.append("certificate: none")
    if standing.problem:
        lines.append(f"certificate {'not renewed' if standing.expires_at else 'not obtained'}: {standing.problem}")
        lines.append(f"tried next: {local_time(standing.next_attempt_at)}")
    return "\n".join(lines)


def host_document(standing: TrackingHostStanding | None) -> dict[str, Any] | None:
    """Return the same for programs."""
    if standing is None:
        return None
    return {
        "host": standing.host,
        "is_https": standing.is_https,
        "leads_here": standing.leads_here,
        "certificate": standing.certificate,
        "valid_until": utc_time(standing.expires_at),
        "problem": standing.problem,
        "next_attempt_at": utc_time(standing.next_attempt_at),
    }
