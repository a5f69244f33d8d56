"""Fuzz target: a whole SMTP session; pieces, replies and messages keep their promises whatever comes in.

``python -m tests.fuzz smtp_server`` runs it.
"""

from postroad.protocol.smtp.offer import Closed, MessageOffered, TlsOffered, TooLarge
from postroad.protocol.smtp.server import ServerMachine
from postroad.protocol.smtp.server_options import ServerLimits, ServerOptions

_OPTIONS = ServerOptions(hostname="mx.test", has_tls=True, limits=ServerLimits(max_message_size=2000, max_recipients=5))
_LOGIN = b"EHLO c\r\nAUTH PLAIN AGEAYg==\r\n"


def run_one(data: bytes) -> None:
    """Play a session twice, whole and in small pieces; both must go the same way."""
    begins_with_login = data[:1] < b"\x80"
    script = (_LOGIN if begins_with_login else b"") + data[1:]
    whole = _play([script])
    # STARTTLS drops what came with it, so that pieces do make a difference behind it.
    if b"STARTTLS" not in script.upper():
        step = 1 + (data[0] % 7 if data else 0)
        assert _play([script[at : at + step] for at in range(0, len(script), step)]) == whole


def _play(pieces: list[bytes]) -> tuple[bytes, list[tuple[bytes, int]]]:
    machine = ServerMachine(_OPTIONS)
    machine.greet()
    said, messages = [machine.data_to_send()], []
    for piece in pieces:
        machine.feed(piece)
        while (event := machine.next_event()) is not None:
            match event:
                case Closed() | TooLarge():
                    pass
                case TlsOffered():
                    machine.tls_started()
                case MessageOffered(_, recipients, content):
                    assert machine.is_authenticated
                    assert 1 <= len(recipients) <= 5
                    assert len(content) <= 2000
                    messages.append((content, len(recipients)))
                    machine.accept()
                case _:
                    machine.accept()
        said.append(machine.data_to_send())
        assert machine.content_octets <= 2000
    replies = b"".join(said)
    for line in replies.splitlines():
        assert line[:3].isdigit()
        assert line[3:4] in (b" ", b"-")
    return replies, messages
