"""Who a person is elsewhere, and the passkeys that prove it here."""

import msgspec


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One person as an OpenID provider knows it: for good, whatever becomes of the email address there."""

    issuer: str
    subject: str
    """The provider's name for the person, never given to another (OpenID Connect Core §2)."""
    user_id: int
    created_at: int


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A key pair of which a person's device has the private key, and asks the person before it is used."""

    id: int
    user_id: int
    credential_id: bytes
    public_key: bytes
    """COSE_Key (RFC 9052 §7), as the device gave it."""
    sign_count: int
    """How often the device said that it was used; zero where it does not count."""
    name: str
    created_at: int
    last_used_at: int | None = None
