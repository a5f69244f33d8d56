"""Templates in the console."""

import html
import json
from typing import Any

import pytest

from postroad.httpd.console.console import Console
from postroad.model.actor import SYSTEM
from postroad.model.options import FrozenTemplate, Options, TemplateName
from postroad.model.template import StoredTemplate, TemplateSource
from postroad.storage.database import Database
from tests.storage.samples import accepted

from .conftest import Client, World

LIST = "/templates"


@pytest.fixture
async def template(console: Console, world: World) -> StoredTemplate:
    source = TemplateSource(html="<p>Hi {{name}}</p>", subject="For {{name}}")
    return await console.templates.add(SYSTEM, world.domain.name, "welcome", source)


def path(template: StoredTemplate, *steps: str) -> str:
    return "/".join((f"{LIST}/{template.id}", *steps))


async def numbers(console: Console, template: StoredTemplate) -> tuple[int, list[int]]:
    shown = await console.templates.shown(SYSTEM, template.id)
    return shown.template.active_number, [one.number for one in shown.versions]


async def test_an_empty_list_says_what_to_do_next(admin: Client, user: Client) -> None:
    assert "No template yet" in (await admin.get(LIST)).text
    assert f"{LIST}/new" in (await admin.get(LIST)).text
    assert f"{LIST}/new" not in (await user.get(LIST)).text


async def test_a_template_is_added_and_listed(admin: Client, world: World, console: Console) -> None:
    asked = (await admin.get(f"{LIST}/new")).text
    reply = await admin.send_form(
        f"{LIST}/new",
        domain=world.domain.name,
        name="Order",
        html="<p>{{a}}</p>\r\n<p>b</p>",
        subject="Hi",
        note="first",
    )
    [added] = await console.templates.all(SYSTEM)
    version = await console.templates.version(SYSTEM, added.id)

    assert f'<option value="{world.domain.name}" selected>' in asked
    assert 'placeholder="Your order {{order.number}}"' in asked
    assert 'placeholder="&lt;p&gt;Hello {{name}}&lt;/p&gt;"' in asked
    assert (reply.status_code, reply.headers["location"]) == (303, path(added))
    assert version.source == TemplateSource(html="<p>{{a}}</p>\n<p>b</p>", subject="Hi")
    assert (version.note, version.created_by) == ("first", world.admin.email)
    assert "Order" in (await admin.get(LIST)).text
    assert "X-OV-Template: Order" in (await admin.get(path(added))).text


async def test_what_was_typed_is_kept_with_line_and_column_of_the_fault(
    admin: Client, world: World, template: StoredTemplate, console: Console
) -> None:
    bad = "<p>\n  {{#each x}}</p>"
    added = await admin.send_form(f"{LIST}/new", domain=world.domain.name, name="b", html=bad, text="Kept text")
    saved = await admin.send_form(path(template, "edit"), html=bad, text="Kept text", tag="t", activate="on")

    for reply in (added, saved):
        assert reply.status_code == 422
        assert "Line 2, column 3: " in reply.text
        assert "{{#each x}}&lt;/p&gt;</textarea>" in reply.text
        assert "Kept text</textarea>" in reply.text
    assert await numbers(console, template) == (1, [1])


async def test_an_edit_becomes_a_new_version_which_is_previewed_and_activated(
    admin: Client, template: StoredTemplate, console: Console
) -> None:
    shown = (await admin.get(path(template, "edit"))).text
    reply = await admin.send_form(
        path(template, "edit"), html="<h1>Hi {{name}}</h1>", note="New <b>", tag="spring", then="preview"
    )
    asked = await admin.get(path(template, "versions", "2", "activate"))
    before = await numbers(console, template)
    await admin.send_form(path(template, "versions", "2", "activate"))
    page = (await admin.get(path(template))).text

    assert "&lt;p&gt;Hi {{name}}&lt;/p&gt;</textarea>" in shown
    assert "becomes version 2" in shown
    assert reply.headers["location"] == path(template, "preview?version=2")
    assert "Activate version 2 (spring) of welcome?" in asked.text
    assert before == (1, [2, 1])
    assert await numbers(console, template) == (2, [2, 1])
    assert "New &lt;b&gt;" in page
    await admin.send_form(path(template, "versions", "1", "activate"))
    assert await numbers(console, template) == (1, [2, 1])
    await admin.send_form(path(template, "edit"), html="<p>3</p>", activate="on")
    assert await numbers(console, template) == (3, [3, 2, 1])


