"""The networks that a credential may be used from or a person may come from, read from what was typed."""

from collections.abc import Iterable

from postroad.model.refused import RefusedError
from postroad.policy.network_list import read_networks


def checked_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks in their one spelling, each once; raises RefusedError with a line for each entry that is none."""
    read = read_networks("\n".join(texts))
    if read.problems:
        raise RefusedError("\n".join(read.problems), field="networks")
    return read.networks
