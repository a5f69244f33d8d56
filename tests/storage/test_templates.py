"""Stored templates on both engines: their rows, what people do with them, and what messages take along of them."""

import asyncio
import email
import email.policy
from collections.abc import Awaitable
from time import monotonic
from typing import Any

import msgspec
import pytest

from postroad.model.actor import Actor, ActorKind, command_actor
from postroad.model.delivery import Delivery
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.model.message import Message
from postroad.model.options import DeliveryOptions, OnMissing, Options, TemplateName
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.submission import Admitted, Rejected
from postroad.model.template import StoredTemplate, TemplateSource
from postroad.model.user import Role
from postroad.rendering.errors import ImpossibleCopyError
from postroad.rendering.placeholder import Addressee
from postroad.storage import accounts, audit, domains, revision, templates
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from postroad.templating import library as library_module
from postroad.templating import templates as service_module
from postroad.templating.library import TemplateLibrary
from postroad.templating.templates import MOST_OCTETS, Templates
from tests.storage.samples import DAY, NOW, accepted

OPERATOR = command_actor("tests")
NAME = "news.example.com"
CONTENT = f"From: shop@{NAME}\r\nSubject:\r\nMessage-ID: <1@x>\r\n\r\nOld text\r\n".encode()


def library_of(database: Database, **others: Any) -> TemplateLibrary:
    async def domain_of_id(domain_id: int) -> SendingDomain | None:
        return await database.read(domains.get, domain_id)

    return TemplateLibrary(database, domain_of_id, **others)


@pytest.fixture
async def domain(database: Database) -> SendingDomain:
    return await domain_of(database, NAME)


@pytest.fixture
def service(database: Database) -> Templates:
    return Templates(database, lambda: NOW)


@pytest.fixture
def library(database: Database) -> TemplateLibrary:
    return library_of(database)


class Seen(msgspec.Struct, frozen=True):
    html: str
    text: str
    subject: str
    missing: list[str]


async def domain_of(database: Database, name: str, *, is_transactional: bool = False) -> SendingDomain:
    account = await database.write(accounts.add, f"owner of {name}", NOW)
    wanted = SendingDomain(
        id=0,
        account_id=account.id,
        name=name,
        state=DomainState.ACTIVE,
        settings=DomainSettings(is_transactional=is_transactional),
        created_at=NOW,
    )
    return await database.write(domains.add, wanted)


def html(markup: str, **others: Any) -> TemplateSource:
    return TemplateSource(html=markup, **others)


async def add(service: Templates, name: str, markup: str, **others: Any) -> StoredTemplate:
    return await service.add(OPERATOR, NAME, name, html(markup, **others))


async def frozen(
    library: TemplateLibrary, domain: SendingDomain, name: str, version: str | None = None, **options: Any
) -> Options | Rejected:
    await library.refresh()
    recipients, content = options.pop("recipients", ["bob@example.net"]), options.pop("content", CONTENT)
    asked = Options(template=TemplateName(name, version), **options)
    admitted = Admitted(
        content=content, header_from=f"shop@{NAME}", subject="As sent", message_id_header="<1@x>", options=asked
    )
    found = await library.freeze(domain, admitted, recipients, NOW)
    return found.options if isinstance(found, Admitted) else found


async def held(
    library: TemplateLibrary, domain: SendingDomain, name: str, version: str | None = None, **options: Any
) -> Options:
    found = await frozen(library, domain, name, version, **options)
    assert isinstance(found, Options), found
    return found


def message_of(options: Options) -> tuple[Message, Delivery]:
    made = accepted("bob@example.net")
    message = msgspec.structs.replace(
        made.message, header_from=f"shop@{NAME}", subject="As sent", accepted_at=NOW, options=options
    )
    return message, made.deliveries[0]


