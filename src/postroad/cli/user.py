"""``postroad user``: people who sign in to the console."""

import sys
from typing import Any

import click

from postroad.accounts.accounts import Accounts
from postroad.accounts.notices import Unsent
from postroad.accounts.people.invitations import Invitations
from postroad.accounts.people.links import Link, Links
from postroad.accounts.people.people import People
from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.cli import user_proofs
from postroad.cli.invocation import Invocation, acting, refuse, with_database
from postroad.cli.output import answer, confirm, counted, facts, local_time, table, utc_time
from postroad.cli.parameters import ROW_ID
from postroad.model.credential import Secret
from postroad.model.user import Invitation, Role, User, WebSession
from postroad.net.clock import now_ms
from postroad.node.first_start import console_url
from postroad.storage.database import Database

_ROLES = click.Choice([role.value for role in Role])
_HOUR_MS = 3_600_000


@click.group()
def user() -> None:
    """People who sign in to the console: an account's users and admins, and operators."""


for _command in user_proofs.COMMANDS:
    user.add_command(_command)


@user.command()
@click.argument("email")
@click.option("--account", "account_name", help="Account the person belongs to; the only or default one without it.")
@click.option("--role", type=_ROLES, default=Role.USER.value, show_default=True, help="What the person may do there.")
@click.option("--operator", "is_operator", is_flag=True, help="Of no account: runs the installation.")
@click.option("--name", default="", help="The person's name.")
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input instead of making a link.")
@with_database
async def add(
    invocation: Invocation,
    database: Database,
    *,
    email: str,
    account_name: str | None,
    role: str,
    is_operator: bool,
    name: str,
    password_stdin: bool,
) -> None:
    """Add a person, and print the link by which it chooses a password; it holds for a day and works once."""
    if is_operator and account_name is not None:
        raise click.UsageError("An operator belongs to no account: leave --account out.")
    account = None if is_operator else await Accounts(database, now_ms).find(acting(), account_name)
    password = Secret(sys.stdin.readline().rstrip("\r\n")) if password_stdin else None
    added = await _people(invocation, database).add(
        acting(), email, account=account, role=Role(role), name=name, password=password
    )
    what = "operator" if account is None else f"{role} of {account.name}"
    text = f"Added {added.user.email} as {what}."
    answer(invocation, _document(added.user) | _link_document(added.link), text + _link_text(added.link))


@user.command("list")
@click.option("--account", "account_name", help="Only those who may act in this account.")
@with_database
async def list_users(invocation: Invocation, database: Database, account_name: str | None) -> None:
    """List people."""
    people = _people(invocation, database)
    if account_name is None:
        everybody = await people.everybody(acting())
        rows = [
            (one.email, _kind(one), _state(one), _factor(one), local_time(one.last_signed_in_at)) for one in everybody
        ]
        headings = ("USER", "KIND", "STATE", "TWO-FACTOR", "LAST SIGNED IN")
        answer(invocation, [_document(one) for one in everybody], table(headings, rows))
        return
    account = await Accounts(database, now_ms).find(acting(), account_name)
    members = await people.members(acting(), account.id)
    rows = [
        (
            one.user.email,
            one.membership.role.value + (" (external)" if one.is_external else ""),
            _state(one.user),
            _factor(one.user),
            local_time(one.user.last_signed_in_at),
        )
        for one in members
    ]
    documents = [
        _document(one.user) | {"role": one.membership.role.value, "is_external": one.is_external} for one in members
    ]
    answer(invocation, documents, table(("USER", "ROLE", "STATE", "TWO-FACTOR", "LAST SIGNED IN"), rows))


@user.command()
@click.argument("email")
@with_database
async def show(invocation: Invocation, database: Database, email: str) -> None:
    """Show a person and what it may do where."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    rights = await people.rights_of(acting(), found)
    document = _document(found) | {"accounts": [{"name": one.name, "role": role.value} for one, role in rights]}
    text = facts(
        [
            ("user", found.email),
            ("name", found.name),
            ("kind", _kind(found)),
            ("state", _state(found)),
            ("two-factor", _factor(found)),
            ("networks", "\n".join(found.networks) or "everywhere"),
            ("accounts", "\n".join(f"{one.name} ({role.value})" for one, role in rights)),
            ("added", local_time(found.created_at)),
            ("last signed in", local_time(found.last_signed_in_at)),
        ]
    )
    answer(invocation, document, text)


@user.command("reset-password")
@click.argument("email")
@with_database
async def reset_password(invocation: Invocation, database: Database, email: str) -> None:
    """Print a link by which a person sets another password; it works once, earlier ones no more."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    link = await people.new_password_link(acting(), found.id)
    answer(invocation, {"email": found.email} | _link_document(link), f"Hand it to {found.email}:{_link_text(link)}")


