"""The header block as byte spans."""

import email.parser
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.mime.header import (
    MAX_BLOCK_SIZE,
    MAX_FIELDS,
    HeaderBlock,
    HeaderFault,
    apply,
    fold,
    insert_at_end,
    insert_at_top,
    remove,
    replace,
    split,
    unfold,
)

MESSAGE = (
    b"From: Ada <ada@example.com>\r\n"
    b"Subject: a long\r\n subject\r\n\tin three lines\r\n"
    b"X-Empty:\r\n"
    b"from: second@example.com\r\n"
    b"\r\n"
    b"Body: not a header\r\n"
)


def block_of(content: bytes) -> HeaderBlock:
    block = split(content)
    assert isinstance(block, HeaderBlock), block
    return block


def rule_of(content: bytes) -> str:
    fault = split(content)
    assert isinstance(fault, HeaderFault), fault
    return fault.rule


def test_fields_come_with_lower_names_and_whole_spans() -> None:
    block = block_of(MESSAGE)

    assert [field.name for field in block.fields] == [b"from", b"subject", b"x-empty", b"from"]
    assert block.raw(block.fields[1]) == b"Subject: a long\r\n subject\r\n\tin three lines\r\n"
    assert block.value(block.fields[2]) == b""
    assert block.text(block.fields[1]) == b"a long subject\tin three lines"


def test_body_begins_behind_the_empty_line() -> None:
    block = block_of(MESSAGE)

    assert block.body == b"Body: not a header\r\n"
    assert MESSAGE[: block.end].endswith(b"second@example.com\r\n")


def test_named_finds_every_field_whatever_its_case() -> None:
    block = block_of(MESSAGE)

    assert [block.text(field) for field in block.named(b"from")] == [b"Ada <ada@example.com>", b"second@example.com"]
    assert block.first(b"from") == block.fields[0]
    assert block.first(b"to") is None


def test_a_message_without_an_empty_line_is_all_header() -> None:
    block = block_of(b"From: a@example.com\r\nTo: b@example.com\r\n")

    assert (len(block.fields), block.end, block.body_offset, block.body) == (2, 40, 40, b"")


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\ntext\r\n"])
def test_a_message_may_have_no_fields(content: bytes) -> None:
    assert block_of(content).fields == ()


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b" folded: first\r\n\r\n", "header_begins_folded"),
        (b"From: a\r\nno colon here\r\n\r\n", "header_line_without_colon"),
        (b"From : a\r\n\r\n", "header_space_before_colon"),
        (b"From: a\r\n: value\r\n\r\n", "header_name_empty"),
        (b"Fr\xc3\xb6m: a\r\n\r\n", "header_name_invalid"),
        (b"X y z: a\r\n\r\n", "header_name_invalid"),
        (b"From: a\nTo: b\r\n\r\n", "header_bare_cr_or_lf"),
        (b"From: a\rTo: b\r\n\r\n", "header_bare_cr_or_lf"),
        (b"From: a", "header_line_not_ended"),
        (b"From: a\r\nTo: b\n", "header_line_not_ended"),
    ],
)
def test_malformed_lines_are_told_apart(content: bytes, rule: str) -> None:
    assert rule_of(content) == rule


def test_the_fault_names_the_line() -> None:
    fault = split(b"From: a\r\nTo: b\r\n c\r\noops\r\n\r\n")

    assert isinstance(fault, HeaderFault)
    assert fault.text.startswith('Header line 4 ("oops") has no colon')


def test_a_block_may_have_256_kilobytes_and_not_one_octet_more() -> None:
    line = b"X-Long: " + b"a" * 990 + b"\r\n"
    fitting = line * (MAX_BLOCK_SIZE // len(line))
    fitting += b"X: " + b"b" * (MAX_BLOCK_SIZE - len(fitting) - 5) + b"\r\n"

    assert len(fitting) == MAX_BLOCK_SIZE
    assert block_of(fitting + b"\r\nbody").end == MAX_BLOCK_SIZE
    assert rule_of(b"Y" + fitting + b"\r\nbody") == "header_block_too_large"
    assert rule_of(b"Y" + fitting) == "header_block_too_large"


def test_a_block_may_have_a_thousand_fields() -> None:
    assert len(block_of(b"A: b\r\n" * MAX_FIELDS).fields) == MAX_FIELDS
    assert rule_of(b"A: b\r\n" * (MAX_FIELDS + 1)) == "too_many_header_fields"


def test_eight_bit_in_the_block_is_seen_and_in_the_body_not() -> None:
    assert not block_of("Subject: Grüße\r\n\r\n".encode()).is_ascii
    assert block_of("Subject: x\r\n\r\nGrüße\r\n".encode()).is_ascii


def test_edits_touch_only_their_spans() -> None:
    block = block_of(MESSAGE)
    edits = [
        insert_at_end(block, b"Date: now\r\n"),
        remove(block.fields[3]),
        replace(block.fields[1], b"Subject: b\r\n"),
        insert_at_top(b"Received: x\r\n"),
        insert_at_top(b"X-Second: y\r\n"),
    ]

    assert apply(block, edits) == (
        b"Received: x\r\nX-Second: y\r\nFrom: Ada <ada@example.com>\r\nSubject: b\r\nX-Empty:\r\nDate: now\r\n"
        b"\r\nBody: not a header\r\n"
    )


def test_a_field_that_stands_first_can_be_removed_below_an_insertion() -> None:
    block = block_of(b"Bcc: a\r\nTo: b\r\n\r\n")

    assert apply(block, [remove(block.fields[0]), insert_at_top(b"X: y\r\n")]) == b"X: y\r\nTo: b\r\n\r\n"


def test_edits_that_overlap_are_refused() -> None:
    block = block_of(MESSAGE)

    with pytest.raises(ValueError, match="overlaps"):
        apply(block, [remove(block.fields[1]), replace(block.fields[1], b"X: y\r\n")])


def test_unfold_keeps_the_white_space() -> None:
    assert unfold(b" a\r\n b\r\n\tc") == b" a b\tc"


def test_fold_begins_a_line_before_the_word_that_would_pass_the_width() -> None:
    assert fold("X-Test", ["aaaa", "bbbb", "cccc"], width=17) == b"X-Test: aaaa bbbb\r\n cccc\r\n"


values = st.text("abc :;,<>@\t", max_size=30).map(lambda text: text.encode())
lines = st.lists(st.tuples(st.sampled_from([b"From", b"X-A", b"to", b"List-Id"]), values), max_size=12)


@given(lines, st.binary(max_size=40))
def test_fields_agree_with_the_standard_library(fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    content = b"".join(name + b":" + value + b"\r\n" for name, value in fields) + b"\r\n" + body
    block = block_of(content)
    parsed = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(content)

    assert [(f.name.decode(), block.text(f).decode()) for f in block.fields] == [
        (name.lower(), value.strip(" \t")) for name, value in parsed.items()
    ]
    assert block.body == body


@given(st.binary(max_size=200))
def test_spans_cover_the_block_without_gap(content: bytes) -> None:
    block = split(content)
    if isinstance(block, HeaderBlock):
        assert b"".join(block.raw(field) for field in block.fields) == content[: block.end]
