"""Verdicts of services as SMTP replies."""

import pytest

from postroad.model.ids import from_text
from postroad.model.submission import Rejected
from postroad.policy.admission import RULES
from postroad.protocol.smtp.reply import Reply
from postroad.smtpd import replies


@pytest.mark.parametrize(
    ("enhanced_status", "code"),
    [
        ("5.3.4", 552), ("5.4.6", 554), ("5.6.0", 550), ("5.7.1", 550), ("5.1.3", 550),
        ("4.5.3", 452), ("4.3.1", 452), ("4.2.2", 452), ("4.2.1", 450), ("4.7.1", 452), ("4.3.0", 451), ("4.4.5", 451),
    ],
)  # fmt: skip
def test_a_rejection_gets_the_code_of_its_enhanced_status(enhanced_status: str, code: int) -> None:
    reply = replies.reply_to(Rejected("some_rule", enhanced_status, "Change it"))

    assert reply == Reply(code, enhanced_status, "Change it")


def test_a_paused_domain_is_put_off_by_450() -> None:
    reply = replies.reply_to(Rejected("domain_paused", RULES["domain_paused"][0], "It is paused."))

    assert str(reply) == "450 4.7.1 It is paused."


def test_an_accepted_message_is_named_by_the_id_it_can_be_found_by() -> None:
    reply = replies.accepted_as(123_456_789)

    assert str(reply).startswith("250 2.0.0 Accepted as ")
    assert from_text(reply.text.split()[-1]) == 123_456_789


def test_the_class_of_each_reply_agrees_with_its_enhanced_status() -> None:
    for reply in [value for value in vars(replies).values() if isinstance(value, Reply)]:
        assert reply.enhanced_status is not None
        assert reply.enhanced_status[0] == str(reply.code)[0]
