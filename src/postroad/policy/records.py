"""What a sending domain must publish in DNS, as values that can be shown, pasted into a zone and compared."""

import enum
from typing import Literal

import msgspec

from postroad.model.client_access import ClientAccess
from postroad.model.domain import DkimKey, KeyAlgorithm, KeyState, SendingDomain
from postroad.protocol.dkim.key import split_text

SELECTORS = {
    KeyAlgorithm.RSA: ("postroad1", "postroad2"),
    KeyAlgorithm.ED25519: ("postroad1e", "postroad2e"),
}
"""Each algorithm's two fixed selectors: one key signs while the other is being replaced."""

RecordForm = Literal["TXT", "MX", "CNAME", "SRV"]

_LONGEST_LABEL = 63
_TTL_S = 3600


class RecordPurpose(enum.Enum):
    """What a record is published for."""

    DKIM = "dkim"
    ORGANISATIONAL_DKIM = "organisational-dkim"
    RETURN_PATH_MX = "return-path-mx"
    RETURN_PATH_SPF = "return-path-spf"
    RETURN_PATH_CNAME = "return-path-cname"
    TRACKING = "tracking"
    DMARC = "dmarc"
    MAIL_CLIENTS = "mail-clients"


class InstallationNames(msgspec.Struct, frozen=True, kw_only=True):
    """The names under which the installation itself can be reached; an empty one leaves its records out."""

    inbound_host: str = ""
    """Host that takes returned mail."""
    return_path_host: str = ""
    """Name with MX and SPF of its own; when it is set, domains publish one CNAME to it instead of both."""
    spf_mechanisms: tuple[str, ...] = ()
    """What authorises the addresses that mail leaves from: ``ip4:192.0.2.1``, ``include:spf.example.net``."""
    tracking_host: str = ""
    dkim_zone: str = ""
    """Zone the operator serves the keys in; when it is set, domains publish CNAMEs into it instead of keys."""
    return_path_label: str = "rp"
    tracking_label: str = "t"
    clients: ClientAccess = ClientAccess()
    """How people's mail clients find the doors by themselves."""


class ExpectedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record to publish."""

    purpose: RecordPurpose
    name: str
    """Without the final dot."""
    form: RecordForm
    value: str
    """The text of a TXT record in one piece, ``10 host`` of an MX, ``0 1 587 host`` of an SRV, the target of a CNAME."""
    is_required: bool
    reason: str
    """What the record is good for, in one sentence."""
    selector: str = ""
    """For the purposes ``dkim`` and ``organisational-dkim``: the key the record belongs to."""


def expected_records(
    domain: SendingDomain,
    keys: tuple[DkimKey, ...],
    names: InstallationNames,
    organisational_domain: str | None,
) -> tuple[ExpectedRecord, ...]:
    """Return every record the domain is to publish, required ones first within each purpose.

    ``organisational_domain`` is that of the sending domain (public suffix list), or None where it has none.
    """
    return (
        *_dkim(domain.name, keys, names),
        *_return_path(domain.name, names),
        *_tracking(domain, names),
        _dmarc(domain.name),
        *mail_client_records(domain.name, names.clients),
        *_organisational_dkim(domain.name, keys, names, organisational_domain),
    )


def key_record(key: DkimKey) -> str:
    """Return the text of a key's TXT record (RFC 6376 §3.6.1)."""
    return f"v=DKIM1; k={key.algorithm.value}; p={key.public_key}"


def dkim_name(selector: str, domain: str) -> str:
    """Return where a selector's key is looked up (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def organisational_selector(selector: str, domain: str, organisational_domain: str | None) -> str | None:
    """Return the selector a sub-domain's key has at its organisational domain, or None where there is none to have."""
    if organisational_domain is None or not domain.endswith("." + organisational_domain):
        return None
    label = f"{selector}-{_one_label(domain.removesuffix('.' + organisational_domain))}"
    return label if len(label) <= _LONGEST_LABEL else None


def zone_target(selector: str, domain: str, dkim_zone: str) -> str:
    """Return the name in the operator's zone that a selector's CNAME leads to."""
    label = _one_label(domain)
    return f"{selector}.{label if len(label) <= _LONGEST_LABEL else domain}.{dkim_zone}"


