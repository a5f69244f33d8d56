"""``postroad message``: what was accepted, and what became of it."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import click

from postroad.cli.events import echo_event, event_sentence
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, counted, echo, facts, local_time, table, utc_time
from postroad.cli.parameters import ID, INSTANT, RECIPIENT, NumberType, account_id_of, domain_id_of
from postroad.cli.queue import document as delivery_document
from postroad.events.documents import event_document
from postroad.events.tail import follow_message
from postroad.messages.captured import captured
from postroad.messages.messages import Messages
from postroad.messages.shown_options import document_of, facts_of
from postroad.model.delivery import Standing
from postroad.model.ids import from_text, range_of, text_of
from postroad.model.message import Message
from postroad.model.search_words import destination_term, message_id_term, recipient_term, tag_term, words_of
from postroad.net.clock import now_ms
from postroad.protocol.smtp.address import with_a_labels
from postroad.storage import messages
from postroad.storage import rendered as rendered_rows
from postroad.storage.database import Database
from postroad.storage.message_search import Wanted
from postroad.storage.messages import MessageSelector, Story


@click.group()
def message() -> None:
    """Accepted messages and their story."""


@message.command()
@click.argument("message_id", type=ID, metavar="MESSAGE")
@with_database
async def show(invocation: Invocation, database: Database, message_id: int) -> None:
    """Tell a message's whole story in time order; the id is the one in the 250 reply."""
    story = await database.read(messages.show, message_id)
    if story is None:
        refuse(f"There is no message {text_of(message_id)}: message rows are kept for a while only.")
    answer(invocation, _story_document(story), _story_text(story))


@message.command()
@click.argument("message_id", type=ID, metavar="MESSAGE")
@click.option("--recipient", type=RECIPIENT, help="The one of several that is meant.")
@with_database
async def rendered(invocation: Invocation, database: Database, message_id: int, recipient: str | None) -> None:
    """Show, octet for octet, what a message in test mode would have left as."""
    story = await database.read(messages.show, message_id)
    if story is None:
        refuse(f"There is no message {text_of(message_id)}: message rows are kept for a while only.")
    meant = [one for one in story.deliveries if recipient is None or one.recipient.lower() == recipient.lower()]
    if len(meant) != 1:
        choices = ", ".join(one.recipient for one in story.deliveries[:20])
        refuse(f"Name one of the message's recipients with --recipient: {choices}.")
    content = await database.read(rendered_rows.get, meant[0].id)
    if content is None:
        refuse("Nothing is kept of it: the message is not in test mode, is not rendered yet, or it was long ago.")
    if not invocation.is_json:
        click.echo(content, nl=False)
        return
    document = {
        "delivery": text_of(meant[0].id),
        "recipient": meant[0].recipient,
        "content": content.decode("utf-8", "replace"),
    }
    answer(invocation, document, "")


@message.command()
@click.argument("message_id", type=ID, metavar="MESSAGE")
@click.option("--source", "is_source", is_flag=True, help="The bytes as they were accepted.")
@with_database
async def content(invocation: Invocation, database: Database, *, message_id: int, is_source: bool) -> None:
    """Show the header, the text and the names of the attachments of a message while its content is kept."""
    found = await _service(database).content(acting(), message_id)
    if found is None:
        refuse("There is no content of this message any more: it goes once all is delivered.")
    if is_source and not invocation.is_json:
        click.echo(found, nl=False)
        return
    answer(invocation, _content_document(message_id, found, is_source=is_source), _content_text(found))


