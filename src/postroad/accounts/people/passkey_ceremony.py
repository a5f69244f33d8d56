"""The two ceremonies of Web Authentication: making a passkey, and proving that one has it.

Apart from ``passkeys``, because the library takes half a second to load, which no worker pays before somebody uses one.
W3C Web Authentication Level 3, §7.1 and §7.2, which ``webauthn`` follows.
"""

from collections.abc import Iterable

import msgspec
import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from postroad.accounts.people.relying_party import RelyingParty

_TIMEOUT_MS = 5 * 60_000


class CeremonyError(Exception):
    """What the browser brought proves nothing; the message is for the log."""


class NewKey(msgspec.Struct, frozen=True):
    """A key pair that a device has made for us."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def creation_options(
    party: RelyingParty, challenge: bytes, *, handle: bytes, email: str, name: str, known: Iterable[bytes]
) -> str:
    """Return what a browser needs to have a passkey made, as JSON; ``known`` are those that the person has."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=handle,
        user_name=email,
        user_display_name=name or email,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        # The device finds the passkey by our name alone, and asks for finger, face or PIN: two factors in one.
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )
    return webauthn.options_to_json(options)


def request_options(party: RelyingParty, challenge: bytes) -> str:
    """Return what a browser needs to have a passkey used, as JSON; the person chooses which."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def made(party: RelyingParty, challenge: bytes, credential: str) -> NewKey:
    """Return the key that a browser says was made; raises CeremonyError where it was not made for us, or now."""
    try:
        found = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise CeremonyError(f"{type(error).__name__}: {error}") from error
    return NewKey(found.credential_id, found.credential_public_key, found.sign_count)


def used(party: RelyingParty, challenge: bytes, credential: str, *, public_key: bytes, sign_count: int) -> int:
    """Return the device's new count of a use that it has signed; raises CeremonyError where that proves nothing.

    A count that does not grow is a sign of a copy (§6.1.1) and is refused, unless the device does not count at all.
    """
    try:
        found = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise CeremonyError(f"{type(error).__name__}: {error}") from error
    return found.new_sign_count
