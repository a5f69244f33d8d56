"""Message identifiers (RFC 5322 §3.6.4)."""

import re

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-"
# The quoted left side is obsolete (RFC 5322 §4.5.4) and still what some mailers write.
_MESSAGE_ID = re.compile(
    rf'<(?:[{_ATEXT}]+(?:\.[{_ATEXT}]+)*|"[^"\\\s]+")@(?:[{_ATEXT}]+(?:\.[{_ATEXT}]+)*|\[[!-Z^-~]*\])>'
)
# RFC 5322 §2.1.1: a field with one word is one line of at most 998 octets.
_LONGEST = 900


def is_message_id(text: str) -> bool:
    """Whether ``text``, without white space around it, is one message identifier with its brackets."""
    return len(text) <= _LONGEST and _MESSAGE_ID.fullmatch(text) is not None


def make_message_id(identifier: str, domain: str) -> str:
    """Return a message identifier with brackets; ``identifier`` is unique for ever and plain letters and digits."""
    return f"<{identifier}@{domain}>"
