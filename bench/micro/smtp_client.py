"""Times the client machine on one kept, pipelined connection in memory: microseconds per 4 KB transaction.

    python bench/micro/smtp_client.py [transactions]

The replies are made beforehand; what is measured is our side alone: commands, content, replies and events.
"""

import sys
import time

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


def run(count: int) -> float:
    """Return the seconds that ``count`` transactions took, each begun behind the final dot of the one before."""
    client = ready_client()
    transactions = [transaction(key) for key in range(count)]
    ended = 0
    began = time.perf_counter()
    client.transact(transactions[0])
    client.data_to_send()
    for key in range(1, count):
        client.feed(GO_AHEAD if key == 1 else TAKEN + GO_AHEAD)
        while event := client.next_event():
            ended += isinstance(event, TransactionEnded)
        client.transact(transactions[key])
        client.data_to_send()
    took = time.perf_counter() - began
    assert ended == count - 2, "every transaction but the last two has its reply"
    return took


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    best = min(run(count) for _ in range(5))
    print(
        f"client machine: {best / count * 1e6:.1f} µs per transaction of {len(CONTENT)} octets, python {sys.version.split()[0]}"
    )


if __name__ == "__main__":
    main()
