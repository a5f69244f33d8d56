"""What ``postroad check`` looks at where people and their programs connect: certificate, HTTPS, mail clients."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from postroad.certificates.facts import CertificateFacts, facts_of
from postroad.cli.findings import Finding
from postroad.cli.output import local_time
from postroad.config import Settings
from postroad.dns.answer import AnswerStatus, RecordType
from postroad.dns.resolver import Lookup
from postroad.model.certificate import ObtainedCertificate
from postroad.model.client_access import ClientAccess
from postroad.net.address import is_public, parse_address
from postroad.net.listen import parse_endpoint
from postroad.net.tls import CertificateError, ServerCertificate
from postroad.node.certificate import certified_names, is_host_name
from postroad.policy import records
from postroad.policy.record_comparison import Found, VerdictStatus, compare

_DAY_MS = 86_400_000
_MOST_DOMAINS = 50


def certificate_files(settings: Settings, now: int) -> list[Finding]:
    """Look at the certificate that is configured as files."""
    tls = settings.tls
    if not tls.certificate and not tls.key:
        text = "The doors show a self-signed certificate, which clients elsewhere do not trust."
        return [Finding("certificate", "warning", text, "Set tls.acme.directory, or tls.certificate and tls.key.")]
    try:
        ServerCertificate(Path(tls.certificate), Path(tls.key or tls.certificate))
        shown = facts_of(Path(tls.certificate).read_bytes())
    except (CertificateError, OSError, ValueError) as error:
        return [Finding("certificate", "wrong", f"{error}", "Mend tls.certificate and tls.key.")]
    return [_lifetime(shown, tls.certificate, "Renew it.", now), *_lacking_names(settings, shown)]


def obtained_certificate(settings: Settings, obtained: ObtainedCertificate | None, now: int) -> list[Finding]:
    """Look at the certificate that is obtained by ACME, and at why it is not where that fails."""
    found: list[Finding] = []
    shown = None if obtained is None or obtained.certificate is None else facts_of(obtained.certificate.encode())
    remedy = "See that http:// leads from its names to tls.acme.http_listen; then run `postroad certificate renew`."
    if shown is not None:
        found = [_lifetime(shown, "The obtained certificate", remedy, now), *_lacking_names(settings, shown)]
    if obtained is not None and obtained.last_error:
        text = (
            f"{settings.tls.acme.directory} issued none at attempt {obtained.attempts} ({obtained.last_error}); "
            f"the next is made at {local_time(obtained.next_attempt_at)}."
        )
        found.append(Finding("ACME", "warning" if shown is not None else "wrong", text, remedy))
    elif shown is None:
        text = "No certificate was obtained yet; until then a self-signed one is shown."
        found.append(Finding("ACME", "warning", text, "Start a node, and look again a minute later."))
    return found


def http_listeners(settings: Settings) -> Finding:
    """Look whether people sign in over TLS."""
    for text in settings.http.listen:
        try:
            address = parse_address(parse_endpoint(text).host)
        except ValueError as error:
            return Finding("HTTPS", "wrong", f"http.listen: {error}.", "Mend http.listen.")
        if address is None or address.is_unspecified or is_public(address):
            return Finding(
                "HTTPS",
                "warning",
                f"{text} serves the console without encryption to whoever reaches it.",
                "Use http.listen_tls, or have http.listen on 127.0.0.1 for a proxy that adds TLS.",
            )
    place = urlsplit(settings.http.public_url)
    if place.scheme == "http" and is_host_name(place.hostname or ""):
        text = f"{settings.http.public_url} leads people to the console without encryption."
        return Finding("HTTPS", "warning", text, "Have http.public_url begin with https://.")
    return Finding("HTTPS", "ok", "The console is reached over TLS, or from near by only.")


def mail_clients(access: ClientAccess) -> Finding:
    """Look whether the mail clients of people can be told where to submit."""
    if not access.submission_host:
        text = "smtp.hostname is no name that others know, so that mail clients cannot set themselves up."
        return Finding("mail clients", "warning", text, "Set smtp.hostname to the name that the certificate holds.")
    if not access.setup_host:
        text = "Mail clients find the doors by DNS; Outlook and Thunderbird have nowhere to ask."
        return Finding("mail clients", "ok", text, "Set http.public_url to an https:// address with a name for that.")
    return Finding("mail clients", "ok", f"Mail clients are told of {access.submission_host} at {access.setup_host}.")


async def mail_client_records(lookup: Lookup, access: ClientAccess, domains: Sequence[str]) -> Finding:
    """Look whether the sending domains lead mail clients here; a record that leads elsewhere is worth a warning."""
    astray, lacking = [], []
    for domain in domains[:_MOST_DOMAINS]:
        statuses = [await _status(lookup, one) for one in records.mail_client_records(domain, access)]
        if VerdictStatus.DIFFERENT in statuses:
            astray.append(domain)
        elif VerdictStatus.MISSING in statuses:
            lacking.append(domain)
    remedy = "`postroad domain verify NAME` says what to publish."
    if astray:
        text = f"Records of {', '.join(astray)} lead mail clients elsewhere."
        return Finding("mail client records", "warning", text, remedy)
    if lacking:
        text = f"Records for mail clients, which nobody must have, are missing at {', '.join(lacking)}."
        return Finding("mail client records", "ok", text, remedy)
    return Finding("mail client records", "ok", "No sending domain leads mail clients elsewhere.")


async def _status(lookup: Lookup, record: records.ExpectedRecord) -> VerdictStatus:
    answer = await lookup.resolve(record.name, RecordType[record.form])
    if answer.status is AnswerStatus.TEMPORARY:
        return VerdictStatus.UNKNOWN
    return compare(record, Found(answer.texts)).status


def _lifetime(shown: CertificateFacts, what: str, remedy: str, now: int) -> Finding:
    left_days = (shown.not_after - now) // _DAY_MS
    if left_days < 0:
        return Finding("certificate", "wrong", f"{what} has expired.", remedy)
    # Certificates of a week are renewed when two days are left: the days alone are no reason to worry then.
    lifetime_days = (shown.not_after - shown.not_before) // _DAY_MS
    if left_days < min(14, lifetime_days / 4):
        return Finding("certificate", "warning", f"{what} ends in {left_days} days.", remedy)
    return Finding("certificate", "ok", f"{what} is valid for {left_days} days.")


def _lacking_names(settings: Settings, shown: CertificateFacts) -> list[Finding]:
    needed = settings.smtp.hostname, urlsplit(settings.http.public_url).hostname if settings.http.listen_tls else ""
    wanted = dict.fromkeys((*(name for name in needed if name and is_host_name(name)), *_asked_names(settings)))
    lacking = [name for name in wanted if not shown.covers(name)]
    if not lacking:
        return []
    text = f"The certificate does not hold {', '.join(lacking)}: clients that connect under it warn people, or refuse."
    return [Finding("certificate names", "warning", text, "Have it issued for these names, or connect under its own.")]


def _asked_names(settings: Settings) -> tuple[str, ...]:
    return certified_names(settings) if settings.tls.acme.directory else ()
