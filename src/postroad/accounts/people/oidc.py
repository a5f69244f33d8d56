"""Signing in by an OpenID provider: the way there and back, and which person of ours came back.

The way is bound to one browser: its cookie holds a secret from which the token's nonce and PKCE's verifier are made
anew when it comes back, and the page that was wanted, so that nothing is stored before somebody is proven. A person is
found by its verified email address the first time, and from then on by the name that the provider has for it, which is
bound to the person and never given to another.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.invitations import refuse_suspended
from postroad.accounts.people.openid_provider import OpenIdProvider, ProviderError
from postroad.accounts.people.person_values import read_email, read_name
from postroad.accounts.people.tokens import new_token
from postroad.accounts.settings import OidcSettings
from postroad.model import base64url
from postroad.model.actor import Actor, ActorKind
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.credential import Secret
from postroad.model.identity import Identity
from postroad.model.refused import RefusedError
from postroad.model.user import Role, User
from postroad.net.clock import Clock
from postroad.policy.id_token import email_refusal
from postroad.storage import accounts, identities, invitations, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict

log = structlog.get_logger()

CALLBACK_PATH = "/sign-in/oidc/callback"
JOURNEY_MS = 10 * 60_000
"""How long somebody may take at the provider."""
_PURPOSE = "oidc"
_LONGEST_PATH = 2000
"""Octets; with what else a cookie has, below the 4096 that browsers keep (RFC 6265 §6.1)."""
_CODE_OF_ERROR = re.compile(r"[a-z_]{1,40}")
_LATE = "This took too long, was used already, or began in another browser: begin again."


class Begun(msgspec.Struct, frozen=True):
    """A way to the provider."""

    url: str
    browser: Secret
    """For a cookie of the browser that goes there."""


class Arrived(msgspec.Struct, frozen=True):
    """A person that the provider has proven, not signed in yet."""

    user: User
    next_path: str
    """The page that was wanted before."""


class OidcSignIn:
    """Sends browsers to the provider, and finds out who comes back."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: OidcSettings,
        provider: OpenIdProvider,
        base_url: str,
        *,
        challenges: Challenges,
    ) -> None:
        self.name = settings.name
        """What the button says."""
        self._database = database
        self._clock = clock
        self._settings = settings
        self._provider = provider
        self._challenges = challenges
        self._redirect_uri = f"{base_url.rstrip('/')}{CALLBACK_PATH}"

    async def begin(self, next_path: str) -> Begun:
        """Return where a browser is sent; raises RefusedError where the provider cannot be used."""
        browser = _browser_secret(next_path)
        state = self._challenges.new(_PURPOSE, JOURNEY_MS, bound_to=browser)
        try:
            url = await self._provider.authorization_url(
                redirect_uri=self._redirect_uri,
                state=state,
                nonce=_derived(browser, "nonce"),
                challenge=_challenge(_derived(browser, "verifier")),
            )
        except ProviderError as error:
            raise self._refusal(error) from error
        return Begun(url, browser)

    async def finish(self, answer: Mapping[str, str], browser: str, client_address: str) -> Arrived:
        """Return who came back with the provider's answer, the parameters of the address it sent the browser to.

        Raises:
            RefusedError: nobody is let in; the sentence says why.
        """
        state = await self._challenges.look(answer.get("state", ""), _PURPOSE, bound_to=browser)
        if state is None:
            raise RefusedError(_LATE)
        try:
            claims = await self._claims(answer, browser)
        except ProviderError as error:
            raise self._refusal(error) from error
        if not await self._challenges.use(state):
            raise RefusedError(_LATE)
        refusal = email_refusal(claims, self._settings.email_domains)
        if refusal is not None:
            log.info("openid_sign_in_refused", subject=claims["sub"], why=refusal, client_address=client_address)
            raise RefusedError(f"{self.name} {refusal}.")
        return Arrived(await self._person(claims, client_address), _next_path(browser))

    async def _claims(self, answer: Mapping[str, str], browser: str) -> Mapping[str, Any]:
        if "error" in answer:
            code = answer["error"]
            raise ProviderError(
                f"did not sign you in ({code})" if _CODE_OF_ERROR.fullmatch(code) else "did not sign you in"
            )
        # RFC 9207 §2.4: an answer that another provider made must not be redeemed here.
        must_say = (await self._provider.describe()).authorization_response_iss_parameter_supported
        issuer = answer.get("iss", None if must_say else self._settings.issuer)
        if issuer != self._settings.issuer or not answer.get("code"):
            raise ProviderError("gave an answer that cannot be accepted", "of another issuer, or without a code")
        return await self._provider.claims(
            answer["code"],
            redirect_uri=self._redirect_uri,
            verifier=_derived(browser, "verifier"),
            nonce=_derived(browser, "nonce"),
        )

    async def _person(self, claims: Mapping[str, Any], client_address: str) -> User:
        """Return the person that the claims are about; one who comes for the first time is bound to them."""
        bound = await self._database.read(identities.person_of, self._settings.issuer, claims["sub"])
        if bound is not None:
            return bound
        email = read_email(claims["email"])
        known = await self._database.read(users.by_email, email)
        if known is not None and known.disabled_at is not None:
            return known
        try:
            if known is None:
                return await self._added(email, claims, client_address)
            identity = Identity(
                issuer=self._settings.issuer, subject=claims["sub"], user_id=known.id, created_at=self._clock()
            )
            entry = self._bound(known, claims["sub"], client_address)
            await self._database.write(recorded, entry, identities.bind, identity)
        except Conflict as error:
            log.warning("identity_not_bound", email=email, subject=claims["sub"], why=str(error))
            raise RefusedError(
                f"{email} belongs to another person of {self.name} here: ask the operator of this installation."
            ) from error
        return known

    async def _added(self, email: str, claims: Mapping[str, Any], client_address: str) -> User:
        """Add a person who was invited, or whom the settings let in uninvited.

        Where the settings name the account of new people, an invitation to another one is left to be accepted: whoever
        invites somebody else's colleague first would have the say over that person.
        """
        now = self._clock()
        own_id = await self._account_for_new()
        invitation = await self._database.read(invitations.newest_for, email, now, own_id)
        account_id = own_id if invitation is None else invitation.account_id
        if account_id is None:
            raise RefusedError(f"There is no user {email} here: ask an admin of your account to invite you.")
        account = await self._database.read(accounts.get, account_id)
        if account is not None:
            refuse_suspended(account)
        user = User(id=0, account_id=account_id, email=email, name=_name(claims.get("name")), created_at=now)
        if invitation is None:
            action, after = "user.added", {"role": Role.USER.value, "by": self._settings.issuer}
        else:
            action = "invitation.accepted"
            after = {"role": invitation.role.value, "invited_by": invitation.invited_by}
        actor = _actor(user, client_address)
        entry = entry_of(actor, action, email, at=now, account_id=account_id, after=after)
        bound = self._bound(user, claims["sub"], client_address)
        subject = (self._settings.issuer, claims["sub"])
        return await self._database.write(recorded, entry, identities.add_person, user, subject, invitation, bound)

    async def _account_for_new(self) -> int | None:
        if not self._settings.creates_users_in:
            return None
        account = await self._database.read(accounts.by_name, self._settings.creates_users_in)
        if account is None:
            log.warning("account_for_new_people_is_missing", account=self._settings.creates_users_in)
        return None if account is None else account.id

    def _bound(self, user: User, subject: str, client_address: str) -> AuditEntry:
        """Return the entry of a person's being bound to the provider's name for it."""
        actor, after = _actor(user, client_address), {"issuer": self._settings.issuer, "subject": subject}
        return entry_of(actor, "identity.bound", user.email, at=self._clock(), account_id=user.account_id, after=after)

    def _refusal(self, error: ProviderError) -> RefusedError:
        log.warning("openid_provider_failed", issuer=self._settings.issuer, what=str(error), detail=error.detail)
        return RefusedError(f"{self.name} {error}: try again, or sign in with your password.")


