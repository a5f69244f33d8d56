"""Domains in the console: added, checked record by record, set, stopped and removed."""

import re
from urllib.parse import parse_qsl

import msgspec
import pytest

from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainSettings, DomainState, KeyState, SendingDomain
from postroad.model.options import TlsDemand
from postroad.net.clock import now_ms
from postroad.policy.quota import demands_of_domain
from postroad.policy.records import ExpectedRecord
from postroad.storage import audit, domains, quotas
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.storage.secrets import Vault

from .conftest import Client, NoRecords, World

NAME = "news.initech.example"
DIALOG = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
async def added(admin: Client, console: Console) -> SendingDomain:
    """A domain that was added in the console, as it waits for its records."""
    reply = await admin.send_form("/domains/new", name=NAME)
    assert (reply.status_code, reply.headers["location"]) == (303, f"/domains/{NAME}")
    return await console.registration.find(SYSTEM, NAME)


async def state_of(console: Console, name: str = NAME) -> DomainState:
    return (await console.registration.find(SYSTEM, name)).state


async def test_the_list_has_the_accounts_domains_and_no_others(admin: Client, world: World) -> None:
    text = (await admin.get("/domains")).text

    assert f'href="/domains/{world.domain.name}"' in text
    assert "Active" in text
    assert world.their_domain.name not in text


async def test_the_dialog_of_a_new_domain_gives_advice(admin: Client) -> None:
    text = (await admin.get("/domains/new", headers=DIALOG)).text

    assert "Take a sub-domain of your brand" in text
    assert "look-alike" in text
    assert "The From address may still be at the parent" in text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("co.uk", "public suffix"),
        ("127.0.0.1", "ends in a number, as addresses do"),
        ("no domain", "no domain"),
        ("news.acme.example", "is a domain of this account already"),
        ("news.globex.example", "held by another account"),
        ('"><script>alert(1)</script>', "&lt;script&gt;"),
    ],
)
async def test_what_is_wrong_with_a_name_stands_at_its_field(admin: Client, name: str, sentence: str) -> None:
    reply = await admin.send_form("/domains/new", name=name)

    assert reply.status_code == 422
    assert sentence in reply.text
    assert 'aria-invalid="true"' in reply.text
    assert "<script>alert" not in reply.text


async def test_a_new_domain_shows_its_records_to_copy(admin: Client, added: SendingDomain, console: Console) -> None:
    text = (await admin.get(f"/domains/{NAME}")).text
    records = await console.verification.expected(added)

    assert "Publish its DNS records, then check them here." in text
    assert 'aria-current="step"' in text
    for record in records:
        assert f'data-copy="{record.name}"' in text
        assert f'data-copy="{record.value}"' in text
    assert text.count("Waits to be seen in DNS") == 1


class Published:
    """A resolver that finds what is put into it."""

    def __init__(self, records: tuple[ExpectedRecord, ...]) -> None:
        self._records = records

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        texts = tuple(one.value for one in self._records if (one.name, one.form) == (name, record_type.name))
        return Answer(status=AnswerStatus.FOUND, records=texts) if texts else Answer(status=AnswerStatus.NO_DATA)


async def test_a_check_says_record_by_record_what_is_missing(
    admin: Client, added: SendingDomain, console: Console
) -> None:
    reply = await admin.post(f"/domains/{NAME}/check", data={"csrf": admin.csrf}, headers=DIALOG)

    assert reply.status_code == 200
    assert "<html" not in reply.text
    assert "1 required record is not right yet." in reply.text
    assert "Missing" in reply.text
    assert await state_of(console) is DomainState.UNVERIFIED


