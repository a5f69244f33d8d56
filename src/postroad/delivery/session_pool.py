"""Idle outbound connections, kept for a little while so that the next delivery need not dial.

A connection is found by (egress source, site) and handed out only when it meets what the delivery demands: the TLS
rule, the login, a host that is still among the route's hops. A host that hangs up on an idle connection, with 421 or
without, is a matter of course and noted nowhere.
"""

import asyncio
import weakref

from postroad.delivery.session import Session
from postroad.delivery.settings import ConnectionSettings
from postroad.model.route import EgressSource, Route, TlsRule

_Key = tuple[EgressSource, str]


class SessionPool:
    """The idle sessions of one worker."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self._idle_s = settings.idle_s
        self._max_idle = settings.max_idle
        self._idle: dict[Session, asyncio.TimerHandle] = {}  # the longest idle first
        self._by_key: dict[_Key, list[Session]] = {}
        self._leaving: set[Session] = set()
        self._known: weakref.WeakSet[Session] = weakref.WeakSet()
        self.opened = 0
        """Sessions since the start."""
        self.reused = 0
        """Sessions that were handed out again since the start."""

    def __len__(self) -> int:
        return len(self._idle)

    @property
    def connections(self) -> int:
        """How many connections are open: idle, at work and about to end."""
        return sum(not session.is_closed for session in self._known)

    def count_opened(self, session: Session) -> None:
        """Count a session that has just been opened."""
        self.opened += 1
        self._known.add(session)

    def take(self, route: Route) -> Session | None:
        """Hand out a session that will do for the route, the last used one first; null when there is none."""
        for session in reversed(self._by_key.get((route.source, route.site), ())):
            if session.is_usable and _will_do(session, route):
                self._forget(session)
                self.reused += 1
                return session
        return None

    def put(self, session: Session) -> None:
        """Keep a session whose batch has ended, or close it where it is of no more use."""
        if not session.is_usable or self._idle_s == 0 or self._max_idle == 0:
            self._dismiss(session)
            return
        if len(self._idle) >= self._max_idle:
            oldest = next(iter(self._idle))
            self._forget(oldest)
            self._dismiss(oldest)
        self._idle[session] = asyncio.get_running_loop().call_later(self._idle_s, self._expire, session)
        self._by_key.setdefault(_key_of(session), []).append(session)
        session.on_end = self._forget

    async def close(self) -> None:
        """Close every session with QUIT and wait until all are gone."""
        for session in list(self._idle):
            self._expire(session)
        # A host has ``timeouts.quit_s`` to answer QUIT; then the session's own deadline ends it.
        await asyncio.gather(*(session.wait_closed() for session in list(self._leaving)))

    def _expire(self, session: Session) -> None:
        self._forget(session)
        self._dismiss(session)

    def _forget(self, session: Session) -> None:
        timer = self._idle.pop(session, None)
        if timer is None:
            return
        timer.cancel()
        session.on_end = None
        key = _key_of(session)
        self._by_key[key].remove(session)
        if not self._by_key[key]:
            del self._by_key[key]

    def _dismiss(self, session: Session) -> None:
        if session.is_closed:
            return
        self._leaving.add(session)
        session.on_end = self._leaving.discard
        session.quit()


def _key_of(session: Session) -> _Key:
    return session.route.source, session.route.site


def _will_do(session: Session, route: Route) -> bool:
    if session.hop not in route.hops:
        return False
    # Equal terms were met when the session was opened; unequal ones are compared with what it came to.
    if (session.route.login, session.route.implicit_tls) != (route.login, route.implicit_tls):
        return False
    return _satisfies(session, route.tls_rule)


def _satisfies(session: Session, rule: TlsRule) -> bool:
    match rule:
        case TlsRule.OPPORTUNISTIC:
            return True
        case TlsRule.NEVER:
            return session.tls is None or session.route.implicit_tls
        case TlsRule.ENCRYPT:
            return session.tls is not None
        case TlsRule.VERIFY:
            return session.tls is not None and session.tls.is_verified
