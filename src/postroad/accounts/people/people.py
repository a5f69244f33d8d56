"""People: who may look at an account, who may change it, and who runs the installation."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from postroad.accounts.people.links import FIRST_MS, PASSWORD, RESET_MS, Link, Links, one_time_token
from postroad.accounts.people.own_password import Proven
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.person_values import read_email, read_name, read_networks
from postroad.model.account import Account
from postroad.model.actor import Actor, ActorKind
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.credential import Secret
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Membership, Role, User, WebSession
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_operator, require_sight
from postroad.storage import accounts, memberships, one_time_tokens, people, users, web_sessions
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

T = TypeVar("T")

_CANNOT_GO = {
    people.LAST_ADMIN: "This is the last admin of an account: make somebody else its admin first.",
    people.LAST_OPERATOR: "This is the last operator of the installation: add another one first.",
}
_GONE = {
    users.NO_USER: "There is no such user.",
    memberships.NO_MEMBER: "There is no such user in this account.",
}


class Member(msgspec.Struct, frozen=True):
    """A person as an account sees it."""

    user: User
    membership: Membership

    @property
    def is_external(self) -> bool:
        """Whether the person belongs to another account, and was invited into this one."""
        return self.user.account_id != self.membership.account_id


class AddedPerson(msgspec.Struct, frozen=True):
    """A person that was added, with the link to set a password where none was given."""

    user: User
    link: Link | None


class People:
    """Lists and changes people; what breaks a rule raises RefusedError."""

    def __init__(self, database: Database, clock: Clock, passwords: PersonPasswords, links: Links) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._links = links

    async def members(self, actor: Actor, account_id: int) -> list[Member]:
        """Return the people who may act in an account, in the order of their addresses."""
        require_sight(actor, account_id, "such account")
        rights = {one.user_id: one for one in await self._database.read(memberships.of_account, account_id)}
        found = await self._database.read(users.list_all, account_id)
        return [Member(one, rights[one.id]) for one in found if one.id in rights]

    async def member(self, actor: Actor, account_id: int, user_id: int) -> Member:
        """Return one of the people of an account."""
        for one in await self.members(actor, account_id):
            if one.user.id == user_id:
                return one
        raise MissingError("There is no such user in this account.")

    async def everybody(self, actor: Actor) -> list[User]:
        """Return all people of the installation."""
        require_operator(actor)
        return await self._database.read(users.list_all)

    async def find(self, actor: Actor, email: str) -> User:
        """Return a person by its address."""
        address = email.strip().lower()
        user = await self._database.read(users.by_email, address)
        if user is None or not await self._is_seen(actor, user):
            raise MissingError(f"There is no user {address}.", field="email")
        return user

    async def get(self, actor: Actor, user_id: int) -> User:
        """Return a person by its id."""
        user = await self._database.read(users.get, user_id)
        if user is None or not await self._is_seen(actor, user):
            raise MissingError("There is no such user.")
        return user

    async def rights_of(self, actor: Actor, user: User) -> list[tuple[Account, Role]]:
        """Return the accounts a person may act in, of those that the actor sees."""
        await self.get(actor, user.id)
        rights = {one.account_id: one.role for one in await self._database.read(memberships.of_user, user.id)}
        found = [one for one in await self._database.read(accounts.list_all) if one.id in rights]
        return [(one, rights[one.id]) for one in found if actor.sees(one.id)]

    async def add(
        self,
        actor: Actor,
        email: str,
        *,
        account: Account | None,
        role: Role = Role.USER,
        name: str = "",
        password: Secret | None = None,
    ) -> AddedPerson:
        """Add a person of an account, or without one an operator; with a link to set a password, or with a password.

        Only an operator may: an account's admins invite, so that whoever is added can be reached at the address.
        """
        require_operator(actor)
        address, now = read_email(email), self._clock()
        user = User(
            id=0,
            account_id=None if account is None else account.id,
            email=address,
            name=read_name(name),
            is_operator=account is None,
            password_hash="" if password is None else await self._passwords.hashed(password, address),
            created_at=now,
        )
        link = None if password is not None else one_time_token(PASSWORD, None, now=now, valid_ms=FIRST_MS)
        after = {"role": "operator" if account is None else role.value}
        entry = entry_of(actor, "user.added", address, at=now, account_id=user.account_id, after=after)
        try:
            added = await self._database.write(
                recorded, entry, people.add, user, role, None if link is None else link.stored
            )
        except Conflict as error:
            raise RefusedError(f"There is a user {address} already.", field="email") from error
        if link is None:
            return AddedPerson(added, None)
        return AddedPerson(added, self._links.to_set_password(link.token, link.row.expires_at))

    async def set_role(self, actor: Actor, account_id: int, user_id: int, role: Role) -> None:
        """Give a member of an account another role."""
        member = await self.member(actor, account_id, user_id)
        require_change(actor, account_id, "such account")
        if member.membership.role is role:
            return
        before, after = {"role": member.membership.role.value}, {"role": role.value}
        entry = self._entry(actor, "user.role_changed", member.user, account_id, before=before, after=after)
        await self._write(entry, people.set_role, user_id, account_id, role)

    async def remove(self, actor: Actor, account_id: int, user_id: int) -> None:
        """Remove a person of the account; an external one only loses its right here."""
        member = await self.member(actor, account_id, user_id)
        require_change(actor, account_id, "such account")
        if member.is_external:
            entry = self._revoked(actor, member.user, member.membership)
            await self._write(entry, people.leave, user_id, account_id)
        else:
            before = {"role": member.membership.role.value}
            entry = self._entry(actor, "user.removed", member.user, account_id, before=before)
            await self._write(entry, people.remove, member.user, partial(self._revoked, actor, member.user))

    async def remove_person(self, actor: Actor, user: User) -> None:
        """Remove a person with all its rights, an operator too."""
        require_operator(actor)
        await self.get(actor, user.id)
        entry = self._entry(actor, "user.removed", user, user.account_id)
        await self._write(entry, people.remove, user, partial(self._revoked, actor, user))

    async def changeable(self, actor: Actor, user_id: int, *, or_self: bool = False) -> User:
        """Return a person that is the actor's to change: one of its account, its own where that is allowed."""
        user = await self.get(actor, user_id)
        if or_self and _is_self(actor, user):
            return user
        if not actor.may_change:
            require_change(actor, actor.account_id, "such user")
        if not actor.sees(user.account_id):
            raise ForbiddenError(
                f"{user.email} belongs to another account: you may take away what it may do here, not change the person."
            )
        return user

    async def disable(self, actor: Actor, user_id: int) -> None:
        """Refuse a person's sign-ins; its sessions end now."""
        user = await self.changeable(actor, user_id)
        if user.disabled_at is None:
            entry = self._entry(actor, "user.disabled", user, user.account_id)
            await self._write(entry, people.disable, user, self._clock())

    async def enable(self, actor: Actor, user_id: int) -> None:
        """Let a disabled person sign in again."""
        user = await self.changeable(actor, user_id)
        if user.disabled_at is not None:
            entry = self._entry(actor, "user.enabled", user, user.account_id)
            await self._write(entry, users.set_disabled, user.id, None)

    async def set_name(self, actor: Actor, user_id: int, name: str) -> None:
        """Give a person another name."""
        user = await self.changeable(actor, user_id, or_self=True)
        wanted = read_name(name)
        if wanted != user.name:
            before, after = {"name": user.name}, {"name": wanted}
            entry = self._entry(actor, "user.renamed", user, user.account_id, before=before, after=after)
            await self._write(entry, users.set_name, user.id, wanted)

    async def set_networks(self, actor: Actor, user_id: int, texts: Sequence[str]) -> None:
        """Let another person use the console from these networks only; from everywhere without any."""
        user = await self.changeable(actor, user_id, or_self=True)
        _require_other(actor, user, "Change your own networks", field="networks")
        await self._set_networks(actor, user, read_networks(texts, own_address=None))

    async def set_own_networks(self, proven: Proven, texts: Sequence[str], client_address: str) -> None:
        """Let whoever is signed in, and was proven anew, come from these networks only; from everywhere without any.

        A stolen session would else lock its owner out by the networks of whoever stole it.
        """
        actor = proven.signed_in.actor(client_address)
        await self._set_networks(actor, proven.signed_in.user, read_networks(texts, own_address=client_address))

    async def reset_second_factor(self, actor: Actor, user_id: int) -> None:
        """Turn off the second factor of somebody else who has lost it; all its sessions end."""
        user = await self.changeable(actor, user_id)
        _require_other(actor, user, "Turn your own second factor off")
        if not user.has_totp:
            raise RefusedError(f"{user.email} has no second factor.")
        entry = self._entry(actor, "user.second_factor_reset", user, user.account_id)
        await self._write(entry, people.reset_second_factor, user.id)

    async def new_password_link(self, actor: Actor, user_id: int) -> Link:
        """Return a link by which another person sets a password; earlier ones are void, the password holds until then.

        For operators, who hand it over. An account's admins have the person ask for one by mail.
        """
        require_operator(actor)
        user = await self.get(actor, user_id)
        _require_other(actor, user, "Change your own password")
        if user.disabled_at is not None:
            raise RefusedError(f"{user.email} is disabled: enable it first.")
        valid_ms = RESET_MS if user.password_hash else FIRST_MS
        made = one_time_token(PASSWORD, user.id, now=self._clock(), valid_ms=valid_ms)
        entry = self._entry(actor, "user.password_link_made", user, user.account_id)
        await self._write(entry, one_time_tokens.replace, *made.stored)
        return self._links.to_set_password(made.token, made.row.expires_at)

    async def sessions_of(self, actor: Actor, user_id: int, *, seen_since: int) -> list[WebSession]:
        """Return a person's live sessions, the one used last first."""
        user = await self.changeable(actor, user_id, or_self=True)
        return await self._database.read(web_sessions.of_user, user.id, now=self._clock(), seen_since=seen_since)

    async def end_sessions(self, actor: Actor, user_id: int) -> int:
        """End all sessions of a person; returns how many."""
        user = await self.changeable(actor, user_id, or_self=True)
        entry = self._entry(actor, "user.sessions_ended", user, user.account_id)
        return await self._database.write(web_sessions.end, entry, user.id)

    async def end_session(self, actor: Actor, user_id: int, session_id: int) -> None:
        """End one session of a person; raises MissingError."""
        user = await self.changeable(actor, user_id, or_self=True)
        entry = self._entry(actor, "session.ended", user, user.account_id)
        if not await self._database.write(web_sessions.end, entry, user.id, only=session_id):
            raise MissingError(f"There is no such session of {user.email}.")

    async def _is_seen(self, actor: Actor, user: User) -> bool:
        if _is_self(actor, user) or (actor.is_operator and actor.account_id is None):
            return True
        if actor.account_id is None:
            return False
        return await self._database.read(memberships.get, user.id, actor.account_id) is not None

    async def _set_networks(self, actor: Actor, user: User, networks: tuple[str, ...]) -> None:
        if networks != user.networks:
            before, after = {"networks": list(user.networks)}, {"networks": list(networks)}
            entry = self._entry(actor, "user.networks_changed", user, user.account_id, before=before, after=after)
            await self._write(entry, users.set_networks, user.id, networks)

    def _entry(
        self, actor: Actor, action: str, user: User, account_id: int | None, **values: dict[str, Any]
    ) -> AuditEntry:
        return entry_of(actor, action, user.email, at=self._clock(), account_id=account_id, **values)

    def _revoked(self, actor: Actor, user: User, right: Membership) -> AuditEntry:
        """Return the entry of an external user's losing its right in an account."""
        before = {"role": right.role.value}
        return self._entry(actor, "external_user.revoked", user, right.account_id, before=before)

    async def _write(self, entry: AuditEntry, change: Callable[..., T], *args: Any) -> T:
        try:
            return await self._database.write(recorded, entry, change, *args)
        except Conflict as error:
            if error.what in _GONE:
                raise MissingError(_GONE[error.what]) from error
            raise RefusedError(_CANNOT_GO.get(error.what, f"{error.what} was changed by someone else.")) from error


def _require_other(actor: Actor, user: User, change: str, *, field: str = "") -> None:
    """Refuse somebody signed in a way round its own password: a stolen session must not open one that stays."""
    if _is_self(actor, user):
        raise RefusedError(f"{change} in your profile: it asks for your password.", field=field)


def _is_self(actor: Actor, user: User) -> bool:
    return actor.kind is ActorKind.USER and actor.id == user.id
