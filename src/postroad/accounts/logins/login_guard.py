"""Gathers what is known of whoever wants to log in, asks the policy, and keeps count of how it went."""

from typing import Any

import msgspec

from postroad.accounts.logins.lockout_view import Listener, LockoutView
from postroad.accounts.logins.login_networks import LoginNetworks
from postroad.accounts.settings import LockoutSettings
from postroad.net.clock import Clock
from postroad.policy.lockout import (
    CLEAN,
    CLIENT,
    CREDENTIAL,
    NETWORK,
    Locked,
    LockoutRule,
    LoginFacts,
    MayTry,
    client_subject,
    credential_subject,
    network_subject,
    verdict,
)
from postroad.storage.database import Database
from postroad.storage.lockouts import Failures, Lockout, LoginNetwork

_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_DAY_MS = 86_400_000


class Claimant(msgspec.Struct, frozen=True):
    """Whoever wants to log in, as lock-outs know such ones."""

    name: str
    client: str
    network: str | None


def claimant_of(username: str, client_address: str) -> Claimant:
    """Return the subjects that an attempt counts for."""
    client = client_subject(client_address)
    return Claimant(credential_subject(username), client, network_subject(client))


def rules_of(settings: LockoutSettings) -> dict[str, LockoutRule]:
    """Return the rule of each scope."""
    rule = LockoutRule(
        failures=settings.failures,
        locks_ms=tuple(minutes * _MINUTE_MS for minutes in settings.minutes),
        failures_forgotten_after_ms=settings.forget_failures_minutes * _MINUTE_MS,
        locks_forgotten_after_ms=settings.forget_locks_hours * _HOUR_MS,
    )
    return {
        CLIENT: rule,
        CREDENTIAL: rule,
        NETWORK: msgspec.structs.replace(rule, failures=settings.network_failures),
    }


class LoginGuard:
    """Decides who may have a password compared; ``write`` and ``refresh`` must be called now and then."""

    def __init__(
        self, database: Database, clock: Clock, settings: LockoutSettings, listener: Listener | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules_of(settings)
        self._good_for_ms = settings.good_hours * _HOUR_MS
        self._known_for_ms = settings.known_days * _DAY_MS
        self._view = LockoutView(database, clock, self._rules, listener)
        self._networks = LoginNetworks(database, clock, self._known_for_ms)

    def verdict(self, claimant: Claimant, credential_id: int | None) -> Locked | MayTry:
        """Return whether a password is compared, and before whose; looks at memory only.

        Without the id of the credential that the name stands for, the claimant is none that was proven as it before.
        """
        now = self._clock()
        view, networks = self._view, self._networks
        last_of_client = networks.last_of_client(claimant.client)
        last_in_network = 0 if claimant.network is None else networks.last_in_network(claimant.network)
        last_proven = 0 if credential_id is None else networks.last_of_credential(claimant.client, credential_id)
        facts = LoginFacts(
            credential=view.standing(CREDENTIAL, claimant.name),
            client=view.standing(CLIENT, claimant.client),
            network=CLEAN if claimant.network is None else view.standing(NETWORK, claimant.network),
            is_client_good=now - last_of_client < self._good_for_ms,
            is_network_good=now - last_in_network < self._good_for_ms,
            is_known=now - last_of_client < self._known_for_ms,
            is_known_to_credential=now - last_proven < self._known_for_ms,
        )
        return verdict(facts, self._rules[CLIENT], now)

    def is_known(self, claimant: Claimant) -> bool:
        """Whether log-ins from a client succeeded before."""
        return self._clock() - self._networks.last_of_client(claimant.client) < self._known_for_ms

    def failed(
        self, claimant: Claimant, address: str, *, credential_id: int | None = None, account_id: int | None = None
    ) -> None:
        """Count a wrong password, for the client, the network around it and the name."""
        now = self._clock()
        networks = self._networks
        is_client_good = now - networks.last_of_client(claimant.client) < self._good_for_ms
        counted = [Failures(scope=CLIENT, subject=claimant.client, may_lock=not is_client_good)]
        if claimant.network is not None:
            is_good = now - networks.last_in_network(claimant.network) < self._good_for_ms
            counted.append(Failures(scope=NETWORK, subject=claimant.network, may_lock=not is_good))
        last_proven = 0 if credential_id is None else networks.last_of_credential(claimant.client, credential_id)
        if now - last_proven >= self._known_for_ms:
            # The owner's own mistakes, made where it is at home, lock its name for nobody.
            counted.append(Failures(scope=CREDENTIAL, subject=claimant.name, account_id=account_id))
        for one in counted:
            self._view.failed(msgspec.structs.replace(one, address=address, username=claimant.name))

    def succeeded(self, claimant: Claimant, credential_id: int) -> None:
        """Note that a credential was proven: its client is a good one from now on."""
        self._networks.succeeded(claimant.client, credential_id)

    async def refresh(self) -> None:
        """Learn what other workers wrote, by one read."""
        now = self._clock()
        networks, locks = await self._database.read(self._read_news, now)
        self._networks.learn(networks, now)
        self._view.learn(locks, now)

    def _read_news(self, connection: Any, now: int) -> tuple[list[LoginNetwork], list[Lockout]]:
        return self._networks.read_news(connection, now), self._view.read_news(connection, now)

    async def write(self) -> None:
        """Write what has gathered."""
        await self._networks.write()
        await self._view.write()