async def rendered(
    library: TemplateLibrary,
    options: Options,
    variables: dict[str, Any] | None = None,
    links: dict[str, str] | None = None,
) -> Seen:
    """Return what leaves for the recipient."""
    message, delivery = message_of(msgspec.structs.replace(options, recipient_variables=None))
    delivery = msgspec.structs.replace(delivery, options=DeliveryOptions(variables=variables))
    addressee = Addressee(address=delivery.recipient, display_name="Bob", variables=variables or {}, links=links or {})
    made = await library.content_of(message, delivery, CONTENT, addressee)
    parts = email.message_from_bytes(made.content, policy=email.policy.default)
    html_part, text_part = parts.get_body(("html",)), parts.get_body(("plain",))
    return Seen(
        html="" if html_part is None else html_part.get_content().removesuffix("\r\n"),
        text="" if text_part is None else text_part.get_content().removesuffix("\r\n"),
        subject=str(parts["Subject"]),
        missing=sorted(made.missing),
    )


# -- rows and rules ----------------------------------------------------------------------------------------------------


async def test_names_are_compared_without_case_and_a_file_name_finds_the_bare_one(
    database: Database, domain: SendingDomain, service: Templates
) -> None:
    other = await domain_of(database, "other.example.com")
    added = await add(service, "Welcome", "<p>Hi</p>")
    await service.add(OPERATOR, other.name, "welcome", html("<p>Theirs</p>"))

    with pytest.raises(RefusedError, match="has a template wELCOME already"):
        await add(service, "wELCOME", "x")
    assert [(await service.find(OPERATOR, NAME, name)).id for name in ("welcome", "WELCOME.html", "welcome.hbs")] == [
        added.id
    ] * 3
    with pytest.raises(MissingError):
        await service.find(OPERATOR, NAME, "welcome.pdf")


async def test_the_longer_name_is_found_first(domain: SendingDomain, service: Templates) -> None:
    await add(service, "welcome", "<p>bare</p>")
    file = await add(service, "welcome.html", "<p>file</p>")

    assert (await service.find(OPERATOR, NAME, "Welcome.HTML")).id == file.id


async def test_versions_are_numbered_kept_and_rolled_back(
    database: Database, domain: SendingDomain, service: Templates
) -> None:
    added = await add(service, "welcome", "<p>One</p>")
    before = await database.read(revision.current)
    second = await service.add_version(OPERATOR, added.id, html("<p>Two</p>"), tag="spring", note="New colours")
    waiting = await service.get(OPERATOR, added.id)
    await service.activate(OPERATOR, added.id, "spring")
    active = await service.get(OPERATOR, added.id)
    await service.activate(OPERATOR, added.id, 1)
    back = await service.shown(OPERATOR, added.id)

    assert (second.number, second.tag, second.created_by) == (2, "spring", "tests")
    assert [waiting.active_number, active.active_number, back.template.active_number] == [1, 2, 1]
    assert [(one.number, one.tag, one.note) for one in back.versions] == [(2, "spring", "New colours"), (1, None, "")]
    assert (await service.version(OPERATOR, added.id)).source.html == "<p>One</p>"
    assert (await service.version(OPERATOR, added.id, "spring")).source.html == "<p>Two</p>"
    assert await database.read(revision.current) == before + 3
    actions = [one.action for one in await database.read(audit.search, AuditSelector(action="template"), 10)]
    assert actions == ["template.activated", "template.activated", "template.changed", "template.added"]


async def test_another_version_takes_a_tag_over_and_one_that_nobody_needs_goes(
    domain: SendingDomain, service: Templates, library: TemplateLibrary, database: Database
) -> None:
    template = await service.add(OPERATOR, NAME, "welcome", html("one"), tag="a", description="first")
    await service.describe(OPERATOR, template.id, "second")
    replaced = await service.replace_version(OPERATOR, template.id, "a", html("two"), note="mended")

    shown = await service.shown(OPERATOR, template.id)
    assert shown.template.description == "second"
    assert [(one.number, one.tag) for one in shown.versions] == [(2, "a"), (1, None)]
    assert (shown.template.active_number, replaced.number) == (2, 2)
    added = await service.add_version(OPERATOR, template.id, html("three"))
    await service.replace_version(OPERATOR, template.id, added.number, html("four"), note="")
    assert (await service.get(OPERATOR, template.id)).active_number == 2

    with pytest.raises(RefusedError, match="is the active one"):
        await service.remove_version(OPERATOR, template.id, "a")
    await service.remove_version(OPERATOR, template.id, 3)
    assert [one.number for one in (await service.shown(OPERATOR, template.id)).versions] == [4, 2, 1]
    options = await held(library, domain, "welcome")
    await database.accept(
        accepted("bob@example.net", domain_id=domain.id, account_id=domain.account_id, options=options)
    )
    with pytest.raises(RefusedError, match="not delivered yet"):
        await service.remove_version(OPERATOR, template.id, 1)
    reader = Actor(kind=ActorKind.USER, name="reader", account_id=domain.account_id, role=Role.USER)
    for refused in (
        service.remove_version(reader, template.id, 1),
        service.replace_version(reader, template.id, 1, html("x"), note=""),
        service.describe(reader, template.id, "x"),
    ):
        with pytest.raises(ForbiddenError):
            await refused


