"""Settings, users: who works in the account, who is invited, and what an admin can change of a person."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.accounts.people.people import Member
from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Invitation, Role

_POST = ("POST",)
_LIST = "/settings/users"
_ONE = "/settings/users/{user_id:id}"
_INVITATION = "/settings/invitations/{invitation_id:id}"
ROLES = ((Role.USER.value, "User: looks, and changes nothing"), (Role.ADMIN.value, "Admin: changes everything"))


def routes() -> list[BaseRoute]:
    """Return the routes of an account's people."""
    return [
        page(_LIST, list_users, access=Access.ACCOUNT),
        page(f"{_LIST}/invite", ask_invite, access=Access.ADMIN),
        page(f"{_LIST}/invite", invite, access=Access.ADMIN, methods=_POST),
        page(_ONE, show_user, access=Access.ADMIN),
        page(f"{_ONE}/role", set_role, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/networks", ask_networks, access=Access.ADMIN),
        page(f"{_ONE}/networks", set_networks, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/password-link", mail_password_link, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/sessions/end", end_sessions, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/second-factor", ask_reset_second_factor, access=Access.ADMIN),
        page(f"{_ONE}/second-factor", reset_second_factor, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/disable", ask_disable, access=Access.ADMIN),
        page(f"{_ONE}/disable", disable, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/enable", enable, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
        page(f"{_INVITATION}/revoke", ask_revoke, access=Access.ADMIN),
        page(f"{_INVITATION}/revoke", revoke, access=Access.ADMIN, methods=_POST),
    ]


async def list_users(view: View) -> Response:
    """Show the people of the account, and who is invited."""
    members = await view.console.people.members(view.actor, view.account_id)
    invitations = await view.console.invitations.all(view.actor, view.account_id)
    return view.page("users.html", members=members, invitations=invitations)


async def ask_invite(view: View) -> Response:
    """Ask whom to invite as what."""
    return view.page("user_invite.html", form=Form.of(role=Role.USER.value), roles=ROLES)


async def invite(view: View) -> Response:
    """Invite somebody."""
    form = view.form
    try:
        invited = await view.console.invitations.invite(view.actor, view.account_id, form.text("email"), _role(form))
    except RefusedError as error:
        return view.page("user_invite.html", status=422, form=form.refuse(error), roles=ROLES)
    if invited.is_mailed or invited.link is None:
        return view.go(_LIST, f"The invitation was mailed to {invited.invitation.email}.")
    return view.page("user_invited.html", invited=invited)


async def show_user(view: View) -> Response:
    """Show one of the people with what can be changed."""
    return await _user_page(view, await _member(view))


async def set_role(view: View) -> Response:
    """Give a person another role in this account."""
    member = await _member(view)
    try:
        await view.console.people.set_role(view.actor, view.account_id, member.user.id, _role(view.form))
    except (MissingError, ForbiddenError):
        raise
    except RefusedError as error:
        return await _user_page(view, member, view.form.refuse(error), status=422)
    # Whoever has just become one who only looks may not see the page that it came from.
    is_own = member.user.id == view.signed_in.user.id
    return view.go(_LIST if is_own else _path(member), f"The role of {member.user.email} was changed.")


async def ask_networks(view: View) -> Response:
    """Show from where a person may come, to be changed."""
    member = await _member(view)
    return view.page("user_networks.html", member=member, form=Form.of(networks=member.user.networks))


async def set_networks(view: View) -> Response:
    """Let a person come from some networks only, or from everywhere."""
    member = await _member(view)
    try:
        if view.form.touched(Form.of(networks=member.user.networks), ("networks",)):
            await view.console.people.set_networks(view.actor, member.user.id, view.form.lines("networks"))
    except (MissingError, ForbiddenError):
        raise
    except RefusedError as error:
        return view.page("user_networks.html", status=422, member=member, form=view.form.refuse(error))
    return view.go(_path(member), f"The networks of {member.user.email} were saved.")


async def mail_password_link(view: View) -> Response:
    """Mail a person the link to choose another password."""
    member = await _member(view)
    person = await view.console.people.changeable(view.actor, member.user.id)
    await view.console.password_changes.mail_link_to(view.actor, person)
    return view.go(_path(member), f"A link to choose another password was mailed to {person.email}.")


async def end_sessions(view: View) -> Response:
    """Sign a person out everywhere."""
    member = await _member(view)
    await view.console.people.end_sessions(view.actor, member.user.id)
    return view.go(_path(member), f"{member.user.email} is signed out everywhere.")


async def ask_reset_second_factor(view: View) -> Response:
    """Ask before somebody's second factor is turned off."""
    member = await _member(view)
    return view.page("user_second_factor.html", member=member)


async def reset_second_factor(view: View) -> Response:
    """Turn off the second factor of somebody who has lost it."""
    member = await _member(view)
    await view.console.people.reset_second_factor(view.actor, member.user.id)
    return view.go(_path(member), f"{member.user.email} signs in without a second factor now.")


async def ask_disable(view: View) -> Response:
    """Ask before a person is disabled."""
    return view.page("user_disable.html", member=await _member(view))


async def disable(view: View) -> Response:
    """Refuse a person's sign-ins."""
    member = await _member(view)
    await view.console.people.disable(view.actor, member.user.id)
    return view.go(_path(member), f"{member.user.email} is disabled.")


async def enable(view: View) -> Response:
    """Let a disabled person sign in again."""
    member = await _member(view)
    await view.console.people.enable(view.actor, member.user.id)
    return view.go(_path(member), f"{member.user.email} may sign in again.")


async def ask_remove(view: View) -> Response:
    """Ask before a person is removed, or an external one loses its right."""
    return view.page("user_remove.html", member=await _member(view))


async def remove(view: View) -> Response:
    """Remove a person of the account, or take an external one's right away."""
    member = await _member(view)
    await view.console.people.remove(view.actor, view.account_id, member.user.id)
    return view.go(_LIST, f"{member.user.email} was removed.")


async def ask_revoke(view: View) -> Response:
    """Ask before an invitation is taken back."""
    return view.page("invitation_revoke.html", invitation=await _invitation(view))


async def revoke(view: View) -> Response:
    """Take an invitation back."""
    invitation = await _invitation(view)
    await view.console.invitations.revoke(view.actor, view.account_id, invitation.id)
    return view.go(_LIST, f"{invitation.email} is no longer invited.")


async def _user_page(view: View, member: Member, form: Form | None = None, *, status: int = 200) -> Response:
    sessions = [] if member.is_external else await view.console.sessions.of(member.user)
    shown = form or Form.of(role=member.membership.role.value)
    return view.page("user.html", status=status, member=member, sessions=sessions, form=shown, roles=ROLES)


async def _member(view: View) -> Member:
    return await view.console.people.member(view.actor, view.account_id, view.request.path_params["user_id"])


async def _invitation(view: View) -> Invitation:
    wanted: int = view.request.path_params["invitation_id"]
    for one in await view.console.invitations.all(view.actor, view.account_id):
        if one.id == wanted:
            return one
    raise MissingError("There is no such invitation.")


def _path(member: Member) -> str:
    return f"{_LIST}/{member.user.id}"


def _role(form: Form) -> Role:
    try:
        return Role(form.text("role"))
    except ValueError as error:
        raise RefusedError("Choose what the person may do.", field="role") from error
