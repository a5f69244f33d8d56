"""Return paths of our own (VERP): each delivery's names it, signed, so that what comes back finds its delivery."""

from collections.abc import Sequence

from postroad.policy.identifier import read_identifier, sign_identifier

_LOCAL_PREFIX = "bounce+"
_PURPOSE = "return-path"


def make_return_path(delivery_id: int, host: str, key: bytes) -> str:
    """Return ``bounce+<token>@<host>``, 36 octets before the @ (RFC 5321 §4.5.3.1.1 allows 64)."""
    return f"{_LOCAL_PREFIX}{sign_identifier(delivery_id, _PURPOSE, key)}@{host}"


def read_return_path(address: str, keys: Sequence[bytes]) -> int | None:
    """Return the delivery of an address that we made, under any of the keys; None of every other."""
    local = address.rpartition("@")[0]
    if local[: len(_LOCAL_PREFIX)].lower() != _LOCAL_PREFIX:
        return None
    return read_identifier(local[len(_LOCAL_PREFIX) :], _PURPOSE, keys)
