"""SMTP smuggling: nothing but CR LF . CR LF ends a message, whatever the pieces it comes in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.data import Fault
from tests.unit.protocol.smtp.dialogue import Dialogue, every_split, logged_in

BEGIN = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
SMUGGLED = b"MAIL FROM:<admin@b.example>\r\nRCPT TO:<victim@d.example>\r\nDATA\r\nevil\r\n"
LINE_ENDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\r\n",
    b"\n\r",
    b"\r\0\n",
    b"\n\n",
    b"\0",
    b"\x0b",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"",
)
NEARLY_ENDS = [
    before + b"." + after
    for before, after in itertools.product(LINE_ENDS, repeat=2)
    if not (before.endswith(b"\r\n") and after.startswith(b"\r\n"))
]


@pytest.mark.parametrize("nearly", NEARLY_ENDS, ids=repr)
def test_nothing_else_ends_a_message(nearly: bytes) -> None:
    text = b"Subject: x\r\n\r\nhello" + nearly + SMUGGLED
    for pieces in every_split(text + b".\r\n"):
        dialogue = Dialogue(logged_in()).play([BEGIN, *pieces])

        # One message, with what would have been the second inside it; dots at a line's start are taken off.
        assert [message.content for message in dialogue.messages] == [text.replace(b"\r\n.", b"\r\n")]
        assert dialogue.statuses == ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]


@pytest.mark.parametrize("nearly", [end for end in NEARLY_ENDS if b"\r" in end or b"\n" in end], ids=repr)
def test_a_message_with_a_stray_cr_or_lf_says_so(nearly: bytes) -> None:
    text = b"Subject: x\r\n\r\nhello" + nearly + b"more\r\n"
    (message,) = Dialogue(logged_in()).play([BEGIN, text + b".\r\n"]).messages

    strays = nearly.replace(b"\r\n", b"")
    assert (Fault.BARE_CR in message.faults) == (b"\r" in strays)
    assert (Fault.BARE_LF in message.faults) == (b"\n" in strays)


@pytest.mark.parametrize("line", [b"DATA\n", b"DATA\r", b"DATA\r\r\n"])
def test_the_command_before_the_text_needs_its_own_line_end(line: bytes) -> None:
    dialogue = Dialogue(logged_in()).play([BEGIN.removesuffix(b"DATA\r\n") + line + b".\r\nNOOP\r\n"])

    assert "354" not in dialogue.statuses
    assert dialogue.messages == []


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"a", b"\0", b"\r\n.\r\n"]), max_size=30),
    st.data(),
)
def test_a_text_ends_where_the_first_true_end_is(parts: list[bytes], data: st.DataObject) -> None:
    text = b"".join(parts) + b"\r\n.\r\n"
    # The oracle: the first CR LF . CR LF, where the CR LF of the DATA line counts.
    whole = b"\r\n" + text
    end = whole.index(b"\r\n.\r\n")
    expected = whole[: end + 2].replace(b"\r\n.", b"\r\n")[2:]

    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:stop] for start, stop in itertools.pairwise([0, *cuts, len(text)])]
    dialogue = Dialogue(logged_in()).play([BEGIN, *pieces])

    assert dialogue.messages[0].content == expected
