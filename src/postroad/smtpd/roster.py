"""What the sessions of one worker share: how many there are, from where, and how many octets they hold."""

import asyncio
from typing import Protocol

from postroad.net.client_counts import ClientCounts


class Session(Protocol):
    """A connection, as the roster knows it."""

    def leave(self) -> None:
        """End as soon as no message is under way."""

    def abort(self) -> None:
        """End at once."""


class ByteBudget:
    """Octets of message text that all sessions together may hold in memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def has_room(self, octets: int) -> bool:
        """Whether so many more would fit now."""
        return self.used + octets <= self._limit

    def take(self, octets: int) -> bool:
        """Set octets aside; False, and nothing is set aside, where they do not fit."""
        if not self.has_room(octets):
            return False
        self.used += octets
        return True

    def give_back(self, octets: int) -> None:
        """Return octets that are held no longer."""
        self.used -= octets


class Roster:
    """The open sessions, within their limits."""

    def __init__(self, max_sessions: int, max_sessions_per_address: int) -> None:
        self._max_sessions = max_sessions
        self._sessions: set[Session] = set()
        self._by_client = ClientCounts(max_sessions_per_address)
        self._empty = asyncio.Event()
        self._is_closed = False
        self.opened = 0
        """Sessions since the start."""
        self.turned_away = 0
        """Connections since the start that were over a limit."""

    def __len__(self) -> int:
        return len(self._sessions)

    def enter(self, session: Session) -> bool:
        """Add a session; False where there are too many, and it is to be ended."""
        self._sessions.add(session)
        self.opened += 1
        if self._is_closed or len(self._sessions) > self._max_sessions:
            self.turned_away += 1
            return False
        return True

    def claim(self, client: str) -> bool:
        """Count a session for its client; False where that one has too many. ``release`` undoes it either way."""
        if not self._by_client.claim(client):
            self.turned_away += 1
            return False
        return True

    def release(self, client: str) -> None:
        """Count a session of a client no longer."""
        self._by_client.release(client)

    def quit(self, session: Session) -> None:
        """Remove a session that has ended."""
        self._sessions.discard(session)
        if not self._sessions:
            self._empty.set()

    async def dismiss(self, grace_s: float) -> None:
        """Let no more in, ask all to leave, and end those that are still there after the grace."""
        self._is_closed = True
        self._empty.clear()
        for session in list(self._sessions):
            session.leave()
        if self._sessions:
            try:
                await asyncio.wait_for(self._empty.wait(), grace_s)
            except TimeoutError:
                for session in list(self._sessions):
                    session.abort()
