"""What is told of a call that is only looked at: each check in the order in which it is made, and what became of it.

Nothing is decided here. Admission stops at the first rule that does not hold, so its answer says which checks were passed
before, and which were not reached.
"""

import enum
from collections.abc import Mapping, Sequence

import msgspec

from postroad.model.dedupe import First
from postroad.model.message import Accepted
from postroad.model.submission import Rejected, Submission
from postroad.policy.quota import Demand

ADMISSION: Mapping[str, frozenset[str]] = {
    "domain": frozenset({"domain_unknown", "domain_not_active"}),
    "envelope_sender": frozenset({"reverse_path_null", "reverse_path_not_at_domain"}),
    "size": frozenset({"message_too_large"}),
    "octets": frozenset({"bare_cr", "bare_lf", "nul_octet", "line_too_long"}),
    "header": frozenset(
        {
            "header_block_too_large", "too_many_header_fields", "header_begins_folded", "header_line_not_ended",
            "header_bare_cr_or_lf", "header_space_before_colon", "header_line_without_colon", "header_name_empty",
            "header_name_invalid", "header_not_ascii", "header_not_utf8", "too_many_received", "header_to_duplicate",
            "header_cc_duplicate", "header_subject_duplicate",
        }
    ),
    "from": frozenset(
        {
            "header_from_missing", "header_from_duplicate", "header_from_malformed", "header_from_not_single",
            "header_from_not_aligned", "header_from_not_allowed",
        }
    ),
    "options": frozenset({"option_malformed"}),
    "template": frozenset({"template_unknown", "template_failed"}),
}  # fmt: skip
"""The checks of admission in their order, with the rules that each may refuse by."""


class Result(enum.Enum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_REACHED = "not_reached"
    """What failed before makes it meaningless."""


class Check(msgspec.Struct, frozen=True):
    """One check."""

    name: str
    result: Result
    detail: str = ""
    rule: str | None = None
    """The rule that does not hold."""
    others: tuple[str, ...] = ()
    """More that is wrong by that rule."""


class Fate(enum.Enum):
    """What would become of a recipient."""

    SENT = "sent"
    SUPPRESSED = "suppressed"
    """The lists of the sending domain stop it."""
    REPEATED = "repeated"
    """It had this message before."""
    IMPOSSIBLE = "impossible"
    """Its copy cannot be made."""
    REFUSED = "refused"
    """The call is refused as a whole."""


class Copy(msgspec.Struct, frozen=True):
    """What would leave for one recipient."""

    content: bytes
    missing: tuple[str, ...] = ()
    """Placeholders without a value."""


class NoCopy(msgspec.Struct, frozen=True):
    """Why a recipient's copy cannot be made."""

    why: str


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a call, as far as it got."""

    submission: Submission
    checks: tuple[Check, ...]
    accepted: Accepted | None
    """As it would be stored, with the deliveries ended that something stands against; None where it is refused."""
    firsts: Mapping[int, First] = {}
    """Which of the deliveries repeat others, by their ids."""
    rejected: Rejected | None = None


class Usage(msgspec.Struct, frozen=True):
    """One quota that a call would be counted against."""

    demand: Demand
    used: int


class ExplainedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call, with all that it asks for."""

    messages: tuple[Explained, ...]
    count: int
    """Recipients that would be counted."""
    usages: tuple[Usage, ...] = ()
    rejected: Mapping[int, Rejected] = {}
    """What it would be refused for, by the message."""
    first_answer: tuple[int, ...] = ()
    """The ids of the messages of the call that this one repeats."""


def of_admission(rejected: Rejected | None, details: Mapping[str, str]) -> list[Check]:
    """Return the checks of admission, of which ``rejected`` is the one that failed; ``details`` are of those passed."""
    checks: list[Check] = []
    is_over = False
    for name, rules in ADMISSION.items():
        if rejected is not None and rejected.rule in rules:
            is_over = True
            checks.append(check_of(name, rejected))
        elif is_over:
            checks.append(Check(name, Result.NOT_REACHED))
        else:
            checks.append(Check(name, Result.PASSED, details.get(name, "")))
    return checks


def check_of(name: str, rejected: Rejected | None, detail: str = "") -> Check:
    """Return a check that ends in a refusal or in none."""
    if rejected is None:
        return Check(name, Result.PASSED, detail)
    return Check(name, Result.FAILED, rejected.text, rejected.rule, rejected.others)


def over(usages: Sequence[Usage], count: int) -> Demand | None:
    """Return the first demand that has no room for ``count`` more."""
    return next((one.demand for one in usages if one.used + count > one.demand.limit), None)