def dkim_zone_records(domain: str, keys: tuple[DkimKey, ...], dkim_zone: str) -> tuple[ExpectedRecord, ...]:
    """Return what the operator's own zone must hold for a domain whose selectors are CNAMEs into it."""
    return tuple(
        ExpectedRecord(
            purpose=RecordPurpose.DKIM,
            name=zone_target(key.selector, domain, dkim_zone),
            form="TXT",
            value=key_record(key),
            is_required=True,
            reason=f"The key that the CNAME at {dkim_name(key.selector, domain)} leads to.",
            selector=key.selector,
        )
        for key in keys
    )


def return_path_domain(domain: str, names: InstallationNames) -> str:
    """Return the name that mail of a sending domain comes back to."""
    return f"{names.return_path_label}.{domain}"


def dmarc_names(domain: str, organisational_domain: str | None) -> tuple[str, ...]:
    """Return where a receiver looks for the domain's DMARC record, nearest first (RFC 9989 §4.10)."""
    names = [domain]
    while organisational_domain is not None and names[-1].endswith("." + organisational_domain):
        names.append(names[-1].partition(".")[2])
    return tuple(f"_dmarc.{name}" for name in names)


def mail_client_records(domain: str, clients: ClientAccess) -> list[ExpectedRecord]:
    """Return the records by which mail clients of a domain's people find the doors; none is required."""
    if not clients.is_offered:
        return []
    # RFC 6186 §3.1 for STARTTLS, RFC 8314 §5.1 for TLS from the first octet, which clients should prefer.
    records = [
        _service(
            f"_{name}._tcp.{domain}", port, clients.submission_host, "Lets people's mail clients find where to submit."
        )
        for name, port in (("submissions", clients.tls_port), ("submission", clients.starttls_port))
        if port is not None
    ]
    if not clients.setup_host:
        return records
    outlook = _service(
        f"_autodiscover._tcp.{domain}", clients.setup_port, clients.setup_host, "Lets Outlook set itself up."
    )
    records += [outlook, _setup_alias("autoconfig", domain, clients, "Lets Thunderbird set itself up.")]
    # Outlook asks under this name by HTTPS first and warns people of a certificate that does not hold it.
    if f"autodiscover.{domain}" in clients.certified_names:
        records.append(_setup_alias("autodiscover", domain, clients, "Lets Outlook on phones set itself up, too."))
    return records


def as_zone_line(record: ExpectedRecord) -> str:
    """Return the record in one line of a zone file, a long text cut into strings of 255 octets (RFC 1035 §3.3)."""
    match record.form:
        case "TXT":
            data = " ".join(f'"{_escaped(text)}"' for text in split_text(record.value))
        case "MX" | "CNAME" | "SRV":
            data = record.value.rstrip(".") + "."
    return f"{record.name}. {_TTL_S} IN {record.form} {data}"


def _one_label(name: str) -> str:
    """Join a name's labels by hyphens; hyphens within a label are doubled, so that no two names meet."""
    return name.replace("-", "--").replace(".", "-")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _dkim(domain: str, keys: tuple[DkimKey, ...], names: InstallationNames) -> list[ExpectedRecord]:
    records = [_dkim_record(domain, key, names, is_required=_is_needed(key, keys)) for key in _current(keys)]
    if names.dkim_zone:
        # The other selector's CNAME as well, so that no later change of key asks anything of the domain's owner.
        taken = {record.selector for record in records}
        spare = [
            selector
            for algorithm in {key.algorithm: None for key in keys}
            for selector in SELECTORS[algorithm]
            if selector not in taken
        ]
        records += [_dkim_alias(domain, selector, names.dkim_zone, is_required=False) for selector in spare]
    return sorted(records, key=lambda record: (not record.is_required, record.selector))


def _current(keys: tuple[DkimKey, ...]) -> list[DkimKey]:
    return [key for key in keys if key.state is not KeyState.RETIRED]


def _is_needed(key: DkimKey, keys: tuple[DkimKey, ...]) -> bool:
    """Tell whether mail could not be signed as it should be without this key's record.

    The RSA key that signs is needed, or the first one; what waits to replace it is not, nor is Ed25519 (RFC 8463 §5:
    receivers that do not know it are still common).
    """
    if key.algorithm is not KeyAlgorithm.RSA:
        return False
    active = [other for other in keys if other.algorithm is KeyAlgorithm.RSA and other.state is KeyState.ACTIVE]
    return key in active or not active


