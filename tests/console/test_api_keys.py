"""API keys and the signing key in the console."""

import html
import json
import re
import shlex

import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.httpd.console.call_examples import call_examples
from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.credential import ApiKey, KeyPrincipal
from postroad.policy.key_text import KeyTextKind, kind_of
from postroad.storage import api_keys, audit
from postroad.storage.api_keys import Use
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import NOW, Client, World

LIST = "/credentials/api-keys"
DIALOG = {"HX-Request": "true", "HX-Request-Type": "partial"}
_KEY = re.compile(r"pr[da]_[0-9A-Za-z]{49}")


@pytest.fixture
async def key(console: Console, world: World) -> ApiKey:
    added = await console.api_keys.add_for_domain(SYSTEM, world.domain.name, note="the <b>shop</b>")
    return added.key


async def test_an_empty_list_says_what_to_do_next(admin: Client, user: Client) -> None:
    assert "No API key yet" in (await admin.get(LIST)).text
    assert f"{LIST}/new" in (await admin.get(LIST)).text
    assert f"{LIST}/new" not in (await user.get(LIST)).text


async def test_a_key_is_shown_once_with_a_command_that_tries_it(
    admin: Client, world: World, api_keys: ApiKeyCheck, console: Console
) -> None:
    assert f'<option value="{world.domain.name}" selected>' in (await admin.get(f"{LIST}/new")).text
    reply = await admin.send_form(
        f"{LIST}/new", kind="domain", domain=world.domain.name, note="shop", networks="192.0.2.0/24"
    )
    text = _KEY.search(reply.text)
    assert text is not None

    assert reply.status_code == 200
    assert kind_of(text[0]) is KeyTextKind.DOMAIN
    assert f'data-copy="{text[0]}"' in reply.text
    assert f"Authorization: Bearer {text[0]}" in reply.text
    assert "http://localhost/api/postroad/v1/key" in reply.text
    assert text[0] not in str(reply.headers)
    listed = (await admin.get(LIST)).text
    assert text[0][:10] in listed
    assert text[0] not in listed
    assert isinstance(await api_keys.verify(text[0], "192.0.2.9"), KeyPrincipal)


async def test_a_key_is_tried_at_the_address_that_the_page_names(admin: Client, world: World) -> None:
    text = _KEY.search((await admin.send_form(f"{LIST}/new", kind="account")).text)
    assert text is not None
    reply = await admin.get("/api/postroad/v1/key", headers={"Authorization": f"Bearer {text[0]}"})

    assert reply.json()["account"] == world.ours.name


async def test_what_is_wrong_is_said_entry_by_entry_and_what_was_typed_stays(admin: Client, world: World) -> None:
    networks = "office, 192.0.2.7/24\n10.0.0.1"
    reply = await admin.send_form(f"{LIST}/new", kind="domain", domain=world.domain.name, note="n", networks=networks)

    assert reply.status_code == 422
    assert "office is not an address, nor a range" in reply.text
    assert "did you mean 192.0.2.0/24, or 192.0.2.7 alone?" in reply.text
    assert "office, 192.0.2.7/24\n10.0.0.1</textarea>" in reply.text
    assert 'value="n"' in reply.text


@pytest.mark.parametrize("domain", ["", "none.example", "news.globex.example"])
async def test_a_key_is_made_for_domains_of_the_account_alone(
    admin: Client, console: Console, world: World, domain: str
) -> None:
    reply = await admin.send_form(f"{LIST}/new", kind="domain", domain=domain)

    assert reply.status_code in {404, 422}
    assert await console.api_keys.all(SYSTEM) == []


async def test_the_list_follows_the_chosen_domain(admin: Client, console: Console, world: World, key: ApiKey) -> None:
    managing = (await console.api_keys.add_for_account(SYSTEM, world.ours.id)).key
    theirs = (await console.api_keys.add_for_account(SYSTEM, world.theirs.id)).key
    everything = (await admin.get(LIST)).text
    assert key.prefix in everything
    assert managing.prefix in everything
    assert theirs.prefix not in everything

    await admin.send_form("/choose-domain", domain=str(world.domain.id), next=LIST)
    assert managing.prefix not in (await admin.get(LIST)).text


async def test_html_in_a_note_is_text(admin: Client, key: ApiKey) -> None:
    text = (await admin.get(LIST)).text

    assert "the &lt;b&gt;shop&lt;/b&gt;" in text


async def test_the_lock_is_closed_with_the_viewers_own_address_on_offer(
    admin: Client, console: Console, key: ApiKey
) -> None:
    assert "#unlock" in (await admin.get(LIST)).text
    dialog = (await admin.get(f"{LIST}/{key.id}/networks", headers=DIALOG)).text
    assert 'data-value="127.0.0.1"' in dialog

    await admin.send_form(f"{LIST}/{key.id}/networks", networks="127.0.0.1\n2001:db8::/32, 192.0.2.0/24")
    assert (await console.api_keys.get(SYSTEM, key.id)).networks == ("127.0.0.1/32", "2001:db8::/32", "192.0.2.0/24")
    text = (await admin.get(LIST)).text
    assert "3 addresses or ranges" in text
    assert "#lock" in text
    shown = (await admin.get(f"{LIST}/{key.id}/networks")).text
    assert "127.0.0.1\n2001:db8::/32\n192.0.2.0/24</textarea>" in shown

    wrong = await admin.send_form(f"{LIST}/{key.id}/networks", networks="300.1.1.1 x")
    assert wrong.status_code == 422
    assert "300.1.1.1 is not an address" in wrong.text
    await admin.send_form(f"{LIST}/{key.id}/networks", networks="")
    assert "may be used from everywhere" in (await admin.get(LIST)).text


