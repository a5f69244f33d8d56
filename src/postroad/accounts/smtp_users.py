"""SMTP users: who may submit mail for one sending domain, and do nothing else."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from postroad.accounts.password_hashing import BusyError, NewPasswords
from postroad.accounts.smtp_user_changes import (
    NOTHING_CHOSEN,
    SmtpUserChange,
    changed,
    choices_of,
    networks_of,
    read_username,
    tried_username,
)
from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.client_fault import ClientFault
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.envelope import destination_of
from postroad.model.refused import ForbiddenError, MissingError, RefusedError, TooSoonError
from postroad.net.clock import Clock
from postroad.policy.network_list import in_words
from postroad.policy.password import RANDOM_BYTES, generate_password, password_refusal, prepared
from postroad.policy.permission import require_change, require_sight
from postroad.policy.quota import Demand, demands_of_user
from postroad.storage import audit, client_faults, domains, quotas, smtp_users
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

_Values = dict[str, object] | None
_MOST_WAITING = 50
"""New passwords that may wait to be hashed, of one account a fifth of them."""


def require_password(user: SmtpUser) -> None:
    """Raise RefusedError for a user that is not proven by a password."""
    if user.kind is not CredentialKind.PASSWORD:
        raise RefusedError(f"{user.username} is proven by its network address and has no password.", field="password")


class AddedUser(msgspec.Struct, frozen=True):
    """A user that was added, and what its owner should know."""

    user: SmtpUser
    warning: str | None = None


class SmtpUsers:
    """Adds and changes SMTP users on an actor's behalf.

    What breaks a rule raises RefusedError; a user that the actor's account does not have raises MissingError.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._new_passwords = NewPasswords(_MOST_WAITING)

    async def add(
        self,
        actor: Actor,
        username: str,
        *,
        domain_name: str | None = None,
        kind: CredentialKind = CredentialKind.PASSWORD,
        password: Secret | None = None,
        choices: SmtpUserChange = NOTHING_CHOSEN,
    ) -> AddedUser:
        """Add a user that is proven by a password, or by the networks it comes from, which only an operator can do.

        Without a domain the user belongs to the sending domain its own name is at.
        """
        name = read_username(username)
        domain = await self._domain(actor, domain_name or destination_of(name))
        require_change(actor, domain.account_id, f"sending domain {domain.name}")
        if kind is CredentialKind.ADDRESS:
            _require_right_to_networks(actor)
        await self._require_no_name_of_others(name, domain.account_id)
        user = SmtpUser(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            username=name,
            kind=kind,
            created_at=self._clock(),
        )
        if kind is CredentialKind.ADDRESS and choices.networks is msgspec.UNSET:
            choices = msgspec.structs.replace(choices, networks=())
        user = changed(user, choices, domain.name)
        user = msgspec.structs.replace(user, password_hash=await self._hash_for(user, password))
        entry = entry_of(
            actor,
            "smtp_user.added",
            name,
            at=user.created_at,
            account_id=user.account_id,
            after=choices_of(user) | {"domain": domain.name, "kind": kind.value},
        )
        try:
            added = await self._database.write(
                audit.recorded, entry, smtp_users.apart, _require_own_networks, user, smtp_users.add
            )
        except Conflict as error:
            raise await self._taken(actor, name) from error
        return AddedUser(added, await self.warning_about(actor, added))

    async def all(self, actor: Actor, domain_name: str | None = None) -> list[SmtpUser]:
        """Return the users of a domain, else of the actor's account or of all, in the order of their names."""
        if domain_name is None:
            return await self._database.read(smtp_users.list_all, account_id=actor.account_id)
        domain = await self._domain(actor, domain_name)
        return await self._database.read(smtp_users.list_all, domain_id=domain.id)

    async def page(
        self, actor: Actor, domain: SendingDomain, *, limit: int, skip: int = 0
    ) -> tuple[list[SmtpUser], int]:
        """Return some users of a domain in the order of their names, and how many it has."""
        require_sight(actor, domain.account_id, f"sending domain {domain.name}")
        return await self._database.read(smtp_users.page_of, domain.id, limit, skip)

    async def find(self, actor: Actor, username: str) -> SmtpUser:
        """Return a user by name."""
        name = tried_username(username)
        return _seen(actor, await self._database.read(smtp_users.by_username, name), f"SMTP user {name}")

    async def get(self, actor: Actor, user_id: int) -> SmtpUser:
        """Return a user by id."""
        return _seen(actor, await self._database.read(smtp_users.get, user_id), "such SMTP user")

    async def edit(self, actor: Actor, user_id: int, change: SmtpUserChange) -> SmtpUser:
        """Change a user's note and restrictions; they hold within five seconds, for open sessions too.

        Networks that prove a user are changed by operators only.
        """
        before = await self._for_change(actor, user_id)
        domain = await self._database.read(domains.get, before.domain_id)
        assert domain is not None, "a domain stays while SMTP users are bound to it"
        if before.kind is CredentialKind.ADDRESS and change.networks not in (msgspec.UNSET, before.networks):
            _require_right_to_networks(actor)
        after = changed(before, change, domain.name)
        if after == before:
            return after
        values = choices_of(before), choices_of(after)
        chosen = [name for name, value in values[1].items() if value != values[0][name]]
        arguments = (_require_own_networks, after, partial(smtp_users.change, chosen=chosen))
        await self._write(actor, "changed", before, smtp_users.apart, *arguments, values=values)
        return after

    async def set_password(self, actor: Actor, user_id: int, password: Secret) -> SmtpUser:
        """Give a user another password; the old one ends within five seconds."""
        user = await self._for_change(actor, user_id)
        require_password(user)
        password_hash = await self._hash_for(user, password)
        await self._write(actor, "password_changed", user, smtp_users.set_password, user.id, password_hash)
        return user

    async def disable(self, actor: Actor, user_id: int) -> SmtpUser:
        """Refuse a user's log-ins and next commands, within five seconds."""
        user = await self._for_change(actor, user_id)
        if user.disabled_at is None:
            await self._write(actor, "disabled", user, smtp_users.set_disabled, user.id, self._clock())
        return user

    async def enable(self, actor: Actor, user_id: int) -> SmtpUser:
        """Let a disabled user log in again."""
        user = await self._for_change(actor, user_id)
        if user.disabled_at is not None:
            await self._write(actor, "enabled", user, smtp_users.set_disabled, user.id, None)
        return user

    async def remove(self, actor: Actor, user_id: int) -> SmtpUser:
        """Remove a user; mail it submitted stays."""
        user = await self._for_change(actor, user_id)
        await self._write(actor, "removed", user, smtp_users.remove, user.id, values=(choices_of(user), None))
        return user

    async def usage(self, actor: Actor, user_id: int) -> list[tuple[Demand, int]]:
        """Return each limit of a user with how many recipients of it are used now."""
        user = await self.get(actor, user_id)
        demands = demands_of_user(user, self._clock())
        return list(zip(demands, await self._database.read(quotas.used, demands), strict=True))

    async def faults(self, actor: Actor, users: Sequence[SmtpUser]) -> dict[int, list[ClientFault]]:
        """Return what the clients of some users do wrong, the latest first, by the user's id."""
        seen = [user.id for user in users if actor.sees(user.account_id)]
        found: dict[int, list[ClientFault]] = {}
        for fault in await self._database.read(client_faults.of_credentials, seen):
            found.setdefault(fault.credential_id, []).append(fault)
        return found

    async def _domain(self, actor: Actor, name: str) -> SendingDomain:
        return await self._database.read(domains.seen, actor, name, "name the one the user sends for")

    async def warning_about(self, actor: Actor, user: SmtpUser) -> str | None:
        """Return what the owner of a user should know about it, if anything."""
        named = destination_of(user.username)
        owned = await self._database.read(domains.by_name, named)
        if owned is not None and owned.account_id == user.account_id:
            return None
        require_sight(actor, user.account_id, f"SMTP user {user.username}")
        return f"{named} is not a sending domain of this account: names at domains you control are safer."

    async def _require_no_name_of_others(self, name: str, account_id: int) -> None:
        """Refuse a name at a domain that another account has proven to be its own: it would be lost to that one."""
        owned = await self._database.read(domains.by_name, destination_of(name))
        if owned is not None and owned.account_id != account_id and owned.state is DomainState.ACTIVE:
            raise _not_free(name)

    async def _taken(self, actor: Actor, name: str) -> RefusedError:
        existing = await self._database.read(smtp_users.by_username, name)
        if existing is None or not actor.sees(existing.account_id):
            return _not_free(name)
        return RefusedError(f"There is an SMTP user {name} already.", field="username")

    async def _for_change(self, actor: Actor, user_id: int) -> SmtpUser:
        user = await self.get(actor, user_id)
        require_change(actor, user.account_id, f"SMTP user {user.username}")
        return user

    async def _hash_for(self, user: SmtpUser, password: Secret | None) -> str:
        if user.kind is CredentialKind.ADDRESS:
            if password is not None:
                raise RefusedError("A user is proven by a password or by its address, not by both.", field="password")
            return ""
        if password is None:
            raise RefusedError("A user needs a password, or the networks that prove it.", field="password")
        refusal = password_refusal(password)
        if refusal is not None:
            raise RefusedError(refusal, field="password")
        try:
            return await self._new_passwords.hashed(prepared(password), chosen_by=str(user.account_id))
        except BusyError as error:
            raise TooSoonError("Too many new passwords wait to be stored: try again shortly.", 1) from error

    async def _write(
        self,
        actor: Actor,
        deed: str,
        user: SmtpUser,
        change: Callable[..., None],
        *arguments: Any,
        values: tuple[_Values, _Values] = (None, None),
    ) -> None:
        entry = entry_of(
            actor,
            f"smtp_user.{deed}",
            user.username,
            at=self._clock(),
            account_id=user.account_id,
            before=values[0],
            after=values[1],
        )
        try:
            await self._database.write(audit.recorded, entry, change, *arguments)
        except Conflict as error:
            raise MissingError("There is no such SMTP user.") from error


