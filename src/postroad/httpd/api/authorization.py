"""Reading the Authorization header in each of the shapes that clients of mail APIs send a key in."""

import base64
import binascii

from postroad.policy.key_text import kind_of


def key_in(header: str) -> str | None:
    """Return the key that an Authorization header carries, or None where it carries none.

    ``Bearer KEY`` (RFC 6750 §2.1), ``Basic`` with the key as password under any user name, or as user name
    without a password (RFC 7617 §2), or the key alone.
    """
    scheme, _, rest = header.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip() or None
        case "basic":
            return _key_of_pair(rest.strip())
        case _:
            # A key has no blanks, so that another scheme's credentials are not taken for one.
            return scheme if scheme and not rest else None


def _key_of_pair(encoded: str) -> str | None:
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    user, _, password = pair.partition(":")
    return password or (user if kind_of(user) is not None else None)
