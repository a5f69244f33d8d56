"""Passkeys: made on a person's device, listed and removed by the person, and enough to sign in with.

The device asks for finger, face or PIN before it signs, so that a passkey is two factors: what one has, and what one is
or knows.
"""

import asyncio
from types import ModuleType
from typing import Any

import msgspec
import structlog

from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.own_password import Proven
from postroad.accounts.people.person_values import read_name
from postroad.accounts.people.relying_party import RelyingParty, relying_party
from postroad.accounts.people.sessions import SignedIn
from postroad.accounts.people.tokens import hash_of, new_token
from postroad.model import base64url
from postroad.model.actor import Actor, ActorKind
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.identity import Passkey
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import User
from postroad.net.clock import Clock
from postroad.storage import one_time_tokens, passkeys, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.one_time_tokens import OneTimeToken

log = structlog.get_logger()

MOST_PASSKEYS = 20
_CHALLENGE_MS = 5 * 60_000
_MAKE = "passkey_make"
_USE = "passkey_use"
_LATE = "This took too long: try again."
_UNKNOWN = "This passkey is not known here: it may have been removed. Sign in with your password."
_PROVES_NOTHING = "The passkey could not be verified: try again, or sign in with your password."


class _Response(msgspec.Struct, frozen=True, rename="camel"):
    client_data_json: str = msgspec.field(name="clientDataJSON")
    user_handle: str | None = None