def _require_right_to_networks(actor: Actor) -> None:
    """Refuse to let an account say of a network that it is its own: it would keep it from others, or learn who has it."""
    if not actor.is_operator:
        raise ForbiddenError("Only an operator of this installation may say which networks prove a user.")


def _require_own_networks(user: SmtpUser, others: Sequence[SmtpUser]) -> None:
    """Refuse networks that prove a user of another account, and new ones that prove another user of its own.

    Mail of one would be taken for that of the other. Within an account a smaller network may lie in a wider one.
    """
    wanted = networks_of(user)
    own = {network for other in others if other.id == user.id for network in other.networks}
    for other in others:
        if other.id == user.id:
            continue
        if other.account_id == user.account_id:
            same = next((one for one in user.networks if one in other.networks and one not in own), None)
            if same is not None:
                sentence = f"{in_words(same)} proves {other.username} already: name a smaller or a wider network."
                raise RefusedError(sentence, field="networks")
            continue
        for taken in networks_of(other):
            shared = next((one for one in wanted if one.version == taken.version and one.overlaps(taken)), None)
            if shared is not None:
                raise RefusedError(f"{shared} overlaps a network that proves another account.", field="networks")


def _not_free(name: str) -> RefusedError:
    # The same for whatever another account has: which names and domains that are is its own affair.
    return RefusedError(f"{name} cannot be used here: choose a name at a domain of your own.", field="username")


def generated_password() -> Secret:
    """Return a new strong password that keeps the rule."""
    return generate_password(secrets.token_bytes(RANDOM_BYTES))


def _seen(actor: Actor, user: SmtpUser | None, what: str) -> SmtpUser:
    if user is None or not actor.sees(user.account_id):
        raise MissingError(f"There is no {what}.")
    return user