async def test_versions_that_were_written_over_make_room_unless_messages_hold_them(
    domain: SendingDomain,
    service: Templates,
    library: TemplateLibrary,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service_module, "MOST_VERSIONS", 3)
    template = await service.add(OPERATOR, NAME, "welcome", html("1"), tag="a")

    async def write_over(number: int) -> None:
        tags = ("a", f"replaced-{number}")
        await service.replace_version(OPERATOR, template.id, "a", html(str(number + 1)), note="", tags=tags)

    async def numbers() -> list[int]:
        return [one.number for one in (await service.shown(OPERATOR, template.id)).versions]

    await write_over(1)
    options = await held(library, domain, "welcome")
    message = accepted("bob@example.net", domain_id=domain.id, account_id=domain.account_id, options=options)
    await database.accept(message)
    await write_over(2)
    assert await numbers() == [3, 2, 1]
    await write_over(3)
    assert await numbers() == [4, 3, 2]
    # The second one is a message's.
    added = await service.add_version(OPERATOR, template.id, html("x"))
    assert (added.number, await numbers()) == (5, [5, 4, 2])
    for refused in (
        service.replace_version(OPERATOR, template.id, "a", html("y"), note=""),
        service.add_version(OPERATOR, template.id, html("y")),
    ):
        with pytest.raises(RefusedError, match="has 3 versions"):
            await refused
    assert await numbers() == [5, 4, 2]
    assert (await service.get(OPERATOR, template.id)).active_number == 4


