"""How the mail clients of people reach the installation: Outlook, Thunderbird, Apple Mail, phones."""

import msgspec


class ClientAccess(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail client has to be told; an empty host or a missing port leaves out what depends on it."""

    submission_host: str = ""
    """The name of the submission doors, which their certificate holds."""
    starttls_port: int | None = None
    """Submission with STARTTLS, usually 587."""
    tls_port: int | None = None
    """Submission under TLS from the first octet, usually 465."""
    setup_host: str = ""
    """Where clients ask over HTTPS how to set themselves up: the console's name."""
    setup_port: int = 443
    certified_names: tuple[str, ...] = ()
    """Further names that the certificate is known to hold, and so may be asked over HTTPS."""

    @property
    def is_offered(self) -> bool:
        """Whether there is a door for them at all."""
        return bool(self.submission_host) and (self.starttls_port is not None or self.tls_port is not None)
