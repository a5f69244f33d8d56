import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.reply import Reply
from postroad.protocol.smtp.reply_reader import MAX_LINE, MAX_REPLY, RemoteProtocolError, ReplyReader


def read(*chunks: bytes) -> list[Reply | RemoteProtocolError]:
    reader = ReplyReader()
    found: list[Reply | RemoteProtocolError] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.next_reply()) is not None:
            found.append(reply)
            if isinstance(reply, RemoteProtocolError):
                return found
    return found


WELL_FORMED = [
    pytest.param(b"250 Ok\r\n", [Reply(250, None, "Ok")], id="one line"),
    pytest.param(b"250\r\n", [Reply(250, None, "")], id="no text and no space"),
    pytest.param(b"250 \r\n", [Reply(250, None, "")], id="no text"),
    pytest.param(b"250 Ok\n", [Reply(250, None, "Ok")], id="lone line feed"),
    pytest.param(b"250 Ok\r\r\n", [Reply(250, None, "Ok")], id="doubled carriage return"),
    pytest.param(b"250-a\r\n250-b\r\n250 c\r\n", [Reply(250, None, "a\nb\nc")], id="several lines"),
    pytest.param(b"250-a\r\n250\r\n", [Reply(250, None, "a\n")], id="last line bare"),
    pytest.param(b"550-5.1.1 No\r\n550 5.1.1 such\r\n", [Reply(550, "5.1.1", "No\nsuch")], id="enhanced"),
    pytest.param(b"250 a\r\n354 b\r\n", [Reply(250, None, "a"), Reply(354, None, "b")], id="two replies"),
    pytest.param("250 grüß\r\n".encode(), [Reply(250, None, "grüß")], id="UTF-8"),
    pytest.param(b"250 a\x00b\x1b[0m\xff\r\n", [Reply(250, None, "a b [0m�")], id="control and odd octets"),
]


@pytest.mark.parametrize(("wire", "expected"), WELL_FORMED)
def test_reads_replies_whole_byte_by_byte_and_at_every_split(wire: bytes, expected: list[Reply]) -> None:
    assert expected == read(wire)
    assert expected == read(*(wire[i : i + 1] for i in range(len(wire))))
    for split in range(len(wire)):
        assert expected == read(wire[:split], wire[split:])


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"25 Ok\r\n",
        b"150 early\r\n",
        b"600 late\r\n",
        b"250Ok\r\n",
        b"250-a\r\n251 b\r\n",
        b"\r\n",
        b"250 lone\rreturn\r\n",
        b"x" * (MAX_LINE + 1),
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"250-more\r\n" * (MAX_REPLY // 10 + 1),
    ],
    ids=lambda wire: repr(wire[:20]),
)
def test_what_is_no_reply_comes_out_as_an_error_and_nothing_after_it(wire: bytes) -> None:
    reader = ReplyReader()
    reader.feed(wire)
    error = reader.next_reply()
    assert isinstance(error, RemoteProtocolError)
    reader.feed(b"250 Ok\r\n")
    assert error == reader.next_reply()


def test_a_long_line_in_pieces_is_refused_before_it_ends() -> None:
    reader = ReplyReader()
    for _ in range(MAX_LINE // 100):
        reader.feed(b"250 " if not reader._buffer else b"x" * 100)
        assert reader.next_reply() is None
    reader.feed(b"x" * 200)
    assert RemoteProtocolError("reply line is too long") == reader.next_reply()


def test_clearing_forgets_half_a_reply_and_whole_ones() -> None:
    reader = ReplyReader()
    reader.feed(b"250-a\r\n")
    assert reader.next_reply() is None
    reader.feed(b"250 b\r\n220 injected\r\n25")
    reader.clear()
    reader.feed(b"250 Ok\r\n")
    assert Reply(250, None, "Ok") == reader.next_reply()
    assert reader.next_reply() is None


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_give_replies_or_one_error(chunks: list[bytes]) -> None:
    found = read(*chunks)
    assert all(isinstance(reply, Reply) for reply in found[:-1])
    whole = read(b"".join(chunks))
    assert found == whole


@given(
    code=st.integers(200, 599),
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp", "Zs"])), min_size=1),
)
def test_an_encoded_reply_reads_back(code: int, lines: list[str]) -> None:
    text = "\n".join(lines)
    read_back = read(Reply(code, None, text).encode())
    assert [str(Reply(code, None, text))] == [str(reply) for reply in read_back]
