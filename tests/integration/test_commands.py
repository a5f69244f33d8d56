"""The commands, run as their users run them, against a real database in a data folder."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from postroad.accounts.logins.login_guard import LoginGuard, claimant_of
from postroad.accounts.settings import LockoutSettings
from postroad.cli import main
from postroad.model.ids import text_of
from postroad.model.options import DeliveryOptions, Options
from postroad.net.clock import now_ms
from postroad.node import installation
from postroad.node.keys import KEY_VARIABLE
from postroad.storage import accounts, domains
from postroad.storage.engine import open_database
from tests.integration.commands import Run, commands_in
from tests.storage import samples


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    commands_in(folder)
    return folder


@pytest.fixture
def run(data: Path) -> Run:
    return commands_in(data)


@pytest.fixture
def document(run: Run) -> Callable[..., Any]:
    def read(*arguments: str, **options: Any) -> Any:
        return json.loads(run(*arguments, "--json", **options).stdout)

    return read


Document = Callable[..., Any]


def _store(data: Path, *recipients: str) -> tuple[str, list[str]]:
    """Put a message with due deliveries into the queue; returns its id and those of its deliveries."""

    async def store() -> tuple[str, list[str]]:
        database = await open_database("", data_dir=data, clock=now_ms, read_connections=1)
        try:
            account = (await database.read(accounts.list_all))[0]
            domain = await database.read(domains.by_name, "news.example.com")
            assert domain is not None
            now = now_ms()
            asked = Options(
                tags=("Orders",), variables={"order": 17, "paid": True}, callback_url="https://app.example/"
            )
            offered = samples.accepted(*recipients, domain_id=domain.id, due_at=now, accepted_at=now, options=asked)
            tagged = DeliveryOptions(tags=("Orders",))
            deliveries = tuple(
                msgspec.structs.replace(one, accepted_at=now, options=tagged) for one in offered.deliveries
            )
            assert account.id == offered.message.account_id
            events = tuple(msgspec.structs.replace(one, at=now) for one in offered.events)
            await database.accept(msgspec.structs.replace(offered, deliveries=deliveries, events=events))
            return text_of(offered.message.id), [text_of(one.id) for one in deliveries]
        finally:
            await database.close()

    return asyncio.run(store())


@pytest.fixture
def stored(data: Path, run: Run) -> tuple[str, list[str]]:
    run("domain", "add", "news.example.com")
    return _store(data, "one@rcpt.example", "two@rcpt.example", "three@other.example")


def test_nothing_is_made_where_there_is_no_installation(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["account", "list", "--data", str(tmp_path / "nowhere")])

    assert result.exit_code == 1
    assert "There is no data folder" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_data_folder_that_cannot_be_looked_at_is_told_in_a_sentence(tmp_path: Path) -> None:
    # As behind a folder that may not be entered, which nothing keeps a test's root from.
    folder = tmp_path / ("x" * 300)
    for command in (["account", "list"], ["queue", "list"]):
        result = CliRunner().invoke(main, [*command, "--data", str(folder)])

        assert result.exit_code == 1
        assert f"data_dir: {folder} cannot be looked at: File name too long." in result.stderr
    checked = CliRunner().invoke(main, ["check", "--data", str(folder)])
    assert (checked.exit_code, checked.exception.__class__) == (1, SystemExit)
    assert f"data folder: {folder} cannot be looked at: File name too long." in checked.stdout


def test_migrate_makes_the_first_account_and_may_be_repeated(document: Document, run: Run) -> None:
    assert document("migrate")["steps"] == []
    assert [one["name"] for one in document("account", "list")] == ["default"]
    assert "default" in run("account", "show", "default").stdout


def test_accounts_are_added_suspended_and_resumed(document: Document, run: Run) -> None:
    assert document("account", "add", "acme")["state"] == "active"
    assert document("account", "suspend", "acme")["state"] == "suspended"
    assert document("account", "suspend", "acme", "--resume")["suspended_at"] is None
    refused = run("account", "add", "acme", expect=1)
    assert "There is an account acme already." in refused.stderr
    assert refused.stdout == ""


def test_domain_add_prints_records_ready_to_paste(document: Document, run: Run) -> None:
    text = run("domain", "add", "News.Example.com").stdout

    assert 'postroad1._domainkey.news.example.com. 3600 IN TXT "v=DKIM1; k=rsa; p=' in text
    assert "postroad domain verify news.example.com" in text
    shown = document("domain", "show", "news.example.com")
    assert shown["state"] == "unverified"
    assert {record["purpose"] for record in shown["records"]} >= {"dkim", "dmarc"}
    assert [one["name"] for one in document("domain", "list", "--account", "default")] == ["news.example.com"]


def test_domain_settings_are_set_by_key_and_value(document: Document, run: Run) -> None:
    run("domain", "add", "news.example.com")

    changed = document("domain", "set", "news.example.com", "bounce_mail=off", "keep_content_days=3")
    assert (changed["settings"]["bounce_mail"], changed["settings"]["keep_content_days"]) == (False, 3)
    run("domain", "set", "news.example.com", "deduplicate=content")
    assert {"deduplicate=content", "bounce_mail=false"} <= set(run("domain", "show", "news.example.com").stdout.split())
    near = run("domain", "set", "news.example.com", "bounce_mial=off", expect=1)
    assert "did you mean bounce_mail?" in near.stderr
    run("domain", "set", "news.example.com", "keep_content_days=many", expect=1)
    run("domain", "set", "news.example.com", "keep_content_days", expect=2)


def test_a_disabled_domain_must_be_verified_again_once_it_is_enabled(document: Document, run: Run) -> None:
    run("domain", "add", "news.example.com")

    assert document("domain", "disable", "news.example.com")["state"] == "disabled"
    assert (
        "news.example.com is disabled: this cannot be done now."
        in run("domain", "disable", "news.example.com", expect=1).stderr
    )
    assert document("domain", "enable", "news.example.com")["state"] == "unverified"


def test_operator_decides_on_domains_where_vetting_is_manual(
    document: Document, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROAD_DOMAINS__VETTING", "manual")
    assert document("domain", "add", "a.example.com")["state"] == "vetting"
    assert document("domain", "approve", "a.example.com")["state"] == "unverified"
    document("domain", "add", "b.example.com")
    assert document("domain", "reject", "b.example.com")["state"] == "rejected"
    assert "There is no sending domain c.example.com" in run("domain", "reject", "c.example.com", expect=1).stderr


def test_key_is_rotated_once_while_the_new_one_waits(
    document: Document, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTROAD_DOMAINS__VERIFICATION", "off")
    document("domain", "add", "news.example.com")
    monkeypatch.setenv("POSTROAD_DOMAINS__VERIFICATION", "on")

    rotated = document("domain", "rotate-dkim", "news.example.com")

    assert {key["selector"]: key["state"] for key in rotated["keys"]} == {
        "postroad1": "active",
        "postroad2": "published",
    }
    run("domain", "rotate-dkim", "news.example.com", expect=1)


def test_verify_says_what_cannot_be_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no resolver to ask, every record is unknown and the domain stays as it is."""
    monkeypatch.setenv("POSTROAD_DNS__RESOLVERS", "127.0.0.1:9")
    monkeypatch.setenv("POSTROAD_DNS__ATTEMPT_TIMEOUT_MS", "50")
    monkeypatch.setenv("POSTROAD_DNS__LIFETIME_MS", "100")
    run("domain", "add", "news.example.com")

    result = run("domain", "verify", "news.example.com", expect=1)

    assert "UNKNOWN    TXT postroad1._domainkey.news.example.com" in result.stdout
    assert "news.example.com is unverified." in result.stdout
    assert "does not publish all that it needs" in result.stderr


