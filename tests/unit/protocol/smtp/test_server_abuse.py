"""Clients that do not behave: every limit has an answer, and nothing grows."""

import tracemalloc

import pytest

from postroad.protocol.smtp.offer import Closed
from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.server import ServerMachine
from postroad.protocol.smtp.server_options import ServerLimits
from tests.unit.protocol.smtp.dialogue import Dialogue, logged_in, options

BEGIN = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"


def greeted(**limits: int) -> Dialogue:
    dialogue = Dialogue(ServerMachine(options(limits=ServerLimits(**limits)))).play([b"EHLO c\r\n"])
    dialogue.said = b""
    return dialogue


def peak_of(dialogue: Dialogue, piece: bytes, times: int) -> int:
    """Return how many octets of memory are taken at most while a piece is fed again and again."""
    tracemalloc.start()
    for _ in range(times):
        dialogue.play([piece])
        dialogue.said = b""
        dialogue.events.clear()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_line_of_the_longest_length_is_taken_and_one_octet_more_is_not() -> None:
    assert greeted().play([b"NOOP " + b"x" * 2043 + b"\r\n"]).statuses == ["250 2.0.0"]
    assert greeted().play([b"NOOP " + b"x" * 2044 + b"\r\n", b"NOOP\r\n"]).statuses == ["500 5.5.2", "250 2.0.0"]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_an_endless_line_is_answered_once_and_takes_no_memory(size: int) -> None:
    dialogue = greeted()
    assert peak_of(dialogue, b"x" * size, 300_000 // size) < 200_000
    dialogue.play([b"x\r\nNOOP\r\n"])

    assert dialogue.statuses == ["500 5.5.2", "250 2.0.0"]


def test_a_login_line_may_be_longer_and_has_its_own_limit() -> None:
    assert greeted().play([b"AUTH PLAIN " + b"A" * 12_000 + b"\r\n"]).statuses == ["501 5.5.2"]
    assert greeted().play([b"AUTH PLAIN " + b"A" * 12_288 + b"\r\n"]).statuses == ["500 5.5.2"]
    long_answer = greeted().play([b"AUTH LOGIN\r\n", b"A" * 13_000 + b"\r\nNOOP\r\n"])
    assert long_answer.statuses == ["334", "500 5.5.6", "250 2.0.0"]


def test_unknown_commands_end_the_session() -> None:
    dialogue = greeted().play([b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\n\r\n"])

    assert dialogue.statuses == ["500 5.5.1"] * 4 + ["421 4.7.0"]
    assert isinstance(dialogue.events[-1], Closed)


def test_errors_end_the_session() -> None:
    assert greeted().play([b"MAIL FROM:<a@b>\r\n" * 20]).statuses == ["530 5.7.0"] * 10 + ["421 4.7.0"]


def test_an_accepted_message_makes_up_for_errors_before_it() -> None:
    dialogue = Dialogue(logged_in(max_errors=3))
    for _ in range(4):
        dialogue.play([b"DATA\r\nDATA\r\n" + BEGIN + b"DATA\r\n.\r\n"])

    assert len(dialogue.messages) == 4


def test_failed_logins_end_the_session_and_busy_ones_do_not() -> None:
    dialogue = greeted()
    dialogue.verdict = lambda offer: Reply(454, "4.7.0", "busy")
    dialogue.play([b"AUTH PLAIN AGEAYg==\r\n" * 8])
    dialogue.verdict = lambda offer: Reply(535, "5.7.8", "wrong")
    dialogue.play([b"AUTH PLAIN AGEAYg==\r\n" * 5])

    assert dialogue.statuses == ["454 4.7.0"] * 8 + ["535 5.7.8"] * 3 + ["421 4.7.0"]


def test_busy_logins_are_not_repeated_without_end() -> None:
    dialogue = greeted(max_idle_commands=5)
    dialogue.verdict = lambda offer: Reply(454, "4.7.0", "busy")

    assert dialogue.play([b"AUTH PLAIN AGEAYg==\r\n" * 9]).statuses[-1] == "421 4.7.0"


def test_garbage_instead_of_base64_ends_the_session() -> None:
    assert greeted().play([b"AUTH LOGIN\r\n\xff\xfe\r\n" * 12]).statuses[-1] == "421 4.7.0"


def test_idle_commands_end_the_session() -> None:
    # EHLO, said once already, counts too.
    assert greeted(max_idle_commands=3).play([b"NOOP\r\nRSET\r\nNOOP\r\n"]).statuses == ["250 2.0.0"] * 3 + [
        "421 4.7.0"
    ]


def test_bad_recipients_end_the_session() -> None:
    dialogue = Dialogue(logged_in(max_bad_recipients=5)).play([BEGIN + b"RCPT TO:<@>\r\n" * 9])

    assert dialogue.statuses[2:] == ["501 5.1.3"] * 4 + ["501 5.1.3", "421 4.7.0"]


@pytest.mark.parametrize("mail", [b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<a@b.example> FOO=1\r\n"])
@pytest.mark.parametrize("command", [b"RCPT TO:<c@d.example>\r\n", b"DATA\r\n", b"BDAT 0\r\n", b"BDAT 1\r\nx"])
def test_commands_behind_a_refused_mail_without_end_end_the_session(mail: bytes, command: bytes) -> None:
    dialogue = greeted(max_recipients=100).play([mail + command * 500])

    assert dialogue.statuses[1:] == ["503 5.5.1"] * 110 + ["421 4.7.0"]
    assert isinstance(dialogue.events[-1], Closed)


def test_a_whole_message_behind_a_refused_mail_gets_all_its_replies_each_time() -> None:
    dialogue = Dialogue(logged_in(max_recipients=100), lambda offer: Reply(550, "5.7.1", "not yours"))
    recipients = b"".join(b"RCPT TO:<r%d@d.example>\r\n" % number for number in range(100))
    for mail in (b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<a@b.example> FOO=1\r\n") * 4:
        dialogue.play([mail + recipients + b"DATA\r\n"])

    assert dialogue.statuses == ["550 5.7.1", *["503 5.5.1"] * 101, "555 5.5.4", *["503 5.5.1"] * 101] * 4


def test_chunks_behind_a_message_that_was_too_large_are_not_taken_without_end() -> None:
    dialogue = Dialogue(logged_in(max_recipients=100, max_message_size=1000))
    dialogue.play([BEGIN + b"BDAT 2000\r\n" + b"x" * 2000 + b"BDAT 0\r\n" * 500])

    assert dialogue.statuses[2:] == ["552 5.3.4"] + ["503 5.5.1"] * 110 + ["421 4.7.0"]


def test_a_driver_may_go_on_later_with_what_has_come() -> None:
    machine = logged_in()
    machine.feed(b"NOOP\r\n" * 10)
    machine.feed_eof()
    assert machine.next_event(machine.steps + 4) is None
    assert machine.data_to_send().count(b"250 ") == 4
    assert machine.next_event(machine.steps) is None
    assert machine.data_to_send() == b""
    assert isinstance(machine.next_event(), Closed)
    assert machine.data_to_send().count(b"250 ") == 6


def test_recipients_beyond_the_limit_are_put_off_and_the_message_goes_to_the_others() -> None:
    dialogue = Dialogue(logged_in(max_recipients=3))
    recipients = b"".join(b"RCPT TO:<r%d@d.example>\r\n" % number for number in range(5))
    dialogue.play([b"MAIL FROM:<a@b.example>\r\n" + recipients + b"RCPT TO:<r1@d.example>\r\nDATA\r\n.\r\n"])

    assert dialogue.statuses[1:7] == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2 + ["250 2.1.5"]
    assert len(dialogue.messages[0].recipients) == 3


def test_a_flood_of_recipients_takes_no_memory() -> None:
    dialogue = Dialogue(logged_in())
    dialogue.play(
        [b"MAIL FROM:<a@b.example>\r\n", *[b"RCPT TO:<r%d@d.example>\r\n" % number for number in range(1000)]]
    )
    piece = b"".join(b"RCPT TO:<more%d@d.example>\r\n" % number for number in range(500))

    assert peak_of(dialogue, piece, 40) < 500_000


def test_a_text_without_an_end_takes_no_memory_beyond_the_limit() -> None:
    dialogue = Dialogue(logged_in(max_message_size=100_000)).play([BEGIN + b"DATA\r\n"])

    assert peak_of(dialogue, b"x" * 78 + b"\r\n", 20_000) < 500_000
    assert dialogue.machine.content_octets == 0


def test_a_text_that_comes_octet_by_octet_takes_no_more_than_its_length() -> None:
    dialogue = Dialogue(logged_in(max_message_size=100_000)).play([BEGIN + b"DATA\r\n"])

    assert peak_of(dialogue, b"x", 50_000) < 300_000


def test_a_huge_chunk_is_read_without_being_kept() -> None:
    dialogue = Dialogue(logged_in(max_message_size=100_000)).play([BEGIN + b"BDAT 99999999999999999999 LAST\r\n"])

    assert peak_of(dialogue, b"x" * 10_000, 500) < 500_000
    assert dialogue.machine.is_receiving_content


def test_octets_that_come_while_a_decision_waits_ask_for_a_pause() -> None:
    machine = logged_in()
    machine.feed(b"MAIL FROM:<a@b.example>\r\n")
    machine.next_event()
    assert not machine.wants_pause
    machine.feed(b"RCPT TO:<c@d.example>\r\n")

    assert machine.wants_pause
