"""Fuzz target: whatever bytes a receiving host sends, the client machine ends each transaction once and never raises.

``python -m tests.fuzz smtp_replies`` runs it.

The first octet chooses what the host offers and where the bytes are torn apart; the rest is what the host says.
"""

from postroad.protocol.smtp.client import (
    Client,
    ConnectionEnded,
    Credentials,
    Problem,
    StartTls,
    TlsWanted,
    TransactionEnded,
)
from postroad.protocol.smtp.transaction import Transaction

_TRANSACTIONS = 4
_OFFERS = (b"250 mx\r\n", b"250-mx\r\n250 PIPELINING\r\n")


def run_one(data: bytes) -> None:
    """Play the bytes against a client; an AssertionError is a finding."""
    choice = data[0] if data else 0
    said = data[1:]
    client = Client(
        ehlo_name="me.test",
        start_tls=StartTls.IF_OFFERED if choice & 1 else StartTls.NEVER,
        credentials=Credentials("user", "pass") if choice & 2 else None,
    )
    client.start()
    if choice & 4:
        said = b"220 mx\r\n" + _OFFERS[choice >> 3 & 1] + said
    size = (choice >> 4) + 1
    begun: list[int] = []
    ended: list[int] = []
    for start in range(0, len(said), size * 8):
        client.feed(said[start : start + size * 8])
        _pump(client, begun, ended)
    client.lose(Problem.LOST, "end of bytes")
    _pump(client, begun, ended)
    assert client.is_over, "a lost connection is over"
    assert sorted(begun) == sorted(ended), "every transaction that was begun has ended, and once"


def _pump(client: Client, begun: list[int], ended: list[int]) -> None:
    connection_ends = 0
    while True:
        event = client.next_event()
        if isinstance(event, TransactionEnded):
            ended.append(event.key)
        elif isinstance(event, TlsWanted):
            client.tls_started()
        elif isinstance(event, ConnectionEnded):
            connection_ends += 1
        elif event is None and client.can_transact and len(begun) < _TRANSACTIONS:
            begun.append(len(begun))
            client.transact(
                Transaction(key=begun[-1], reverse_path="a@a.test", recipient="b@b.test", content=b"x" * 200_000)
            )
        elif event is None:
            break
    assert connection_ends <= 1, "a connection ends once"
    while client.data_to_send():
        pass
