"""The reply target with inputs made of what hosts do say, in any order; atheris goes further from here."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import smtp_replies

SAID = st.sampled_from(
    [
        b"220 a\r\n",
        b"250 ok\r\n",
        b"250-x\r\n",
        b"250 PIPELINING\r\n",
        b"250 STARTTLS\r\n",
        b"250 AUTH PLAIN LOGIN\r\n",
        b"354 go\r\n",
        b"334 x\r\n",
        b"235 ok\r\n",
        b"421 bye\r\n",
        b"451 later\r\n",
        b"550 5.1.1 no\r\n",
        b"\xff?\r\n",
        b"25",
    ]
)


@given(choice=st.integers(0, 255), said=st.lists(SAID, max_size=30))
def test_what_hosts_say_in_any_order(choice: int, said: list[bytes]) -> None:
    smtp_replies.run(bytes([choice]) + b"".join(said))


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    smtp_replies.run(data)
