"""Tags as Mailgun tells of them."""

from datetime import UTC, datetime
from typing import Any


def document_of(tag: str, description: str, first_seen: int, last_seen: int) -> dict[str, Any]:
    """Return a tag, with instants in milliseconds."""
    return {"tag": tag, "description": description, "first-seen": _iso(first_seen), "last-seen": _iso(last_seen)}


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
