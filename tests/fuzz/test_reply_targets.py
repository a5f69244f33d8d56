"""The reply target with inputs made of what hosts do say, in any order; atheris goes further from here."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import smtp_replies
from tests.fuzz.seeds import REPLIES


@given(choice=st.integers(0, 255), said=st.lists(st.sampled_from(REPLIES), max_size=30))
def test_what_hosts_say_in_any_order(choice: int, said: list[bytes]) -> None:
    smtp_replies.run_one(bytes([choice]) + b"".join(said))


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    smtp_replies.run_one(data)