def test_smtp_user_with_a_made_password_is_shown_it_once(document: Document, run: Run) -> None:
    run("domain", "add", "news.example.com")

    added = document("smtp-user", "add", "app@news.example.com", "--generate", "--note", "the shop")

    assert len(added["password"]) == 23
    listed = document("smtp-user", "list", "--domain", "news.example.com")
    assert [(one["username"], one["note"], "password" in one) for one in listed] == [
        ("app@news.example.com", "the shop", False)
    ]


def test_smtp_user_passwords_come_from_standard_input_and_keep_the_rule(document: Document, run: Run) -> None:
    run("domain", "add", "news.example.com")
    refused = run("smtp-user", "add", "app@news.example.com", "--password-stdin", given="short\n", expect=1)
    assert "a capital letter and a special character" in refused.stderr

    run("smtp-user", "add", "app@news.example.com", "--password-stdin", given="Right-password\n")
    run("smtp-user", "set-password", "app@news.example.com", "--password-stdin", given="Other-password\n")
    run("smtp-user", "add", "b@news.example.com", expect=1)  # no terminal to ask on
    run("smtp-user", "add", "b@news.example.com", "--generate", "--password-stdin", expect=2)
    assert [one["username"] for one in document("smtp-user", "list")] == ["app@news.example.com"]


