"""Invitations: a right in an account is offered by mail, and taken up by whoever reads mail at that address.

A person who is new chooses a name and a password and belongs to the account from then on. A person who exists signs in
and becomes an external user of the account: it keeps its own account and switches between them.
"""

import asyncio

import msgspec

from postroad.accounts.notices import Notices
from postroad.accounts.people.links import INVITATION_MS, Link, Links
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.accounts.people.person_values import read_email, read_name
from postroad.accounts.people.sessions import SignedIn
from postroad.accounts.people.tokens import hash_of, new_token
from postroad.model.account import Account
from postroad.model.actor import Actor, ActorKind
from postroad.model.audit import entry_of
from postroad.model.credential import Secret
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import Invitation, Membership, Role, User
from postroad.net.clock import Clock
from postroad.policy.permission import require_change, require_sight
from postroad.storage import accounts, audit, invitations, memberships, people, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

MOST_OF_ACCOUNT = 20
"""Invitations that an account mails in an hour."""
MOST_TO_ADDRESS = 3
"""Invitations that an address gets in a day, from all accounts together: it is a stranger's mailbox as yet."""
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_MADE = "invitation.made"
_GONE = "This invitation was taken up or revoked, or has expired: ask for a new one."

_MAIL = """\
Hello,

{inviter} invites you to the account {account} on the Postroad installation at
{base}, as {role}.

Open this link to accept. It holds for seven days:

{link}

If you do not know what this is about, do nothing.
"""


class Invited(msgspec.Struct, frozen=True):
    """An invitation that was made; the link is there for operators alone, who may hand it over."""

    invitation: Invitation
    is_mailed: bool
    link: Link | None


class Offer(msgspec.Struct, frozen=True):
    """What an invitation's link shows to whoever opens it."""

    invitation: Invitation
    account: Account
    is_known: bool
    """The person exists, and accepts by signing in."""


def refuse_suspended(account: Account) -> None:
    """Raise RefusedError for a suspended account: who joins it could not get in, and its invitation would be gone."""
    if account.suspended_at is not None:
        raise RefusedError("This account is suspended: ask its operator.")


