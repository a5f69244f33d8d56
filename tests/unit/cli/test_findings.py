from pathlib import Path

import pytest

from postroad.cli import findings
from postroad.config import load
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.net.clock import now_ms


class TableLookup:
    """Answers from a table; what is not in it does not exist."""

    def __init__(self, table: dict[tuple[str, RecordType], tuple[str, ...]]) -> None:
        self._table = table

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        records = self._table.get((name, record_type))
        if records is None:
            return Answer(status=AnswerStatus.NO_SUCH_DOMAIN)
        return Answer(status=AnswerStatus.FOUND, records=records)


@pytest.mark.parametrize(
    ("pointer", "status"), [("Mail.example.com", "ok"), ("other.example.com", "warning"), (None, "warning")]
)
async def test_host_name_and_address_must_name_each_other(pointer: str | None, status: str) -> None:
    table: dict[tuple[str, RecordType], tuple[str, ...]] = {("mail.example.com", RecordType.A): ("192.0.2.1",)}
    if pointer is not None:
        table["1.2.0.192.in-addr.arpa", RecordType.PTR] = (pointer,)

    finding = await findings.greeting_name(TableLookup(table), "mail.example.com")

    assert finding.status == status
    assert bool(finding.remedy) == (status != "ok")


async def test_host_name_without_an_address_is_a_warning() -> None:
    finding = await findings.greeting_name(TableLookup({}), "mail.example.com")

    assert (finding.status, finding.text) == ("warning", "mail.example.com has no address.")


async def test_resolver_that_knows_nothing_is_wrong() -> None:
    assert (await findings.resolver(TableLookup({}))).status == "wrong"
    assert (await findings.resolver(TableLookup({("gmail.com", RecordType.MX): ("x",)}))).status == "ok"


@pytest.mark.parametrize(("off_ms", "status"), [(0, "ok"), (60_000, "wrong"), (-60_000, "wrong")])
async def test_clock_is_compared_with_another(off_ms: int, status: str) -> None:
    async def elsewhere() -> int:
        return now_ms() + off_ms

    assert (await findings.clock(elsewhere)).status == status


async def test_time_server_that_is_silent_is_a_warning() -> None:
    async def nobody() -> int:
        raise TimeoutError

    assert (await findings.clock(nobody)).status == "warning"


def test_data_folder_is_there_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    settings = load(None, {"POSTROAD_DATA_DIR": str(folder)})

    assert findings.data_folder(settings).status == "wrong"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    assert findings.data_folder(settings).status == "warning"
    folder.chmod(0o700)
    assert findings.data_folder(settings).status == "ok"


def test_reverse_names_of_both_families() -> None:
    assert findings.reverse_name("192.0.2.1") == "1.2.0.192.in-addr.arpa"
    assert findings.reverse_name("2001:db8::1").endswith(".8.b.d.0.1.0.0.2.ip6.arpa")


@pytest.mark.parametrize(
    ("listen", "status"),
    [
        ("", "ok"),
        ("127.0.0.1:8026", "ok"),
        ("[::1]:8026", "ok"),
        ("10.0.0.5:8026", "ok"),
        ("0.0.0.0:8026", "warning"),
        (":8026", "warning"),
        ("[::]:8026", "warning"),
        ("9.9.9.9:8026", "warning"),
    ],
)
def test_an_admin_listener_that_strangers_reach_is_a_warning(listen: str, status: str) -> None:
    assert findings.admin_listener(load(None, {"POSTROAD_ADMIN__LISTEN": listen})).status == status


@pytest.mark.parametrize(("listen", "status"), [("[]", "ok"), ('["0.0.0.0:2526"]', "warning")])
def test_a_listener_that_takes_mail_without_a_login_is_a_warning(listen: str, status: str) -> None:
    assert findings.address_listener(load(None, {"POSTROAD_SMTP__LISTEN_BY_ADDRESS": listen})).status == status


def test_an_installation_that_mails_nobody_is_told_so() -> None:
    silent = findings.notices(load(None, {}))
    assert silent.status == "warning"
    assert "accounts.notices_from" in silent.remedy

    assert findings.notices(load(None, {"POSTROAD_ACCOUNTS__NOTICES_FROM": "noreply@news.example.com"})).status == "ok"
