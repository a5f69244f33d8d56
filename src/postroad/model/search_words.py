"""The words and keys that messages are found by: one way to fold them, for the index and for what people type."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from postroad.model.ids import to_base32

MOST_WORDS = 64
"""Words of one text that count: a subject is a line."""
_LONGEST_WORD = 40
_LONGEST_KEY = 320
_ASCII_WORD = re.compile(r"[0-9a-z]+")
# Scripts written without spaces: each of their characters is a word of its own.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def words_of(text: str) -> list[str]:
    """Return the words of a text, in small letters without accents, in their order; at most ``MOST_WORDS``."""
    if text.isascii():
        found = _ASCII_WORD.findall(text.lower())
    else:
        decomposed = unicodedata.normalize("NFKD", text.casefold())
        bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
        found = _WORD.findall(unicodedata.normalize("NFC", bare).casefold())
    return [word[:_LONGEST_WORD] for word in found[:MOST_WORDS]]


def terms_of(account_id: int, domain_id: int, subject: str) -> str:
    """Return what the full-text index holds of a message: whose it is, and its words, each between spaces.

    An underscore is in no word, so what says whose the message is cannot be typed.
    """
    words = dict.fromkeys(words_of(subject))
    return f" {' '.join((account_term(account_id), domain_term(domain_id), *words))} "


def account_term(account_id: int) -> str:
    """Return the term that all messages of an account have."""
    return f"_a{account_id}"


def domain_term(domain_id: int) -> str:
    """Return the term that all messages of a sending domain have."""
    return f"_d{domain_id}"


def keys_of(recipients: Iterable[str], message_id_header: str) -> list[str]:
    """Return the keys that a message is found by: each recipient, each destination, its Message-ID."""
    keys: dict[str, None] = {}
    for recipient in recipients:
        key = recipient_key(recipient)
        keys[key] = None
        keys[destination_key(key.rpartition("@")[2])] = None
    if message_id_header:
        keys[message_id_key(message_id_header)] = None
    return list(keys)


def recipient_key(address: str) -> str:
    """Return the key of a recipient's address, or what keys of addresses that begin with ``address`` begin with."""
    return _key(f"to:{address.lower()}")


def destination_key(domain: str) -> str:
    """Return the key of a recipient domain."""
    return _key(f"at:{domain.lower()}")


def message_id_key(header: str) -> str:
    """Return the key of a Message-ID, with or without its brackets."""
    bare = header.strip().removeprefix("<").removesuffix(">")
    digest = hashlib.blake2b(bare.encode("utf-8", "replace"), digest_size=8).digest()
    return f"id:{to_base32(int.from_bytes(digest), 13)}"


def together(keys: Sequence[str]) -> str:
    """Return keys in one text, each between spaces."""
    return f" {' '.join(keys)} "


def _key(text: str) -> str:
    # A quoted local part may hold spaces, which part keys from each other. PostgreSQL cannot hold NUL.
    held = text if text.isascii() else text.encode("utf-8", "replace").decode()
    return held.replace(" ", "\N{NO-BREAK SPACE}").replace("\0", "\N{REPLACEMENT CHARACTER}")[:_LONGEST_KEY]