class Invitations:
    """Makes, shows, revokes and takes up invitations; what breaks a rule raises RefusedError."""

    def __init__(
        self, database: Database, clock: Clock, *, passwords: PersonPasswords, notices: Notices, links: Links
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._notices = notices
        self._links = links
        self._turn = asyncio.Lock()

    async def invite(self, actor: Actor, account_id: int, email: str, role: Role) -> Invited:
        """Offer a right in an account to an address, in the place of an earlier offer once this one is mailed.

        Only who reads mail at the address may take it up: where no mail can be sent, only an operator can invite.
        """
        require_change(actor, account_id, "such account")
        address, account = read_email(email), await self._account(account_id)
        await self._refuse_members(address, account_id)
        # One at a time, so that many at once do not all find room.
        async with self._turn:
            await self._refuse_too_many(actor, account_id, address)
            made, token = await self._made(actor, account_id, address, role)
        link = self._links.to_invitation(token, made.expires_at)
        is_mailed = await self._mail(made, account, link)
        if not is_mailed and not actor.is_operator:
            await self._take_back(actor, made)
            raise RefusedError("The invitation could not be mailed: ask the operator of this installation to invite.")
        await self._database.write(invitations.replace_earlier, made)
        return Invited(made, is_mailed, link if actor.is_operator else None)

    async def _refuse_too_many(self, actor: Actor, account_id: int, email: str) -> None:
        if actor.kind is ActorKind.COMMAND:
            # Its operator hands a link over: nothing is mailed.
            return
        now = self._clock()
        by_email = await self._database.read(audit.count, _MADE, since=now - _DAY_MS, target=email)
        if by_email >= MOST_TO_ADDRESS:
            raise RefusedError(
                f"{email} was invited {by_email} times within a day: at most {MOST_TO_ADDRESS} are mailed. Try tomorrow.",
                field="email",
            )
        by_account = await self._database.read(audit.count, _MADE, since=now - _HOUR_MS, account_id=account_id)
        if by_account >= MOST_OF_ACCOUNT:
            raise RefusedError(
                f"{by_account} people were invited into this account within an hour: at most {MOST_OF_ACCOUNT} are. "
                "Try again in an hour."
            )

    async def _made(self, actor: Actor, account_id: int, address: str, role: Role) -> tuple[Invitation, Secret]:
        now, token = self._clock(), new_token()
        wanted = Invitation(
            id=0,
            account_id=account_id,
            email=address,
            role=role,
            invited_by=actor.name,
            created_at=now,
            expires_at=now + INVITATION_MS,
        )
        entry = entry_of(actor, _MADE, address, at=now, account_id=account_id, after={"role": role.value})
        return await self._database.write(recorded, entry, invitations.add, wanted, hash_of(token)), token

    async def _take_back(self, actor: Actor, made: Invitation) -> None:
        entry = entry_of(
            actor,
            "invitation.not_mailed",
            made.email,
            at=self._clock(),
            account_id=made.account_id,
            before={"role": made.role.value},
        )
        await self._database.write(recorded, entry, invitations.remove, made.id)

    async def all(self, actor: Actor, account_id: int) -> list[Invitation]:
        """Return an account's open invitations, the newest first."""
        require_sight(actor, account_id, "such account")
        return await self._database.read(invitations.of_account, account_id, self._clock())

    async def revoke(self, actor: Actor, account_id: int, invitation_id: int) -> None:
        """Take an invitation back."""
        require_change(actor, account_id, "such account")
        found = await self._database.read(invitations.get, invitation_id)
        if found is None or found.account_id != account_id:
            raise MissingError("There is no such invitation.")
        before = {"role": found.role.value}
        entry = entry_of(
            actor, "invitation.revoked", found.email, at=self._clock(), account_id=account_id, before=before
        )
        await self._database.write(recorded, entry, invitations.remove, found.id)

    async def offer(self, token: str) -> Offer:
        """Return what an invitation's link offers.

        Raises MissingError where it holds no longer, and RefusedError where nobody could use the right as yet.
        """
        found = await self._database.read(invitations.by_token, hash_of(token), self._clock())
        account = None if found is None else await self._database.read(accounts.get, found.account_id)
        if found is None or account is None:
            raise MissingError(_GONE)
        refuse_suspended(account)
        return Offer(found, account, await self._database.read(users.by_email, found.email) is not None)

    async def accept_as_new(self, token: str, name: str, password: Secret, client_address: str) -> User:
        """Take an invitation up as a person who is new here; returns it, not signed in yet."""
        offer = await self.offer(token)
        if offer.is_known:
            raise RefusedError("You have access to this installation already: sign in to accept.")
        invitation = offer.invitation
        user = User(
            id=0,
            account_id=invitation.account_id,
            email=invitation.email,
            name=read_name(name),
            password_hash=await self._passwords.hashed(password, invitation.email),
            created_at=self._clock(),
        )
        actor = Actor(
            kind=ActorKind.USER, name=user.email, client_address=client_address, account_id=invitation.account_id
        )
        after = {"role": invitation.role.value, "invited_by": invitation.invited_by}
        entry = entry_of(
            actor, "invitation.accepted", user.email, at=user.created_at, account_id=user.account_id, after=after
        )
        try:
            return await self._database.write(
                recorded,
                entry,
                people.accept_as_new,
                invitation.id,
                user,
                invitation.role,
                invited_by=invitation.invited_by,
            )
        except Conflict as error:
            raise MissingError(_GONE) from error

    async def accept_as(self, signed_in: SignedIn, token: str, client_address: str) -> Account:
        """Take an invitation up as the person who is signed in; returns the account it leads into."""
        offer, user = await self.offer(token), signed_in.user
        invitation = offer.invitation
        if user.email != invitation.email:
            raise RefusedError(f"This invitation is for {invitation.email}: sign in with that address to accept.")
        right = Membership(
            user_id=user.id,
            account_id=invitation.account_id,
            role=invitation.role,
            invited_by=invitation.invited_by,
            created_at=self._clock(),
        )
        after = {"role": invitation.role.value, "invited_by": invitation.invited_by}
        entry = entry_of(
            signed_in.actor(client_address),
            "invitation.accepted",
            user.email,
            at=right.created_at,
            account_id=invitation.account_id,
            after=after,
        )
        try:
            await self._database.write(recorded, entry, people.accept_as_member, invitation.id, right)
        except Conflict as error:
            raise MissingError(_GONE) from error
        return offer.account

    async def _account(self, account_id: int) -> Account:
        found = await self._database.read(accounts.get, account_id)
        if found is None:
            raise MissingError("There is no such account.")
        return found

    async def _refuse_members(self, email: str, account_id: int) -> None:
        user = await self._database.read(users.by_email, email)
        if user is None:
            return
        if user.is_operator:
            raise RefusedError(f"{email} is an operator and may act in every account.", field="email")
        if await self._database.read(memberships.get, user.id, account_id) is not None:
            raise RefusedError(f"{email} is a user of this account already.", field="email")

    async def _mail(self, invitation: Invitation, account: Account, link: Link) -> bool:
        text = _MAIL.format(
            inviter=invitation.invited_by,
            account=account.name,
            base=self._links.base,
            role="an admin" if invitation.role is Role.ADMIN else "a user who may look but not change",
            link=str(link.url),
        )
        return await self._notices.send(to=invitation.email, subject=f"You are invited to {account.name}", text=text)
