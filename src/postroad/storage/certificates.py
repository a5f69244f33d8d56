"""The certificates obtained by ACME and the challenges that prove our names: shared by all nodes."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, RowMapping, delete, select, update

from postroad.model.certificate import HostCertificate, ObtainedCertificate
from postroad.storage.dialect import insert_into
from postroad.storage.schema.control_plane import acme_challenges, certificates
from postroad.storage.secrets import Vault

NAME = "installation"
"""An installation has one certificate for all its names, and each tracking host one, which goes by the host."""

_STALE_MS = 86_400_000
_STANDING = (
    certificates.c.name.label("host"),
    *(certificates.c[name] for name in ("directory", "expires_at", "next_attempt_at", "attempts", "last_error")),
)
_SHOWN = tuple(column for column in certificates.c if column.name not in {"name", "private_key"})


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """What an authority issued, with the key it is for."""

    certificate: str
    private_key: bytes
    """PKCS #8 in PEM."""
    expires_at: int
    renewal_at: int

    def __repr__(self) -> str:
        return f"Issued(expires_at={self.expires_at})"


def get(connection: Connection, name: str = NAME) -> ObtainedCertificate | None:
    """Return the certificate and how obtaining it stands; None where it was never asked for."""
    row = connection.execute(select(*_SHOWN).where(certificates.c.name == name)).mappings().one_or_none()
    return None if row is None else _obtained(row)


def with_key(connection: Connection, vault: Vault, name: str = NAME) -> bytes | None:
    """Return chain and private key in one PEM text, or None where no certificate was issued yet."""
    columns = select(certificates.c.certificate, certificates.c.private_key)
    row = connection.execute(columns.where(certificates.c.name == name)).one_or_none()
    if row is None or row.certificate is None:
        return None
    return str(row.certificate).encode() + vault.decrypt(row.private_key, _secret_place(name))


def claim(
    connection: Connection,
    seen: ObtainedCertificate | HostCertificate | None,
    directory: str,
    until: int,
    name: str = NAME,
) -> bool:
    """Take the right to ask the authority, so that nobody else does before ``until``; false where another was quicker."""
    if seen is None:
        first = insert_into(connection, certificates).values(
            name=name, directory=directory, next_attempt_at=until, attempts=1, last_error=""
        )
        return connection.execute(first.on_conflict_do_nothing()).rowcount == 1
    again = (
        update(certificates)
        .where(
            certificates.c.name == name,
            certificates.c.next_attempt_at == seen.next_attempt_at,
            certificates.c.attempts == seen.attempts,
        )
        .values(directory=directory, next_attempt_at=until, attempts=certificates.c.attempts + 1)
    )
    return connection.execute(again).rowcount == 1


def store(connection: Connection, vault: Vault, issued: Issued, name: str = NAME) -> None:
    """Put a new certificate in the place of the one before."""
    _change(
        connection,
        name,
        certificate=issued.certificate,
        private_key=vault.encrypt(issued.private_key, _secret_place(name)),
        expires_at=issued.expires_at,
        next_attempt_at=issued.renewal_at,
        attempts=0,
        last_error="",
    )


def note_failure(connection: Connection, error: str, next_attempt_at: int, name: str = NAME) -> None:
    """Record why an attempt failed and when the next one is made."""
    _change(connection, name, last_error=error, next_attempt_at=next_attempt_at)


def give_back(connection: Connection, next_attempt_at: int, name: str = NAME) -> None:
    """Undo a claim whose attempt was not made."""
    _change(connection, name, next_attempt_at=next_attempt_at, attempts=certificates.c.attempts - 1)


def note_astray(connection: Connection, error: str, next_attempt_at: int, name: str) -> None:
    """Undo a claim, as the name does not lead here: the authority was not asked, and there is no failure of its."""
    _change(connection, name, last_error=error, next_attempt_at=next_attempt_at, attempts=certificates.c.attempts - 1)


def ask_now(connection: Connection, now: int, name: str = NAME) -> None:
    """Have the certificate asked for at the next look."""
    _change(connection, name, next_attempt_at=now)


def publish(connection: Connection, token: str, authorization: str, now: int) -> None:
    """Have every node answer a challenge (RFC 8555 §8.3), and forget those of a day ago."""
    connection.execute(delete(acme_challenges).where(acme_challenges.c.created_at < now - _STALE_MS))
    row = insert_into(connection, acme_challenges).values(token=token, authorization=authorization, created_at=now)
    kept = {"authorization": authorization, "created_at": now}
    connection.execute(row.on_conflict_do_update(index_elements=["token"], set_=kept))


def withdraw(connection: Connection, tokens: tuple[str, ...]) -> None:
    """Answer challenges no longer."""
    connection.execute(delete(acme_challenges).where(acme_challenges.c.token.in_(tokens)))


def authorization(connection: Connection, token: str) -> str | None:
    """Return the answer to a challenge, or None for one that is not ours."""
    query = select(acme_challenges.c.authorization).where(acme_challenges.c.token == token)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def of_hosts(connection: Connection) -> dict[str, HostCertificate]:
    """Return how the certificates of all tracking hosts stand, by host."""
    rows = connection.execute(select(*_STANDING).where(certificates.c.name != NAME)).mappings()
    return {row["host"]: HostCertificate(**row) for row in rows}


def of_host(connection: Connection, host: str) -> HostCertificate | None:
    """Return how the certificate of one tracking host stands; None where it was never asked for."""
    row = connection.execute(select(*_STANDING).where(certificates.c.name == host)).mappings().one_or_none()
    return None if row is None else HostCertificate(**row)


def forget(connection: Connection, hosts: Collection[str]) -> None:
    """Remove the certificates of hosts that nothing leads over any more."""
    connection.execute(delete(certificates).where(certificates.c.name.in_(hosts), certificates.c.name != NAME))


def _secret_place(name: str) -> str:
    return f"certificates/{name}"


def _change(connection: Connection, name: str, **values: object) -> None:
    connection.execute(update(certificates).where(certificates.c.name == name).values(**values))


def _obtained(row: RowMapping) -> ObtainedCertificate:
    return ObtainedCertificate(**row)
