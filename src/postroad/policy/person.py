"""What people who sign in to the console may have: their passwords, and the networks they come from."""

import ipaddress
import unicodedata
from collections.abc import Sequence

from postroad.policy.password import MAXIMUM_LENGTH, prepared

MINIMUM_LENGTH = 12
NAME_LENGTH = 100

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def person_password_refusal(password: str, email: str) -> str | None:
    """Return the sentence that says what is wrong with a person's password, or None where it will do.

    Length is what counts (NIST SP 800-63B §5.1.1.2): no rule asks for kinds of characters.
    """
    text = prepared(password)
    if len(text) > MAXIMUM_LENGTH:
        return f"A password has at most {MAXIMUM_LENGTH} characters."
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        return "A password has no control characters."
    if len(text) < MINIMUM_LENGTH:
        return f"The password needs at least {MINIMUM_LENGTH} characters (it has {len(text)}); several words are fine."
    if text.strip().lower() == email:
        return "The password must not be the email address."
    if len(set(text)) < 4:
        return "The password is the same few characters over and over; several words are better."
    return None


def networks_refusal(networks: Sequence[Network], own_address: Address | None, *, is_own: bool) -> str | None:
    """Return why a person must not be given networks: whoever edits its own would be locked out by them."""
    if not networks or not is_own or own_address is None:
        return None
    if any(own_address in network for network in networks):
        return None
    return f"You are at {own_address}, which is not in the list: you would lock yourself out."
