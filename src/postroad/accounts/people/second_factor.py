"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when it is lost."""

import base64
import hashlib
import hmac
import secrets

import msgspec
import pyotp
import segno

from postroad.accounts.people.links import one_time_token
from postroad.accounts.people.own_password import OwnPassword
from postroad.accounts.people.sessions import SignedIn
from postroad.accounts.people.tokens import hash_of
from postroad.model.actor import Actor
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.credential import Secret
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import User
from postroad.net.clock import Clock
from postroad.storage import one_time_tokens, second_factors, users
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.secrets import Vault
from postroad.storage.users import TotpSecret

RECOVERY_CODES = 10
_STEP_MS = 30_000
_ENROLMENT = "totp_enrolment"
_ENROLMENT_MS = 30 * 60_000
_CODE_OCTETS = 10
_TOO_LATE = "This took too long: begin again."


class Enrolment(msgspec.Struct, frozen=True):
    """A second factor that is being set up; it is on once a code has confirmed it."""

    ticket: Secret
    secret: Secret
    """For typing in by hand."""
    uri: Secret
    """For apps on the same device."""
    picture: Secret
    """A QR code of the same as a ``data:`` URL."""


class SecondFactor:
    """Turns second factors on and off, and checks their codes."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, own_password: OwnPassword, *, issuer: str
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._own_password = own_password
        self._issuer = issuer

    async def begin(self, signed_in: SignedIn) -> Enrolment:
        """Make a secret for an app; nothing is on yet."""
        if signed_in.user.has_totp:
            raise RefusedError("Two-factor authentication is on already.")
        secret, user_id = pyotp.random_base32(), signed_in.user.id
        made = one_time_token(_ENROLMENT, user_id, now=self._clock(), valid_ms=_ENROLMENT_MS)
        sealed = self._vault.encrypt(secret.encode(), _place(user_id))
        row = msgspec.structs.replace(made.row, data={"secret": base64.b64encode(sealed).decode()})
        await self._database.write(one_time_tokens.replace, hash_of(made.token), row)
        return self._enrolment(signed_in.user, made.token, secret)

    async def resume(self, signed_in: SignedIn, ticket: str) -> Enrolment:
        """Return what ``begin`` made, for another try at the code; raises MissingError where it is too late."""
        return self._enrolment(signed_in.user, Secret(ticket), await self._pending(signed_in.user, ticket))

    async def confirm(
        self, signed_in: SignedIn, ticket: str, code: str, client_address: str, *, password: Secret
    ) -> list[Secret]:
        """Turn the second factor on by a first code; returns the recovery codes, which are shown this once.

        All other sessions of the person end. The password is asked for, as a stolen session would lock the owner out.

        Raises:
            RefusedError: the code or the password is wrong; names the field.
            MissingError: the enrolment has ended.
        """
        user, secret = signed_in.user, await self._pending(signed_in.user, ticket)
        step = matching_step(secret, code, self._clock())
        if step is None:
            raise RefusedError("This is not the code the app shows now: check the clock of the device.", field="code")
        await self._own_password.prove(signed_in, password, client_address)
        codes = _new_codes()
        entry = self._entry(signed_in.actor(client_address), "user.second_factor_added", user)
        try:
            await self._database.write(
                recorded,
                entry,
                second_factors.turn_on,
                self._vault,
                hash_of(ticket),
                _ENROLMENT,
                user.id,
                TotpSecret(secret, step),
                [code_hash(one) for one in codes],
                but_session=signed_in.session.id,
                now=self._clock(),
            )
        except Conflict as error:
            raise MissingError(_TOO_LATE) from error
        return codes

    async def new_recovery_codes(self, signed_in: SignedIn, password: Secret, client_address: str) -> list[Secret]:
        """Return new recovery codes, shown this once; the old ones are void."""
        await self._prove(signed_in, password, client_address)
        codes = _new_codes()
        entry = self._entry(signed_in.actor(client_address), "user.recovery_codes_renewed", signed_in.user)
        hashes = [code_hash(one) for one in codes]
        await self._database.write(recorded, entry, users.set_recovery_codes, signed_in.user.id, hashes)
        return codes

    async def turn_off(self, signed_in: SignedIn, password: Secret, client_address: str) -> None:
        """Turn one's own second factor off."""
        await self._prove(signed_in, password, client_address)
        entry = self._entry(signed_in.actor(client_address), "user.second_factor_removed", signed_in.user)
        await self._database.write(recorded, entry, users.clear_totp, signed_in.user.id)

    async def use(self, user: User, code: str) -> str | None:
        """Use a code up; returns ``totp`` or ``recovery`` by what it was, or None where it is none or was used."""
        typed = "".join(code.split()).replace("-", "").lower()
        if not typed.isdigit() or len(typed) != 6:
            is_taken = await self._database.write(users.take_recovery_code, user.id, code_hash(typed))
            return "recovery" if is_taken else None
        stored = await self._database.read(users.totp_of, self._vault, user.id)
        step = None if stored is None else matching_step(stored.secret, typed, self._clock())
        # RFC 6238 §5.2: a code must not be accepted a second time.
        if step is None or not await self._database.write(users.take_totp_step, user.id, step):
            return None
        return "totp"

    async def _pending(self, user: User, ticket: str) -> str:
        token = await self._database.read(one_time_tokens.look, hash_of(ticket), _ENROLMENT, self._clock())
        if token is None or token.user_id != user.id:
            raise MissingError(_TOO_LATE)
        return self._vault.decrypt(base64.b64decode(token.data["secret"]), _place(user.id)).decode()

    async def _prove(self, signed_in: SignedIn, password: Secret, client_address: str) -> None:
        if not signed_in.user.has_totp:
            raise RefusedError("Two-factor authentication is off.")
        await self._own_password.prove(signed_in, password, client_address)

    def _enrolment(self, user: User, ticket: Secret, secret: str) -> Enrolment:
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=self._issuer)
        # Light behind dark in any colour scheme: cameras do not read it the other way round.
        picture = segno.make(uri, error="m", micro=False).svg_data_uri(scale=5, border=3, light="#fff")
        return Enrolment(ticket, Secret(secret), Secret(uri), Secret(picture))

    def _entry(self, actor: Actor, action: str, user: User) -> AuditEntry:
        return entry_of(actor, action, user.email, at=self._clock(), account_id=user.account_id)


def matching_step(secret: str, code: str, now: int) -> int | None:
    """Return the time step whose code this is: of now, or one earlier or later for clocks that differ."""
    # RFC 6238 §5.2 recommends to allow for one step at most.
    totp, step = pyotp.TOTP(secret), now // _STEP_MS
    typed = "".join(code.split())
    if not typed.isascii():
        return None
    return next((one for one in (step, step - 1, step + 1) if hmac.compare_digest(totp.generate_otp(one), typed)), None)


def code_hash(code: str) -> str:
    """Return what is stored of a recovery code, however it is spaced."""
    plain = "".join(code.split()).replace("-", "").lower()
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()


def _new_codes() -> list[Secret]:
    return [_new_code() for _ in range(RECOVERY_CODES)]


def _new_code() -> Secret:
    # 80 bits: what is stored of it needs no slow hashing.
    letters = base64.b32encode(secrets.token_bytes(_CODE_OCTETS)).decode().lower()
    return Secret("-".join(letters[at : at + 4] for at in range(0, len(letters), 4)))


def _place(user_id: int) -> str:
    return f"one_time_tokens/{user_id}/totp"
