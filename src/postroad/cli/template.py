"""``postroad template``: contents that messages are made of, stored for each sending domain."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from postroad.accounts.accounts import Accounts
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, confirm, counted, facts, local_time, table, utc_time
from postroad.cli.parameters import domain_id_of
from postroad.model.refused import RefusedError
from postroad.model.template import StoredTemplate, TemplateSource, VersionFacts
from postroad.net.clock import now_ms
from postroad.storage import domains as domain_rows
from postroad.storage.database import Database
from postroad.templating.templates import Templates

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_DOMAIN = click.option("--domain", "domain_name", required=True, help="The sending domain that it belongs to.")
_VERSION = click.option("--version", "version", default="", help="Number or tag; without it the active version.")


@click.group()
def template() -> None:
    """Templates: contents that messages name with X-OV-Template and bring the data for."""


@template.command()
@click.argument("name")
@_DOMAIN
@click.option("--html", "html_file", type=_FILE, help="File with the HTML; - for standard input.")
@click.option("--text", "text_file", type=_FILE, help="File with the plain text; derived from the HTML without it.")
@click.option("--subject", default="", help="The subject; without it messages bring their own.")
@click.option("--inline-css", "inlines_css", is_flag=True, help="Write the rules of style elements into the elements.")
@click.option("--tag", default="", help="A name for the version beside its number.")
@click.option("--note", default="", help="What is new in this version.")
@click.option("--activate/--no-activate", "activates", default=True, show_default=True, help="Use the version at once.")
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    name: str,
    domain_name: str,
    html_file: Path | None,
    text_file: Path | None,
    subject: str,
    inlines_css: bool,
    tag: str,
    note: str,
    activates: bool,
) -> None:
    """Add a template to a domain, or a version to a template that is there.

    With neither --html nor --text the HTML is read from standard input.
    """
    if html_file is None and text_file is None:
        html_file = Path("-")
    source = TemplateSource(html=_read(html_file), text=_read(text_file), subject=subject, inlines_css=inlines_css)
    templates = Templates(database, now_ms)
    found = next((one for one in await _of_domain(templates, database, domain_name) if _is_named(one, name)), None)
    try:
        if found is None:
            if not activates:
                refuse("The first version of a template is its active one")
            added = await templates.add(acting(), domain_name, name, source, tag=tag, note=note)
        else:
            await templates.add_version(acting(), found.id, source, tag=tag, note=note, activates=activates)
            added = await templates.get(acting(), found.id)
    except RefusedError as error:
        files = {"html": html_file, "text": text_file, "subject": "--subject"}
        refuse(f"{files[error.field]}: {error}" if files.get(error.field) else str(error))
    newest = (await templates.shown(acting(), added.id)).versions[0]
    document = await _document(database, added) | {"version": _version_document(newest, added)}
    state = "active" if newest.id == added.active_version_id else f"not active; {added.active_number} is"
    answer(invocation, document, f"Added version {newest.label} of {added.name} ({state}).")


@template.command("list")
@click.option("--domain", "domain_name", help="Only the templates of this sending domain.")
@click.option("--account", "account_name", help="Only the templates of this account's domains.")
@with_database
async def list_templates(
    invocation: Invocation, database: Database, domain_name: str | None, account_name: str | None
) -> None:
    """List templates with their active versions."""
    templates = Templates(database, now_ms)
    account = await Accounts(database, now_ms).find(acting(), account_name) if account_name is not None else None
    if domain_name is not None:
        found = await _of_domain(templates, database, domain_name)
    else:
        found = await templates.all(acting(), account_id=None if account is None else account.id)
    documents = [await _document(database, one) for one in found]
    rows = [
        (one.name, document["domain"], str(one.active_number), local_time(one.created_at))
        for one, document in zip(found, documents, strict=True)
    ]
    answer(invocation, documents, table(("TEMPLATE", "DOMAIN", "ACTIVE VERSION", "SINCE"), rows))


@template.command()
@click.argument("name")
@_DOMAIN
@_VERSION
@with_database
async def show(invocation: Invocation, database: Database, name: str, domain_name: str, version: str) -> None:
    """Show a template: its versions, and what one of them is written as."""
    templates = Templates(database, now_ms)
    found = await templates.find(acting(), domain_name, name)
    shown = await templates.shown(acting(), found.id)
    one = await templates.version(acting(), found.id, version)
    rows = [
        (str(row.number), row.tag or "-", _standing(row, found), local_time(row.created_at), row.created_by, row.note)
        for row in shown.versions
    ]
    text = facts(
        [
            ("Template", found.name),
            ("Domain", shown.domain.name),
            ("Versions", counted(len(rows), "version")),
            ("Shown", f"version {one.label}"),
            ("Subject", one.source.subject),
            ("CSS", "inlined" if one.source.inlines_css else ""),
        ]
    )
    listed = table(("VERSION", "TAG", "STATE", "SINCE", "BY", "NOTE"), rows)
    parts = [
        f"--- {title} ---\n{part}" for title, part in (("HTML", one.source.html), ("text", one.source.text)) if part
    ]
    document = await _document(database, found) | {
        "versions": [_version_document(row, found) for row in shown.versions],
        "shown": _version_document(one, found) | msgspec.to_builtins(one.source),
    }
    answer(invocation, document, "\n\n".join([text, listed, *parts]))


@template.command()
@click.argument("name")
@_DOMAIN
@_VERSION
@click.option(
    "--variables", "data_file", type=_FILE, help="File with the variables as a JSON object; - for standard input."
)
@click.option("--part", type=click.Choice(["all", "html", "text", "subject"]), default="all", help="Print this alone.")
@with_database
async def render(
    invocation: Invocation,
    database: Database,
    *,
    name: str,
    domain_name: str,
    version: str,
    data_file: Path | None,
    part: str,
) -> None:
    """Show what a template makes of sample data; nothing is sent."""
    templates = Templates(database, now_ms)
    found = await templates.find(acting(), domain_name, name)
    one = await templates.version(acting(), found.id, version)
    data = _data(data_file)
    content = await templates.preview(acting(), found.id, one.source, data, label=str(one.number))
    document = msgspec.to_builtins(content)
    if part != "all":
        answer(invocation, document[part], document[part] or "")
        return
    titles = (("Subject", content.subject), ("Text", content.text), ("HTML", content.html))
    shown = [f"--- {title} ---\n{text}" for title, text in titles if text is not None]
    if content.missing:
        shown.append(f"--- Not in the data ---\n{', '.join(content.missing)}")
    answer(invocation, document, "\n".join(shown))


@template.command()
@click.argument("name")
@click.argument("version")
@_DOMAIN
@with_database
async def activate(invocation: Invocation, database: Database, name: str, version: str, domain_name: str) -> None:
    """Make VERSION (number or tag) the active one; an older one rolls back. Messages accepted before keep theirs."""
    templates = Templates(database, now_ms)
    found = await templates.find(acting(), domain_name, name)
    active = await templates.activate(acting(), found.id, version)
    changed = await templates.get(acting(), found.id)
    answer(invocation, await _document(database, changed), f"Version {active.label} of {found.name} is active.")


@template.command()
@click.argument("name")
@click.argument("older")
@click.argument("newer", default="")
@_DOMAIN
@with_database
async def diff(
    invocation: Invocation, database: Database, *, name: str, older: str, newer: str, domain_name: str
) -> None:
    """Show how version NEWER (the active one where none is named) differs from version OLDER."""
    templates = Templates(database, now_ms)
    found = await templates.find(acting(), domain_name, name)
    text = await templates.diff(acting(), found.id, older, newer)
    answer(invocation, {"diff": text}, text.rstrip("\n") or "They are the same.")


@template.command()
@click.argument("name")
@_DOMAIN
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(
    invocation: Invocation, database: Database, name: str, domain_name: str, *, is_confirmed: bool
) -> None:
    """Remove a template with all its versions; refused while messages made of it are not delivered yet."""
    templates = Templates(database, now_ms)
    found = await templates.find(acting(), domain_name, name)
    confirm(f"Remove template {found.name} of {domain_name} with all its versions?", is_confirmed=is_confirmed)
    await templates.remove(acting(), found.id)
    answer(invocation, {"name": found.name, "state": "removed"}, f"Removed template {found.name}.")


async def _of_domain(templates: Templates, database: Database, domain_name: str) -> list[StoredTemplate]:
    return await templates.all(acting(), domain_id=await domain_id_of(database, domain_name))


def _is_named(found: StoredTemplate, name: str) -> bool:
    return found.name.casefold() == name.casefold()


def _read(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        octets = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return octets.decode("utf-8-sig")
    except OSError as error:
        refuse(f"{file}: {error.strerror}.")
    except UnicodeDecodeError:
        refuse(f"{file}: this is not UTF-8.")


def _data(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return msgspec.json.decode(_read(file), type=dict[str, Any])
    except msgspec.DecodeError as error:
        refuse(f"{file}: {error}.")


def _standing(version: VersionFacts, found: StoredTemplate) -> str:
    return "active" if version.id == found.active_version_id else "-"


async def _document(database: Database, found: StoredTemplate) -> dict[str, Any]:
    domain = await database.read(domain_rows.get, found.domain_id)
    return {
        "name": found.name,
        "domain": None if domain is None else domain.name,
        "active_version": found.active_number,
        "created_at": utc_time(found.created_at),
    }


def _version_document(version: VersionFacts, found: StoredTemplate) -> dict[str, Any]:
    return {
        "number": version.number,
        "tag": version.tag,
        "is_active": version.id == found.active_version_id,
        "note": version.note,
        "created_at": utc_time(version.created_at),
        "created_by": version.created_by,
    }