def test_an_smtp_user_is_restricted_and_freed_again(document: Document, run: Run) -> None:
    run("domain", "add", "news.example.com")
    name = "app@news.example.com"
    options = ("--network", "192.0.2.0/24", "--require-tls", "--hourly-limit", "10", "--allow-from", "@example.com")
    added = document("smtp-user", "add", name, "--generate", *options)
    assert (added["networks"], added["requires_tls"], added["hourly_limit"], added["allowed_from"]) == (
        ["192.0.2.0/24"],
        True,
        10,
        ["@example.com"],
    )
    shown = run("smtp-user", "show", name).stdout
    assert "encryption  required" in shown
    assert "this hour   0 of 10 recipients" in shown

    options = ("--any-network", "--no-require-tls", "--hourly-limit", "none", "--any-from", "--note", "free")
    edited = document("smtp-user", "edit", name, *options)
    assert (edited["networks"], edited["requires_tls"], edited["hourly_limit"], edited["allowed_from"]) == (
        [],
        False,
        None,
        [],
    )
    assert document("smtp-user", "show", name)["note"] == "free"
    run("smtp-user", "edit", name, expect=2)
    run("smtp-user", "edit", name, "--daily-limit", "0", expect=2)
    for number in ("2147483648", "9" * 5_000):
        too_large = run("smtp-user", "edit", name, "--daily-limit", number, expect=2)
        assert "A limit is at most 2147483647 recipients; write none for no limit." in too_large.stderr
    assert document("smtp-user", "edit", name, "--daily-limit", "0002147483647")["daily_limit"] == 2147483647
    for chosen, value, every in (
        ("--network", "10.0.0.0/8", "--any-network"),
        ("--allow-from", f"@{name}", "--any-from"),
    ):
        contradiction = run("smtp-user", "edit", name, chosen, value, every, expect=2)
        assert f"Either {chosen} or {every}." in contradiction.stderr
    refused = run("smtp-user", "edit", name, "--allow-from", "ceo@bank.example", expect=1)
    assert "can never be in From" in refused.stderr
    assert document("smtp-user", "list", "--account", "default")[0]["username"] == name
    run("smtp-user", "list", "--account", "nobody", expect=1)


def test_smtp_users_are_disabled_enabled_and_removed(document: Document, run: Run) -> None:
    run("domain", "add", "news.example.com")
    added = document("smtp-user", "add", "printer@news.example.com", "--address", "192.0.2.0/24")
    assert (added["kind"], added["networks"]) == ("address", ["192.0.2.0/24"])

    run("smtp-user", "disable", "printer@news.example.com")
    assert document("smtp-user", "list")[0]["state"] == "disabled"
    run("smtp-user", "enable", "printer@news.example.com")
    assert document("smtp-user", "list")[0]["state"] == "active"
    run("smtp-user", "remove", "printer@news.example.com", given="n\n", expect=1)
    run("smtp-user", "remove", "printer@news.example.com", "--yes")
    assert document("smtp-user", "list") == []
    run("smtp-user", "remove", "printer@news.example.com", "--yes", expect=1)