@message.command()
@click.option("--account", "account_name", help="Those of one account.")
@click.option("--domain", "domain_name", help="Those of one sending domain.")
@click.option("--id-prefix", help="Those whose id begins so.")
@click.option(
    "--recipient", type=RECIPIENT, help="Those to one address, or to @domain; with * at the end, to any that begins so."
)
@click.option(
    "--destination", type=RECIPIENT, help="Those to one recipient domain; with * at the end, to any that begins so."
)
@click.option("--message-id", "message_id_header", help="Those with one Message-ID.")
@click.option("--words", help="Those with these words in the subject, the last one perhaps unfinished.")
@click.option("--tag", help="Those with one tag, whole; case does not matter.")
@click.option("--state", type=click.Choice([one.value for one in Standing]), help="Those with a delivery in one state.")
@click.option("--reverse-path", help="Those of one MAIL FROM; looks at every message.")
@click.option("--from", "header_from", help="Those with one address in From; looks at every message.")
@click.option("--subject", "subject_contains", help="Those with this in the subject; looks at every message.")
@click.option("--since", type=INSTANT, help="Those accepted since: 2h, 3d, 2026-11-21.")
@click.option("--until", type=INSTANT, help="Those accepted until then.")
@click.option("--limit", type=NumberType(1, 10_000), default=50, show_default=True, help="How many at most.")
@click.option("--before", type=ID, help="Only those older than this message, for the next page.")
@with_database
async def search(
    invocation: Invocation,
    database: Database,
    *,
    account_name: str | None,
    domain_name: str | None,
    limit: int,
    before: int | None,
    **chosen: Any,
) -> None:
    """Find messages, newest first."""
    whose: dict[str, Any] = {
        "account_id": await account_id_of(database, account_name),
        "domain_id": await domain_id_of(database, domain_name),
    }
    if (chosen["recipient"] or "").startswith("@"):
        if chosen["destination"]:
            raise click.UsageError("--recipient with an @ before a domain is --destination: give one of them.")
        chosen |= {"recipient": None, "destination": chosen["recipient"][1:]}
    if any(chosen[name] for name in _ROW_BY_ROW):
        if any(chosen[name] for name in _BY_INDEX):
            raise click.UsageError(
                "--reverse-path, --from and --subject go with neither --id-prefix, --words, --tag nor --state."
            )
        selector = MessageSelector(**whose, **{name: chosen[name] for name in chosen if name not in _BY_INDEX})
        found = await database.read(messages.search, selector, limit, before)
        answer(invocation, [_document(one) for one in found], _listed(found))
        return
    page = await _service(database).find(acting(), Wanted(**whose, **_wishes(**chosen)), limit, before)
    found = [one.message for one in page.found]
    text = _listed(found)
    if page.is_cut and page.before is not None:
        text += f"\nThe search stopped before its end: go on with --before {text_of(page.before)}."
    documents = [
        _document(one.message) | {"states": {standing.value: number for standing, number in one.standings.items()}}
        for one in page.found
    ]
    answer(invocation, documents, text)


_ROW_BY_ROW = ("reverse_path", "header_from", "subject_contains")
_BY_INDEX = ("id_prefix", "words", "tag", "state")


def _wishes(**chosen: Any) -> dict[str, Any]:
    terms: list[str] = []
    beginnings: list[str] = []
    for name, term_of in (("recipient", recipient_term), ("destination", destination_term)):
        if chosen[name]:
            is_beginning = chosen[name].endswith("*")
            (beginnings if is_beginning else terms).append(term_of(chosen[name].removesuffix("*")))
    if chosen["message_id_header"]:
        terms.append(message_id_term(chosen["message_id_header"]))
    if chosen["tag"]:
        terms.append(tag_term(chosen["tag"].strip()))
    if chosen["words"]:
        words = words_of(chosen["words"])
        if not words:
            refuse(f"There is no word in {chosen['words']!r}.")
        terms += words[:-1]
        beginnings.append(words[-1])
    wishes = {
        "terms": tuple(terms),
        "beginnings": tuple(beginnings),
        "since": chosen["since"],
        "until": chosen["until"],
    }
    if chosen["id_prefix"]:
        try:
            wishes["lowest_id"], wishes["highest_id"] = range_of(chosen["id_prefix"])
        except ValueError as error:
            refuse(str(error))
    if chosen["state"]:
        wishes["standing"] = Standing(chosen["state"])
    return wishes


def _service(database: Database) -> Messages:
    # Looking makes no ids.
    return Messages(database, now_ms, lambda _partition: 0)


def _listed(found: Sequence[Message]) -> str:
    rows = [
        (text_of(one.id), local_time(one.accepted_at), one.reverse_path, str(one.recipient_count), one.subject)
        for one in found
    ]
    return table(("MESSAGE", "ACCEPTED", "REVERSE PATH", "RCPTS", "SUBJECT"), rows)


