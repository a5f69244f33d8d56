"""What is kept of a message's header for its events."""

import pytest

from postroad.policy.told_header import MAX_FIELDS, MAX_OCTETS, told_fields, told_header


def content(*fields: bytes) -> bytes:
    """Return a message with these fields, as it is stored."""
    return b"\r\n".join([b"Received: by mx", *fields, b"X-Postroad-ID: 1", b"", b"X-Body: no", b"To: nobody"])


def kept_names(*fields: bytes, with_cc: bool = False) -> list[bytes]:
    kept = told_header(content(*fields), with_cc=with_cc)
    assert kept is not None
    return [line.partition(b":")[0] for line in kept.splitlines() if not line.startswith((b" ", b"\t"))]


def test_to_goes_first_and_the_others_follow_in_their_order_as_they_stand() -> None:
    kept = told_header(content(b"X-Order:  4711 ", b"Subject: s", b"To: a@r.example,\r\n\tb@r.example\r\n c", b"x-b:"))

    assert kept == b"To: a@r.example,\r\n\tb@r.example\r\n c\r\nX-Order:  4711 \r\nx-b:\r\nX-Postroad-ID: 1\r\n"


@pytest.mark.parametrize("name", [b"X-OV-Variables", b"x-ov-tag", b"Xy", b"To-Do", b"Reply-To", b"Resent-To", b"Cc"])
def test_other_fields_are_left_out(name: bytes) -> None:
    assert kept_names(name + b": secret") == [b"X-Postroad-ID"]


@pytest.mark.parametrize("name", [b"to", b"TO", b"x-order", b"X-ORDER", b"X-OVERVIEW", b"X-'*!"])
def test_names_are_kept_as_they_are_written(name: bytes) -> None:
    assert kept_names(name + b": 1") == [name, b"X-Postroad-ID"]


def test_a_line_that_goes_on_with_another_field_is_none() -> None:
    assert kept_names(b"Subject: x\r\n To: a@r.example\r\n\tX-A: 1") == [b"X-Postroad-ID"]


def test_of_the_same_name_the_first_is_kept() -> None:
    kept = told_header(content(b"X-A: 1", b"X-A: 2", b"x-a: 3"))

    assert kept == b"X-A: 1\r\nx-a: 3\r\nX-Postroad-ID: 1\r\n"


def test_there_is_room_for_fifty_fields() -> None:
    names = [b"X-%d" % number for number in range(60)]

    assert kept_names(*(name + b": 1" for name in names), b"To: a@r.example") == [b"To", *names[: MAX_FIELDS - 1]]


def test_what_exceeds_the_room_is_left_out_whole_and_shorter_fields_behind_it_are_kept() -> None:
    long = b"X-Long:" + b"x" * (MAX_OCTETS - len(b"To: a\r\nX-Long:\r\n"))
    following = [b"X-More: 2", b"To: a"]

    assert kept_names(long, *following) == [b"To", b"X-Long"]
    assert kept_names(long + b"x", *following) == [b"To", b"X-More", b"X-Postroad-ID"]
    assert kept_names(b"To: " + b"a@r.example,\r\n " * 600 + b"b@r.example", b"X-Order: 7") == [
        b"X-Order",
        b"X-Postroad-ID",
    ]


def test_copies_go_last_where_the_names_in_them_are_needed_and_are_not_told() -> None:
    fields = (b"CC: Bob <b@r.example>", b"To: Ada <a@r.example>")
    kept = told_header(content(*fields), with_cc=True)

    assert kept_names(*fields, with_cc=True) == [b"To", b"X-Postroad-ID", b"CC"]
    assert told_fields(kept or b"") == {b"To": b" Ada <a@r.example>", b"X-Postroad-ID": b" 1"}


@pytest.mark.parametrize(
    "nothing", [b"", b"\r\nTo: a@r.example\r\n\r\n", b"Subject: x\r\n\r\nbody\r\nTo: a@r.example\r\n"]
)
def test_nothing_is_kept_where_nothing_is_told(nothing: bytes) -> None:
    assert told_header(nothing) is None


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\nbody"])
def test_the_first_and_the_last_field_are_seen(end: bytes) -> None:
    assert told_header(b"To: a@r.example\r\nX-Last: 1" + end) == b"To: a@r.example\r\nX-Last: 1\r\n"


def test_what_is_kept_is_read_as_it_was() -> None:
    assert told_fields(b"To: a,\r\n b\r\nX-A:1\r\n") == {b"To": b" a,\r\n b", b"X-A": b"1"}
    assert told_fields(b"") == {}
