"""EHLO keywords, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.protocol.smtp.extension import Extensions, ehlo_keywords, parse_ehlo

FLAG = st.booleans()


@given(
    st.builds(
        Extensions,
        pipelining=FLAG, size=st.none() | st.integers(0, 10**19), eight_bit=FLAG, smtputf8=FLAG, starttls=FLAG, chunking=FLAG,
        dsn=FLAG, enhanced_status_codes=FLAG, auth=st.frozensets(st.sampled_from(["PLAIN", "LOGIN", "XOAUTH2"])),
        limits=st.dictionaries(st.sampled_from(["RCPTMAX", "MAILMAX"]), st.integers(1, 10**6)),
    )
)  # fmt: skip
def test_what_is_offered_is_what_is_understood(extensions: Extensions) -> None:
    assert parse_ehlo(["mx.test greets you", *ehlo_keywords(extensions)]) == extensions


@pytest.mark.parametrize(
    ("lines", "extensions"),
    [
        ([], Extensions()),
        (["PIPELINING"], Extensions()),
        (["mx", "pipelining", "XFOO bar", ""], Extensions(pipelining=True)),
        (["mx", "AUTH=LOGIN PLAIN"], Extensions(auth=frozenset({"LOGIN", "PLAIN"}))),
        (["mx", "AUTH LOGIN", "AUTH=PLAIN"], Extensions(auth=frozenset({"LOGIN", "PLAIN"}))),
        (["mx", "SIZE"], Extensions(size=0)),
        (["mx", "SIZE lots"], Extensions(size=0)),
        (["mx", "LIMITS RCPTMAX=10 MAILMAX=x NEW"], Extensions(limits={"RCPTMAX": 10})),
    ],
)
def test_a_reply_is_read_as_servers_write_it(lines: list[str], extensions: Extensions) -> None:
    assert parse_ehlo(lines) == extensions