def test_lock_outs_are_listed_and_released(document: Document, run: Run, data: Path) -> None:
    run("domain", "add", "news.example.com")
    run("smtp-user", "add", "app@news.example.com", "--password-stdin", given="Right-password\n")
    assert run("lockout", "list").stdout == "Nothing is locked.\n"
    run("smtp-user", "unlock", "app@news.example.com", expect=1)
    run("smtp-user", "unlock", "nobody@news.example.com", expect=1)

    asyncio.run(_guess(data))

    locked = document("lockout", "list")
    assert {(one["scope"], one["subject"], one["is_locked"]) for one in locked} == {
        ("client", "198.51.100.1", True),
        ("credential", "app@news.example.com", True),
    }
    assert document("smtp-user", "show", "app@news.example.com")["state"] == "locked"
    listed = run("lockout", "list", "--counting").stdout
    assert "198.51.100.0/24" in listed
    run("smtp-user", "unlock", "app@news.example.com")
    assert "10 failures forgotten" in run("lockout", "release", "198.51.100.1").stdout
    assert document("lockout", "list") == []
    refused = run("lockout", "release", "198.51.100.1", expect=1)
    assert "There is no lock-out of 198.51.100.1." in refused.stderr


async def _guess(data: Path) -> None:
    database = await open_database("", data_dir=data, clock=now_ms)
    guard = LoginGuard(database, now_ms, LockoutSettings())
    for _ in range(10):
        claimant = claimant_of("app@news.example.com", "198.51.100.1")
        guard.failed(claimant, "198.51.100.1", credential_id=1, account_id=1)
    await guard.write()
    await database.close()


def test_queue_is_listed_by_any_selection(document: Document, stored: tuple[str, list[str]]) -> None:
    message_id, ids = stored

    assert [one["id"] for one in document("queue", "list")] == ids
    assert [one["id"] for one in document("queue", "list", "--destination", "RCPT.example")] == ids[:2]
    assert [one["id"] for one in document("queue", "list", "--recipient", "two@rcpt.example")] == ids[1:2]
    assert [one["id"] for one in document("queue", "list", "--limit", "1", "--after", ids[0])] == ids[1:2]
    assert len(document("queue", "list", "--message", message_id, "--domain", "news.example.com")) == 3
    assert document("queue", "list", "--state", "held") == []
    assert document("queue", "list", "--before", "1h") == []


def test_deliveries_are_held_released_hurried_and_cancelled(
    document: Document, run: Run, stored: tuple[str, list[str]]
) -> None:
    message_id, ids = stored

    run("queue", "hold", expect=2)
    asked = run("queue", "hold", "--message", message_id, given="n\n", expect=1)
    assert "Hold 3 deliveries?" in asked.stderr
    assert document("queue", "hold", "--message", message_id, "--yes")["changed"] == 3
    assert [one["state"] for one in document("queue", "list")] == ["held"] * 3
    assert document("queue", "release", "--delivery", ids[0], "--yes")["changed"] == 1
    assert document("queue", "cancel", "--all", "--yes")["changed"] == 3
    assert document("queue", "retry", "--all", "--yes")["changed"] == 0
    assert document("queue", "list") == []

    story = document("message", "show", message_id)
    kinds = [event["type"] for event in story["events"]]
    assert (kinds.count("held"), kinds.count("released"), kinds.count("cancelled")) == (3, 1, 3)
    done = [(one["action"], one["target"], one["after"]) for one in document("audit", "search", "--action", "delivery")]
    assert done == [
        ("delivery.cancelled", "the whole queue", {"deliveries": 3}),
        ("delivery.released", f"delivery {ids[0]}", {"deliveries": 1}),
        ("delivery.held", f"message {message_id}", {"deliveries": 3}),
    ]


