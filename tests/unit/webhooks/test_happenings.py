"""What events echo of their message's header."""

from postroad.webhooks.happenings import echoed_headers


def test_to_and_custom_fields_are_echoed_decoded_and_unfolded() -> None:
    kept = b"To: =?utf-8?q?J=C3=BCrgen?= <j@r.example>,\r\n b@r.example\r\nX-Order: 4711\r\nx-order: again\r\nCc: c@r.example\r\n"

    assert echoed_headers(kept) == {
        "To": "Jürgen <j@r.example>, b@r.example",
        "X-Order": "4711",
        "x-order": "again",
    }


def test_strange_octets_do_no_harm() -> None:
    assert echoed_headers(b"X-A: \xff\x00\r\n")["X-A"]
    assert echoed_headers(b"") == {}
