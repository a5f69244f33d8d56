"""What events echo of their message's header."""

from postroad.webhooks.happenings import echoed_headers


def test_to_and_custom_fields_are_echoed_decoded_and_unfolded() -> None:
    content = (
        b"Received: from x\r\nTo: =?utf-8?q?J=C3=BCrgen?= <j@r.example>,\r\n b@r.example\r\nX-Order: 4711\r\n"
        b"X-OV-Tag: secret\r\nx-order: again\r\nSubject: hello\r\n\r\nX-Body: no\r\n"
    )

    assert echoed_headers(content) == {
        "To": "Jürgen <j@r.example>, b@r.example",
        "X-Order": "4711",
        "x-order": "again",
    }


def test_of_the_same_field_the_first_is_told() -> None:
    assert echoed_headers(b"X-A: 1\r\nX-A: 2\r\n\r\n") == {"X-A": "1"}


def test_strange_octets_do_no_harm() -> None:
    assert echoed_headers(b"X-A: \xff\x00\r\n\r\n")["X-A"]
    assert echoed_headers(b"") == {}
    assert len(echoed_headers(b"".join(b"X-%d: 1\r\n" % number for number in range(500)))) == 50