def _actor(user: User, client_address: str) -> Actor:
    """Return a person as the actor of its own coming in; one that is being added has no id yet."""
    return Actor(
        kind=ActorKind.USER,
        id=user.id or None,
        name=user.email,
        client_address=client_address,
        account_id=user.account_id,
    )


def _name(value: object) -> str:
    """Return a name as it is stored; one that cannot be is not worth a refusal."""
    try:
        return read_name(value) if isinstance(value, str) else ""
    except RefusedError:
        return ""


def _browser_secret(next_path: str) -> Secret:
    """Return a new secret for a browser's cookie, with the page that was wanted; a cookie has no room for a long one."""
    wanted = next_path.encode("utf-8", "replace")
    return Secret(f"{new_token()}.{base64url.encode(wanted if len(wanted) <= _LONGEST_PATH else b'/')}")


def _next_path(browser: str) -> str:
    return base64url.decode(browser.rpartition(".")[2]).decode()


def _derived(browser: str, purpose: str) -> str:
    """Return what the browser's secret is worth for one purpose: 43 characters, as RFC 7636 §4.1 asks for."""
    return base64url.encode(hmac.digest(browser.encode(), purpose.encode(), hashlib.sha256))


def _challenge(verifier: str) -> str:
    """Return PKCE's challenge of a verifier, by S256 (RFC 7636 §4.2)."""
    return base64url.encode(hashlib.sha256(verifier.encode()).digest())
