"""Sessions of the console: opened by whoever has proven who it is, looked at anew with every request."""

import msgspec
import structlog

from postroad.accounts.people.tokens import hash_of, new_token
from postroad.accounts.settings import AccountsSettings
from postroad.model.account import Account
from postroad.model.actor import Actor, ActorKind
from postroad.model.audit import entry_of
from postroad.model.credential import Secret
from postroad.model.refused import MissingError
from postroad.model.user import Role, User, WebSession
from postroad.net.address import Networks
from postroad.net.clock import Clock
from postroad.storage import web_sessions
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.rows import storable
from postroad.storage.web_sessions import FoundSession

log = structlog.get_logger()

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_TOUCH_AFTER_MS = 60_000
"""``last_seen_at`` is written at most this often: looking at pages costs reading only."""
_USER_AGENT_LENGTH = 300


class Seat(msgspec.Struct, frozen=True):
    """An account that a person may act in, and as what."""

    account: Account
    role: Role


class SignedIn(msgspec.Struct, frozen=True):
    """A person whose session holds, with the accounts it may act in."""

    user: User
    session: WebSession
    seats: tuple[Seat, ...]
    """Every account for an operator."""

    @property
    def seat(self) -> Seat | None:
        """The account that is looked at; None for an operator who looks at the installation."""
        return next((seat for seat in self.seats if seat.account.id == self.session.account_id), None)

    def actor(self, client_address: str) -> Actor:
        """Return who acts when this person does something from an address, in the account looked at."""
        seat = self.seat
        return Actor(
            kind=ActorKind.USER,
            id=self.user.id,
            name=self.user.email,
            client_address=client_address,
            account_id=None if seat is None else seat.account.id,
            role=Role.USER if seat is None else seat.role,
            is_operator=self.user.is_operator,
        )


class Sessions:
    """Opens, finds and ends the sessions of people."""

    def __init__(self, database: Database, clock: Clock, settings: AccountsSettings) -> None:
        self._database = database
        self._clock = clock
        self._idle_ms = settings.session_idle_hours * _HOUR_MS
        self._longest_ms = settings.session_days * _DAY_MS

    async def open(
        self, user: User, account_id: int | None, *, method: str, client_address: str, user_agent: str
    ) -> Secret:
        """Open a session for a person who has just been proven by ``method``; returns its new token.

        Every sign-in gets a token that nobody had before it, so that a planted one is worth nothing.
        """
        token, now = new_token(), self._clock()
        session = WebSession(
            id=0,
            user_id=user.id,
            account_id=account_id,
            method=method,
            client_address=client_address,
            user_agent=storable(user_agent)[:_USER_AGENT_LENGTH],
            created_at=now,
            last_seen_at=now,
            expires_at=now + self._longest_ms,
        )
        actor = Actor(kind=ActorKind.USER, id=user.id, name=user.email, client_address=client_address)
        entry = entry_of(
            actor, "user.signed_in", user.email, at=now, account_id=user.account_id, after={"method": method}
        )
        await self._database.write(recorded, entry, web_sessions.add, session, hash_of(token))
        return token

    async def find(self, token: str, client_address: str, *, is_use: bool = True) -> SignedIn | None:
        """Return who is signed in with a token.

        None where the session is over, or its person may not act any more: disabled, without a right in the account
        looked at, or at an address outside the person's networks. A session that is only looked at (``is_use`` false) grows
        idle as it would have.
        """
        now = self._clock()
        found = await self._database.read(web_sessions.find, hash_of(token), now=now, seen_since=now - self._idle_ms)
        if found is None or found.user.disabled_at is not None or not is_within_networks(found.user, client_address):
            return None
        signed_in = SignedIn(found.user, found.session, _seats(found))
        if signed_in.seat is None and not (found.user.is_operator and found.session.account_id is None):
            return None
        if is_use and now - found.session.last_seen_at >= _TOUCH_AFTER_MS:
            await self._touch(found.session.id, now)
        return signed_in

    async def switch(self, signed_in: SignedIn, account_id: int | None) -> None:
        """Look at another account, or as an operator with None at the installation; raises MissingError."""
        is_reached = any(seat.account.id == account_id for seat in signed_in.seats)
        if not is_reached and not (account_id is None and signed_in.user.is_operator):
            raise MissingError("There is no such account.", field="account")
        await self._database.write(web_sessions.set_account, signed_in.session.id, account_id)

    async def end(self, signed_in: SignedIn, client_address: str) -> None:
        """Sign out."""
        await self._end(signed_in, client_address, only=signed_in.session.id)

    async def of(self, user: User) -> list[WebSession]:
        """Return a person's live sessions, the one used last first."""
        now = self._clock()
        return await self._database.read(web_sessions.of_user, user.id, now=now, seen_since=now - self._idle_ms)

    async def end_one(self, signed_in: SignedIn, session_id: int, client_address: str) -> None:
        """End another of the person's own sessions; raises MissingError."""
        if not await self._end(signed_in, client_address, only=session_id):
            raise MissingError("There is no such session.")

    async def end_others(self, signed_in: SignedIn, client_address: str) -> int:
        """End all of the person's sessions but this one; returns how many."""
        return await self._end(signed_in, client_address, but=signed_in.session.id)

    async def _end(
        self, signed_in: SignedIn, client_address: str, *, only: int | None = None, but: int | None = None
    ) -> int:
        user = signed_in.user
        entry = entry_of(
            signed_in.actor(client_address), "session.ended", user.email, at=self._clock(), account_id=user.account_id
        )
        return await self._database.write(web_sessions.end, entry, user.id, only=only, but=but)

    async def _touch(self, session_id: int, now: int) -> None:
        try:
            await self._database.write(web_sessions.touch, session_id, now)
        except StorageError as error:
            # Looking goes on while nothing can be written.
            log.warning("session_not_touched", error=str(error))


def is_within_networks(user: User, client_address: str) -> bool:
    """Whether a person may use the console from an address."""
    return not user.networks or client_address in Networks(user.networks)


def _seats(found: FoundSession) -> tuple[Seat, ...]:
    """Return where a person may act; a suspended account has seats for operators only."""
    if found.user.is_operator:
        return tuple(Seat(account, Role.ADMIN) for account in found.accounts)
    roles = {one.account_id: one.role for one in found.memberships}
    return tuple(Seat(one, roles[one.id]) for one in found.accounts if one.suspended_at is None)