@user.command()
@click.argument("email")
@with_database
async def disable(invocation: Invocation, database: Database, email: str) -> None:
    """Refuse a person's sign-ins; its sessions end now."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    await people.disable(acting(), found.id)
    answer(invocation, {"email": found.email, "state": "disabled"}, f"{found.email} is disabled.")


@user.command()
@click.argument("email")
@with_database
async def enable(invocation: Invocation, database: Database, email: str) -> None:
    """Let a disabled person sign in again."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    await people.enable(acting(), found.id)
    answer(invocation, {"email": found.email, "state": "active"}, f"{found.email} may sign in again.")


@user.command()
@click.argument("email")
@click.option("--account", "account_name", help="Take away what the person may do in this account.")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def remove(
    invocation: Invocation, database: Database, *, email: str, account_name: str | None, is_confirmed: bool
) -> None:
    """Remove a person, or with --account an external user's right there; what it did stays in the audit log."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    if account_name is None:
        confirm(f"Remove {found.email} from the installation?", is_confirmed=is_confirmed)
        await people.remove_person(acting(), found)
        answer(invocation, {"email": found.email, "state": "removed"}, f"Removed {found.email}.")
        return
    account = await Accounts(database, now_ms).find(acting(), account_name)
    confirm(f"Remove {found.email} from {account.name}?", is_confirmed=is_confirmed)
    await people.remove(acting(), account.id, found.id)
    document = {"email": found.email, "account": account.name, "state": "removed"}
    answer(invocation, document, f"Removed {found.email} from {account.name}.")


@user.command("set-role")
@click.argument("email")
@click.argument("role", type=_ROLES)
@click.option("--account", "account_name", help="Account it is about; the only or default one without it.")
@with_database
async def set_role(
    invocation: Invocation, database: Database, *, email: str, role: str, account_name: str | None
) -> None:
    """Give a person another role in an account: user (look only) or admin."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    account = await Accounts(database, now_ms).find(acting(), account_name)
    await people.set_role(acting(), account.id, found.id, Role(role))
    document = {"email": found.email, "account": account.name, "role": role}
    answer(invocation, document, f"{found.email} is {role} of {account.name}.")


@user.command()
@click.argument("email")
@click.argument("name")
@with_database
async def rename(invocation: Invocation, database: Database, *, email: str, name: str) -> None:
    """Give a person another name."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    await people.set_name(acting(), found.id, name)
    changed = await people.get(acting(), found.id)
    answer(invocation, _document(changed), f"{changed.email} is called {changed.name or 'nothing'} now.")


@user.command("set-networks")
@click.argument("email")
@click.argument("networks", nargs=-1, metavar="[CIDR]...")
@with_database
async def set_networks(invocation: Invocation, database: Database, *, email: str, networks: tuple[str, ...]) -> None:
    """Let a person use the console from these networks only; from everywhere where none is given."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    await people.set_networks(acting(), found.id, networks)
    changed = await people.get(acting(), found.id)
    where = ", ".join(changed.networks) or "everywhere"
    answer(invocation, _document(changed), f"{found.email} may use the console from {where}.")


@user.command("reset-two-factor")
@click.argument("email")
@with_database
async def reset_two_factor(invocation: Invocation, database: Database, email: str) -> None:
    """Turn off the second factor of somebody who has lost it; its sessions end now."""
    people = _people(invocation, database)
    found = await people.find(acting(), email)
    await people.reset_second_factor(acting(), found.id)
    answer(invocation, {"email": found.email, "two_factor": False}, f"{found.email} signs in without a second factor.")


@user.command()
@click.argument("email")
@click.option("--account", "account_name", help="Account to invite into; the only or default one without it.")
@click.option("--role", type=_ROLES, default=Role.USER.value, show_default=True, help="What is offered.")
@with_database
async def invite(
    invocation: Invocation, database: Database, *, email: str, account_name: str | None, role: str
) -> None:
    """Invite a person into an account, and print the link to hand over; one who has an account keeps it."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    invited = await _invitations(invocation, database).invite(acting(), account.id, email, Role(role))
    document = _invitation_document(invited.invitation) | _link_document(invited.link)
    text = f"Hand it to {invited.invitation.email}, who may accept for seven days:{_link_text(invited.link)}"
    answer(invocation, document, text)


@user.command()
@click.option("--account", "account_name", help="Account they are into; the only or default one without it.")
@with_database
async def invitations(invocation: Invocation, database: Database, account_name: str | None) -> None:
    """List an account's open invitations."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    found = await _invitations(invocation, database).all(acting(), account.id)
    rows = [(one.email, one.role.value, one.invited_by, local_time(one.expires_at)) for one in found]
    answer(
        invocation,
        [_invitation_document(one) for one in found],
        table(("INVITED", "ROLE", "BY", "HOLDS UNTIL"), rows),
    )


