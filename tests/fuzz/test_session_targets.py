"""The fuzz targets of the doors, driven for a short while by hypothesis."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import outlook_question, proxy, smtp_server
from tests.fuzz.seeds import COMMANDS, PROXY_PIECES, QUESTION_PIECES


@settings(max_examples=400)
@given(st.binary(min_size=1, max_size=1), st.lists(st.sampled_from(COMMANDS) | st.binary(max_size=20), max_size=25))
def test_sessions_break_no_promise(how: bytes, parts: list[bytes]) -> None:
    smtp_server.run_one(how + b"".join(parts))


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PROXY_PIECES) | st.binary(max_size=20), max_size=8))
def test_proxy_headers_break_no_promise(parts: list[bytes]) -> None:
    proxy.run_one(b"".join(parts))


@settings(max_examples=400)
@given(st.lists(st.sampled_from(QUESTION_PIECES) | st.binary(max_size=20), max_size=12))
def test_questions_of_outlook_break_no_promise(parts: list[bytes]) -> None:
    outlook_question.run_one(b"".join(parts))
