"""Fuzz target: what receivers send back; whatever comes is a report that can be shown, an automatic answer, or neither.

``python -m tests.fuzz dsn`` runs it.
"""

from postroad.model.returned import ReturnedStatus
from postroad.policy.late_bounce import class_of
from postroad.protocol.dsn_reader import ACTIONS, DeliveryReport, read_delivery_report


def run_one(data: bytes) -> None:
    """Read ``data`` as a report; any exception or broken promise is a finding."""
    report = read_delivery_report(data)
    if not isinstance(report, DeliveryReport):
        return
    assert report.recipients
    for one in report.recipients:
        assert one.action in ACTIONS
        for value in (one.diagnosis, one.status, one.remote_host, one.final_recipient, one.original_recipient):
            assert value.isprintable()
            assert len(value) <= 1000
        assert one.code is None or 200 <= one.code < 600
        class_of(ReturnedStatus(action=one.action, status=one.status, code=one.code, diagnosis=one.diagnosis))
