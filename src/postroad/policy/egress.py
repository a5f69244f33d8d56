"""Which egress source of a pool serves a delivery."""

import hashlib
from collections.abc import Mapping

import msgspec

from postroad.model.route import EgressSource


class WeightedSource(msgspec.Struct, frozen=True):
    """A source with its part of a pool's traffic."""

    source: EgressSource
    weight: int = 1


class Pool(msgspec.Struct, frozen=True):
    """A named group of egress sources that share traffic by weight."""

    name: str
    members: tuple[WeightedSource, ...]


def choose_source(pool: Pool, delivery_id: int) -> EgressSource:
    """Return the source for a delivery: by weight, and the same one on every attempt.

    Receivers that greylist remember the client's address, so a retry from another one would start anew.
    """
    members = pool.members
    if len(members) == 1:
        return members[0].source
    digest = hashlib.blake2b(delivery_id.to_bytes(8), digest_size=8).digest()
    point = int.from_bytes(digest) % sum(member.weight for member in members)
    for member in members:
        point -= member.weight
        if point < 0:
            return member.source
    raise AssertionError("the point lies within the sum of the weights")


def make_pools(weights: Mapping[str, Mapping[str, int]], sources: Mapping[str, EgressSource]) -> dict[str, Pool]:
    """Return the pools this node serves: each with those of its sources that the node has and a weight above zero."""
    pools: dict[str, Pool] = {}
    for name, members in weights.items():
        present = tuple(
            WeightedSource(sources[member], weight)
            for member, weight in members.items()
            if member in sources and weight > 0
        )
        if present:
            pools[name] = Pool(name, present)
    return pools
