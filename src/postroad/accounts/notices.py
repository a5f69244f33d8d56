"""Notices: mail that Postroad itself writes to people, such as links to set a password."""

from typing import Protocol


class Notices(Protocol):
    """Sends notices through Postroad itself; ``node`` has the one that does."""

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        """Hand in a message of plain text; returns whether it was accepted. Never raises: a notice is not worth it."""


class Unsent(Notices):
    """Sends nothing: for commands, whose operator hands links over."""

    async def send(self, *, to: str, subject: str, text: str) -> bool:  # noqa: ARG002
        """Say that nothing was sent."""
        return False