async def test_a_list_of_addresses_that_was_opened_earlier_does_not_open_a_key(
    admin: Client, console: Console, key: ApiKey
) -> None:
    path = f"{LIST}/{key.id}/networks"
    early = await admin.shown_by(path)
    await admin.send_form(path, networks="192.0.2.0/24", shown=early)

    assert (await admin.send_form(path, networks="", shown=early)).headers["location"] == LIST
    assert (await console.api_keys.get(SYSTEM, key.id)).networks == ("192.0.2.0/24",)
    reply = await admin.send_form(path, networks="198.51.100.7", shown=early)
    assert (reply.status_code, "is now: 192.0.2.0/24." in reply.text) == (422, True)
    await admin.send_form(path, networks="", shown=await admin.shown_by(path))
    assert (await console.api_keys.get(SYSTEM, key.id)).networks == ()


async def test_last_use_and_last_refusal_are_seen(admin: Client, key: ApiKey, database: Database) -> None:
    await database.write(api_keys.touch, {key.id: Use(NOW, "192.0.2.9")}, {key.id: Use(NOW, "203.0.113.7")})
    text = (await admin.get(LIST)).text

    assert "from 192.0.2.9" in text
    assert "refused 203.0.113.7" in text


async def test_a_note_is_edited_and_a_key_removed_after_a_question(
    admin: Client, console: Console, key: ApiKey
) -> None:
    assert 'value="the &lt;b&gt;shop&lt;/b&gt;"' in (await admin.get(f"{LIST}/{key.id}/edit")).text
    await admin.send_form(f"{LIST}/{key.id}/edit", note="another")
    assert (await console.api_keys.get(SYSTEM, key.id)).note == "another"
    assert (await admin.send_form(f"{LIST}/{key.id}/edit", note="n" * 501)).status_code == 422

    assert "cannot be brought back" in (await admin.get(f"{LIST}/{key.id}/remove")).text
    await admin.send_form(f"{LIST}/{key.id}/remove")
    assert await console.api_keys.all(SYSTEM) == []
    assert (await admin.send_form(f"{LIST}/{key.id}/remove")).status_code == 404


async def test_who_may_only_look_sees_the_keys_without_buttons(user: Client, key: ApiKey) -> None:
    text = (await user.get(LIST)).text

    assert key.prefix in text
    assert "/remove" not in text
    assert "/networks" not in text


async def test_the_signing_key_is_hidden_copied_and_updated_with_an_overlap(
    admin: Client, console: Console, world: World, database: Database
) -> None:
    first = await console.signing.keys_of(SYSTEM, world.ours.id)
    text = (await admin.get("/settings/signing-key")).text
    assert f'data-hidden="{first.key}"' in text
    assert f'value="{first.key}"' not in text
    assert 'type="password"' not in text
    assert "Previous key" not in text

    question = (await admin.get("/settings/signing-key/update")).text
    assert ("Update the signing key?" in question, "The key before this one" in question) == (True, False)
    reply = await admin.send_form("/settings/signing-key/update", overlap_hours="24")
    assert reply.headers["location"] == "/settings/signing-key"
    after = (await admin.get("/settings/signing-key")).text
    second = await console.signing.keys_of(SYSTEM, world.ours.id)
    assert second.previous_key == first.key
    assert f'data-hidden="{second.key}"' in after
    assert f'data-hidden="{first.key}"' in after
    assert "It ends now if you update again" in (await admin.get("/settings/signing-key/update")).text
    refused = await admin.send_form("/settings/signing-key/update", overlap_hours="9999")
    assert (refused.status_code, "It ends now if you update again" in refused.text) == (422, True)
    entries = msgspec.json.encode(await database.read(audit.search, AuditSelector(), 50)).decode()
    assert second.key not in entries
    assert first.key not in entries


async def test_the_signing_key_is_for_admins_eyes(user: Client, world: World, console: Console) -> None:
    keys = await console.signing.keys_of(SYSTEM, world.ours.id)
    reply = await user.get("/settings/signing-key")

    assert reply.status_code == 403
    assert keys.key not in reply.text


async def test_the_commands_of_a_new_key_and_of_the_chosen_domain(admin: Client, world: World) -> None:
    name = world.domain.name
    added = await admin.send_form(f"{LIST}/new", kind="domain", domain=name)
    text = _KEY.search(added.text)
    assert text is not None
    for api in ("Postroad", "Mailgun", "SendGrid", "SparkPost"):
        assert f"With the API of {api}" in added.text
    commands = html.unescape(added.text)
    assert f"--user 'api:{text[0]}' http://localhost/v3/{name}/messages" in commands
    assert (
        f"Authorization: Bearer {text[0]}' -H 'Content-Type: application/json' http://localhost/v3/mail/send"
        in commands
    )
    assert f"Authorization: {text[0]}'" in commands
    assert f'"from": "hello@{name}"' in commands
    assert text[0] not in (await admin.get(LIST)).text


def test_the_commands_hold_documents_that_can_be_read() -> None:
    for one in call_examples("https://mail.example.com", "news.example.com", "KEY"):
        words = shlex.split(one.command)
        assert words[0] == "curl"
        if "-d" in words:
            assert "hello@news.example.com" in str(json.loads(words[words.index("-d") + 1]))