@user.command("revoke-invitation")
@click.argument("email")
@click.option("--account", "account_name", help="Account it is into; the only or default one without it.")
@with_database
async def revoke_invitation(
    invocation: Invocation, database: Database, *, email: str, account_name: str | None
) -> None:
    """Take an invitation back."""
    account = await Accounts(database, now_ms).find(acting(), account_name)
    service, address = _invitations(invocation, database), email.strip().lower()
    found = next((one for one in await service.all(acting(), account.id) if one.email == address), None)
    if found is None:
        refuse(f"{address} is not invited to {account.name}.")
    await service.revoke(acting(), account.id, found.id)
    answer(invocation, _invitation_document(found), f"{address} is no longer invited to {account.name}.")


@user.command()
@click.argument("email")
@with_database
async def sessions(invocation: Invocation, database: Database, email: str) -> None:
    """List the browsers that a person is signed in with."""
    people = _people(invocation, database)
    person = await people.find(acting(), email)
    seen_since = now_ms() - invocation.settings.accounts.session_idle_hours * _HOUR_MS
    found = await people.sessions_of(acting(), person.id, seen_since=seen_since)
    rows = [
        (
            str(one.id),
            local_time(one.created_at),
            local_time(one.last_seen_at),
            one.client_address,
            one.method,
            one.user_agent,
        )
        for one in found
    ]
    headings = ("ID", "SINCE", "LAST SEEN", "ADDRESS", "PROVEN BY", "BROWSER")
    answer(invocation, [_session_document(one) for one in found], table(headings, rows))


@user.command("end-session")
@click.argument("email")
@click.argument("session_id", type=ROW_ID)
@with_database
async def end_session(invocation: Invocation, database: Database, *, email: str, session_id: int) -> None:
    """Sign a person out of one browser; `postroad user sessions` lists the ids."""
    people = _people(invocation, database)
    person = await people.find(acting(), email)
    await people.end_session(acting(), person.id, session_id)
    document = {"email": person.email, "id": session_id, "state": "ended"}
    answer(invocation, document, f"Session {session_id} of {person.email} ended.")


@user.command("end-sessions")
@click.argument("email")
@with_database
async def end_sessions(invocation: Invocation, database: Database, email: str) -> None:
    """Sign a person out everywhere."""
    people = _people(invocation, database)
    person = await people.find(acting(), email)
    ended = await people.end_sessions(acting(), person.id)
    answer(invocation, {"email": person.email, "ended": ended}, f"{counted(ended, 'session')} of {person.email} ended.")


def _people(invocation: Invocation, database: Database) -> People:
    return People(database, now_ms, _passwords(invocation), _links(invocation))


def _invitations(invocation: Invocation, database: Database) -> Invitations:
    # A command has no worker to submit mail with: its operator hands the link over.
    return Invitations(database, now_ms, passwords=_passwords(invocation), notices=Unsent(), links=_links(invocation))


def _passwords(invocation: Invocation) -> PersonPasswords:
    accounts = invocation.settings.accounts
    return PersonPasswords(accounts.hash_queue, accounts.strangers_per_s)


def _links(invocation: Invocation) -> Links:
    return Links(console_url(invocation.settings))


def _kind(user: User) -> str:
    return "operator" if user.is_operator else "person"


def _state(user: User) -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "active" if user.password_hash else "no password yet"


def _factor(user: User) -> str:
    return "on" if user.has_totp else "off"


def _document(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "name": user.name,
        "is_operator": user.is_operator,
        "state": _state(user),
        "two_factor": user.has_totp,
        "networks": user.networks,
        "created_at": utc_time(user.created_at),
        "last_signed_in_at": utc_time(user.last_signed_in_at),
    }


def _link_document(link: Link | None) -> dict[str, Any]:
    return {} if link is None else {"link": str(link.url), "link_expires_at": utc_time(link.expires_at)}


def _link_text(link: Link | None) -> str:
    if link is None:
        return ""
    return f"\n\n  {link.url!s}\n\nIt works once, until {local_time(link.expires_at)}."


def _invitation_document(invitation: Invitation) -> dict[str, Any]:
    return {
        "email": invitation.email,
        "role": invitation.role.value,
        "invited_by": invitation.invited_by,
        "expires_at": utc_time(invitation.expires_at),
    }


def _session_document(session: WebSession) -> dict[str, Any]:
    return {
        "id": session.id,
        "since": utc_time(session.created_at),
        "last_seen_at": utc_time(session.last_seen_at),
        "client_address": session.client_address,
        "method": session.method,
        "user_agent": session.user_agent,
    }
