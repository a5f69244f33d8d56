"""SMTP users: the list with their states, a new user whose password is shown once, and what can be changed of one."""

import itertools
from collections.abc import Collection

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.submission_examples import Example, examples
from postroad.httpd.console.view import Flash, View
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.model.refused import RefusedError
from postroad.policy.network_list import in_words
from postroad.policy.repetition import ADVICE
from postroad.protocol.smtp.address import with_a_labels

_LIST = "/credentials/smtp-users"
_ONE = "/credentials/smtp-users/{smtp_user_id:id}"
_POST = ("POST",)
_MOST_SHOWN = 500
_STAND_IN = Secret("PASSWORD")
"""What examples say where the password is not known."""


def routes() -> list[BaseRoute]:
    """Return the routes of the SMTP users."""
    return [
        page(_LIST, list_users, access=Access.ACCOUNT),
        page(f"{_LIST}/new", new_user, access=Access.ADMIN),
        page(f"{_LIST}/new", add_user, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/edit", ask_edit, access=Access.ADMIN),
        page(f"{_ONE}/edit", edit, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/password", ask_password, access=Access.ADMIN),
        page(f"{_ONE}/password", set_password, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/disable", disable, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/enable", enable, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/unlock", unlock, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_users(view: View) -> Response:
    """Show the users of the chosen domain, or all of the account."""
    users = await view.console.smtp_users.all(view.actor, None if view.domain is None else view.domain.name)
    wanted = view.request.query_params.get("q", "").strip().lower()
    named = with_a_labels(wanted)
    found = [user for user in users if named in user.username or wanted in user.note.lower()]
    domain = view.domain or (view.domains[0] if view.domains else None)
    shown = found[:_MOST_SHOWN]
    return view.page(
        "smtp_users.html",
        users=shown,
        faults=await view.console.smtp_users.faults(view.actor, shown),
        advice=ADVICE,
        count=len(users),
        found=len(found),
        wanted=wanted,
        locked=await view.console.lockouts.of_users(view.actor),
        names={one.id: one.name for one in view.domains},
        restrictions=restrictions_of,
        examples=() if domain is None else _examples(view, f"app@{domain.name}", _STAND_IN, domain.name),
    )


async def new_user(view: View) -> Response:
    """Ask for a new user's name and password."""
    chosen = view.domain or (view.domains[0] if view.domains else None)
    if chosen is None:
        return _new_page(view, Form.of(domain=""))
    users = await view.console.smtp_users.all(view.actor, chosen.name)
    proposed = _free_name(chosen.name, {user.username for user in users})
    return _new_page(view, Form.of(domain=chosen.name, username=proposed))


async def add_user(view: View) -> Response:
    """Add a user and show its password, in this answer and never again."""
    form = view.form
    by_address = form.text("kind") == CredentialKind.ADDRESS.value
    password = None if by_address else form.secret("password")
    try:
        if not form.text("domain"):
            raise RefusedError("Choose the sending domain that the user sends for.", field="domain")
        added = await view.console.smtp_users.add(
            view.actor,
            form.text("username"),
            domain_name=form.text("domain"),
            kind=CredentialKind.ADDRESS if by_address else CredentialKind.PASSWORD,
            password=password,
            choices=_change(form),
        )
    except RefusedError as error:
        return _new_page(view, form.refuse(error), status=422)
    if password is None:
        said = f"{added.user.username} was added. {added.warning or ''}".strip()
        return view.go(_LIST, Flash(said, "warn" if added.warning else "good"))
    return _password_page(view, added.user, password, form.text("domain"), added.warning)


async def ask_edit(view: View) -> Response:
    """Show a user's note and restrictions, to be changed."""
    user = await _user(view)
    return await _edit_page(view, user, _filled_in(user))


async def edit(view: View) -> Response:
    """Change a user's note and restrictions."""
    try:
        before = await _user(view)
        fields = set(SmtpUserChange.__struct_fields__)
        if before.kind is CredentialKind.ADDRESS and not view.form.has("networks"):
            fields.remove("networks")  # the page has this field for operators only
        touched = view.form.touched(_filled_in(before), fields)
        change = _change(view.form)
        for name in set(SmtpUserChange.__struct_fields__) - touched:
            change = msgspec.structs.replace(change, **{name: msgspec.UNSET})
        user = await view.console.smtp_users.edit(view.actor, _user_id(view), change)
    except RefusedError as error:
        form = view.form.refuse(error)
        return await _edit_page(view, await _user(view), form, status=422)
    return view.go(_LIST, f"{user.username} was saved; what changed holds within five seconds.")


async def ask_password(view: View) -> Response:
    """Ask for another password."""
    return view.page("smtp_user_password.html", user=await _user(view), form=Form())


async def set_password(view: View) -> Response:
    """Give a user another password and show it, in this answer and never again."""
    password = view.form.secret("password")
    try:
        user = await view.console.smtp_users.set_password(view.actor, _user_id(view), password)
    except RefusedError as error:
        form = view.form.refuse(error)
        return view.page("smtp_user_password.html", status=422, user=await _user(view), form=form)
    domain = next((one.name for one in view.domains if one.id == user.domain_id), "")
    return _password_page(view, user, password, domain, None, is_new=False)


async def disable(view: View) -> Response:
    """Refuse a user's log-ins and next commands."""
    user = await view.console.smtp_users.disable(view.actor, _user_id(view))
    return view.go(_LIST, f"{user.username} is disabled; open sessions end within five seconds.")


async def enable(view: View) -> Response:
    """Let a user log in again."""
    user = await view.console.smtp_users.enable(view.actor, _user_id(view))
    return view.go(_LIST, f"{user.username} may log in again.")


async def unlock(view: View) -> Response:
    """Forget the failed log-ins that have locked a user."""
    user = await _user(view)
    await view.console.lockouts.unlock(view.actor, user)
    return view.go(_LIST, f"{user.username} is not locked any more.")


async def ask_remove(view: View) -> Response:
    """Ask before a user is removed."""
    return view.page("smtp_user_remove.html", user=await _user(view))


async def remove(view: View) -> Response:
    """Remove a user."""
    user = await view.console.smtp_users.remove(view.actor, _user_id(view))
    return view.go(_LIST, f"{user.username} was removed; open sessions end within five seconds.")


def restrictions_of(user: SmtpUser) -> list[str]:
    """Return what a user is restricted to, in a few words each."""
    said = []
    if user.requires_tls:
        said.append("TLS only")
    if user.networks and user.kind is CredentialKind.PASSWORD:
        said.append(", ".join(in_words(one) for one in user.networks[:2]) + (", …" if len(user.networks) > 2 else ""))
    if user.hourly_limit is not None:
        said.append(f"{user.hourly_limit:,} an hour")
    if user.daily_limit is not None:
        said.append(f"{user.daily_limit:,} a day")
    if user.allowed_from:
        said.append(f"From {user.allowed_from[0]}" + (", …" if len(user.allowed_from) > 1 else ""))
    return said


def _filled_in(user: SmtpUser) -> Form:
    return Form.of(
        note=user.note,
        networks=[in_words(network) for network in user.networks],
        requires_tls=user.requires_tls,
        hourly_limit=user.hourly_limit,
        daily_limit=user.daily_limit,
        allowed_from=user.allowed_from,
    )


def _change(form: Form) -> SmtpUserChange:
    return SmtpUserChange(
        note=form.text("note"),
        networks=form.lines("networks"),
        requires_tls=form.flag("requires_tls"),
        hourly_limit=form.number("hourly_limit"),
        daily_limit=form.number("daily_limit"),
        allowed_from=form.lines("allowed_from"),
    )


def _free_name(domain: str, taken: Collection[str]) -> str:
    """Return the first of ``app@``, ``app2@``, ``app3@`` … a domain that no user of it has."""
    names = (f"app{number if number > 1 else ''}@{domain}" for number in itertools.count(1))
    return next(name for name in names if name not in taken)


def _new_page(view: View, form: Form, status: int = 200) -> Response:
    choices = [(domain.name, domain.name) for domain in view.domains]
    return view.page("smtp_user_new.html", status=status, form=form, choices=choices)


async def _edit_page(view: View, user: SmtpUser, form: Form, status: int = 200) -> Response:
    usage = await view.console.smtp_users.usage(view.actor, user.id)
    return view.page("smtp_user_edit.html", status=status, user=user, form=form, usage=usage)


def _password_page(
    view: View, user: SmtpUser, password: Secret, domain: str, warning: str | None, *, is_new: bool = True
) -> Response:
    return view.page(
        "smtp_user_password_set.html",
        user=user,
        password=str(password),
        warning=warning,
        is_new=is_new,
        place=view.console.submission,
        examples=_examples(view, user.username, password, domain),
    )


def _examples(view: View, username: str, password: Secret, domain: str) -> tuple[Example, ...]:
    place = view.console.submission
    return () if place is None else examples(place, username, password, domain)


def _user_id(view: View) -> int:
    return int(view.request.path_params["smtp_user_id"])


async def _user(view: View) -> SmtpUser:
    return await view.console.smtp_users.get(view.actor, _user_id(view))