def test_with_an_sqlite_for_one_writer_commands_only_read_beside_a_node(
    run: Run, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "SUPPORTS_MANY_WRITERS", False)
    run("account", "add", "first")
    with installation.sole_use(data):
        assert "first" in run("account", "list").stdout
        refused = [run("account", "add", "second", expect=1), run("migrate", expect=1)]
    run("account", "add", "third")

    assert ["stop the node first." in one.stderr for one in refused] == [True, True]
    assert "second" not in run("account", "list").stdout


def test_queue_show_says_why_a_delivery_waits(document: Document, run: Run, stored: tuple[str, list[str]]) -> None:
    _, ids = stored

    due = run("queue", "show", ids[0]).stdout
    assert "It is due since" in due
    assert "No live worker has the addresses of pool" in due
    run("queue", "hold", "--delivery", ids[0], "--yes")
    why = document("queue", "show", ids[0])["why"]
    assert why[0].startswith("It is held by ")
    assert "There is no delivery" in run("queue", "show", "0000000000001", expect=1).stderr
    run("queue", "show", "not-an-id", expect=2)


def test_messages_are_found_and_traced(document: Document, run: Run, stored: tuple[str, list[str]]) -> None:
    message_id, _ = stored

    assert [one["id"] for one in document("message", "search", "--recipient", "one@rcpt.example")] == [message_id]
    assert document("message", "search", "--since", "2059-01-01") == []
    subject = document("message", "show", message_id)["subject"]
    for wish in (
        ("--recipient", "one@rc*"),
        ("--recipient", "@rcpt.example"),
        ("--destination", "rcpt.example"),
        ("--recipient", "@rcpt.example", "--subject", subject),
        ("--id-prefix", message_id[:6].lower()),
        ("--words", subject[:-1]),
        ("--state", "scheduled"),
        ("--subject", subject[1:]),
        ("--tag", "ORDERS"),
    ):
        assert [one["id"] for one in document("message", "search", *wish)] == [message_id], wish
    for wish in (
        ("--recipient", "one@rc"),
        ("--words", "nowhere"),
        ("--state", "held"),
        ("--id-prefix", "0Z"),
        ("--tag", "order"),
    ):
        assert document("message", "search", *wish) == [], wish
    run("message", "search", "--words", "a", "--subject", "b", expect=2)
    run("message", "search", "--recipient", "@rcpt.example", "--destination", "rcpt.example", expect=2)
    assert "There is no word" in run("message", "search", "--words", "?!", expect=1).stderr
    header = document("message", "show", message_id)["message_id_header"]
    for query in (message_id, "two@RCPT.example", header):
        assert [one["id"] for one in document("message", "trace", query)] == [message_id]
    text = run("message", "show", message_id).stdout
    assert message_id in text
    assert "accepted" in text
    run("message", "search", "--since", "2999-01-01", expect=2)
    assert "Nothing was found" in run("message", "trace", "nobody@rcpt.example", expect=1).stderr


def test_the_content_of_a_message_is_shown_while_it_is_kept(
    document: Document, run: Run, stored: tuple[str, list[str]]
) -> None:
    message_id, _ = stored
    source = run("message", "content", message_id, "--source").stdout_bytes

    assert source == b"Subject: hello\r\n\r\nhello\r\n"
    assert document("message", "content", message_id, "--source")["source"].encode() == source
    shown = document("message", "content", message_id)
    assert (shown["headers"], shown["text"].strip()) == ([{"name": "Subject", "value": "hello"}], "hello")
    assert run("message", "content", message_id).stdout == "Subject: hello\n\nhello\n"
    missing = run("message", "content", f"{message_id[:-1]}{'A' if message_id[-1] != 'A' else 'B'}", expect=1)
    assert "There is no message" in missing.stderr


