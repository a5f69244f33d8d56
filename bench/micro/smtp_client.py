"""The client machine on one kept, pipelined connection in memory: one case is one 4 KB transaction.

The replies are made beforehand; what is measured is our side alone: commands, content, replies and events.
"""

import functools
import itertools
from collections.abc import Callable

from postroad.protocol.smtp.client import Client, TransactionEnded
from postroad.protocol.smtp.transaction import Transaction

LINE = b"Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod.\r\n"
CONTENT = b"From: a@example.com\r\nSubject: x\r\n\r\n" + LINE * (4_096 // len(LINE))
GO_AHEAD = b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
TAKEN = b"250 2.0.0 Ok: queued as 4bXkQz1Z2Yz3\r\n"


def ready_client() -> Client:
    client = Client(ehlo_name="mta.example.com")
    client.start()
    for said in (b"220 mx.example.net ESMTP\r\n", b"250-mx.example.net\r\n250-PIPELINING\r\n250 SIZE 52428800\r\n"):
        client.feed(said)
        client.next_event()
        client.data_to_send()
    return client


def transaction(key: int) -> Transaction:
    return Transaction(
        key=key, reverse_path=f"bounce+{key:024d}@bounces.example.com", recipient="someone@example.net", content=CONTENT
    )


def pipelined_transaction() -> Callable[[], object]:
    """Return a function that ends one transaction and begins the next behind its final dot."""
    client = ready_client()
    keys = itertools.count()

    def follow(replies: bytes) -> int:
        client.feed(replies)
        ended = 0
        while event := client.next_event():
            ended += isinstance(event, TransactionEnded)
        client.transact(transaction(next(keys)))
        client.data_to_send()
        return ended

    follow(b"")
    follow(GO_AHEAD)
    assert follow(TAKEN + GO_AHEAD) == 1, "each operation ends one transaction"
    return functools.partial(follow, TAKEN + GO_AHEAD)


def cases() -> dict[str, Callable[[], object]]:
    return {f"transaction of {len(CONTENT)} octets": pipelined_transaction()}
