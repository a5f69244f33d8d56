"""Runs a server machine over a whole dialogue, fed in whatever pieces a test wants."""

from collections.abc import Callable, Iterable, Iterator

from postroad.protocol.smtp.offer import Closed, Event, MessageOffered, Offer, TlsOffered, TooLarge
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.server import ServerMachine
from postroad.protocol.smtp.server_options import ServerLimits, ServerOptions

Verdict = Callable[[Offer], Reply | None]


def options(**changes: object) -> ServerOptions:
    """Return the options of a server that offers everything, unless changed."""
    return ServerOptions(**{"hostname": "mx.test", "has_tls": True, **changes})  # type: ignore[arg-type]


def logged_in(**limits: int) -> ServerMachine:
    """Return a machine whose client has said EHLO and logged in."""
    machine = ServerMachine(options(limits=ServerLimits(**limits)))
    Dialogue(machine).play([b"EHLO client\r\nAUTH PLAIN AGEAYg==\r\n"])
    machine.data_to_send()
    return machine


class Dialogue:
    """A machine, what it said and what it offered; every offer is accepted unless ``verdict`` refuses it."""

    def __init__(self, machine: ServerMachine, verdict: Verdict = lambda offer: None) -> None:
        self.machine = machine
        self.verdict = verdict
        self.said = b""
        self.events: list[Event] = []
        if machine.state.name == "CONNECTED":
            machine.greet()

    def play(self, pieces: Iterable[bytes]) -> "Dialogue":
        """Feed the pieces one after the other and settle everything after each."""
        for piece in pieces:
            self.machine.feed(piece)
            self.settle()
        return self

    def settle(self) -> None:
        """Answer events until there are none."""
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)
            match event:
                case Closed() | TooLarge():
                    pass
                case TlsOffered():
                    self.said += self.machine.data_to_send()
                    self.machine.tls_started()
                case _:
                    refusal = self.verdict(event)
                    if refusal is None:
                        self.machine.accept()
                    else:
                        self.machine.refuse(refusal)
        self.said += self.machine.data_to_send()

    @property
    def statuses(self) -> list[str]:
        """Each reply's code and enhanced code."""
        lines = [line for line in self.said.decode().splitlines() if line[3:4] == " "]
        return [" ".join(line.split(" ")[: 2 if line[4:5] in "245" and line[5:6] == "." else 1]) for line in lines]

    @property
    def messages(self) -> list[MessageOffered]:
        """The messages that were offered."""
        return [event for event in self.events if isinstance(event, MessageOffered)]


def every_split(octets: bytes) -> Iterator[list[bytes]]:
    """Yield the octets whole, one by one, and in two pieces at each place."""
    yield [octets]
    yield [octets[at : at + 1] for at in range(len(octets))]
    for at in range(1, len(octets)):
        yield [octets[:at], octets[at:]]
