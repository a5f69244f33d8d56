"""The certificate that an authority issues for the installation, and how obtaining it stands."""

import msgspec


class ObtainedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate, shared by all nodes; there is a row from the first attempt to obtain it."""

    directory: str
    """The authority it was last asked of: the URL of its ACME directory."""
    certificate: str | None = None
    """The chain in PEM, its own certificate first; null until one was issued."""
    expires_at: int | None = None
    next_attempt_at: int
    """When it is asked for next: its renewal, or the next try after a failure."""
    attempts: int = 0
    """Failures in a row, with the attempt under way."""
    last_error: str = ""
    """Why the last attempt failed, in one sentence; empty once one succeeded."""