@message.command()
@click.argument("query")
@click.option("--limit", type=NumberType(1, 100), default=5, show_default=True, help="How many messages at most.")
@click.option(
    "--follow",
    "is_followed",
    is_flag=True,
    help="Of the newest one, each event as it comes, until its deliveries ended.",
)
@click.option(
    "--follow-responses", is_flag=True, help="The same, and go on for opens, clicks and complaints until Ctrl-C."
)
@with_database
async def trace(
    invocation: Invocation, database: Database, *, query: str, limit: int, is_followed: bool, follow_responses: bool
) -> None:
    """Tell the stories of the newest messages to a recipient, with a Message-ID, or with an id.

    With --follow and --json, each event is a document on a line of its own.
    """
    is_followed = is_followed or follow_responses
    stories = await _traced(database, query.strip(), 1 if is_followed else limit)
    if not stories:
        refuse(f"Nothing was found for {query}: name a recipient, a Message-ID or an id.")
    if is_followed:
        await _follow(invocation, database, stories[0].message, with_responses=follow_responses)
        return
    answer(invocation, [_story_document(one) for one in stories], "\n\n".join(map(_story_text, stories)))


async def _follow(invocation: Invocation, database: Database, followed: Message, *, with_responses: bool) -> None:
    if not invocation.is_json:
        echo(_facts_text(followed) + "\n")
    # Ctrl-C cancels what runs.
    with contextlib.suppress(asyncio.CancelledError):
        async for event in follow_message(database, followed.id, with_responses=with_responses):
            echo_event(invocation, event, followed.options.variables)


async def _traced(database: Database, query: str, limit: int) -> list[Story]:
    if "@" not in query:
        try:
            identifiers = [from_text(query)]
        except ValueError:
            return []
    else:
        by_header = Wanted(terms=(message_id_term(query),))
        by_recipient = Wanted(terms=(recipient_term(with_a_labels(query.strip("<>"))),))
        page = await _service(database).find(acting(), by_header, limit)
        page = page if page.found else await _service(database).find(acting(), by_recipient, limit)
        identifiers = [one.message.id for one in page.found]
    stories = [await database.read(messages.show, identifier) for identifier in identifiers]
    return [story for story in stories if story is not None]


def _content_document(message_id: int, content: bytes, *, is_source: bool) -> dict[str, Any]:
    seen = captured(content, _no_key)
    if is_source:
        return {"id": text_of(message_id), "source": seen.source}
    return {
        "id": text_of(message_id),
        "headers": [{"name": name, "value": value} for name, value in seen.headers],
        "text": seen.text,
        "html": seen.html,
        "attachments": seen.attachments,
    }


def _content_text(content: bytes) -> str:
    seen = captured(content, _no_key)
    header = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    body = seen.text if seen.text is not None else seen.html
    attachments = "\n".join(f"Attachment: {one}" for one in seen.attachments)
    return "\n\n".join(part.rstrip() for part in (header, body, attachments) if part)


def _no_key(_selector: str, _domain: str) -> None:
    """Say that there is no key: signatures are not looked at here."""


def _facts_text(one: Message) -> str:
    pairs = [
        ("message", text_of(one.id)),
        ("accepted", f"{local_time(one.accepted_at)} from {one.client_address} by {one.channel}"),
        ("reverse path", one.reverse_path or "<>"),
        ("from", one.header_from),
        ("subject", one.subject),
        ("message-id", one.message_id_header),
        ("size", f"{one.size:,} octets, {counted(one.recipient_count, 'recipient')}"),
        *facts_of(one.options, local_time),
    ]
    return facts(pairs)


def _story_text(story: Story) -> str:
    rows = [(text_of(each.id), each.recipient, each.state.value, str(each.attempts)) for each in story.deliveries]
    events = "\n".join(f"{local_time(event.at)}  {event_sentence(event)}" for event in story.events)
    return "\n\n".join([_facts_text(story.message), table(("DELIVERY", "RECIPIENT", "STATE", "TRIES"), rows), events])


def _story_document(story: Story) -> dict[str, Any]:
    return _document(story.message) | {
        "deliveries": [delivery_document(one) for one in story.deliveries],
        "events": [event_document(one, story.message.options.variables) for one in story.events],
    }


def _document(message: Message) -> dict[str, Any]:
    return {
        "id": text_of(message.id),
        "accepted_at": utc_time(message.accepted_at),
        "reverse_path": message.reverse_path,
        "header_from": message.header_from,
        "subject": message.subject,
        "message_id_header": message.message_id_header,
        "size": message.size,
        "recipient_count": message.recipient_count,
        "client_address": message.client_address,
        "channel": message.channel,
        "is_report": message.is_report,
        "options": document_of(message.options, utc_time),
    }
