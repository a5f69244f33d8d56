"""Fuzz target: abuse feedback reports; whatever comes is a report with fields that can be shown, or refused.

``python -m tests.fuzz arf`` runs it.
"""

from postroad.protocol.arf import ArfError, read_report


def run_one(data: bytes) -> None:
    """Read ``data`` as a report; any other exception or broken promise is a finding."""
    try:
        report = read_report(data)
    except ArfError:
        return
    assert report.feedback_type
    for value in (report.user_agent, report.original_mail_from, report.report_id, *report.returned("x-postroad-id")):
        assert value.isprintable()