def test_events_are_searched_and_counted(document: Document, run: Run, stored: tuple[str, list[str]]) -> None:
    message_id, ids = stored
    run("queue", "cancel", "--delivery", ids[0], "--yes")

    found = document("events", "search", "--message", message_id, "--type", "cancelled", "--since", "1h")
    assert found[0]["variables"] == {"order": 17, "paid": True}
    assert [(one["delivery_id"], one["type"]) for one in found] == [(ids[0], "cancelled")]
    counters = document("stats", "show", "--domain", "news.example.com", "--by", "day")
    assert sum(one["by_type"].get("cancelled", 0) for one in counters["periods"]) == 1
    assert {one["state"]: one["deliveries"] for one in counters["queue"]} == {"scheduled": 2, "leased": 0, "held": 0}
    assert "CANCELLED" in run("stats", "show").stdout
    assert "CANCELLED" in run("stats", "show", "--tag", "ORDERS").stdout
    assert "CANCELLED" not in run("stats", "show", "--tag", "other").stdout
    by_tag = ("stats", "show", "--by", "tag")
    orders = {"tag": "orders", "by_type": {"cancelled": 1}, "rates_percent": {}}
    for whose in ((), ("--domain", "news.example.com"), ("--account", "default")):
        assert document(*by_tag, *whose) == {"tags": [orders]}, whose
    run("account", "add", "other")
    assert document(*by_tag, "--account", "other") == {"tags": []}
    assert document(*by_tag, "--account", "other", "--domain", "news.example.com") == {"tags": []}
    assert document("stats", "show", "--account", "other")["periods"] == []
    assert "orders" in run(*by_tag).stdout
    run(*by_tag, "--tag", "orders", expect=2)


def test_the_overview_tells_the_day_the_queue_and_what_needs_attention(
    document: Document, run: Run, stored: tuple[str, list[str]]
) -> None:
    shown = document("stats", "overview", "--domain", "news.example.com")

    assert len(shown["hours"]) == 24
    assert shown["totals"]["accepted"] == 3
    assert (shown["queue"]["scheduled"], shown["queue"]["deferred"]) == (3, 0)
    assert shown["first_steps"] == []
    assert "3, 0 of them deferred" in run("stats", "overview").stdout
    assert "There is no account" in run("stats", "overview", "--account", "nobody", expect=1).stderr


def test_routes_are_added_listed_and_removed_and_passwords_stay_hidden(document: Document, run: Run) -> None:
    added = document("route", "add", "Example.COM", "relay.example.net", "--port", "2525")
    assert (added["destination"], added["host"], added["port"]) == ("example.com", "relay.example.net", 2525)
    clear = run("route", "add", "*", "relay.example.net", "--username", "u", "--password-stdin", given="pw\n", expect=1)
    assert "does not travel in the clear" in clear.stderr
    run(
        "route",
        "add",
        "*",
        "relay.example.net",
        "--username",
        "u",
        "--password-stdin",
        "--tls",
        "verify",
        given="pw!\n",
    )
    listed = run("route", "list", "--json").stdout
    assert "pw!" not in listed
    assert [one["destination"] for one in json.loads(listed)] == ["*", "example.com"]
    run("route", "add", "example.com", "other.example.net", expect=1)
    assert document("route", "add", "*.example.com", "relay.example.net")["destination"] == ".example.com"
    run("route", "remove", "example.com")
    run("route", "remove", "example.com", expect=1)


