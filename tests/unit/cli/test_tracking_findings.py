"""What ``postroad check`` says of the certificates of tracking hosts."""

import pytest

from postroad.cli.tracking_findings import certificates_of_hosts
from postroad.model.certificate import HostCertificate


def host(name: str = "t.a.example", *, expires_at: int | None = None, last_error: str = "") -> HostCertificate:
    return HostCertificate(
        host=name, directory="https://a.example/", expires_at=expires_at, next_attempt_at=1, last_error=last_error
    )


@pytest.mark.parametrize(
    ("stored", "status", "text"),
    [
        ([host(expires_at=1)], "ok", "Every tracking host has its certificate."),
        ([host()], "ok", "t.a.example: the first certificate is being asked for."),
        ([host(last_error="It leads nowhere.")], "warning", "t.a.example has no certificate (It leads nowhere)."),
        (
            [host(expires_at=1, last_error="refused")],
            "warning",
            "t.a.example does not get its next certificate (refused).",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_host(stored: list[HostCertificate], status: str, text: str) -> None:
    [finding] = certificates_of_hosts(stored)

    assert (finding.status, finding.text) == (status, text)


def test_of_many_that_fail_some_are_named() -> None:
    [finding] = certificates_of_hosts([host(f"t{number}.example", last_error="refused") for number in range(7)])

    assert finding.text.count("refused") == 5
    assert finding.text.endswith("And 2 others.")


def test_without_tracking_hosts_nothing_is_said() -> None:
    assert certificates_of_hosts([]) == []
