"""``postroad user``: what people have besides passwords, passkeys and single sign-on."""

import secrets
from typing import Any

import click

from postroad.accounts.people.bindings import Bindings
from postroad.accounts.people.challenges import Challenges
from postroad.accounts.people.passkeys import Passkeys
from postroad.cli.invocation import Invocation, acting, with_database
from postroad.cli.output import answer, confirm, counted, local_time, table, utc_time
from postroad.cli.parameters import ROW_ID
from postroad.model.identity import Passkey
from postroad.net.clock import now_ms
from postroad.storage.database import Database


@click.command("passkeys")
@click.argument("email")
@with_database
async def list_passkeys(invocation: Invocation, database: Database, email: str) -> None:
    """List the passkeys that a person can sign in with."""
    user = await Bindings(database, now_ms).person(acting(), email)
    found = await _passkeys(invocation, database).of(acting(), user.id)
    rows = [(str(one.id), one.name, local_time(one.created_at), local_time(one.last_used_at)) for one in found]
    answer(invocation, [_document(one) for one in found], table(("ID", "PASSKEY", "ADDED", "LAST USED"), rows))


@click.command("remove-passkey")
@click.argument("email")
@click.argument("passkey_id", type=ROW_ID)
@with_database
async def remove_passkey(invocation: Invocation, database: Database, *, email: str, passkey_id: int) -> None:
    """Remove a passkey of a person: it signs in no more; `postroad user passkeys` lists the ids."""
    user = await Bindings(database, now_ms).person(acting(), email)
    removed = await _passkeys(invocation, database).remove(acting(), user.id, passkey_id)
    answer(invocation, _document(removed) | {"state": "removed"}, f"Removed {removed.name} of {user.email}.")


@click.command("identities")
@click.argument("email")
@with_database
async def list_identities(invocation: Invocation, database: Database, email: str) -> None:
    """List who a person is at OpenID providers."""
    bindings = Bindings(database, now_ms)
    found = await bindings.of(acting(), await bindings.person(acting(), email))
    rows = [(one.issuer, one.subject, local_time(one.created_at)) for one in found]
    documents = [
        {"issuer": one.issuer, "subject": one.subject, "created_at": utc_time(one.created_at)} for one in found
    ]
    answer(invocation, documents, table(("PROVIDER", "ITS NAME FOR THE PERSON", "BOUND"), rows))


@click.command("unbind")
@click.argument("email")
@click.option("--yes", "is_confirmed", is_flag=True, help="Do not ask.")
@with_database
async def unbind(invocation: Invocation, database: Database, *, email: str, is_confirmed: bool) -> None:
    """Forget who a person is at OpenID providers: the next sign-in by one finds it by its address, and binds it anew."""
    bindings = Bindings(database, now_ms)
    user = await bindings.person(acting(), email)
    confirm(f"Forget who {user.email} is at OpenID providers?", is_confirmed=is_confirmed)
    forgotten = await bindings.forget(acting(), user)
    text = f"Forgot {counted(forgotten, 'identity', 'identities')} of {user.email}."
    answer(invocation, {"email": user.email, "forgotten": forgotten}, text)


COMMANDS = (list_passkeys, remove_passkey, list_identities, unbind)
"""Every command of this module, for the group."""


def _passkeys(invocation: Invocation, database: Database) -> Passkeys:
    # Nobody signs in by a command: a key that nobody else has will do.
    challenges = Challenges(database, now_ms, secrets.token_bytes(32))
    return Passkeys(database, now_ms, invocation.settings.http.public_url, challenges)


def _document(passkey: Passkey) -> dict[str, Any]:
    return {
        "id": passkey.id,
        "name": passkey.name,
        "created_at": utc_time(passkey.created_at),
        "last_used_at": utc_time(passkey.last_used_at),
    }
