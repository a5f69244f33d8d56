"""Each live worker's share of a limit that holds for the whole installation.

Shares are worked out by every worker for itself from the same facts, and add up to the limit. A remainder, and so a
limit smaller than the number of workers, falls to the workers that rank highest for its key (rendezvous hashing):
different keys favour different workers, and a worker that comes or goes moves only what it must.
"""

import hashlib
from collections.abc import Iterable


def share_of(limit: int, key: str, worker: int, workers: Iterable[int]) -> int:
    """Return what ``worker`` may use of ``limit``; zero for a worker that is not among the live ones.

    Args:
        limit: The installation's limit.
        key: What the limit is on, such as a site.
        worker: Incarnation of the asking worker.
        workers: Incarnations of all live workers.
    """
    ranked = sorted(set(workers), key=lambda incarnation: _rank(key, incarnation))
    if worker not in ranked:
        return 0
    each, rest = divmod(limit, len(ranked))
    return each + (ranked.index(worker) < rest)


def _rank(key: str, incarnation: int) -> bytes:
    return hashlib.blake2b(f"{key}:{incarnation}".encode(), digest_size=8).digest()
