"""What is given of a person, read into its one spelling."""

from collections.abc import Sequence

from postroad.accounts.network_values import checked_networks
from postroad.model.refused import RefusedError
from postroad.net.address import parse_address, parse_network
from postroad.policy.person import NAME_LENGTH, networks_refusal
from postroad.protocol.smtp.address import AddressError, parse_path, with_a_labels


def read_email(text: str) -> str:
    """Return an email address in lower case, as people sign in with it; raises RefusedError."""
    wanted = text.strip().lower()
    try:
        address = parse_path(wanted, is_utf8=False)
    except AddressError as error:
        if error.needs_smtputf8:
            raise RefusedError(_beyond_ascii(wanted), field="email") from error
        raise RefusedError(f"{text!r} is not an email address: {error}.", field="email") from error
    if not address:
        raise RefusedError("An email address is needed.", field="email")
    return address


def read_name(text: str) -> str:
    """Return a person's name on one line; raises RefusedError."""
    name = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if len(name) > NAME_LENGTH:
        raise RefusedError(f"A name has at most {NAME_LENGTH} characters.", field="name")
    return name


def read_networks(texts: Sequence[str], *, own_address: str | None) -> tuple[str, ...]:
    """Return networks as they are stored; ``own_address`` is that of a person who edits its own.

    Raises RefusedError for what is no network, and for a list that would lock the editor out.
    """
    networks = checked_networks(texts)
    own = None if own_address is None else parse_address(own_address)
    refusal = networks_refusal([parse_network(one) for one in networks], own, is_own=own_address is not None)
    if refusal is not None:
        raise RefusedError(refusal, field="networks")
    return networks


def _beyond_ascii(wanted: str) -> str:
    """Return why an international address is no person's: what is mailed to people goes out without SMTPUTF8."""
    plain = with_a_labels(wanted)
    if plain.isascii():
        return f"{wanted!r} has characters beyond ASCII: write it as {plain}."
    return f"{wanted!r} has characters beyond ASCII, which the address of a person cannot have here: take another one."
