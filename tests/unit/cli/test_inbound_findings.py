"""What ``check`` says of returned mail."""

from typing import Any

import msgspec
import pytest

from postroad.cli import inbound_findings
from postroad.config import Settings
from postroad.dns.answer import Answer, AnswerStatus, Mx, RecordType

HOST = "mail.example.net"


def settings(listen: list[str] | None = None, host: str = "") -> Settings:
    sections: dict[str, Any] = {"inbound": {"listen": listen or []}, "domains": {"inbound_host": host}}
    return msgspec.convert(sections, Settings)


@pytest.mark.parametrize(
    ("listen", "host", "status", "text"),
    [
        ([], "", "warning", "neither a door nor a name"),
        ([], HOST, "ok", f"goes to {HOST}"),
        (["0.0.0.0:25"], "", "warning", "no domain's MX record"),
        (["0.0.0.0:2525"], HOST, "warning", "bring to port 25"),
        (["0.0.0.0"], HOST, "wrong", "inbound.listen: "),
        (["0.0.0.0:25", "[::]:25"], HOST, "ok", "takes what comes back"),
    ],
)
def test_the_door_and_the_name_that_leads_to_it(listen: list[str], host: str, status: str, text: str) -> None:
    finding = inbound_findings.returned_mail(settings(listen, host))

    assert finding.status == status
    assert text in finding.text


class TableLookup:
    """Answers from a table; what is not in it does not exist."""

    def __init__(self, records: dict[tuple[str, RecordType], str | Mx]) -> None:
        self._records = records

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        record = self._records.get((name, record_type))
        if record is None:
            return Answer(status=AnswerStatus.NO_SUCH_DOMAIN)
        return Answer(status=AnswerStatus.FOUND, records=(record,))


@pytest.mark.parametrize(
    ("has_address", "is_open", "status"), [(False, True, "wrong"), (True, False, "wrong"), (True, True, "ok")]
)
async def test_the_host_must_be_reached_on_port_25(has_address: bool, is_open: bool, status: str) -> None:
    lookup = TableLookup({(HOST, RecordType.A): "192.0.2.1"} if has_address else {})
    asked: list[tuple[str, int]] = []

    async def reach(host: str, port: int) -> bool:
        asked.append((host, port))
        return is_open

    [finding] = await inbound_findings.inbound_host(lookup, settings(host=HOST), reach)

    assert finding.status == status
    assert asked == ([(HOST, 25)] if has_address else [])
    assert await inbound_findings.inbound_host(lookup, settings(), reach) == []


async def test_domains_with_routes_need_an_mx_record_that_leads_here() -> None:
    lookup = TableLookup(
        {("here.example", RecordType.MX): Mx(10, HOST), ("there.example", RecordType.MX): Mx(10, "mx.there.example")}
    )
    [finding] = await inbound_findings.receiving_domains(
        lookup, settings(host=HOST), ["here.example", "there.example", "nowhere.example"]
    )

    assert finding.status == "warning"
    assert finding.text.startswith("there.example, nowhere.example has inbound routes")
    assert await inbound_findings.receiving_domains(lookup, settings(host=HOST), ["here.example"]) == []