@pytest.mark.parametrize(
    ("source", "field", "told"),
    [
        (html("<p>\n  {{#if a}}x</p>"), "html", "Line 2, column 3"),
        (html("<p></p>", text="{{a"), "text", "Line 1, column 1"),
        (html("<p></p>", subject="{{> }}"), "subject", "Line 1"),
        (html(" "), "html", "HTML, or text"),
        (html("é" * (MOST_OCTETS // 2 + 1)), "html", "at most 512"),
    ],
)
async def test_what_cannot_be_rendered_is_not_stored(
    domain: SendingDomain, service: Templates, source: TemplateSource, field: str, told: str
) -> None:
    added = await add(service, "welcome", "<p>Hi</p>")

    with pytest.raises(RefusedError, match=told) as refused:
        await service.add_version(OPERATOR, added.id, source)
    with pytest.raises(RefusedError, match=told):
        await service.add(OPERATOR, NAME, "other", source)
    assert refused.value.field == field
    assert len((await service.shown(OPERATOR, added.id)).versions) == 1


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "x" * 129, "a{b", "a\u2028b"])
async def test_a_name_is_one_that_a_header_can_say(domain: SendingDomain, service: Templates, name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        await add(service, name, "x")
    assert refused.value.field == "name"


async def test_a_tag_is_one_versions_and_no_number(domain: SendingDomain, service: Templates) -> None:
    added = await add(service, "welcome", "<p>Hi</p>")
    await service.add_version(OPERATOR, added.id, html("x"), tag="spring")

    for tag in ("spring", "7", "a b"):
        with pytest.raises(RefusedError) as refused:
            await service.add_version(OPERATOR, added.id, html("x"), tag=tag)
        assert refused.value.field == "tag"


async def test_templates_of_another_account_do_not_exist(
    database: Database, domain: SendingDomain, service: Templates
) -> None:
    added = await add(service, "welcome", "<p>Hi</p>")
    stranger = Actor(kind=ActorKind.USER, name="stan", account_id=domain.account_id + 100, role=Role.ADMIN)
    looker = msgspec.structs.replace(stranger, account_id=domain.account_id, role=Role.USER)

    assert await service.all(stranger) == []
    assert [one.id for one in await service.all(looker)] == [added.id]
    for attempt in (
        service.get(stranger, added.id),
        service.find(stranger, NAME, "welcome"),
        service.version(stranger, added.id),
        service.diff(stranger, added.id, 1, 1),
        service.preview(stranger, added.id, html("x"), {}),
        service.add(stranger, NAME, "mine", html("x")),
        service.add_version(stranger, added.id, html("x")),
        service.activate(stranger, added.id, 1),
        service.remove(stranger, added.id),
    ):
        with pytest.raises(MissingError):
            await attempt
    with pytest.raises(ForbiddenError):
        await service.remove(looker, added.id)


async def test_a_diff_names_parts_and_versions(domain: SendingDomain, service: Templates) -> None:
    added = await add(service, "welcome", "<p>One</p>\n<p>Same</p>", subject="Hi")
    await service.add_version(OPERATOR, added.id, html("<p>Two</p>\n<p>Same</p>", subject="Hi"), tag="spring")

    text = await service.diff(OPERATOR, added.id, 1, 2)

    assert text.splitlines() == [
        "--- HTML, version 1", "+++ HTML, version 2 (spring)", "@@ -1,2 +1,2 @@", "-<p>One</p>", "+<p>Two</p>",
        " <p>Same</p>",
    ]  # fmt: skip
    assert await service.diff(OPERATOR, added.id, 1, 1) == ""


async def test_a_preview_uses_the_domains_partials_and_says_what_is_missing(
    domain: SendingDomain, service: Templates
) -> None:
    await add(service, "footer", "<i>{{domain.name}}</i>", text="-- {{domain.name}}")
    added = await add(service, "welcome", "x")
    source = html("<p>{{name}} {{lost}}</p>{{> Footer.html}}", subject="Hi {{name}}")

    content = await service.preview(OPERATOR, added.id, source, {"name": "<Bob>"})

    assert content.html == f"<p>&lt;Bob&gt; </p><i>{NAME}</i>"
    assert content.text == f"<Bob>\n\n{NAME}\n"
    assert (content.subject, content.missing) == ("Hi <Bob>", ("lost",))
    with pytest.raises(RefusedError, match="Line 1, column 4") as refused:
        await service.preview(OPERATOR, added.id, html("<p>{{> nobody}}</p>"), {})
    assert refused.value.field == "html"


async def test_a_removed_template_is_found_no_more_and_its_name_is_free(
    database: Database, domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    first = await add(service, "welcome", "<p>One</p>")
    options = await held(library, domain, "welcome")
    await service.remove(OPERATOR, first.id)
    again = await add(service, "welcome", "<p>Again</p>")

    assert again.id != first.id
    assert [one.id for one in await service.all(OPERATOR)] == [again.id]
    with pytest.raises(MissingError):
        await service.get(OPERATOR, first.id)
    # A message that was accepted in the very second of the removal is delivered as it was meant.
    assert (await rendered(library_of(database), options)).html == "<p>One</p>"
    assert await database.write(templates.delete_removed_before, NOW + DAY, 100) == 1
    assert await database.write(templates.delete_removed_before, NOW + DAY, 100) == 0
    with pytest.raises(LookupError):
        await rendered(library_of(database), options)


async def test_a_template_stays_while_messages_are_made_of_it(
    database: Database, domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    footer = await add(service, "footer", "<i>Bye</i>")
    added = await add(service, "welcome", "<p>One</p>{{> footer}}")
    unused = await add(service, "unused", "<p>One</p>")
    options = await held(library, domain, "welcome")
    waiting = accepted("bob@example.net", domain_id=domain.id, account_id=domain.account_id, options=options)
    await database.accept(waiting)

    for one in (added, footer):
        with pytest.raises(RefusedError, match="1 message is made of"):
            await service.remove(OPERATOR, one.id)
    await service.remove(OPERATOR, unused.id)


async def test_a_domain_goes_with_its_templates(database: Database, domain: SendingDomain, service: Templates) -> None:
    added = await add(service, "welcome", "<p>One</p>")
    await database.write(domains.remove, domain.id)

    assert await database.read(templates.versions, added.id) == []


# -- what messages take along ------------------------------------------------------------------------------------------


async def test_the_active_version_is_frozen_with_its_partials(
    database: Database, domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    footer = await add(service, "footer", "<i>Old foot</i>")
    added = await add(service, "Welcome", "<p>{{name}}</p>{{> footer.html}}")
    options = await held(library, domain, "welcome.html", template_variables={"name": "Bob"})
    await service.add_version(OPERATOR, footer.id, html("<i>New foot</i>"), activates=True)
    await service.add_version(OPERATOR, added.id, html("<h1>{{name}}</h1>"), activates=True)
    later = await held(library, domain, "welcome", template_variables={"name": "Bob"})

    assert options.template == TemplateName("Welcome", "1")
    assert (await rendered(library, options)).html == "<p>Bob</p><i>Old foot</i>"
    assert (await rendered(library_of(database), options)).html == "<p>Bob</p><i>Old foot</i>"
    assert (await rendered(library, later)).html == "<h1>Bob</h1>"
    by_tag = await held(library, domain, "welcome", "1")
    assert (await rendered(library, by_tag)).html == "<p></p><i>New foot</i>"


async def test_partials_whose_names_are_made_are_frozen_too(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    greeting = await add(service, "hello-de", "<p>Hallo</p>{{> foot}}")
    await add(service, "foot", "<i>Foot</i>")
    await add(service, "welcome", "{{> (lookup . 'which')}}")
    options = await held(library, domain, "welcome", template_variables={"which": "hello-de"})
    await service.add_version(OPERATOR, greeting.id, html("<p>Servus</p>"), activates=True)
    await library.refresh()

    assert (await rendered(library, options)).html == "<p>Hallo</p><i>Foot</i>"


async def test_a_template_may_call_itself(domain: SendingDomain, service: Templates, library: TemplateLibrary) -> None:
    added = await add(service, "tree", "<b>{{n}}</b>{{#each kids}}{{> tree}}{{/each}}")
    await service.add_version(OPERATOR, added.id, html("<i>{{n}}</i>{{#each kids}}{{> tree}}{{/each}}"), tag="two")
    data = {"n": 1, "kids": [{"n": 2}, {"n": 3}]}
    options = await held(library, domain, "tree", "two", template_variables=data)

    assert (await rendered(library, options)).html == "<i>1</i><i>2</i><i>3</i>"


async def test_what_is_not_there_is_named(domain: SendingDomain, service: Templates, library: TemplateLibrary) -> None:
    await add(service, "welcome", "<p>Hi</p>")

    lost = await frozen(library, domain, "wellcome")
    no_version = await frozen(library, domain, "welcome", "9")

    assert lost == Rejected("template_unknown", "5.6.0", f"{NAME} has no template wellcome.")
    assert no_version == Rejected("template_unknown", "5.6.0", f"{NAME} has no template welcome with a version 9.")


async def test_another_domains_templates_are_not_found(
    database: Database, domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    other = await domain_of(database, "other.example.com")
    await add(service, "welcome", "<p>Hi</p>")

    assert isinstance(await frozen(library, other, "welcome"), Rejected)


@pytest.mark.parametrize("others", [0, 5])
async def test_data_that_cannot_be_rendered_refuses_the_message_with_the_place(
    domain: SendingDomain, service: Templates, library: TemplateLibrary, others: int
) -> None:
    await add(service, "welcome", "<p>Hi</p>\n{{divide 1 by}}")
    variables = {f"u{n}@example.net": {"by": 1} for n in range(others)} | {"bob@example.net": {"by": "no number"}}
    refused = await frozen(library, domain, "welcome", recipients=[*variables], recipient_variables=variables)

    assert isinstance(refused, Rejected)
    assert (refused.rule, refused.enhanced_status) == ("template_failed", "5.6.0")
    assert refused.text.startswith("Template welcome, version 1, HTML, line 2, column 3: ")
    assert refused.text.endswith("is not a number. The recipient is bob@example.net.")


async def test_data_that_is_nested_too_deeply_refuses_the_message(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<p>{{a}}</p>")
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    batch: dict[str, Any] = {"recipient_variables": {"bob@example.net": {}}}
    refused = await frozen(library, domain, "welcome", template_variables={"a": deep}, **batch)

    assert isinstance(refused, Rejected)
    assert "nested too deeply" in refused.text


async def test_a_partial_that_is_not_there_refuses_the_message(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<p>{{> footer}}</p>")
    refused = await frozen(library, domain, "welcome")
    await add(service, "footer", "Bye")

    assert isinstance(refused, Rejected)
    assert "line 1, column 4" in refused.text
    assert isinstance(await frozen(library, domain, "welcome"), Options)


async def test_trying_ends_in_time_and_what_fails_later_is_told(
    database: Database, domain: SendingDomain, service: Templates
) -> None:
    await add(service, "welcome", "{{divide 1 by}}")
    ticks = iter([0.0, 100.0])
    library = library_of(database, monotonic_s=lambda: next(ticks))
    variables: dict[str, dict[str, Any]] = {"ann@example.net": {"by": 1}, "bob@example.net": {"by": "x"}}
    options = await held(library, domain, "welcome", recipients=[*variables], recipient_variables=variables)

    with pytest.raises(ImpossibleCopyError, match="Template welcome, version 1, HTML, line 1, column 3"):
        await rendered(library, options, variables["bob@example.net"])


async def test_variables_hide_one_another_in_their_order(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "{{subject}}|{{a}}|{{b}}|{{c}}|{{from}}|{{rcpt}}|{{domain.name}}")
    options = await held(
        library,
        domain,
        "welcome",
        variables={"a": "message", "b": "message", "c": "message"},
        template_variables={"b": "template", "c": "template", "subject": "own"},
        recipient_variables={"bob@example.net": {"c": "recipient"}},
    )

    content = await rendered(library, options, {"c": "recipient"})

    assert content.html == f"own|message|template|recipient|shop@{NAME}|bob@example.net|{NAME}"


async def test_placeholders_in_variables_are_filled_first(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "{{name}} {{list.0.who}} {{lost}} {{#if vip}}VIP{{/if}}")
    given = {"name": "%recipient.first%", "list": [{"who": "to %recipient%"}], "lost": "[%recipient.gone%]"}
    batch: dict[str, Any] = {"recipient_variables": {"bob@example.net": {"first": "<Bob>", "vip": True}}}
    options = await held(library, domain, "welcome", template_variables=given, **batch)
    keeping = msgspec.structs.replace(options, on_missing=OnMissing.KEEP)

    own = {"first": "<Bob>", "vip": True}
    assert (await rendered(library, options, own)).html == "&lt;Bob&gt; to Bob &lt;bob@example.net&gt; [] VIP"
    assert "[%recipient.gone%]" in str((await rendered(library, keeping, own)).html)
    # Without any recipient variables such text is nothing but text.
    assert (await rendered(library, options)).html == "%recipient.first% to %recipient% [%recipient.gone%] "


async def test_switches_are_those_of_the_hour_of_acceptance(database: Database, service: Templates) -> None:
    domain = await domain_of(database, NAME, is_transactional=True)
    await add(
        service,
        "t",
        "{{domain.transactional}} {{domain.tracking_open}} {{domain.tracking_click}} {{date.year}}-{{date.month}}-{{date.day}} {{date.hour}}:{{date.minute}}",
    )
    options = await held(library_of(database), domain, "t", tracks_opens=True)

    assert (await rendered(library_of(database), options)).html == "true true false 2027-1-15 8:0"


async def test_missing_variables_are_empty_or_stay_and_are_named(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<p>{{lost}}</p>", subject="Hi\r\n{{away}}!")
    options = await held(library, domain, "welcome")
    keeping = msgspec.structs.replace(options, on_missing=OnMissing.KEEP)

    assert await rendered(library, options) == Seen("<p></p>", "", "Hi !", ["away", "lost"])
    assert (await rendered(library, keeping)).html == "<p>{{lost}}</p>"


async def test_memory_has_a_bound(
    domain: SendingDomain, service: Templates, library: TemplateLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "_ROOM_OCTETS", 100)
    small = library_of(service._database)
    for n in range(5):
        await add(service, f"t{n}", f"<p>{n}</p>" + "x" * 40)
    held_options = [await held(small, domain, f"t{n}") for n in range(5)]

    assert len(small._versions) == 2
    assert [str((await rendered(small, one)).html)[3] for one in held_options] == list("01234")


async def test_placeholders_in_the_template_itself_are_filled(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<p>%recipient.first% {{a}} %recipient_name% %recipient.gone%|%unsubscribe_url%</p>")
    batch: dict[str, Any] = {"recipient_variables": {"bob@example.net": {"first": "<Bob>"}}}
    options = await held(library, domain, "welcome", template_variables={"a": 1}, **batch)
    escaping = msgspec.structs.replace(options, escapes_html=True)

    seen = await rendered(library, options, {"first": "<Bob>"})

    assert seen.html == "<p><Bob> 1 Bob |%unsubscribe_url%</p>"
    assert seen.missing == ["recipient.gone"]
    assert "&lt;Bob&gt;" in (await rendered(library, escaping, {"first": "<Bob>"})).html
    # It is one rule for all that the template makes, whether its author wrote it or a value brought it.
    await add(service, "echo", "{{said}}")
    echo = await held(library, domain, "echo", **batch)
    own = {"first": "Bob", "said": "%recipient.first%"}
    assert (await rendered(library, echo, own)).html == "Bob"


@pytest.mark.parametrize("own", [None, {"first": "Bob"}])
async def test_a_template_can_write_the_link_to_unsubscribe(
    domain: SendingDomain, service: Templates, library: TemplateLibrary, own: dict[str, Any] | None
) -> None:
    await add(service, "welcome", "{{unsubscribe_url}} %unsubscribe_url% {{a}} %recipient.first%")
    batch: dict[str, Any] = {} if own is None else {"recipient_variables": {"bob@example.net": own}}
    options = await held(library, domain, "welcome", template_variables={"a": "%unsubscribe_url%"}, **batch)
    link = "https://t.example.com/u/abc"

    made = await rendered(library, options, own, {"unsubscribe_url": link})
    assert made.html == f"{link} {link} {link} {'%recipient.first%' if own is None else 'Bob'}"


async def test_a_message_whose_text_is_signed_cannot_have_a_template(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<p>Hi</p>")
    signed = b"From: a@b\r\nContent-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\nHi\r\n--x--\r\n"
    refused = await frozen(library, domain, "welcome", content=signed)

    assert isinstance(refused, Rejected)
    assert refused.rule == "template_failed"
    assert "signed" in refused.text


async def test_css_is_inlined_when_the_version_says_so(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<style>p{color:red}</style><p>Hi</p>", inlines_css=True)
    await add(service, "plain", "<style>p{color:red}</style><p>Hi</p>")

    assert '<p style="color: red;">Hi</p>' in (await rendered(library, await held(library, domain, "welcome"))).html
    assert (await rendered(library, await held(library, domain, "plain"))).html.endswith("<p>Hi</p>")


@pytest.mark.parametrize(
    "case",
    [
        ("Order {{number}}", "", "Order 7"),
        ("Order {{number}}", "Mine", "Mine"),
        ("For {{who}}", "", ""),
        ("{{#if who}}Order{{/if}} %recipient.same%", "", "Order x"),
        ("x" * 300, "", "x" * 255),
    ],
)
async def test_a_message_without_a_subject_is_shown_with_the_one_that_its_template_gives_to_all_copies(
    domain: SendingDomain, service: Templates, library: TemplateLibrary, case: tuple[str, str, str]
) -> None:
    written, own, shown = case
    await add(service, "welcome", "<p>{{subject}}|</p>", subject=written)
    admitted = Admitted(
        content=CONTENT.replace(b"Subject:", b"Subject: " + own.encode()),
        header_from=f"shop@{NAME}",
        subject=own,
        message_id_header="<1@x>",
        options=Options(
            template=TemplateName("welcome"),
            template_variables={"number": 7},
            recipient_variables={f"{who}@example.net": {"who": who, "same": "x"} for who in ("ann", "bob")},
        ),
    )
    await library.refresh()
    found = await library.freeze(domain, admitted, ["ann@example.net", "bob@example.net"], NOW)

    assert isinstance(found, Admitted)
    assert found.subject == shown
    # Each attempt makes the same of the message's own subject.
    message, delivery = message_of(found.options)
    message = msgspec.structs.replace(message, subject=found.subject)
    delivery = msgspec.structs.replace(delivery, options=DeliveryOptions(variables={"who": "bob", "same": "x"}))
    addressee = Addressee(address="bob@example.net", display_name="", variables={"who": "bob", "same": "x"}, links={})
    made = await library.content_of(message, delivery, admitted.content, addressee)
    assert f"<p>{own}|</p>".encode() in made.content


async def test_the_subject_that_a_template_writes_is_that_of_the_copy_and_not_the_one_that_people_are_shown(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    await add(service, "welcome", "<p>{{subject}}</p>")
    message, delivery = message_of(await held(library, domain, "welcome"))
    message = msgspec.structs.replace(message, subject="For -name-")
    addressee = Addressee(address=delivery.recipient, display_name="", variables={}, links={})
    content = CONTENT.replace(b"Subject:", b"Subject: For Ada")

    assert b"<p>For Ada</p>" in (await library.content_of(message, delivery, content, addressee)).content


# -- beside the loop ---------------------------------------------------------------------------------------------------


async def longest_pause_s(during: Awaitable[object]) -> float:
    """Return for how long the loop answered nobody while it waited for something."""
    working = asyncio.ensure_future(during)
    longest, last = 0.0, monotonic()
    while not working.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, monotonic() - last), monotonic()
    await working
    return longest


async def test_a_short_template_that_makes_much_work_holds_nobody_up(
    domain: SendingDomain, service: Templates, library: TemplateLibrary
) -> None:
    loops = "{{#each n}}{{#each @root.n}}{{#if (eq this 3)}}{{add this 1}}{{/if}}{{/each}}{{/each}}."
    await add(service, "welcome", f"<p>{loops}</p>", text=loops, subject=loops)
    numbers = {"n": list(range(130))}
    options = await held(library, domain, "welcome", template_variables={"n": [3]})
    heavy = msgspec.structs.replace(options, template_variables=numbers)
    took = -monotonic()
    await rendered(library, heavy)
    took += monotonic()

    pauses = [
        min(
            [
                await longest_pause_s(
                    held(library_of(service._database), domain, "welcome", template_variables=numbers)
                )
                for _ in range(3)
            ]
        ),
        min([await longest_pause_s(rendered(library_of(service._database), heavy)) for _ in range(3)]),
    ]

    assert max(pauses) < min(took / 2, 0.1), (took, pauses)


async def test_only_what_makes_much_work_takes_a_thread(
    domain: SendingDomain, service: Templates, library: TemplateLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(service, "welcome", "{{#each n}}{{#each @root.n}}x{{/each}}{{/each}}")
    options = await held(library, domain, "welcome", template_variables={"n": [1]})
    heavy = msgspec.structs.replace(options, template_variables={"n": list(range(100))})
    threads: list[Any] = []
    to_thread = asyncio.to_thread

    async def counted(made: Any, *given: Any) -> Any:
        threads.append(made)
        return await to_thread(made, *given)

    monkeypatch.setattr(asyncio, "to_thread", counted)
    assert (await rendered(library, options)).html == "x"
    assert len(threads) == 0
    assert (await rendered(library, heavy)).html == "x" * 10_000
    assert len(threads) == 1
    assert isinstance(await frozen(library, domain, "welcome", template_variables={"n": [1]}), Options)
    assert len(threads) == 2
