"""What is told of checks agrees with the order in which admission makes them."""

import msgspec

from postroad.model.domain import DomainState
from postroad.model.options import OptionFault
from postroad.model.submission import Rejected
from postroad.policy.admission import RULES, admit
from postroad.policy.explanation import ADMISSION, Result, of_admission
from tests.unit.policy.submissions import CONTENT, facts, submission


def test_checks_are_told_in_the_order_in_which_they_are_made() -> None:
    """All is wrong at first; one thing after another is mended, and the next one is told."""
    right, wrong = facts(), facts()
    stopped = msgspec.structs.replace(wrong.domain, state=DomainState.DISABLED)
    wrong = msgspec.structs.replace(wrong, domain=stopped, max_size=1)
    content = CONTENT.replace(b"From: Ada", b"Cc: x@example.net\r\nCc: y@example.net\r\nX-From: Ada")
    offered = submission(b"\0" + content, reverse_path="a@else.example")
    offered = msgspec.structs.replace(offered, options=OptionFault("X-OV-Tag", "is wrong"))
    told: list[str] = []

    def look() -> None:
        verdict = admit(offered, wrong)
        assert isinstance(verdict, Rejected)
        failed = [one.name for one in of_admission(verdict, {}) if one.result is Result.FAILED]
        told.extend(failed)

    look()
    wrong = msgspec.structs.replace(wrong, domain=right.domain)
    look()
    path = submission(CONTENT).envelope
    offered = msgspec.structs.replace(offered, envelope=path)
    look()
    wrong = right
    look()
    for mended in (content, content.replace(b"Cc: y@example.net\r\n", b""), CONTENT):
        offered = msgspec.structs.replace(offered, content=mended)
        look()
    # A template is looked for once the message was admitted.
    assert [*told, "template"] == list(ADMISSION)


def test_what_is_behind_a_failed_check_is_not_reached() -> None:
    rejected = Rejected("message_too_large", *RULES["message_too_large"])
    checks = of_admission(rejected, {"domain": "news.example.com"})
    assert [one.result.value for one in checks] == ["passed", "passed", "failed"] + ["not_reached"] * 5
    assert (checks[0].detail, checks[2].rule) == ("news.example.com", "message_too_large")
    assert {one.result for one in of_admission(None, {})} == {Result.PASSED}
