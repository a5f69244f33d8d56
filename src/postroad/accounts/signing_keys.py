"""The key that signs an account's webhook calls: shown to its admins, replaced on request, never in a log."""

import os

from postroad.model.actor import Actor
from postroad.model.audit import entry_of
from postroad.model.credential import Secret, SigningKeys
from postroad.model.refused import RefusedError
from postroad.net.clock import Clock
from postroad.policy.key_text import RANDOM_BYTES, KeyTextKind, key_text
from postroad.policy.permission import require_change
from postroad.storage import signing_keys
from postroad.storage.audit import recorded
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

LONGEST_OVERLAP_HOURS = 24 * 30
_HOUR_MS = 3_600_000


class WebhookSigning:
    """Gives out and replaces signing keys; what breaks a rule raises RefusedError."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def keys_of(self, actor: Actor, account_id: int) -> SigningKeys:
        """Return an account's key, made now where it has none, and the previous one while that still counts."""
        require_change(actor, account_id, "account")
        keys = await self._database.read(signing_keys.get, self._vault, account_id)
        if keys is None:
            fresh = _new_key()
            keys = await self._database.write(signing_keys.ensure, self._vault, account_id, fresh, self._clock())
        return keys.as_of(self._clock())

    async def update(self, actor: Actor, account_id: int, *, overlap_hours: int = 0) -> SigningKeys:
        """Give an account another key; the one it had counts beside it for the hours of the overlap."""
        if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
            raise RefusedError(f"An overlap has 0 to {LONGEST_OVERLAP_HOURS} hours.", field="overlap_hours")
        await self.keys_of(actor, account_id)
        now = self._clock()
        until = now + overlap_hours * _HOUR_MS if overlap_hours else None
        after = {"overlap_hours": overlap_hours}
        entry = entry_of(actor, "signing_key.updated", "webhooks", at=now, account_id=account_id, after=after)
        return await self._database.write(
            recorded, entry, signing_keys.replace, self._vault, account_id, _new_key(), now, previous_until=until
        )


def _new_key() -> Secret:
    return key_text(KeyTextKind.SIGNING, os.urandom(RANDOM_BYTES))
