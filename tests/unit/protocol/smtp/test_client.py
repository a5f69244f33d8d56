"""Dialogues of the client machine, each told whole, byte by byte and at every split."""

import sys
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.client import (
    CHUNK,
    Client,
    ConnectionEnded,
    Credentials,
    Event,
    Problem,
    Ready,
    Stage,
    StartTls,
    TlsWanted,
    TransactionEnded,
)
from postroad.protocol.smtp.transaction import NOT_EIGHT_BIT, Transaction

CONTENT = b"Subject: x\r\n\r\n.dot\r\n"
STUFFED = "Subject: x\r\n\r\n..dot\r\n.\r\n"
GREETING = ("220 mx.test ESMTP\r\n", "EHLO me.test\r\n")
PIPELINED = [GREETING, ("250-mx.test\r\n250 PIPELINING\r\n", "")]
PLAIN = [GREETING, ("250 mx.test\r\n", "")]

Step = tuple[str, str]
"""What the host says, and what the client says then."""


def transaction(key: int, **changes: object) -> Transaction:
    base = {"key": key, "reverse_path": f"b+{key}@a.test", "recipient": f"r{key}@b.test", "content": CONTENT}
    return Transaction(**(base | changes))  # type: ignore[arg-type]


def commands(key: int) -> str:
    return f"MAIL FROM:<b+{key}@a.test>\r\nRCPT TO:<r{key}@b.test>\r\nDATA\r\n"


class Player:
    """Drives the machine as a session does: begins what it may begin, writes what is to be written."""

    def __init__(self, transactions: Iterable[Transaction] = (), **options: object) -> None:
        self.client = Client(ehlo_name="me.test", **options)  # type: ignore[arg-type]
        self.waiting = list(transactions)
        self.events: list[Event] = []
        self.client.start()

    def feed(self, data: bytes) -> str:
        self.client.feed(data)
        return self.pump()

    def pump(self) -> str:
        sent = b""
        while True:
            event = self.client.next_event()
            if event is not None:
                if not isinstance(event, Ready):
                    self.events.append(event)
                if isinstance(event, TlsWanted):
                    self.client.tls_started()
            elif self.waiting and self.client.can_transact:
                self.client.transact(self.waiting.pop(0))
            else:
                break
        while data := self.client.data_to_send():
            sent += data
        return sent.decode()

    @property
    def ends(self) -> list[tuple[object, ...]]:
        """What the transactions came to, and the connection, without texts."""
        return [
            (event.key, event.stage, event.problem or (event.reply and event.reply.code))
            if isinstance(event, TransactionEnded)
            else (event.stage, event.problem or (event.reply and event.reply.code))
            for event in self.events
            if isinstance(event, TransactionEnded | ConnectionEnded)
        ]


DELIVERED = Stage.FINAL_DOT