async def test_a_preview_shows_what_is_made_of_sample_data_in_a_frame_without_rights(
    user: Client, template: StoredTemplate
) -> None:
    data = json.dumps({"name": "<Bob>"})
    page = (await user.send_form(path(template, "preview"), data=data)).text
    frame = await user.send_form(path(template, "preview", "html"), version="1", data=data)

    assert "<dd>For &lt;Bob&gt;</dd>" in page
    assert '<pre class="body">Hi &lt;Bob&gt;\n</pre>' in page
    assert f'action="{path(template)}/preview/html" target="made-html" data-sends>' in page
    assert 'name="made-html" sandbox></iframe>' in page
    assert frame.text == "<p>Hi &lt;Bob&gt;</p>"
    assert frame.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "<code>name</code>" in (await user.send_form(path(template, "preview"), data="{}")).text


async def test_sample_data_may_be_as_long_as_promised(user: Client, template: StoredTemplate) -> None:
    data = json.dumps({"name": "\N{GRINNING FACE}" * 16_000}, ensure_ascii=False)
    reply = await user.send_form(path(template, "preview"), data=data)
    frame = await user.send_form(path(template, "preview", "html"), data=data)

    assert reply.status_code == frame.status_code == 200
    assert "\N{GRINNING FACE}" * 16_000 in frame.text


@pytest.mark.parametrize("data", ["[1]", "{", "[" * 9_000, "{" + " " * 20_000 + "}"])
async def test_data_that_is_no_object_is_told(user: Client, template: StoredTemplate, data: str) -> None:
    reply = await user.send_form(path(template, "preview"), data=data)
    frame = await user.send_form(path(template, "preview", "html"), data=data)

    assert reply.status_code == frame.status_code == 422
    assert 'id="data-error"' in reply.text
    assert "<iframe" not in reply.text


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("{name: 1}", "; this cannot be read at line 1, column 2."),
        ('{"é": 1,\n  b}', "; this cannot be read at line 2, column 3."),
        ('{"a": ', "; this breaks off before its end."),
        ("[1]", "."),
        ('{"a":' + "[" * 9_000, "; this is nested too deeply."),
    ],
)
async def test_a_fault_in_the_data_is_told_in_plain_words(
    user: Client, template: StoredTemplate, data: str, fault: str
) -> None:
    reply = await user.send_form(path(template, "preview"), data=data)

    assert f'The data must be one JSON object, such as {{"name": "Ada"}}{fault}</p>' in html.unescape(reply.text)


async def test_a_preview_that_fails_names_the_place(user: Client, template: StoredTemplate, console: Console) -> None:
    await console.templates.add_version(SYSTEM, template.id, TemplateSource(html="<p>{{> nobody}}</p>"))
    reply = await user.get(f"{path(template, 'preview')}?version=2")

    assert reply.status_code == 422
    assert "HTML: Line 1, column 4" in reply.text


async def test_versions_are_compared_and_looked_at(user: Client, template: StoredTemplate, console: Console) -> None:
    await console.templates.add_version(SYSTEM, template.id, TemplateSource(html="<p>Bye</p>", subject="For {{name}}"))
    page = (await user.get(path(template, "diff"))).text
    same = (await user.get(f"{path(template, 'diff')}?older=1&newer=1")).text
    version = (await user.get(path(template, "versions", "2"))).text

    assert '<span class="gone">-&lt;p&gt;Hi {{name}}&lt;/p&gt;</span>' in page
    assert '<span class="added">+&lt;p&gt;Bye&lt;/p&gt;</span>' in page
    assert "They are the same." in same
    assert "&lt;p&gt;Bye&lt;/p&gt;" in version
    assert "/activate" not in version
    assert (await user.get(f"{path(template, 'diff')}?older=9")).status_code == 404


async def test_a_template_is_removed_after_a_question(
    admin: Client, template: StoredTemplate, console: Console, database: Database, world: World
) -> None:
    version = await console.templates.version(SYSTEM, template.id)
    options = Options(template=TemplateName("welcome", "1"), frozen_template=FrozenTemplate((version.id,)))
    waiting: Any = accepted(domain_id=world.domain.id, account_id=world.ours.id, options=options)
    assert "Remove welcome?" in (await admin.get(path(template, "remove"))).text

    await database.accept(waiting)
    refused = await admin.send_form(path(template, "remove"))
    still = await console.templates.all(SYSTEM)

    assert refused.status_code == 422
    assert "1 message is made of welcome" in refused.text
    assert [one.id for one in still] == [template.id]


async def test_a_template_that_no_message_needs_is_gone(
    admin: Client, template: StoredTemplate, console: Console
) -> None:
    reply = await admin.send_form(path(template, "remove"))

    assert reply.headers["location"] == LIST
    assert await console.templates.all(SYSTEM) == []
    assert (await admin.get(path(template))).status_code == 404