def test_check_says_what_is_wrong_and_how_to_mend_it(data: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ok       database: Schema" in run("check").stdout
    monkeypatch.setenv("POSTROAD_TLS__CERTIFICATE", str(data / "nowhere.pem"))
    monkeypatch.setenv("POSTROAD_TLS__KEY", str(data / "nowhere.key"))
    assert "WRONG    certificate:" in run("check", expect=1).stdout


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("DELIVERY__RETRY_SCHEDULE", "5x", "delivery.retry_schedule: '5x' is not a pause"),
        ("SMTP__RBL_ZONES", "zen.example=127.0.0.1", "smtp.rbl_zones: '127.0.0.1' is not a code of a list"),
        ("SMTP__PROXY_PROTOCOL_FROM", "office", "smtp.proxy_protocol_from: 'office' is not a network"),
        ("DNS__RESOLVERS", "::1:53", "dns.resolvers: '::1:53' is not a resolver"),
        ("HTTP__PUBLIC_URL", "https://[", "http.public_url: 'https://[' is not where people could go"),
    ],
)
def test_check_refuses_what_no_node_starts_with(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"POSTROAD_{variable}", value)

    for command in (("check",), ("check", "--deep")):
        assert f"WRONG    configuration: {sentence}" in run(*command, expect=1).stdout
    assert sentence in run("serve", expect=1).stderr


def test_a_setting_that_is_not_understood_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROAD_LOG__LEVLE", "info")

    assert "did you mean POSTROAD_LOG__LEVEL?" in run("account", "list", expect=1).stderr


def test_configuration_file_is_found_and_leads_to_its_data_folder(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "postroad.toml"
    config.write_text('data_dir = "data"\n')

    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "from postroad.cli import main; main()",
            "account",
            "list",
            "--json",
            "--config",
            config,
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )

    assert [one["name"] for one in json.loads(shown.stdout)] == ["default"]


def test_backup_comes_back_with_everything_in_it(
    document: Document, run: Run, tmp_path: Path, stored: tuple[str, list[str]]
) -> None:
    message_id, ids = stored
    archive = tmp_path / "backup.tar"

    wrote = run("backup", str(archive)).stdout
    run("backup", str(archive), expect=1)
    run("restore", str(archive), expect=1)
    elsewhere = ["--data", str(tmp_path / "elsewhere"), "--json"]
    restored = CliRunner().invoke(main, ["restore", str(archive), *elsewhere])
    assert restored.exit_code == 0, restored.output

    listed = CliRunner().invoke(main, ["queue", "list", "--message", message_id, *elsewhere])
    assert [one["id"] for one in json.loads(listed.stdout)] == ids
    assert "It holds the master key: keep it secret." in wrote
    assert archive.stat().st_mode & 0o077 == 0


def test_a_backup_whose_key_is_given_by_the_environment_says_that_it_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == 0, result.output
        return result.stdout

    archive = str(tmp_path / "backup.tar")
    monkeypatch.setenv(KEY_VARIABLE, "ab" * 32)
    give("migrate", "--data", str(tmp_path / "here"))
    wrote = give("backup", archive, "--data", str(tmp_path / "here"))
    with_key = give("restore", archive, "--data", str(tmp_path / "there"))
    monkeypatch.delenv(KEY_VARIABLE)
    without_key = give("restore", archive, "--data", str(tmp_path / "elsewhere"))

    assert "It holds the master key" not in wrote
    assert f"The master key is not in it: keep the one that the nodes get as {KEY_VARIABLE} elsewhere" in wrote
    assert KEY_VARIABLE not in with_key
    assert f"before `postroad serve`, set {KEY_VARIABLE}" in without_key


def test_what_a_message_asked_for_is_told_with_it_and_its_variables_with_each_event(
    document: Document, run: Run, stored: tuple[str, list[str]]
) -> None:
    shown = document("message", "show", stored[0])
    text = run("message", "show", stored[0]).stdout

    assert shown["options"] == {
        "tags": ["Orders"],
        "variables": {"order": 17, "paid": True},
        "callback_url": "https://app.example/",
    }
    assert [event["variables"] for event in shown["events"]] == [{"order": 17, "paid": True}] * 3
    assert '{"order":17,"paid":true}' in text
    assert "https://app.example/" in text