class _Credential(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a browser's answer that is read before it is verified."""

    raw_id: str
    response: _Response


class _ClientData(msgspec.Struct, frozen=True):
    challenge: str


class Passkeys:
    """Makes, uses, lists and removes passkeys; what breaks a rule raises RefusedError."""

    def __init__(self, database: Database, clock: Clock, public_url: str, challenges: Challenges) -> None:
        self._database = database
        self._clock = clock
        self._public_url = public_url
        self._challenges = challenges

    def party(self, scheme: str, host: str) -> RelyingParty | None:
        """Return what passkeys belong to under the name that a browser uses, or None where there can be none."""
        return relying_party(self._public_url, scheme, host)

    async def of(self, actor: Actor, user_id: int) -> list[Passkey]:
        """Return a person's passkeys, the oldest first."""
        await self._person(actor, user_id)
        return await self._database.read(passkeys.of_user, user_id)

    async def has_any(self, user: User) -> bool:
        """Whether a person has passkeys, for whoever knows already who it is."""
        return bool(await self._database.read(passkeys.of_user, user.id))

    async def remove(self, actor: Actor, user_id: int, passkey_id: int) -> Passkey:
        """Remove one of a person's passkeys: it signs in no more. The device keeps its half until it is removed there."""
        user = await self._person(actor, user_id)
        for one in await self._database.read(passkeys.of_user, user_id):
            if one.id == passkey_id:
                entry = self._entry(actor, "passkey.removed", user, before={"passkey": one.name})
                await self._database.write(recorded, entry, passkeys.remove, user_id, passkey_id)
                return one
        raise MissingError("There is no such passkey.")

    async def creation_options(self, proven: Proven, party: RelyingParty) -> str:
        """Return what the browser needs to have a passkey made for whoever is signed in, and was proven anew.

        ``add`` takes only what was made with it, so that nobody makes one without.
        """
        user = proven.signed_in.user
        known = await self._database.read(passkeys.of_user, user.id)
        if len(known) >= MOST_PASSKEYS:
            raise RefusedError(f"You have {MOST_PASSKEYS} passkeys: remove one first.")
        challenge = await self._challenge_for(user)
        ceremony = await _ceremony()
        options: str = ceremony.creation_options(
            party,
            challenge,
            handle=_handle(user.id),
            email=user.email,
            name=user.name,
            known=[one.credential_id for one in known],
        )
        return options

    async def add(
        self, signed_in: SignedIn, party: RelyingParty, credential: str, name: str, client_address: str
    ) -> Passkey:
        """Keep the passkey that the browser says was made, under a name that the person knows it by."""
        user, wanted = signed_in.user, read_name(name) or "Passkey"
        answered = _challenge_in(_read(credential))
        token = await self._database.write(one_time_tokens.take, hash_of(answered), _MAKE, self._clock())
        if token is None or token.user_id != user.id:
            raise RefusedError(_LATE)
        ceremony = await _ceremony()
        try:
            key = ceremony.made(party, _octets(answered), credential)
        except ceremony.CeremonyError as error:
            log.info("passkey_not_made", user=user.email, why=str(error), client_address=client_address)
            raise RefusedError("The passkey could not be verified: try again.") from error
        passkey = Passkey(
            id=0,
            user_id=user.id,
            credential_id=key.credential_id,
            public_key=key.public_key,
            sign_count=key.sign_count,
            name=wanted,
            created_at=self._clock(),
        )
        entry = self._entry(signed_in.actor(client_address), "passkey.added", user, after={"passkey": wanted})
        try:
            return await self._database.write(recorded, entry, passkeys.add, passkey)
        except Conflict as error:
            raise RefusedError("This passkey is here already.") from error

    async def request_options(self, party: RelyingParty) -> str:
        """Return what a browser needs to sign somebody in, whoever that will be."""
        # Anybody asks for these: nothing is stored.
        challenge = self._challenges.new(_USE, _CHALLENGE_MS)
        options: str = (await _ceremony()).request_options(party, _octets(challenge))
        return options

    async def proven(self, party: RelyingParty, credential: str, client_address: str) -> User:
        """Return whom a passkey proves, not signed in yet; raises RefusedError where it proves nobody."""
        given = _read(credential)
        challenge = await self._challenges.look(_challenge_in(given), _USE)
        if challenge is None:
            raise RefusedError(_LATE)
        passkey = await self._database.read(passkeys.by_credential, _octets(given.raw_id))
        user = None if passkey is None else await self._database.read(users.get, passkey.user_id)
        if passkey is None or user is None:
            log.info("passkey_refused", why="it is not known", client_address=client_address)
            raise RefusedError(_UNKNOWN)
        handle = given.response.user_handle
        ceremony = await _ceremony()
        try:
            if handle is not None and _octets(handle) != _handle(user.id):
                raise ceremony.CeremonyError("it names another person")
            count = ceremony.used(
                party,
                _octets(challenge.text),
                credential,
                public_key=passkey.public_key,
                sign_count=passkey.sign_count,
            )
            if not await self._challenges.use(challenge):
                raise RefusedError(_LATE)
            if not await self._database.write(passkeys.use, passkey, count, self._clock()):
                raise ceremony.CeremonyError("it was used twice at once")
        except ceremony.CeremonyError as error:
            log.warning("passkey_refused", user=user.email, why=str(error), client_address=client_address)
            raise RefusedError(_PROVES_NOTHING) from error
        return user

    async def _person(self, actor: Actor, user_id: int) -> User:
        """Return a person whose passkeys are the actor's to see: its own, or anybody's for the installation."""
        is_self = actor.kind is ActorKind.USER and actor.id == user_id
        user = await self._database.read(users.get, user_id)
        if user is None or not (is_self or (actor.is_operator and actor.account_id is None)):
            raise MissingError("There is no such user.")
        return user

    async def _challenge_for(self, user: User) -> bytes:
        """Return octets that are signed once, by a passkey for this person; only their hash is stored."""
        token, now = new_token(), self._clock()
        row = OneTimeToken(purpose=_MAKE, user_id=user.id, created_at=now, expires_at=now + _CHALLENGE_MS)
        await self._database.write(one_time_tokens.add, hash_of(token), row)
        return _octets(token)

    def _entry(self, actor: Actor, action: str, user: User, **values: dict[str, Any]) -> AuditEntry:
        return entry_of(actor, action, user.email, at=self._clock(), account_id=user.account_id, **values)


async def _ceremony() -> ModuleType:
    """Return the module that works with the library; loading it the first time must not hold the event loop up."""
    return await asyncio.to_thread(_loaded)


def _loaded() -> ModuleType:
    from postroad.accounts.people import passkey_ceremony  # noqa: PLC0415 - half a second, see there

    return passkey_ceremony


def _read(credential: str) -> _Credential:
    try:
        return msgspec.json.decode(credential, type=_Credential)
    except ValueError as error:
        raise RefusedError(_PROVES_NOTHING) from error


def _challenge_in(given: _Credential) -> str:
    """Return the challenge that the browser says was signed; whether it was, the ceremony finds out."""
    try:
        return msgspec.json.decode(_octets(given.response.client_data_json), type=_ClientData).challenge
    except ValueError as error:
        raise RefusedError(_PROVES_NOTHING) from error


def _octets(text: str) -> bytes:
    """Return what base64url stands for (RFC 4648 §5); raises RefusedError."""
    try:
        return base64url.decode(text)
    except ValueError as error:
        raise RefusedError(_PROVES_NOTHING) from error


def _handle(user_id: int) -> bytes:
    """Return the name by which devices know a person: it says nothing about it (Web Authentication §14.6.1)."""
    return str(user_id).encode()