def _dkim_record(domain: str, key: DkimKey, names: InstallationNames, *, is_required: bool) -> ExpectedRecord:
    if names.dkim_zone:
        return _dkim_alias(domain, key.selector, names.dkim_zone, is_required=is_required)
    return ExpectedRecord(
        purpose=RecordPurpose.DKIM,
        name=dkim_name(key.selector, domain),
        form="TXT",
        value=key_record(key),
        is_required=is_required,
        reason="Receivers check the signature of the domain's mail with this key.",
        selector=key.selector,
    )


def _dkim_alias(domain: str, selector: str, dkim_zone: str, *, is_required: bool) -> ExpectedRecord:
    return ExpectedRecord(
        purpose=RecordPurpose.DKIM,
        name=dkim_name(selector, domain),
        form="CNAME",
        value=zone_target(selector, domain, dkim_zone),
        is_required=is_required,
        reason="Leads receivers to the key they check signatures with; the key can change without changing this.",
        selector=selector,
    )


def _return_path(domain: str, names: InstallationNames) -> list[ExpectedRecord]:
    name = return_path_domain(domain, names)
    if names.return_path_host:
        return [
            ExpectedRecord(
                purpose=RecordPurpose.RETURN_PATH_CNAME,
                name=name,
                form="CNAME",
                value=names.return_path_host,
                is_required=True,
                reason="Brings back what receivers return and authorises the addresses that mail leaves from.",
            )
        ]
    records = []
    if names.inbound_host:
        records.append(
            ExpectedRecord(
                purpose=RecordPurpose.RETURN_PATH_MX,
                name=name,
                form="MX",
                value=f"10 {names.inbound_host}",
                is_required=True,
                reason="Brings back what receivers return, so that bounces are counted.",
            )
        )
    if names.spf_mechanisms:
        records.append(
            ExpectedRecord(
                purpose=RecordPurpose.RETURN_PATH_SPF,
                name=name,
                form="TXT",
                value=" ".join(("v=spf1", *names.spf_mechanisms, "-all")),
                is_required=True,
                reason="Authorises the addresses that mail leaves from (SPF).",
            )
        )
    return records


def _tracking(domain: SendingDomain, names: InstallationNames) -> list[ExpectedRecord]:
    if not names.tracking_host:
        return []
    return [
        ExpectedRecord(
            purpose=RecordPurpose.TRACKING,
            name=domain.settings.tracking_host or f"{names.tracking_label}.{domain.name}",
            form="CNAME",
            value=names.tracking_host,
            is_required=False,
            reason="Lets opens and clicks be counted under the domain's own name.",
        )
    ]


def _dmarc(domain: str) -> ExpectedRecord:
    return ExpectedRecord(
        purpose=RecordPurpose.DMARC,
        name=f"_dmarc.{domain}",
        form="TXT",
        value="v=DMARC1; p=none",
        is_required=False,
        reason="Large receivers expect a DMARC policy of whoever sends in bulk; one of a parent domain will do.",
    )


def _service(name: str, port: int, host: str, reason: str) -> ExpectedRecord:
    # RFC 2782: priority, weight, port, target.
    return ExpectedRecord(
        purpose=RecordPurpose.MAIL_CLIENTS,
        name=name,
        form="SRV",
        value=f"0 1 {port} {host}",
        is_required=False,
        reason=reason,
    )


def _setup_alias(label: str, domain: str, clients: ClientAccess, reason: str) -> ExpectedRecord:
    return ExpectedRecord(
        purpose=RecordPurpose.MAIL_CLIENTS,
        name=f"{label}.{domain}",
        form="CNAME",
        value=clients.setup_host,
        is_required=False,
        reason=reason,
    )


def _organisational_dkim(
    domain: str, keys: tuple[DkimKey, ...], names: InstallationNames, organisational_domain: str | None
) -> list[ExpectedRecord]:
    records = []
    for key in _current(keys):
        selector = organisational_selector(key.selector, domain, organisational_domain)
        if selector is None or organisational_domain is None:
            continue
        target = zone_target(key.selector, domain, names.dkim_zone) if names.dkim_zone else None
        records.append(
            ExpectedRecord(
                purpose=RecordPurpose.ORGANISATIONAL_DKIM,
                name=dkim_name(selector, organisational_domain),
                form="CNAME" if target else "TXT",
                value=target or key_record(key),
                is_required=False,
                reason=f"Adds a second signature in the name of {organisational_domain}, for strict alignment.",
                selector=key.selector,
            )
        )
    return records
