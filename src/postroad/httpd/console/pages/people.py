"""Everybody who signs in to the installation, for operators: the list, a new person, and what can be changed of one."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.pages.users import ROLES
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import RefusedError
from postroad.model.user import Role, User

_POST = ("POST",)
_LIST = "/people"
_ONE = "/people/{person_id:id}"


def routes() -> list[BaseRoute]:
    """Return the routes of everybody."""
    return [
        page(_LIST, list_people, access=Access.OPERATOR),
        page(f"{_LIST}/new", ask_new, access=Access.OPERATOR),
        page(f"{_LIST}/new", add, access=Access.OPERATOR, methods=_POST),
        page(_ONE, show_person, access=Access.OPERATOR),
        page(f"{_ONE}/password-link", make_password_link, access=Access.OPERATOR, methods=_POST),
        page(f"{_ONE}/sessions/end", end_sessions, access=Access.OPERATOR, methods=_POST),
        page(f"{_ONE}/second-factor/reset", ask_reset_second_factor, access=Access.OPERATOR),
        page(f"{_ONE}/second-factor/reset", reset_second_factor, access=Access.OPERATOR, methods=_POST),
        page(f"{_ONE}/disable", disable, access=Access.OPERATOR, methods=_POST),
        page(f"{_ONE}/enable", enable, access=Access.OPERATOR, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.OPERATOR),
        page(f"{_ONE}/remove", remove, access=Access.OPERATOR, methods=_POST),
    ]


async def list_people(view: View) -> Response:
    """Show everybody."""
    people = await view.console.people.everybody(view.operator)
    names = {one.id: one.name for one in await view.console.accounts.all(view.operator)}
    return view.page("people.html", people=people, names=names)


async def ask_new(view: View) -> Response:
    """Ask who is added to which account as what."""
    return await _new_page(view, Form.of(role=Role.USER.value))


async def add(view: View) -> Response:
    """Add a person, and show the link to choose a password, in this answer and never again."""
    form = view.form
    try:
        is_operator = form.text("account") == ""
        account = None if is_operator else await view.console.accounts.find(view.operator, form.text("account"))
        role = Role.ADMIN if form.text("role") == Role.ADMIN.value else Role.USER
        added = await view.console.people.add(
            view.operator, form.text("email"), account=account, role=role, name=form.text("name")
        )
    except RefusedError as error:
        return await _new_page(view, form.refuse(error), status=422)
    return view.page("person_link.html", person=added.user, link=added.link)


async def show_person(view: View) -> Response:
    """Show a person with what can be changed."""
    person = await _person(view)
    rights = await view.console.people.rights_of(view.operator, person)
    sessions = await view.console.sessions.of(person)
    return view.page("person.html", person=person, rights=rights, sessions=sessions)


async def make_password_link(view: View) -> Response:
    """Make a link to choose another password, and show it, in this answer and never again."""
    person = await _person(view)
    link = await view.console.people.new_password_link(view.operator, person.id)
    return view.page("person_link.html", person=person, link=link)


async def end_sessions(view: View) -> Response:
    """Sign a person out everywhere."""
    person = await _person(view)
    await view.console.people.end_sessions(view.operator, person.id)
    return view.go(_path(person), f"{person.email} is signed out everywhere.")


async def ask_reset_second_factor(view: View) -> Response:
    """Ask before somebody's second factor is turned off."""
    return view.page("person_second_factor.html", person=await _person(view))


async def reset_second_factor(view: View) -> Response:
    """Turn off the second factor of somebody who has lost it."""
    person = await _person(view)
    await view.console.people.reset_second_factor(view.operator, person.id)
    return view.go(_path(person), f"{person.email} signs in without a second factor now.")


async def disable(view: View) -> Response:
    """Refuse a person's sign-ins; this can be undone, and so is not asked first."""
    person = await _person(view)
    await view.console.people.disable(view.operator, person.id)
    return view.go(_path(person), f"{person.email} is disabled.")


async def enable(view: View) -> Response:
    """Let a disabled person sign in again."""
    person = await _person(view)
    await view.console.people.enable(view.operator, person.id)
    return view.go(_path(person), f"{person.email} may sign in again.")


async def ask_remove(view: View) -> Response:
    """Ask before a person is removed."""
    return view.page("person_remove.html", person=await _person(view))


async def remove(view: View) -> Response:
    """Remove a person from the installation."""
    person = await _person(view)
    await view.console.people.remove_person(view.operator, person)
    return view.go(_LIST, f"{person.email} was removed.")


async def _new_page(view: View, form: Form, *, status: int = 200) -> Response:
    accounts = await view.console.accounts.all(view.operator)
    choices = [("", "none: an operator, who runs the installation"), *((one.name, one.name) for one in accounts)]
    return view.page("person_new.html", status=status, form=form, choices=choices, roles=ROLES)


async def _person(view: View) -> User:
    return await view.console.people.get(view.operator, view.request.path_params["person_id"])


def _path(person: User) -> str:
    return f"{_LIST}/{person.id}"
