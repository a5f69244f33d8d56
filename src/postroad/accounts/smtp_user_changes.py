"""What people may choose for an SMTP user: read from what they typed, checked, and laid over what is stored."""

import unicodedata
from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from postroad.accounts.network_values import checked_networks
from postroad.model.credential import CredentialKind, SmtpUser
from postroad.model.envelope import destination_of
from postroad.model.refused import RefusedError
from postroad.net.address import Network, parse_network
from postroad.protocol.smtp.address import AddressError, normal_domain, parse_path

NOTE_LENGTH = 500
LARGEST_LIMIT = 2**31 - 1
"""Recipients in an hour or a day."""
_MOST_ALLOWED = 100
"""Addresses for From of one user: what is looked through for a message stays short."""
_WIDEST = {4: 8, 6: 32}
"""Wider networks than these as a proof are a mistake: 0.0.0.0/0 is everybody."""
_LONGEST_NAME = 254


class SmtpUserChange(msgspec.Struct, frozen=True, kw_only=True):
    """Values as they were typed; what is not set stays as it is."""

    note: str | UnsetType = UNSET
    networks: Sequence[str] | UnsetType = UNSET
    requires_tls: bool | UnsetType = UNSET
    hourly_limit: int | UnsetType | None = UNSET
    daily_limit: int | UnsetType | None = UNSET
    allowed_from: Sequence[str] | UnsetType = UNSET


NOTHING_CHOSEN = SmtpUserChange()


def read_username(text: str) -> str:
    """Return a user name in its one spelling: an address in lower case, which need not receive mail.

    International domains become A-labels, and characters are composed (NFC), as no two keyboards agree on that.
    """
    try:
        name = parse_path(_plain(text), is_utf8=True)
    except AddressError as error:
        sentence = f"{text!r} is not a user name in the form of an address: {error}."
        raise RefusedError(sentence, field="username") from error
    if not name:
        raise RefusedError("A user name has the form of an address, such as app@news.example.com.", field="username")
    return name


def tried_username(text: str) -> str:
    """Return a name that somebody tries, spelled as that of a user would be; what is no user name stays much as it is."""
    name = _plain(text)
    if len(name) > _LONGEST_NAME:
        return name  # nobody is named so, and strangers must not have long names worked on
    try:
        return parse_path(name, is_utf8=True)
    except AddressError:
        return name


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip().lower())


def changed(user: SmtpUser, change: SmtpUserChange, sending_domain: str) -> SmtpUser:
    """Return the user with what a change sets; raises RefusedError that names the field that is wrong."""
    wanted = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    if "note" in wanted:
        wanted["note"] = _read_note(wanted["note"])
    if "networks" in wanted:
        wanted["networks"] = _read_networks(wanted["networks"], user.kind)
    if "allowed_from" in wanted:
        wanted["allowed_from"] = _read_allowed_from(wanted["allowed_from"], sending_domain)
    if wanted.get("requires_tls") and user.kind is CredentialKind.ADDRESS:
        sentence = "A user that is proven by its address cannot be held to TLS: it acts before encryption can begin."
        raise RefusedError(sentence, field="requires_tls")
    for field in ("hourly_limit", "daily_limit"):
        limit = wanted.get(field)
        if limit is not None and not 1 <= limit <= LARGEST_LIMIT:
            sentence = f"A limit is a number of recipients from 1 to {LARGEST_LIMIT}; none at all is no limit."
            raise RefusedError(sentence, field=field)
    return msgspec.structs.replace(user, **wanted)


def choices_of(user: SmtpUser) -> dict[str, object]:
    """Return what was chosen for a user, as the audit log keeps it."""
    return {name: getattr(user, name) for name in SmtpUserChange.__struct_fields__}


def networks_of(user: SmtpUser) -> tuple[Network, ...]:
    """Return a user's networks as values."""
    return tuple(parse_network(text) for text in user.networks)


def _read_note(text: str) -> str:
    note = text.strip()
    if len(note) > NOTE_LENGTH:
        raise RefusedError(f"A note has at most {NOTE_LENGTH} characters.", field="note")
    return note


def _read_networks(texts: Sequence[str], kind: CredentialKind) -> tuple[str, ...]:
    networks = checked_networks(texts)
    if kind is CredentialKind.ADDRESS:
        _require_narrow([parse_network(network) for network in networks])
    return networks


def _require_narrow(networks: Sequence[Network]) -> None:
    if not networks:
        raise RefusedError("A user without a password needs the networks that prove it.", field="networks")
    too_wide = [
        f"{network} is too wide to prove anybody: /{_WIDEST[network.version]} at most."
        for network in networks
        if network.prefixlen < _WIDEST[network.version]
    ]
    if too_wide:
        raise RefusedError("\n".join(too_wide), field="networks")


def _read_allowed_from(texts: Sequence[str], sending_domain: str) -> tuple[str, ...]:
    if len(texts) > _MOST_ALLOWED:
        raise RefusedError(f"At most {_MOST_ALLOWED} may be named, not {len(texts)}.", field="allowed_from")
    return tuple(dict.fromkeys(_read_allowed(_plain(text), sending_domain) for text in texts))


def _read_allowed(text: str, sending_domain: str) -> str:
    try:
        allowed = "@" + normal_domain(text[1:]) if text.startswith("@") else parse_path(text, is_utf8=True)
    except AddressError as error:
        sentence = f"{text!r} is neither an address nor @ and a domain: {error}."
        raise RefusedError(sentence, field="allowed_from") from error
    domain = destination_of(allowed) if allowed else ""
    # Admission asks for alignment in any case: what can never match would shut the user out.
    if domain != sending_domain and not (domain and sending_domain.endswith(f".{domain}")):
        raise RefusedError(
            f"{text!r} can never be in From: it is not at {sending_domain} or a parent of it.", field="allowed_from"
        )
    return allowed
