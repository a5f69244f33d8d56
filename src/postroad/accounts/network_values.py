"""The networks that a credential may be used from or a person may come from, read from what was typed."""

from collections.abc import Iterable

from postroad.model.refused import RefusedError
from postroad.policy.network_list import networks_in, read_networks


def checked_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks in their one spelling, each once; raises RefusedError with a line for each entry that is none."""
    read = read_networks("\n".join(texts))
    if read.problems:
        raise RefusedError("\n".join(read.problems), field="networks")
    return read.networks


def require_entries(texts: Iterable[str]) -> None:
    """Raise RefusedError where an entry of a program's list says nothing.

    A variable that is not set must not open to everybody what was to be bound; people may leave lines empty.
    """
    for number, text in enumerate(texts, 1):
        if not networks_in(text):
            raise RefusedError(
                f"Entry {number} names no network; a list without any entries stands for everywhere.", field="networks"
            )