DIALOGUES = [
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n250 ok\r\n354 go\r\n", STUFFED + commands(2)),
            ("250 taken\r\n250 ok\r\n250 ok\r\n354 go\r\n", STUFFED),
            ("250 taken\r\n", ""),
        ],
        [(1, DELIVERED, 250), (2, DELIVERED, 250)],
        id="the next commands go right behind the final dot",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250 mx.test\r\n", "MAIL FROM:<b+1@a.test>\r\n"),
            ("250 ok\r\n", "RCPT TO:<r1@b.test>\r\n"),
            ("250 ok\r\n", "DATA\r\n"),
            ("354 go\r\n", STUFFED),
            ("250 taken\r\n", "MAIL FROM:<b+2@a.test>\r\n"),
            ("451 later\r\n", ""),
        ],
        [(1, DELIVERED, 250), (2, Stage.MAIL, 451)],
        id="one command at a time without PIPELINING",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n550 5.1.1 unknown\r\n503 no recipient\r\n", "RSET\r\n" + commands(2)),
            ("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n", STUFFED),
            ("250 taken\r\n", ""),
        ],
        [(1, Stage.RCPT, 550), (2, DELIVERED, 250)],
        id="a refused recipient leaves a transaction open: RSET",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n550 unknown\r\n354 go\r\n", ".\r\n" + commands(2)),
            ("554 no recipients\r\n250 ok\r\n250 ok\r\n354 go\r\n", STUFFED),
            ("250 taken\r\n", ""),
        ],
        [(1, Stage.RCPT, 550), (2, DELIVERED, 250)],
        id="354 without a recipient is answered by a lone dot",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("550 5.7.1 not you\r\n503 no\r\n503 no\r\n", commands(2)),
            ("250 ok\r\n250 ok\r\n451 busy\r\n", ""),
        ],
        [(1, Stage.MAIL, 550), (2, Stage.DATA, 451)],
        id="refused MAIL opens nothing, so no RSET",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250 mx.test\r\n", "MAIL FROM:<b+1@a.test>\r\n"),
            ("250 ok\r\n", "RCPT TO:<r1@b.test>\r\n"),
            ("550 no\r\n", "RSET\r\nMAIL FROM:<b+2@a.test>\r\n"),
            ("250 ok\r\n250 ok\r\n", "RCPT TO:<r2@b.test>\r\n"),
        ],
        [(1, Stage.RCPT, 550)],
        id="RSET after a refused recipient without PIPELINING",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n250 ok\r\n354 go\r\n", STUFFED + commands(2)),
            ("552 too much\r\n250 ok\r\n250 ok\r\n354 go\r\n", STUFFED),
            ("250 taken\r\n", ""),
        ],
        [(1, DELIVERED, 552), (2, DELIVERED, 250)],
        id="refused content ends its transaction alone",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n250 ok\r\n354 go\r\n", STUFFED + commands(2)),
            ("250 taken\r\n421 closing\r\n", ""),
        ],
        [(1, DELIVERED, 250), (2, Stage.MAIL, 421), (Stage.MAIL, 421)],
        id="421 to the next MAIL",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n250 ok\r\n354 go\r\n", STUFFED + commands(2)),
            ("421 closing\r\n", ""),
        ],
        [(1, DELIVERED, 421), (2, Stage.MAIL, Problem.LOST), (Stage.FINAL_DOT, 421)],
        id="421 to the content loses the transaction behind it",
    ),
    pytest.param(
        1,
        {},
        [GREETING, ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)), ("250 ok\r\n354 what\r\n", "")],
        [(1, Stage.RCPT, Problem.PROTOCOL), (Stage.RCPT, Problem.PROTOCOL)],
        id="354 to RCPT answers something else",
    ),
    pytest.param(
        1,
        {},
        [GREETING, ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)), ("250 ok\r\n250 ok\r\n250 ok\r\n", "")],
        [(1, Stage.DATA, Problem.PROTOCOL), (Stage.DATA, Problem.PROTOCOL)],
        id="250 to DATA answers something else",
    ),
    pytest.param(
        1,
        {},
        [GREETING, ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)), ("250 ok\r\nHello?\r\n", "")],
        [(1, Stage.RCPT, Problem.PROTOCOL), (Stage.RCPT, Problem.PROTOCOL)],
        id="garbage",
    ),
    pytest.param(
        0, {}, [("554 no service\r\n", "")], [(Stage.GREETING, 554)], id="a refused greeting ends the connection"
    ),
    pytest.param(0, {}, [("250 hello\r\n", "")], [(Stage.GREETING, 250)], id="a greeting is 220"),
    pytest.param(
        1,
        {},
        [
            GREETING,
            ("502 what\r\n", "HELO me.test\r\n"),
            ("250-mx.test\r\n250 PIPELINING\r\n", "MAIL FROM:<b+1@a.test>\r\n"),
        ],
        [],
        id="HELO where EHLO is not known, and nothing is offered then",
    ),
    pytest.param(
        0,
        {},
        [GREETING, ("502 what\r\n", "HELO me.test\r\n"), ("550 no\r\n", "")],
        [(Stage.EHLO, 550)],
        id="refused HELO",
    ),
    pytest.param(0, {}, [GREETING, ("450 busy\r\n", "")], [(Stage.EHLO, 450)], id="4xx to EHLO is no reason for HELO"),
    pytest.param(
        1,
        {"start_tls": StartTls.IF_OFFERED},
        [
            GREETING,
            ("250-mx.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n", "STARTTLS\r\n"),
            ("220 go\r\n", "EHLO me.test\r\n"),
            ("250-mx.test\r\n250 SIZE\r\n", "MAIL FROM:<b+1@a.test> SIZE=20\r\n"),
        ],
        [],
        id="STARTTLS, and what was offered before is forgotten",
    ),
    pytest.param(
        1,
        {"start_tls": StartTls.IF_OFFERED},
        [
            GREETING,
            ("250-mx.test\r\n250 STARTTLS\r\n", "STARTTLS\r\n"),
            ("454 not now\r\n", "MAIL FROM:<b+1@a.test>\r\n"),
        ],
        [],
        id="refused STARTTLS goes on in the clear where that may be",
    ),
    pytest.param(
        0,
        {"start_tls": StartTls.REQUIRED},
        [GREETING, ("250-mx.test\r\n250 STARTTLS\r\n", "STARTTLS\r\n"), ("454 not now\r\n", "")],
        [(Stage.STARTTLS, Problem.TLS)],
        id="refused STARTTLS ends a connection that requires it",
    ),
    pytest.param(
        0,
        {"start_tls": StartTls.REQUIRED},
        [GREETING, ("250 mx.test\r\n", "")],
        [(Stage.STARTTLS, Problem.TLS)],
        id="STARTTLS is required and not offered",
    ),
    pytest.param(
        1,
        {"credentials": Credentials("user", "pass")},
        [
            GREETING,
            ("250-mx.test\r\n250 AUTH LOGIN PLAIN\r\n", "AUTH PLAIN AHVzZXIAcGFzcw==\r\n"),
            ("235 ok\r\n", "MAIL FROM:<b+1@a.test>\r\n"),
        ],
        [],
        id="AUTH PLAIN",
    ),
    pytest.param(
        1,
        {"credentials": Credentials("user", "pass")},
        [
            GREETING,
            ("250-mx.test\r\n250 AUTH LOGIN\r\n", "AUTH LOGIN\r\n"),
            ("334 VXNlcm5hbWU6\r\n", "dXNlcg==\r\n"),
            ("334 UGFzc3dvcmQ6\r\n", "cGFzcw==\r\n"),
            ("235 ok\r\n", "MAIL FROM:<b+1@a.test>\r\n"),
        ],
        [],
        id="AUTH LOGIN",
    ),
    pytest.param(
        0,
        {"credentials": Credentials("user", "pass")},
        [
            GREETING,
            ("250-mx.test\r\n250 AUTH PLAIN\r\n", "AUTH PLAIN AHVzZXIAcGFzcw==\r\n"),
            ("535 5.7.8 no\r\n", ""),
        ],
        [(Stage.AUTH, 535)],
        id="refused login",
    ),
    pytest.param(
        0,
        {"credentials": Credentials("user", "pass")},
        [
            GREETING,
            ("250-mx.test\r\n250 AUTH PLAIN\r\n", "AUTH PLAIN AHVzZXIAcGFzcw==\r\n"),
            ("334 \r\n", ""),
        ],
        [(Stage.AUTH, Problem.PROTOCOL)],
        id="334 when all is said",
    ),
    pytest.param(
        0,
        {"credentials": Credentials("user", "pass")},
        [GREETING, ("250-mx.test\r\n250 AUTH GSSAPI\r\n", "")],
        [(Stage.AUTH, Problem.PROTOCOL)],
        id="no mechanism in common",
    ),
    pytest.param(0, {}, [*PIPELINED, ("421 idle\r\n", "")], [(None, 421)], id="421 on an idle connection"),
    pytest.param(
        0, {}, [*PIPELINED, ("250 ok\r\n", "")], [(None, Problem.PROTOCOL)], id="a reply that nothing asked for"
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=1\r\n", commands(1)),
            ("250 ok\r\n250 ok\r\n354 go\r\n", STUFFED),
            ("250 taken\r\n", ""),
        ],
        [(1, DELIVERED, 250)],
        id="MAILMAX is respected",
    ),
    pytest.param(
        2,
        {},
        [
            GREETING,
            ("250-mx.test\r\n250 PIPELINING\r\n", commands(1)),
            ("250 ok\r\n550 no\r\n503 no\r\n", "RSET\r\n" + commands(2)),
            ("500 what\r\n", ""),
        ],
        [(1, Stage.RCPT, 550), (2, Stage.MAIL, Problem.LOST), (Stage.RSET, 500)],
        id="refused RSET",
    ),
]


