"""The terms that messages are found by: folded in one way, for the index and for what people type."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from postroad.model.ids import to_base32

MOST_WORDS = 64
"""Words of one text that count: a subject is a line."""
MOST_RECIPIENT_OCTETS = 900_000
"""What the terms of one message's recipients may take in UTF-8: a tsvector of PostgreSQL holds 1,048,575 octets of all terms.
That is some 15,000 usual addresses."""
_LONGEST_WORD = 40
_LONGEST_ADDRESS = 320
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


def terms_of(
    account_id: int,
    domain_id: int,
    subject: str,
    recipients: Iterable[str] = (),
    *,
    message_id_header: str = "",
    tags: Iterable[str] = (),
) -> str:
    """Return what the full-text index holds of a message, each term between spaces.

    Besides the words of its subject: whose it is, its Message-ID, its tags, each recipient and each destination as far as
    ``MOST_RECIPIENT_OCTETS`` go. Those begin with an underscore, which is in no word: what says whose the message is cannot be
    typed.
    """
    terms = dict.fromkeys((account_term(account_id), domain_term(domain_id), *words_of(subject)))
    if message_id_header:
        terms[message_id_term(message_id_header)] = None
    for tag in tags:
        terms[tag_term(tag)] = None
    room = MOST_RECIPIENT_OCTETS
    for recipient in recipients:
        its_terms = (recipient_term(recipient), destination_term(recipient.rpartition("@")[2]))
        room -= sum(len(term.encode()) + 1 for term in its_terms if term not in terms)
        if room < 0:
            break
        terms.update(dict.fromkeys(its_terms))
    return f" {' '.join(terms)} "


def account_term(account_id: int) -> str:
    """Return the term that all messages of an account have."""
    return f"_a{account_id}"


def domain_term(domain_id: int) -> str:
    """Return the term that all messages of a sending domain have."""
    return f"_d{domain_id}"


def recipient_term(address: str) -> str:
    """Return the term of a recipient's address; the beginning of an address gives the beginning of its term."""
    return f"_r{_plain(address)}"


def destination_term(domain: str) -> str:
    """Return the term of a recipient domain, or its beginning."""
    return f"_t{_plain(domain)}"


def address_term(text: str) -> str:
    """Return the term of a recipient's address, or with ``@`` before it of a recipient domain; or its beginning."""
    return destination_term(text[1:]) if text.startswith("@") else recipient_term(text)


def message_id_term(header: str) -> str:
    """Return the term of a Message-ID, with or without its brackets."""
    return f"_m{_digest(header.strip().removeprefix('<').removesuffix('>'))}"


def tag_term(tag: str) -> str:
    """Return the term of a tag, which is compared without case and as a whole."""
    return f"_g{_digest(tag.casefold())}"


def _digest(text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return to_base32(int.from_bytes(digest), 13).lower()


# Punctuation parts terms, and means something to query languages: each sign becomes a letter that no folded word has.
_SIGNS = {sign: chr(0x100 + sign) for sign in range(0x80) if not chr(sign).isalnum()}


def _plain(text: str) -> str:
    small = text.lower()
    if not small.isascii():
        # RFC 6532 §3.1: composed, as people type it, whatever wrote the address.
        small = unicodedata.normalize("NFC", small).encode("utf-8", "replace").decode()
    return small[:_LONGEST_ADDRESS].translate(_SIGNS)
