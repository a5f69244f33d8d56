"""One order for a certificate: the account, the proofs that every node answers, and what was issued."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from postroad.certificates.errors import OrderError
from postroad.certificates.facts import facts_of
from postroad.net.clock import Clock
from postroad.net.settings import AcmeSettings
from postroad.net.tls import CertificateError, require_usable
from postroad.policy.renewal import renewal_at
from postroad.storage import certificates
from postroad.storage.certificates import Issued
from postroad.storage.database import Database
from postroad.storage.secrets import Vault, ensure_secret

if TYPE_CHECKING:
    from postroad.certificates.authority import Order

T = TypeVar("T")

CLAIM_MS = 600_000
"""Longer than an order takes; after it another worker may try, because this one must have died."""
_ACCOUNT_KEY = "acme_account_key"


async def obtain(
    database: Database, vault: Vault, settings: AcmeSettings, names: Sequence[str], clock: Clock
) -> Issued:
    """Go through one order; raises OrderError."""
    account_key = await database.write(ensure_secret, vault, _ACCOUNT_KEY, _new_private_key())
    private_key = _new_private_key()
    order = await _in_thread(partial(_begin, settings, account_key, names, private_key))
    challenges = order.challenges
    try:
        for one in challenges:
            await database.write(certificates.publish, one.token, one.authorization, clock())
        chain = await _in_thread(order.finish)
    finally:
        await database.write(certificates.withdraw, tuple(one.token for one in challenges))
    return _issued(chain, private_key)


def _begin(settings: AcmeSettings, account_key: bytes, names: Sequence[str], private_key: bytes) -> "Order":
    # Needed once in two months, and then by one worker: it takes a fifth of a second and 30 MB.
    from postroad.certificates.authority import Authority  # noqa: PLC0415

    return Authority(settings, account_key).begin(names, private_key)


def _new_private_key() -> bytes:
    """Return a new ECDSA P-256 key as PKCS #8 in PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _issued(chain: str, private_key: bytes) -> Issued:
    try:
        facts = facts_of(chain.encode())
    except ValueError as error:
        raise OrderError(f"what the authority issued is no certificate: {error}") from error
    certificate = chain if chain.endswith("\n") else f"{chain}\n"
    try:
        require_usable(certificate.encode() + private_key)
    except CertificateError as error:
        raise OrderError(f"what the authority issued does not fit the key that it was asked for: {error}") from error
    return Issued(
        certificate=certificate,
        private_key=private_key,
        expires_at=facts.not_after,
        renewal_at=renewal_at(facts.not_before, facts.not_after),
    )


async def _in_thread(call: Callable[[], T]) -> T:
    """Run a blocking call in a thread that does not keep a stopping worker from ending, unlike the loop's own."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if outcome.cancelled():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(cast("T", result))

    def run() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = call()
        except Exception as raised:  # noqa: BLE001 - passed on to whoever waits
            error = raised
        # The loop may have ended meanwhile: then nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return await outcome