def play(count: int, options: dict[str, object], steps: list[Step], cut: Callable[[bytes], list[bytes]]) -> Player:
    player = Player([transaction(key) for key in range(1, count + 1)], **options)
    for said, expected in steps:
        sent = "".join([player.feed(piece) for piece in cut(said.encode())])
        assert expected == sent, f"after {said!r}"
    return player


@pytest.mark.parametrize(("count", "options", "steps", "ends"), DIALOGUES)
def test_dialogue(count: int, options: dict[str, object], steps: list[Step], ends: list[tuple[object, ...]]) -> None:
    assert ends == play(count, options, steps, lambda said: [said]).ends
    assert ends == play(count, options, steps, lambda said: [said[i : i + 1] for i in range(len(said))]).ends
    longest = max(len(said) for said, _ in steps)
    for split in range(1, longest):
        assert ends == play(count, options, steps, lambda said, at=split: [said[:at], said[at:]]).ends  # type: ignore[misc]


@pytest.mark.parametrize(("count", "options", "steps", "ends"), DIALOGUES)
@pytest.mark.parametrize("loss", [Problem.LOST, Problem.TIMEOUT])
def test_every_transaction_ends_exactly_once_wherever_the_connection_is_lost(
    count: int, options: dict[str, object], steps: list[Step], ends: list[tuple[object, ...]], loss: Problem
) -> None:
    for cut in range(len(steps) + 1):
        player = play(count, options, steps[:cut], lambda said: [said])
        begun = count - len(player.waiting)
        player.client.lose(loss, "the test hangs up")
        player.pump()
        keys = [event.key for event in player.events if isinstance(event, TransactionEnded)]
        assert list(range(1, begun + 1)) == sorted(keys)
        assert isinstance(player.events[-1], ConnectionEnded)
        assert sum(isinstance(event, ConnectionEnded) for event in player.events) == 1


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ("", Stage.MAIL),
        ("250 ok\r\n", Stage.RCPT),
        ("250 ok\r\n250 ok\r\n", Stage.DATA),
        ("250 ok\r\n250 ok\r\n354 go\r\n", Stage.FINAL_DOT),
    ],
)
def test_a_lost_connection_tells_the_stage(said: str, stage: Stage) -> None:
    player = play(1, {}, [GREETING, ("250-mx.test\r\n250 PIPELINING\r\n", commands(1))], lambda said: [said])
    player.feed(said.encode())
    player.client.lose(Problem.LOST, "gone")
    player.pump()
    assert [(1, stage, Problem.LOST), (stage, Problem.LOST)] == player.ends