async def test_a_check_that_dns_did_not_answer_is_told_from_a_record_that_is_missing(
    admin: Client, added: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_answer(*_question: object) -> Answer:
        return Answer(status=AnswerStatus.TEMPORARY, detail="the question timed out")

    monkeypatch.setattr(NoRecords, "resolve", no_answer)
    reply = await admin.post(f"/domains/{NAME}/check", data={"csrf": admin.csrf}, headers=DIALOG)

    assert "DNS gave no answer for 1 required record; try again." in reply.text
    assert "not right yet" not in reply.text
    assert "is right." not in reply.text


async def test_a_check_without_scripts_is_a_page(admin: Client, added: SendingDomain) -> None:
    reply = await admin.send_form(f"/domains/{NAME}/check")

    assert "<html" in reply.text
    assert "Missing" in reply.text


async def test_a_domain_whose_records_are_right_is_active_at_once(
    admin: Client, added: SendingDomain, console: Console, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = Published(await console.verification.expected(added))
    monkeypatch.setattr(NoRecords, "resolve", lambda _self, *question: published.resolve(*question))
    reply = await admin.post(f"/domains/{NAME}/check", data={"csrf": admin.csrf}, headers=DIALOG)

    assert "Every required record is right." in reply.text
    assert "The domain sends." in reply.text
    assert await state_of(console) is DomainState.ACTIVE
    [entry] = await database.read(audit.search, AuditSelector(action="domain.activated"), 9)
    assert (entry.actor_name, entry.before, entry.after) == (
        "ada@acme.example",
        {"state": "unverified"},
        {"state": "active"},
    )


async def test_checks_come_at_most_every_ten_seconds(admin: Client, added: SendingDomain) -> None:
    await admin.send_form(f"/domains/{NAME}/check")
    reply = await admin.post(f"/domains/{NAME}/check", data={"csrf": admin.csrf}, headers=DIALOG)

    assert "was checked a moment ago: wait another" in reply.text
    assert "Missing" not in reply.text


async def test_the_form_of_settings_has_every_setting_and_keeps_what_was_typed(
    admin: Client, added: SendingDomain, console: Console
) -> None:
    text = (await admin.get(f"/domains/{NAME}")).text
    for field in msgspec.structs.fields(DomainSettings):
        assert f'name="{field.name}"' in text

    defaults = msgspec.to_builtins(DomainSettings())
    numbers = {name: str(value) for name, value in defaults.items() if not isinstance(value, bool)}
    chosen = numbers | {"keep_content_days": "30", "submission_networks": "192.0.2.0/24 2001:DB8::/32"}
    chosen |= {"require_tls": "encrypt", "pause_complaint_percent": "0.3"}
    saved = await admin.send_form(f"/domains/{NAME}/settings", **chosen, ed25519="on")
    assert saved.status_code == 303
    found = await console.registration.find(SYSTEM, NAME)
    assert found.settings == DomainSettings(
        bounce_mail=False,
        ed25519=True,
        keep_content_days=30,
        pause_complaint_percent=0.3,
        submission_networks="192.0.2.0/24, 2001:db8::/32",
        require_tls=TlsDemand.ENCRYPT,
    )
    page = (await admin.get(f"/domains/{NAME}")).text
    assert '<option value="encrypt" selected>' in page
    assert re.search(r'name="pause_complaint_percent"[^>]* value="0.3"', page)

    networks = await admin.send_form(f"/domains/{NAME}/settings", **numbers | {"submission_networks": "192.0.2.7/24"})
    assert (networks.status_code, "did you mean 192.0.2.0/24" in networks.text) == (422, True)
    chosen = numbers | {"keep_content_days": "4000"}
    refused = await admin.send_form(f"/domains/{NAME}/settings", **chosen, repair_long_lines="on")
    assert refused.status_code == 422
    assert "4000 is outside the bounds: 0 to 3650." in refused.text
    assert 'value="4000"' in refused.text
    assert 'name="repair_long_lines" checked' in refused.text
    for wrong, sentence in (("", "A number is needed here."), ("-5", "use a whole number from 0")):
        reply = await admin.send_form(f"/domains/{NAME}/settings", **numbers | {"keep_content_days": wrong})
        assert (reply.status_code, sentence in reply.text) == (422, True)


async def test_a_page_that_was_opened_earlier_undoes_no_setting(
    admin: Client, added: SendingDomain, console: Console
) -> None:
    path = f"/domains/{NAME}"
    early = await admin.shown_by(path)
    shown = dict(parse_qsl(early, keep_blank_values=True))
    await admin.send_form(
        f"{path}/settings", **shown | {"submission_networks": "192.0.2.0/24", "require_tls": "encrypt"}, shown=early
    )

    saved = await admin.send_form(f"{path}/settings", **shown | {"keep_content_days": "30"}, shown=early)

    assert saved.status_code == 303
    found = (await console.registration.find(SYSTEM, NAME)).settings
    assert found == msgspec.structs.replace(
        added.settings, submission_networks="192.0.2.0/24", require_tls=TlsDemand.ENCRYPT, keep_content_days=30
    )
    reply = await admin.send_form(f"{path}/settings", **shown | {"submission_networks": "192.0.2.7"}, shown=early)
    assert (reply.status_code, "is now: 192.0.2.0/24." in reply.text) == (422, True)


async def test_a_quota_is_shown_with_what_is_used_of_it_and_when_it_frees(
    admin: Client, user: Client, world: World, console: Console, database: Database
) -> None:
    path = f"/domains/{world.domain.name}"
    assert "frees at" not in (await admin.get(path)).text
    limited = await console.registration.change_settings(SYSTEM, world.domain.name, DomainSettings(hourly_quota=5_000))
    # The hour may end before it is looked at.
    periods = {*demands_of_domain(limited, now_ms()), *demands_of_domain(limited, now_ms() + 60_000)}
    await database.write(quotas.take, tuple(periods), 1_204)

    for one in (admin, user):
        text = (await one.get(path)).text
        assert text.count("Used 1,204 of 5,000 this hour, frees at <time") == 1
        assert "today, frees at" not in text


async def test_a_key_is_rotated_after_a_question(
    admin: Client, world: World, console: Console, added: SendingDomain, database: Database
) -> None:
    [key] = await console.registration.keys_of(added)
    active = msgspec.structs.replace(key, state=KeyState.ACTIVE)
    await database.write(domains.change, Vault(bytes(32)), added, added, [active])
    assert "Rotate the DKIM key?" in (await admin.get(f"/domains/{NAME}/rotate-dkim", headers=DIALOG)).text
    await admin.send_form(f"/domains/{NAME}/rotate-dkim")

    assert len(await console.registration.keys_of(added)) == 2
    again = await admin.send_form(f"/domains/{NAME}/rotate-dkim")
    assert (again.status_code, "still waits to be seen" in again.text) == (422, True)


async def test_a_domain_is_stopped_and_released(admin: Client, console: Console, added: SendingDomain) -> None:
    assert "In the queue" not in (await admin.get(f"/domains/{NAME}/disable")).text
    await admin.send_form(f"/domains/{NAME}/disable")
    assert await state_of(console) is DomainState.DISABLED
    page = (await admin.get(f"/domains/{NAME}")).text
    assert "accepts no mail until it is enabled" in page
    await admin.send_form(f"/domains/{NAME}/enable")
    assert await state_of(console) is DomainState.UNVERIFIED


async def test_a_domain_is_paused_with_a_reason_shown_with_it_and_resumed(
    admin: Client, user: Client, world: World, console: Console
) -> None:
    path = f"/domains/{world.domain.name}"
    assert "Pause news.acme.example?" in (await admin.get(f"{path}/pause", headers=DIALOG)).text
    refused = await admin.send_form(f"{path}/pause", reason="x" * 501)
    assert (refused.status_code, "at most 500 characters" in refused.text) == (422, True)
    assert (await admin.send_form(f"{path}/pause", reason="A list from <2009>")).headers["location"] == path
    again = await admin.send_form(f"{path}/pause")
    assert (again.status_code, "is paused already" in again.text) == (422, True)

    page, seen, overview = [(await one.get(at)).text for one, at in ((admin, path), (user, path), (admin, "/"))]
    assert "A list from &lt;2009&gt;" in page
    assert f'action="{path}/resume"' in page
    assert f"{path}/pause" not in page
    assert "The domain sends." not in page
    assert "A list from &lt;2009&gt;" in seen
    assert "/resume" not in seen
    assert f"{world.domain.name} is paused: its new mail is put off. A list from &lt;2009&gt;" in overview

    assert (await admin.send_form(f"{path}/resume")).headers["location"] == path
    assert (await console.registration.find(SYSTEM, world.domain.name)).paused_at is None
    page = (await admin.get(path)).text
    assert "The domain sends." in page
    assert f"{path}/pause" in page
    assert "/resume" not in page


async def test_a_domain_is_removed_when_nothing_is_bound_to_it(
    admin: Client, console: Console, added: SendingDomain
) -> None:
    key = (await console.api_keys.add_for_domain(SYSTEM, NAME)).key
    refused = await admin.send_form(f"/domains/{NAME}/remove")
    assert (refused.status_code, "it still has 1 API key" in refused.text) == (422, True)

    await console.api_keys.remove(SYSTEM, key.id)
    assert (await admin.send_form(f"/domains/{NAME}/remove")).headers["location"] == "/domains"
    assert (await admin.get(f"/domains/{NAME}")).status_code == 404


async def test_who_may_only_look_sees_the_domain_without_its_buttons(user: Client, world: World) -> None:
    text = (await user.get(f"/domains/{world.domain.name}")).text

    assert "DNS records" in text
    assert "Check now" not in text
    assert '<button class="primary">Save settings' not in text
    assert "/remove" not in text


@pytest.mark.parametrize("name", ["none.example", "com", "%20", "a..b"])
async def test_what_is_no_domain_does_not_exist(admin: Client, name: str) -> None:
    reply = await admin.get(f"/domains/{name}")

    assert reply.status_code == 404
    assert "There is no sending domain" in reply.text


async def test_failing_records_say_until_when_the_domain_sends(
    admin: Client, console: Console, world: World, database: Database
) -> None:
    failing = msgspec.structs.replace(world.domain, failing_since=1_780_000_000_000)
    await database.write(domains.change, Vault(bytes(32)), world.domain, failing)
    text = (await admin.get(f"/domains/{world.domain.name}")).text

    assert "The domain stops sending at" in text
    assert 'datetime="2026-05-31T20:26:40Z"' in text


class TestVetting:
    """The operator's queue over all accounts."""

    @pytest.fixture
    async def waiting(self, world: World, database: Database) -> SendingDomain:
        wanted = SendingDomain(
            id=0, account_id=world.ours.id, name=NAME, state=DomainState.VETTING, created_at=1_780_000_000_000
        )
        return await database.write(domains.add, wanted)

    async def test_a_domain_that_waits_is_approved(
        self, operator: Client, admin: Client, waiting: SendingDomain, console: Console
    ) -> None:
        queue = (await operator.get("/vetting")).text
        assert NAME.replace(".", ".<wbr>") in queue
        assert "acme" in queue
        assert "Vetting in progress" in (await admin.get(f"/domains/{NAME}")).text

        await operator.send_form(f"/vetting/{NAME}/approve")
        assert await state_of(console) is DomainState.UNVERIFIED
        assert "Nothing waits" in (await operator.get("/vetting")).text

    async def test_a_rejected_domain_says_so_and_can_be_approved_after_all(
        self, operator: Client, admin: Client, waiting: SendingDomain, console: Console
    ) -> None:
        assert "Reject" in (await operator.get(f"/vetting/{NAME}/reject")).text
        await operator.send_form(f"/vetting/{NAME}/reject")
        assert await state_of(console) is DomainState.REJECTED
        page = (await admin.get(f"/domains/{NAME}")).text
        assert "has refused this domain" in page
        assert "/remove" not in page
        assert (await admin.send_form(f"/domains/{NAME}/remove")).status_code == 403

        await operator.send_form(f"/vetting/{NAME}/approve")
        assert await state_of(console) is DomainState.UNVERIFIED
