"""The header fields by which mail clients offer to unsubscribe."""

from postroad.protocol.mime.header import HeaderBlock

ALL_MAIL = "unsubscribe_url"
"""The placeholder in whose place the link goes."""
THESE_TAGS = "tag_unsubscribe_url"
"""That of a link to unsubscribe from mail with the message's tags only; from all mail where it has none."""

THIS_GROUP = "group_unsubscribe_url"
"""That of a link to unsubscribe from mail of the message's group only; it stands for nothing where there is none."""


def has_own(block: HeaderBlock) -> bool:
    """Whether the sender wrote how to unsubscribe; nothing is added to that."""
    return block.first(b"list-unsubscribe") is not None or block.first(b"list-unsubscribe-post") is not None


def fields(url: str, address: str = "") -> bytes:
    """Return the fields that say how to unsubscribe: with one click where the link is HTTPS (RFC 8058 §3.1), or by a page.

    ``address`` takes mail for that as well, from clients that open no pages.
    """
    post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if url.startswith("https://") else ""
    # RFC 2369 §3.2
    by_mail = f",\r\n <mailto:{address}?subject=unsubscribe>" if address else ""
    return f"List-Unsubscribe: <{url}>{by_mail}\r\n{post}".encode()