def in_large_content(size: int = 3 * CHUNK) -> Player:
    player = Player([transaction(1, content=b"x" * 76 * (size // 76) + b"\r\n"), transaction(2)])
    for said, _ in PIPELINED:
        player.feed(said.encode())
    player.client.feed(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert player.client.next_event() is None
    return player


def test_large_content_leaves_in_chunks_and_is_in_content_until_the_dot_is_handed_over() -> None:
    player = in_large_content()
    sent = []
    while player.client.awaited is Stage.CONTENT:
        sent.append(player.client.data_to_send())
    assert Stage.FINAL_DOT is player.client.awaited
    assert len(sent) == 3
    assert max(len(chunk) for chunk in sent) <= CHUNK
    assert b"".join(sent).endswith(b"x\r\n.\r\n")


def test_a_connection_lost_before_the_dot_is_handed_over_is_lost_in_content() -> None:
    player = in_large_content()
    player.client.data_to_send()
    player.client.lose(Problem.LOST, "gone")
    assert player.pump() == ""
    assert player.ends[0] == (1, Stage.CONTENT, Problem.LOST)


def test_a_refusal_in_the_middle_of_content_ends_transaction_and_connection() -> None:
    player = in_large_content()
    player.client.data_to_send()
    assert player.feed(b"552 5.3.4 enough\r\n") == ""
    assert player.ends == [(1, Stage.CONTENT, 552), (Stage.CONTENT, 552)]


def test_content_accepted_before_its_end_is_no_smtp() -> None:
    player = in_large_content()
    player.client.data_to_send()
    player.feed(b"250 2.0.0 already\r\n")
    assert player.ends[0] == (1, Stage.CONTENT, Problem.PROTOCOL)


def test_smtputf8_is_not_attempted_where_it_is_not_offered_and_the_next_goes_on() -> None:
    player = Player([transaction(1, is_utf8=True), transaction(2, recipient="grüße@b.test"), transaction(3)])
    for said, _ in PIPELINED[:-1]:
        player.feed(said.encode())
    assert commands(3) == player.feed(PIPELINED[-1][0].encode())
    assert player.ends == [(1, Stage.MAIL, Problem.NEEDS_SMTPUTF8), (2, Stage.MAIL, Problem.NEEDS_SMTPUTF8)]


def test_smtputf8_is_used_where_it_is_offered() -> None:
    player = Player([transaction(1, recipient="grüße@b.test")])
    player.feed(GREETING[0].encode())
    sent = player.feed(b"250-mx.test\r\n250 SMTPUTF8\r\n")
    assert sent == "MAIL FROM:<b+1@a.test> SMTPUTF8\r\n"


def test_a_path_that_would_smuggle_a_command_is_not_sent() -> None:
    player = Player([transaction(1, recipient="a@b.test>\r\nRCPT TO:<c@d.test")])
    sent = "".join([player.feed(said.encode()) for said, _ in PIPELINED])
    assert sent == "EHLO me.test\r\n"
    assert player.ends == [(1, Stage.MAIL, Problem.PROTOCOL)]
    assert player.client.is_idle


def test_eight_bit_content_goes_as_it_is_and_is_noted_where_the_host_lacks_8bitmime() -> None:
    player = Player([transaction(1, is_eight_bit=True)])
    for said, _ in PIPELINED:
        player.feed(said.encode())
    player.feed(b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")
    ended = player.events[0]
    assert isinstance(ended, TransactionEnded)
    assert ended.notes == (NOT_EIGHT_BIT,)


def test_bytes_sent_in_the_clear_behind_the_go_ahead_for_tls_are_dropped() -> None:
    player = Player([transaction(1)], start_tls=StartTls.REQUIRED)
    player.feed(GREETING[0].encode())
    player.feed(b"250-mx.test\r\n250 STARTTLS\r\n")
    assert player.feed(b"220 go\r\n250-mx.test\r\n250 PIPELINING\r\n250 injected\r\n") == "EHLO me.test\r\n"
    assert player.feed(b"250 mx.test\r\n") == "MAIL FROM:<b+1@a.test>\r\n"


def test_a_failed_handshake_is_lost_at_starttls() -> None:
    client = Client(ehlo_name="me.test", start_tls=StartTls.IF_OFFERED)
    client.start()
    client.feed(b"220 a\r\n")
    assert client.next_event() is None
    client.feed(b"250-mx.test\r\n250 STARTTLS\r\n")
    assert client.next_event() is None
    client.feed(b"220 go\r\n")
    assert TlsWanted() == client.next_event()
    client.lose(Problem.TLS, "handshake failed")
    assert ConnectionEnded(Stage.STARTTLS, None, Problem.TLS, "handshake failed") == client.next_event()


OFFERED: Step = ("250-mx.test\r\n250 STARTTLS\r\n", "STARTTLS\r\n")
UNDER_TLS: list[Step] = [GREETING, OFFERED, ("220 go\r\n", "EHLO me.test\r\n")]


@pytest.mark.parametrize("start_tls", [StartTls.IF_OFFERED, StartTls.REQUIRED])
@pytest.mark.parametrize("problem", [Problem.LOST, Problem.TIMEOUT])
@pytest.mark.parametrize(("steps", "stage"), [([GREETING, OFFERED], Stage.STARTTLS), (UNDER_TLS, Stage.EHLO)])
def test_a_host_that_says_nothing_to_starttls_or_under_tls_has_failed_at_tls(
    steps: list[Step], stage: Stage, problem: Problem, start_tls: StartTls
) -> None:
    player = play(0, {"start_tls": start_tls}, steps, lambda said: [said])
    player.client.lose(problem, "gone")
    player.pump()
    assert player.events[-1] == ConnectionEnded(stage, None, Problem.TLS, "TLS failed: gone")


@pytest.mark.parametrize(
    ("options", "steps", "stage"),
    [
        ({}, [GREETING], Stage.EHLO),
        ({"is_encrypted": True}, [GREETING], Stage.EHLO),
        ({"start_tls": StartTls.IF_OFFERED}, [GREETING], Stage.EHLO),
        ({"start_tls": StartTls.REQUIRED}, [*UNDER_TLS, ("502 what?\r\n", "HELO me.test\r\n")], Stage.EHLO),
        ({"start_tls": StartTls.REQUIRED}, [*UNDER_TLS, ("250 mx.test\r\n", "")], None),
    ],
    ids=["no TLS", "TLS from the start", "before STARTTLS", "HELO under TLS", "ready under TLS"],
)
def test_a_connection_lost_at_any_other_time_tells_nothing_of_tls(
    options: dict[str, object], steps: list[Step], stage: Stage | None
) -> None:
    player = play(0, options, steps, lambda said: [said])
    player.client.lose(Problem.LOST, "gone")
    player.pump()
    assert player.events[-1] == ConnectionEnded(stage, None, Problem.LOST, "gone")


@pytest.mark.parametrize("steps", [[GREETING, OFFERED], UNDER_TLS], ids=["at STARTTLS", "under TLS"])
def test_421_keeps_its_meaning_whatever_becomes_of_tls(steps: list[Step]) -> None:
    player = play(0, {"start_tls": StartTls.IF_OFFERED}, steps, lambda said: [said])
    player.feed(b"421 4.3.2 Busy\r\n")
    end = player.events[-1]
    assert isinstance(end, ConnectionEnded)
    assert (end.problem, end.reply and end.reply.code) == (None, 421)


def test_quit_ends_in_order_and_begins_nothing_more() -> None:
    player = play(0, {}, PIPELINED, lambda said: [said])
    assert player.client.is_idle
    player.client.quit()
    assert not player.client.can_transact
    assert player.pump() == "QUIT\r\n"
    player.feed(b"421 closing anyway\r\n")
    ended = player.events[-1]
    assert isinstance(ended, ConnectionEnded)
    assert (ended.stage, ended.problem) == (Stage.QUIT, None)


def test_nothing_is_awaited_from_a_connection_that_is_over() -> None:
    player = in_large_content()
    player.client.data_to_send()
    player.client.lose(Problem.TIMEOUT, "too slow")
    assert player.client.awaited is None
    assert player.client.data_to_send() == b""


def test_an_idle_connection_holds_on_to_no_content() -> None:
    content = b"x" * 100 + b"\r\n"
    held_before = sys.getrefcount(content)
    player = Player([transaction(1, content=content)])
    for said, _ in PIPELINED:
        player.feed(said.encode())
    player.feed(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert sys.getrefcount(content) > held_before
    player.feed(b"250 taken\r\n")
    assert player.client.is_idle
    assert sys.getrefcount(content) == held_before


def test_progress_moves_with_whole_replies_and_pieces_only() -> None:
    player = in_large_content()
    before = player.client.progress
    player.client.data_to_send()
    assert before + 1 == player.client.progress
    player.client.feed(b"552-half a rep")
    assert player.client.next_event() is None
    assert before + 1 == player.client.progress


@pytest.mark.parametrize(("count", "options", "steps", "ends"), DIALOGUES)
@pytest.mark.parametrize("trailing", [b"250 and more\r\n", b"\x00\xff garbage\r\n", b"x" * 5_000])
def test_trailing_bytes_end_the_connection_and_change_nothing_before(
    count: int, options: dict[str, object], steps: list[Step], ends: list[tuple[object, ...]], trailing: bytes
) -> None:
    player = play(count, options, steps, lambda said: [said])
    player.feed(trailing * 10)
    assert ends == player.ends[: len(ends)]
    assert player.client.is_over


REPLY = st.sampled_from(
    ["220 a", "250 ok", "250-x\r\n250 PIPELINING", "354 go", "334 x", "235 ok", "421 bye", "451 later", "550 no", "?"]
)


@given(replies=st.lists(REPLY, max_size=20), is_pipelining=st.booleans(), has_eof=st.booleans())
def test_whatever_a_host_says_each_transaction_ends_once(
    replies: list[str], is_pipelining: bool, has_eof: bool
) -> None:
    player = Player([transaction(key) for key in range(1, 6)])
    for said, _ in PIPELINED if is_pipelining else PLAIN:
        player.feed(said.encode())
    for reply in replies:
        player.feed(f"{reply}\r\n".encode())
    if has_eof:
        player.client.lose(Problem.LOST, "end of bytes")
        player.pump()
    keys = [event.key for event in player.events if isinstance(event, TransactionEnded)]
    assert len(keys) == len(set(keys))
    begun = 5 - len(player.waiting)
    if player.client.is_over:
        assert list(range(1, begun + 1)) == sorted(keys)
    else:
        assert begun - len(keys) <= 2
