import pytest

from postroad.delivery.transmission import (
    ConnectFailure,
    Transmission,
    connect_failure_of,
    result_of,
    transaction_of,
)
from postroad.model.attempt import FailureKind
from postroad.model.envelope import Notify
from postroad.model.outcome import Phase
from postroad.protocol.smtp.client import ConnectionEnded, Problem, Stage, TransactionEnded
from postroad.protocol.smtp.reply import Reply

OK = Reply(250, "2.0.0", "Ok")
NO = Reply(550, "5.1.1", "No")


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        (Notify.UNSET, None),
        (Notify.NEVER, "NEVER"),
        (Notify.SUCCESS | Notify.FAILURE | Notify.DELAY, "SUCCESS,FAILURE,DELAY"),
    ],
)
def test_notify_is_written_as_the_parameter_has_it(notify: Notify, expected: str | None) -> None:
    transmission = Transmission(delivery_id=1, reverse_path="", recipient="a@b.test", content=b"", notify=notify)
    assert transaction_of(transmission).notify == expected


@pytest.mark.parametrize(
    ("stage", "reply", "problem", "expected"),
    [
        (Stage.FINAL_DOT, OK, None, (Phase.FINAL_DOT, None)),
        (Stage.RCPT, NO, None, (Phase.RCPT, FailureKind.REPLY)),
        (Stage.MAIL, None, Problem.LOST, (Phase.MAIL, FailureKind.LOST)),
        (Stage.DATA, None, Problem.TIMEOUT, (Phase.DATA, FailureKind.TIMEOUT)),
        (Stage.MAIL, None, Problem.NEEDS_SMTPUTF8, (Phase.MAIL, FailureKind.NEEDS_SMTPUTF8)),
        (Stage.CONTENT, None, Problem.PROTOCOL, (Phase.CONTENT, FailureKind.PROTOCOL)),
        (Stage.FINAL_DOT, None, Problem.PROTOCOL, (Phase.FINAL_DOT, FailureKind.LOST)),
    ],
)
def test_a_transactions_end_in_the_terms_of_delivery(
    stage: Stage, reply: Reply | None, problem: Problem | None, expected: tuple[Phase, FailureKind | None]
) -> None:
    event = TransactionEnded(7, stage, reply, problem, "detail", ("note",))
    result = result_of(event, started_at=1_000, ended_at=1_250, notes=("first",))
    assert (result.phase, result.failure) == expected
    assert (result.delivery_id, result.reply, result.detail) == (7, reply, "detail")
    assert (result.started_at, result.duration_ms, result.notes) == (1_000, 250, ("first", "note"))


def test_what_ended_a_connection() -> None:
    assert connect_failure_of(ConnectionEnded(Stage.QUIT, OK, None, "")) is None
    refused = ConnectFailure(phase=Phase.GREETING, kind=FailureKind.REPLY, text="550 5.1.1 No", reply=NO)
    assert connect_failure_of(ConnectionEnded(Stage.GREETING, NO, None, "")) == refused
    idle = ConnectFailure(phase=Phase.MAIL, kind=FailureKind.LOST, text="gone")
    assert connect_failure_of(ConnectionEnded(None, None, Problem.LOST, "gone")) == idle
    between = ConnectFailure(phase=Phase.MAIL, kind=FailureKind.TIMEOUT, text="slow")
    assert connect_failure_of(ConnectionEnded(Stage.RSET, None, Problem.TIMEOUT, "slow")) == between
