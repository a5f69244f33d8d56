"""Passwords of SMTP users: the rule they must keep, their one spelling, and strong ones of our own making."""

import unicodedata

from postroad.model.credential import Secret

MINIMUM_LENGTH = 8
MAXIMUM_LENGTH = 256
RANDOM_BYTES = 32
"""How much randomness ``generate_password`` takes."""

_CAPITALS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_LETTERS = _CAPITALS + "abcdefghijkmnpqrstuvwxyz" + "23456789"
"""No I, l, 1, O, o, 0: they are read wrongly off paper."""
_GROUPS, _GROUP_LENGTH = 4, 5


def prepared(password: str) -> Secret:
    """Return the one spelling that is hashed and compared.

    Keyboards and systems compose accents differently; without this the same password would not match itself.
    """
    if password.isascii():
        return Secret(password)
    # RFC 8265 §4.2.1: OpaqueString maps other spaces to SPACE, then normalises to NFC.
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in password)
    return Secret(unicodedata.normalize("NFC", spaced))


def password_refusal(password: str) -> str | None:
    """Return the sentence that says what a password lacks, or None when it keeps the rule."""
    text = prepared(password)
    if len(text) > MAXIMUM_LENGTH:
        return f"A password has at most {MAXIMUM_LENGTH} characters."
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        # RFC 8265 §4.2.2: control characters are outside the FreeformClass; NUL cannot travel in AUTH PLAIN at all.
        return "A password has no control characters."
    missing = []
    if len(text) < MINIMUM_LENGTH:
        missing.append(f"at least {MINIMUM_LENGTH} characters (it has {len(text)})")
    if not any(letter.isupper() for letter in text):
        missing.append("a capital letter")
    if not any(not letter.isalnum() and not letter.isspace() for letter in text):
        missing.append("a special character")
    if not missing:
        return None
    *first, last = missing
    return f"The password needs {', '.join(first) + ' and ' if first else ''}{last}."


def generate_password(random_bytes: bytes) -> Secret:
    """Return a password of about 115 bits that keeps the rule: four groups of five letters and digits."""
    if len(random_bytes) < RANDOM_BYTES:
        raise ValueError(f"a password is made of {RANDOM_BYTES} random octets, not {len(random_bytes)}")
    number = int.from_bytes(random_bytes)
    number, first = divmod(number, len(_CAPITALS))
    letters = [_CAPITALS[first]]
    for _ in range(_GROUPS * _GROUP_LENGTH - 1):
        number, index = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[index])
    text = "".join(letters)
    return Secret("-".join(text[at : at + _GROUP_LENGTH] for at in range(0, len(text), _GROUP_LENGTH)))
