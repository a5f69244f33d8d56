"""``/api/postroad/v1/smtp-users``: who may hand in mail for the account's sending domains."""

from typing import Any

from msgspec import UNSET

from postroad.accounts.network_values import require_entries
from postroad.accounts.smtp_user_changes import SmtpUserChange as Chosen
from postroad.accounts.smtp_users import generated_password, require_password
from postroad.dialects.postroad import smtp_users as documents
from postroad.dialects.postroad.operation import PREFIX
from postroad.dialects.postroad.paging import page_of
from postroad.dialects.postroad.smtp_users import (
    NewSmtpUser,
    ShownSmtpUser,
    SmtpUserChange,
    SmtpUserPage,
    SmtpUserSettings,
    SmtpUsersQuery,
)
from postroad.httpd.api.postroad.calls import Call, Created, served
from postroad.model.credential import Secret, SmtpUser
from postroad.model.refused import RefusedError
from postroad.policy.password import password_refusal


async def list_smtp_users(call: Call[SmtpUsersQuery, None]) -> SmtpUserPage:
    """List the users, in the order of their names."""
    query = call.query
    domain_id = await call.domain_id(query.domain)
    found = await call.management.smtp_users.all(call.managing.actor)
    mine = [one for one in found if domain_id in {None, one.domain_id}]
    shown, following = page_of(mine, lambda one: one.username, str, query.cursor, query.limit)
    names = await call.names_of({one.domain_id for one in shown})
    return SmtpUserPage(
        smtp_users=tuple(documents.shown(one, names.get(one.domain_id)) for one in shown), next=following
    )


async def add(call: Call[None, NewSmtpUser]) -> Created:
    """Add a user that is proven by a password."""
    wanted = call.body
    made = generated_password() if wanted.password is None else None
    added = await call.management.smtp_users.add(
        call.managing.actor,
        wanted.username,
        domain_name=wanted.domain,
        password=made or Secret(wanted.password or ""),
        choices=_choices(wanted),
    )
    names = await call.names_of({added.user.domain_id})
    document = documents.added(
        added.user, names.get(added.user.domain_id), None if made is None else str(made), added.warning
    )
    return Created(f"{PREFIX}/smtp-users/{added.user.id}", document)


async def show(call: Call[None, None]) -> ShownSmtpUser:
    """Show a user."""
    return await _shown(call, await call.management.smtp_users.get(call.managing.actor, _id(call)))


async def change(call: Call[None, SmtpUserChange]) -> ShownSmtpUser:
    """Change a user; its password comes last, when nothing else can be wrong any more."""
    wanted, users, actor = call.body, call.management.smtp_users, call.managing.actor
    if wanted.password is not UNSET:
        if refusal := password_refusal(wanted.password):
            raise RefusedError(refusal, field="password")
        require_password(await users.get(actor, _id(call)))
    user = await users.edit(actor, _id(call), _choices(wanted))
    if wanted.is_disabled is not UNSET:
        user = await (users.disable if wanted.is_disabled else users.enable)(actor, user.id)
    if wanted.password is not UNSET:
        await users.set_password(actor, user.id, Secret(wanted.password))
    return await _shown(call, await users.get(actor, user.id))


async def remove(call: Call[None, None]) -> None:
    """Remove a user."""
    await call.management.smtp_users.remove(call.managing.actor, _id(call))


def _choices(wanted: SmtpUserSettings) -> Chosen:
    if wanted.networks is not UNSET:
        require_entries(wanted.networks)
    return Chosen(**{name: getattr(wanted, name) for name in Chosen.__struct_fields__})


def _id(call: Call[Any, Any]) -> int:
    return call.id("smtp_user_id", "SMTP user")


async def _shown(call: Call[Any, Any], user: SmtpUser) -> ShownSmtpUser:
    names = await call.names_of({user.domain_id})
    return documents.shown(user, names.get(user.domain_id))


SERVED = (
    served(documents.LIST_SMTP_USERS, list_smtp_users),
    served(documents.ADD_SMTP_USER, add),
    served(documents.SHOW_SMTP_USER, show),
    served(documents.CHANGE_SMTP_USER, change),
    served(documents.REMOVE_SMTP_USER, remove),
)
