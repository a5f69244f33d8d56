"""The certificates that an authority issues for the installation and for tracking hosts, and how obtaining them stands."""

from typing import Literal

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


class HostCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """How the certificate of one tracking host stands, without the certificate itself."""

    host: str
    directory: str
    expires_at: int | None = None
    """Null until one was issued."""
    next_attempt_at: int
    attempts: int = 0
    """Failures in a row of the authority; none while the host does not lead here and so nobody was asked."""
    last_error: str = ""

    @property
    def is_astray(self) -> bool:
        """Whether it does not lead here, so that the authority was not asked."""
        return bool(self.last_error) and self.attempts == 0


class TrackingHostStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How the host stands that a domain's tracked links lead over."""

    host: str
    is_https: bool
    """Whether links begin with ``https:``."""
    certificate: Literal["own", "file", "installation", "elsewhere", "none"]
    """Which one holds it: obtained for it, in a file, the installation's, of a proxy that we do not see, or none."""
    leads_here: bool | None = None
    """Whether its addresses were among ours when they were looked up last; null where nobody looks them up."""
    expires_at: int | None = None
    problem: str = ""
    """Why no certificate was obtained or renewed, in one sentence."""
    next_attempt_at: int | None = None
    """When that is tried next, where it is obtained here."""
