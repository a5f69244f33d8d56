"""SMTP users: who may submit mail for one sending domain, and do nothing else."""

import asyncio
from collections.abc import Sequence

import msgspec

from postroad.accounts.password_hashing import hash_password
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.domain import SendingDomain
from postroad.model.envelope import destination_of
from postroad.model.refused import RefusedError
from postroad.net.address import parse_network
from postroad.net.clock import Clock
from postroad.policy.password import password_refusal, prepared
from postroad.protocol.smtp.address import AddressError, normal_domain, parse_path
from postroad.storage import domains, smtp_users
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

_NOTE_LENGTH = 500
_WIDEST = {4: 8, 6: 32}
"""Wider networks than these as a proof are a mistake: 0.0.0.0/0 is everybody."""


class AddedUser(msgspec.Struct, frozen=True):
    """A user that was added, and what its owner should know."""

    user: SmtpUser
    warning: str | None = None


class SmtpUsers:
    """Adds and changes SMTP users; what breaks a rule raises RefusedError."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(
        self,
        username: str,
        *,
        domain_name: str | None = None,
        password: Secret | None = None,
        networks: Sequence[str] = (),
        note: str = "",
    ) -> AddedUser:
        """Add a user that is proven by a password, or by the networks it comes from.

        Without a domain the user belongs to the sending domain its own name is at.
        """
        name = _read_username(username)
        _check_note(note)
        domain = await self._domain(domain_name or destination_of(name))
        user = SmtpUser(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            username=name,
            kind=CredentialKind.ADDRESS if networks else CredentialKind.PASSWORD,
            password_hash="" if networks else await _hashed(password),
            networks=_read_networks(networks, password),
            note=note.strip(),
            created_at=self._clock(),
        )
        try:
            added = await self._database.write(smtp_users.add, user)
        except Conflict as error:
            raise RefusedError(f"There is an SMTP user {name} already.") from error
        return AddedUser(added, await self._warning_about(added))

    async def all(self, domain_name: str | None = None) -> list[SmtpUser]:
        """Return the users of a domain, or of all of them, in the order of their names."""
        domain = await self._domain(domain_name) if domain_name is not None else None
        return await self._database.read(smtp_users.list_all, None if domain is None else domain.id)

    async def find(self, username: str) -> SmtpUser:
        """Return a user by name."""
        name = username.strip().lower()
        user = await self._database.read(smtp_users.by_username, name)
        if user is None:
            raise RefusedError(f"There is no SMTP user {name}.")
        return user

    async def set_password(self, username: str, password: Secret) -> None:
        """Give a user another password; the old one ends within five seconds."""
        user = await self.find(username)
        if user.kind is not CredentialKind.PASSWORD:
            raise RefusedError(f"{user.username} is proven by its network address and has no password.")
        await self._database.write(smtp_users.set_password, user.id, await _hashed(password))

    async def disable(self, username: str) -> None:
        """Refuse a user's log-ins and next transactions, within five seconds."""
        user = await self.find(username)
        await self._database.write(smtp_users.set_disabled, user.id, self._clock())

    async def enable(self, username: str) -> None:
        """Let a disabled user log in again."""
        user = await self.find(username)
        await self._database.write(smtp_users.set_disabled, user.id, None)

    async def remove(self, username: str) -> None:
        """Remove a user; mail it submitted stays."""
        user = await self.find(username)
        await self._database.write(smtp_users.remove, user.id)

    async def _domain(self, name: str) -> SendingDomain:
        try:
            domain = await self._database.read(domains.by_name, normal_domain(name))
        except AddressError as error:
            raise RefusedError(f"{error}.") from error
        if domain is None:
            raise RefusedError(f"There is no sending domain {name}: name the one the user sends for with --domain.")
        return domain

    async def _warning_about(self, user: SmtpUser) -> str | None:
        named = destination_of(user.username)
        owned = await self._database.read(domains.by_name, named)
        if owned is not None and owned.account_id == user.account_id:
            return None
        return f"{named} is not a sending domain of this account: names at domains you control are safer."


def _read_username(text: str) -> str:
    """Return a user name in its one spelling: an address in lower case, which need not receive mail."""
    try:
        name = parse_path(text.strip().lower(), is_utf8=True)
    except AddressError as error:
        raise RefusedError(f"{text!r} is not a user name in the form of an address: {error}.") from error
    if not name:
        raise RefusedError("A user name has the form of an address, such as app@news.example.com.")
    return name


def _read_networks(texts: Sequence[str], password: Secret | None) -> tuple[str, ...]:
    if texts and password is not None:
        raise RefusedError("A user is proven by a password or by its address, not by both.")
    try:
        networks = [parse_network(text) for text in texts]
    except ValueError as error:
        raise RefusedError(f"{error}.") from error
    for network in networks:
        if network.prefixlen < _WIDEST[network.version]:
            raise RefusedError(f"{network} is too wide to prove anybody: /{_WIDEST[network.version]} at most.")
    return tuple(str(network) for network in networks)


async def _hashed(password: Secret | None) -> str:
    if password is None:
        raise RefusedError("A user needs a password, or the networks that prove it.")
    refusal = password_refusal(password)
    if refusal is not None:
        raise RefusedError(refusal)
    return await asyncio.to_thread(hash_password, prepared(password))


def _check_note(note: str) -> None:
    if len(note) > _NOTE_LENGTH:
        raise RefusedError(f"A note has at most {_NOTE_LENGTH} characters.")
