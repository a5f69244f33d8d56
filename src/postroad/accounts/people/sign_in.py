"""Signing in to the console: a password and, where it is on, a second factor; each step says no more than it must.

Whoever proves people in another way (a passkey, an identity provider) calls ``proceed`` or ``enter`` with the person
and the way: what a person must be to come in is decided here alone.
"""

from typing import Literal

import msgspec
import structlog

from postroad.accounts.people.console_attempts import ConsoleAttempts
from postroad.accounts.people.links import SIGN_IN, one_time_token
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.second_factor import SecondFactor
from postroad.accounts.people.sessions import Sessions, is_within_networks
from postroad.accounts.people.tokens import hash_of
from postroad.model.credential import Secret
from postroad.model.refused import RefusedError
from postroad.model.user import User
from postroad.net.clock import Clock
from postroad.storage import accounts, memberships, one_time_tokens, users
from postroad.storage.database import Database

log = structlog.get_logger()

_TICKET = "second_factor"
_TICKET_MS = 10 * 60_000

_SENTENCES = {
    "wrong": "The email address or the password is wrong.",
    "wrong_code": "This code is wrong, or was used already: wait for the next one.",
    "busy": "Too many people are signing in at this moment: try again shortly.",
    "locked": "Too many wrong attempts: try again later.",
    "disabled": "Your access was disabled: ask an admin of your account.",
    "network": "You may not sign in from this network: ask an admin of your account.",
    "no_account": "There is no account that you may act in: yours may be suspended. Ask the operator.",
    "expired": "This took too long, or the link was used already: begin again.",
}


class Granted(msgspec.Struct, frozen=True):
    """The person is signed in; the token is for its browser alone."""

    token: Secret
    user: User


class SecondFactorNeeded(msgspec.Struct, frozen=True):
    """The first step is done; the ticket goes with the code of the second."""

    ticket: Secret


class Refused(msgspec.Struct, frozen=True):
    """Nobody is signed in."""

    reason: Literal["wrong", "wrong_code", "busy", "locked", "disabled", "network", "no_account", "expired"]
    until: int | None = None
    """When a lock ends."""

    @property
    def sentence(self) -> str:
        """Return what the person is told."""
        return _SENTENCES[self.reason]


SignInResult = Granted | SecondFactorNeeded | Refused


class SignIn:
    """Signs people in."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        passwords: PersonPasswords,
        attempts: ConsoleAttempts,
        second_factor: SecondFactor,
        sessions: Sessions,
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._attempts = attempts
        self._second_factor = second_factor
        self._sessions = sessions

    async def with_password(
        self, email: str, password: Secret, *, client_address: str, user_agent: str
    ) -> SignInResult:
        """Return what a password comes to; unknown addresses cost as much and are answered the same as wrong ones."""
        address = email.strip().lower()
        until = await self._attempts.locked_until(address, client_address)
        if until is not None:
            return Refused("locked", until)
        user = await self._database.read(users.by_email, address)
        try:
            stored = "" if user is None else user.password_hash
            is_known = await self._attempts.is_at_home(address, client_address)
            is_right = await self._passwords.matches(stored, password, client_address, is_known=is_known)
        except RefusedError:
            return Refused("busy")
        if user is None or not is_right:
            await self._attempts.failed(address, client_address)
            return Refused("wrong")
        return await self.proceed(user, method="password", client_address=client_address, user_agent=user_agent)

    async def with_second_factor(
        self, ticket: str, code: str, *, client_address: str, user_agent: str
    ) -> Granted | Refused:
        """Return what a code of the app, or a recovery code, comes to after the first step."""
        token = await self._database.read(one_time_tokens.look, hash_of(ticket), _TICKET, self._clock())
        user = None if token is None or token.user_id is None else await self._database.read(users.get, token.user_id)
        if token is None or user is None:
            return Refused("expired")
        begun = await self._attempts.begin(user.email, client_address)
        if begun.locked_until is not None:
            return Refused("locked", begun.locked_until)
        kind = await self._second_factor.use(user, code)
        if kind is None:
            self._attempts.was_wrong(begun)
            return Refused("wrong_code")
        await self._attempts.was_right(begun)
        if await self._database.write(one_time_tokens.take, hash_of(ticket), _TICKET, self._clock()) is None:
            return Refused("expired")
        method = f"{token.data.get('method', 'password')}+{kind}"
        return await self.enter(user, method=method, client_address=client_address, user_agent=user_agent)

    async def person_of_link(self, token: str) -> User | None:
        """Return whom a sign-in link would sign in; it is not used up."""
        found = await self._database.read(one_time_tokens.look, hash_of(token), SIGN_IN, self._clock())
        return None if found is None or found.user_id is None else await self._database.read(users.get, found.user_id)

    async def with_link(self, token: str, *, client_address: str, user_agent: str) -> SignInResult:
        """Use a sign-in link up."""
        found = await self._database.write(one_time_tokens.take, hash_of(token), SIGN_IN, self._clock())
        user = None if found is None or found.user_id is None else await self._database.read(users.get, found.user_id)
        if user is None:
            return Refused("expired")
        return await self.proceed(user, method="link", client_address=client_address, user_agent=user_agent)

    async def proceed(self, user: User, *, method: str, client_address: str, user_agent: str) -> SignInResult:
        """Go on with a person whose first factor is proven: ask for the second where it is on, else sign in."""
        refusal = await self._refusal(user, client_address)
        if refusal is not None:
            return refusal
        if not user.has_totp:
            return await self.enter(user, method=method, client_address=client_address, user_agent=user_agent)
        made = one_time_token(_TICKET, user.id, now=self._clock(), valid_ms=_TICKET_MS)
        row = msgspec.structs.replace(made.row, data={"method": method})
        await self._database.write(one_time_tokens.add, hash_of(made.token), row)
        return SecondFactorNeeded(made.token)

    async def enter(self, user: User, *, method: str, client_address: str, user_agent: str) -> Granted | Refused:
        """Sign a person in that is proven entirely, if it may come in at all."""
        refusal = await self._refusal(user, client_address)
        if refusal is not None:
            return refusal
        token = await self._sessions.open(
            user,
            await self._first_account(user),
            method=method,
            client_address=client_address,
            user_agent=user_agent,
        )
        await self._attempts.succeeded(user.email)
        log.info("signed_in", user=user.email, method=method, client_address=client_address)
        return Granted(token, user)

    async def _refusal(self, user: User, client_address: str) -> Refused | None:
        if user.disabled_at is not None:
            return Refused("disabled")
        if not is_within_networks(user, client_address):
            return Refused("network")
        if not user.is_operator and await self._first_account(user) is None:
            return Refused("no_account")
        return None

    async def _first_account(self, user: User) -> int | None:
        """Return the account that is looked at first: the person's own, or another that it may act in."""
        active = {one.id for one in await self._database.read(accounts.list_all) if one.suspended_at is None}
        if user.is_operator:
            # Where there is one account, the operator need not choose it.
            return next(iter(active)) if len(active) == 1 else None
        rights = [one.account_id for one in await self._database.read(memberships.of_user, user.id)]
        reachable = [one for one in rights if one in active]
        return user.account_id if user.account_id in reachable else next(iter(reachable), None)
