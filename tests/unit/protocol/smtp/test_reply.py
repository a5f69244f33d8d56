"""Replies as values: written by RFC 2034, read back the same, shown in one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.reply import Reply, from_lines

TEXTS = st.lists(st.from_regex(r"\A[A-Za-z][ -~]{0,40}\Z"), min_size=1, max_size=4).map("\n".join)


@pytest.mark.parametrize(
    ("code", "is_positive", "is_transient"),
    [(220, True, False), (354, True, False), (421, False, True), (452, False, True), (550, False, False)],
)
def test_the_first_digit_says_what_a_reply_means(code: int, is_positive: bool, is_transient: bool) -> None:
    reply = Reply(code, None, "words")

    assert (reply.is_positive, reply.is_transient) == (is_positive, is_transient)


def test_every_line_carries_the_enhanced_code_and_all_but_the_last_a_hyphen() -> None:
    assert Reply(550, "5.7.1", "No.\nNot from here.").encode() == b"550-5.7.1 No.\r\n550 5.7.1 Not from here.\r\n"
    assert Reply(354, None, "Go on").encode() == b"354 Go on\r\n"


def test_nothing_quoted_in_a_reply_ends_a_line_or_steers_a_terminal() -> None:
    assert Reply(550, None, "a\r250 ok\x1b[2J\x85b\u2028").encode() == b"550 a?250 ok?[2J?b?\r\n"


def test_a_reply_is_shown_in_one_line() -> None:
    assert str(Reply(421, "4.7.0", "Too many.\nTry later.")) == "421 4.7.0 Too many. Try later."


@given(st.sampled_from([(250, "2.0.0"), (451, "4.3.0"), (550, "5.7.1"), (354, None)]), TEXTS)
def test_what_is_written_reads_back(codes: tuple[int, str | None], text: str) -> None:
    reply = Reply(*codes, text)
    lines = [line[4:] for line in reply.encode().decode().splitlines()]

    assert from_lines(codes[0], lines) == reply


@pytest.mark.parametrize("line", ["2.0.0 queued", "5.7 no", "5.7.1234 no", "5.7.1,no"])
def test_an_enhanced_code_of_another_class_or_form_is_plain_text(line: str) -> None:
    assert from_lines(550, [line]) == Reply(550, None, line)


def test_a_line_without_the_enhanced_code_of_the_first_is_kept_whole() -> None:
    assert from_lines(550, ["5.1.1 No such user", "see the manual"]) == Reply(
        550, "5.1.1", "No such user\nsee the manual"
    )
    assert from_lines(250, []) == Reply(250, None, "")
