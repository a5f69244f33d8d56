"""What ``postroad check`` looks at of tracking: whether what is asked for can be done."""

from collections.abc import Collection, Sequence
from pathlib import Path

from postroad.certificates.host_files import read_folder
from postroad.cli.findings import Finding
from postroad.config import Settings
from postroad.feedback.places import PlaceDatabase, PlacesError
from postroad.model.certificate import HostCertificate
from postroad.model.domain import SendingDomain

_SUBJECT = "tracking"
_NAMED = 5
_ALL_CERTIFIED = "Every tracking host has its certificate."


def tracking(settings: Settings, domains: Sequence[SendingDomain]) -> list[Finding]:
    """Look for domains whose opens, clicks or unsubscribes have no host; nothing where no domain asks for any."""
    asking = [one for one in domains if _asks(one)]
    lacking = [one.name for one in asking if not (one.settings.tracking_host or settings.tracking.host)]
    if lacking:
        more = f" and {len(lacking) - _NAMED} others" if len(lacking) > _NAMED else ""
        text = f"Nothing is tracked of {', '.join(lacking[:_NAMED])}{more}: their links have no host to lead over."
        return [Finding(_SUBJECT, "warning", text, "Set tracking.host, or each domain's tracking_host.")]
    return [Finding(_SUBJECT, "ok", "Every domain that asks for it has a tracking host.")] if asking else []


def certificates_of_hosts(stored: Collection[HostCertificate]) -> list[Finding]:
    """Look for tracking hosts that get no certificate, or do not get the next one."""
    failing = [one for one in stored if one.last_error]
    if not stored:
        return []
    if not failing:
        asked = [one.host for one in stored if one.expires_at is None]
        text = f"{', '.join(asked[:_NAMED])}: the first certificate is being asked for." if asked else _ALL_CERTIFIED
        return [Finding("tracking hosts", "ok", text)]
    reasons = " ".join(_sentence(one) for one in failing[:_NAMED])
    more = f" And {len(failing) - _NAMED} others." if len(failing) > _NAMED else ""
    remedy = "Once it is mended, `postroad certificate renew --host HOST` has it tried at once."
    return [Finding("tracking hosts", "warning", f"{reasons}{more}", remedy)]


def geo_database(settings: Settings) -> list[Finding]:
    """Look at the file that tells where addresses are."""
    path = settings.tracking.geo_database
    if not path:
        return []
    try:
        database = PlaceDatabase(Path(path))
    except PlacesError as error:
        return [
            Finding("geo database", "warning", f"{error}.", "Mend tracking.geo_database; opens have no places without.")
        ]
    if not any(word in database.kind for word in ("Country", "City", "Enterprise")):
        text = f"{path} is of the kind {database.kind}, which holds neither countries nor cities."
        return [Finding("geo database", "warning", text, "Take one of countries or cities for tracking.geo_database.")]
    return [Finding("geo database", "ok", f"{path} is of the kind {database.kind}.")]


def certificate_files_of_hosts(settings: Settings) -> list[Finding]:
    """Look at the files of ``tls.host_certificates``."""
    if not settings.tls.host_certificates:
        return []
    files = read_folder(Path(settings.tls.host_certificates))
    if files.complaints:
        return [Finding("host certificates", "wrong", " ".join(files.complaints), "Mend or remove it.")]
    count = len(files.by_name)
    text = f"The files hold certificates for {count} {'name' if count == 1 else 'names'}."
    return [Finding("host certificates", "ok", text)]


def _sentence(one: HostCertificate) -> str:
    what = "has no certificate" if one.expires_at is None else "does not get its next certificate"
    return f"{one.host} {what} ({one.last_error.removesuffix('.')})."


def _asks(domain: SendingDomain) -> bool:
    settings = domain.settings
    return settings.tracks_clicks or settings.tracks_opens or settings.offers_unsubscribe
