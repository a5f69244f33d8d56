"""What was refused lately, of each credential, as far as memory is given to it."""

from collections import OrderedDict

from postroad.policy.repetition import Refusal

MOST_REFUSALS = 20_000
"""Of one process; each takes about half a kilobyte."""
MOST_OF_ONE = 5_000
"""Of one credential, so that none makes the others' be forgotten."""


class RefusalMemory:
    """The last refusals by message; those that were not refused again for longest are forgotten first.

    Each call takes the same time, however much is remembered.
    """

    def __init__(self, most: int = MOST_REFUSALS, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        # Ordered dictionaries: a plain one looks for its first entry past all that were removed before it.
        self._whose: OrderedDict[bytes, int] = OrderedDict()
        self._of_one: dict[int, OrderedDict[bytes, Refusal]] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._whose)

    def put(self, credential_id: int, of_message: bytes, refusal: Refusal) -> None:
        """Remember the refusal of a message, by what is the same for it when it comes again."""
        self.take(credential_id, of_message)
        mine = self._of_one.setdefault(credential_id, OrderedDict())
        mine[of_message] = refusal
        self._whose[_key(credential_id, of_message)] = credential_id
        if len(mine) > self._most_of_one:
            self.take(credential_id, next(iter(mine)))
        if len(self._whose) > self._most:
            key, whose = next(iter(self._whose.items()))
            self.take(whose, _message_of(key))

    def take(self, credential_id: int, of_message: bytes) -> Refusal | None:
        """Forget the last refusal of a message, and return it."""
        mine = self._of_one.get(credential_id)
        refusal = None if mine is None else mine.pop(of_message, None)
        if mine is not None and refusal is not None:
            del self._whose[_key(credential_id, of_message)]
            if not mine:
                del self._of_one[credential_id]
        return refusal


def _key(credential_id: int, of_message: bytes) -> bytes:
    return credential_id.to_bytes(8, "big") + of_message


def _message_of(key: bytes) -> bytes:
    return key[8:]
