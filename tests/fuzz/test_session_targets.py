"""The fuzz targets of the doors, driven for a short while by hypothesis."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import proxy, smtp_server

SMTP_PARTS = st.sampled_from(
    [
        b"EHLO c\r\n", b"HELO c\r\n", b"AUTH LOGIN\r\n", b"AUTH PLAIN AGEAYg==\r\n", b"AUTH PLAIN =\r\n", b"Yg==\r\n", b"*\r\n",
        b"MAIL FROM:<a@b.example>\r\n", b"MAIL FROM:<a@b> SIZE=9999\r\n", b"RCPT TO:<c@d.example>\r\n", b"RCPT TO:<e@f>\r\n",
        b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"BDAT 5\r\n", b"BDAT 3 LAST\r\n", b"BDAT 0 LAST\r\n", b"BDAT x\r\n",
        b"RSET\r\n", b"NOOP\r\n", b"QUIT\r\n", b"STARTTLS\r\n", b"x" * 700, b"\r\n", b"\n", b"\r", b"\0", b"\xff", b".", b"..",
    ]
)  # fmt: skip
PROXY_PARTS = st.sampled_from(
    [
        b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"192.0.2.1 ", b"::1 ", b"587 ", b"25", b"\r\n", b"\r\n\r\n\x00\r\nQUIT\n",
        b"\x21\x11\x00\x0c", b"\x21\x21\x00\x24", b"\x20\x00\x00\x00", b"\x21\x11\x10\x00", b"a" * 12, b"b" * 36,
    ]
)  # fmt: skip


@settings(max_examples=400)
@given(st.binary(min_size=1, max_size=1), st.lists(SMTP_PARTS | st.binary(max_size=20), max_size=25))
def test_sessions_break_no_promise(how: bytes, parts: list[bytes]) -> None:
    smtp_server.run_one(how + b"".join(parts))


@settings(max_examples=400)
@given(st.lists(PROXY_PARTS | st.binary(max_size=20), max_size=8))
def test_proxy_headers_break_no_promise(parts: list[bytes]) -> None:
    proxy.run_one(b"".join(parts))
