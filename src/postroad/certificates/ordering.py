"""Obtaining the installation's certificate and renewing it in time, by one worker of all nodes at a time."""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from postroad.certificates.errors import OrderError
from postroad.certificates.facts import CertificateFacts, facts_of
from postroad.model.certificate import ObtainedCertificate
from postroad.net.clock import Clock
from postroad.net.settings import AcmeSettings
from postroad.policy.renewal import is_due, pause_after, renewal_at
from postroad.storage import certificates
from postroad.storage.certificates import Issued
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault, ensure_secret

if TYPE_CHECKING:
    from postroad.certificates.authority import Order

log = structlog.get_logger()

T = TypeVar("T")

_LOOK_S = 5.0
_CLAIM_MS = 600_000
"""Longer than an order takes; after it another worker may try, because this one must have died."""
_ACCOUNT_KEY = "acme_account_key"


class Ordering:
    """Asks the authority when it is time; many workers may run one, of which one at a time does it."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        settings: AcmeSettings,
        *,
        names: Sequence[str],
        clock: Clock,
        when_issued: Callable[[], Awaitable[object]],
    ) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._names = tuple(names)
        self._clock = clock
        self._when_issued = when_issued
        self._read: tuple[str, CertificateFacts] | None = None

    async def run(self) -> None:
        """Look every five seconds whether it is time, until cancelled."""
        while True:
            try:
                await self.look()
            except StorageError as error:
                log.warning("certificate_not_looked_at", error=str(error))
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> bool:
        """Order a certificate where it is time and nobody else does, and tell whether one was issued."""
        now = self._clock()
        seen = await self._database.read(certificates.get)
        directory = self._settings.directory
        if not is_due(seen, self._covered(seen), names=self._names, directory=directory, now=now):
            return False
        if not await self._database.write(certificates.claim, seen, directory, now + _CLAIM_MS):
            return False
        attempts = 1 if seen is None else seen.attempts + 1
        try:
            issued = await self._order()
        except OrderError as error:
            next_attempt_at = self._clock() + pause_after(attempts)
            log.warning("certificate_not_issued", why=str(error), attempts=attempts, next_attempt_at=next_attempt_at)
            await self._database.write(certificates.note_failure, str(error), next_attempt_at)
            return False
        except asyncio.CancelledError:
            # This worker stops; the next one need not wait for the end of the claim.
            await self._database.write(certificates.give_back, now)
            raise
        await self._database.write(certificates.store, self._vault, issued)
        log.info("certificate_issued", names=self._names, expires_at=issued.expires_at)
        await self._when_issued()
        return True

    def _covered(self, seen: ObtainedCertificate | None) -> tuple[str, ...]:
        if seen is None or seen.certificate is None:
            return ()
        if self._read is None or self._read[0] != seen.certificate:
            self._read = (seen.certificate, facts_of(seen.certificate.encode()))
        return self._read[1].names

    async def _order(self) -> Issued:
        """Go through one order; raises OrderError."""
        account_key = await self._database.write(ensure_secret, self._vault, _ACCOUNT_KEY, _new_private_key())
        private_key = _new_private_key()
        order = await _in_thread(partial(_begin, self._settings, account_key, self._names, private_key))
        challenges = order.challenges
        try:
            for one in challenges:
                await self._database.write(certificates.publish, one.token, one.authorization, self._clock())
            chain = await _in_thread(order.finish)
        finally:
            await self._database.write(certificates.withdraw, tuple(one.token for one in challenges))
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
    return Issued(
        certificate=chain if chain.endswith("\n") else f"{chain}\n",
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
