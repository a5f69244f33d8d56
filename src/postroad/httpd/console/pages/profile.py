"""Your profile: name, password, two-factor authentication, sessions, and the networks you may come from."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.credential import Secret
from postroad.model.refused import MissingError, RefusedError

_POST = ("POST",)
_PROFILE = "/profile"


def routes() -> list[BaseRoute]:
    """Return the routes of the profile."""
    return [
        page(_PROFILE, show, access=Access.PERSON),
        page("/profile/name", ask_name, access=Access.PERSON),
        page("/profile/name", set_name, access=Access.PERSON, methods=_POST),
        page("/profile/password", ask_password, access=Access.PERSON),
        page("/profile/password", change_password, access=Access.PERSON, methods=_POST),
        page("/profile/networks", ask_networks, access=Access.PERSON),
        page("/profile/networks", set_networks, access=Access.PERSON, methods=_POST),
        page("/profile/two-factor/begin", begin_two_factor, access=Access.PERSON, methods=_POST),
        page("/profile/two-factor/confirm", confirm_two_factor, access=Access.PERSON, methods=_POST),
        page("/profile/two-factor/off", ask_two_factor_off, access=Access.PERSON),
        page("/profile/two-factor/off", two_factor_off, access=Access.PERSON, methods=_POST),
        page("/profile/recovery-codes", ask_recovery_codes, access=Access.PERSON),
        page("/profile/recovery-codes", recovery_codes, access=Access.PERSON, methods=_POST),
        page("/profile/sessions/{session_id:id}/end", end_session, access=Access.PERSON, methods=_POST),
        page("/profile/sessions/end-others", end_other_sessions, access=Access.PERSON, methods=_POST),
    ]


async def show(view: View) -> Response:
    """Show everything about oneself."""
    sessions = await view.console.sessions.of(view.signed_in.user)
    return view.page("profile.html", person=view.signed_in.user, sessions=sessions)


async def ask_name(view: View) -> Response:
    """Show one's name, to be changed."""
    return view.page("profile_name.html", form=Form.of(name=view.signed_in.user.name))


async def set_name(view: View) -> Response:
    """Take another name."""
    try:
        await view.console.people.set_name(view.actor, view.signed_in.user.id, view.form.text("name"))
    except RefusedError as error:
        return view.page("profile_name.html", status=422, form=view.form.refuse(error))
    return view.go(_PROFILE, "Your name was saved.")


async def ask_password(view: View) -> Response:
    """Ask for the current and a new password; where there is none yet, for the new one alone."""
    return view.page("profile_password.html", form=Form())


async def change_password(view: View) -> Response:
    """Change one's password, or set the first one."""
    form = view.form
    try:
        await view.console.password_changes.change(
            view.signed_in, form.secret("current_password"), form.secret("new_password"), view.client_address
        )
    except RefusedError as error:
        return view.page("profile_password.html", status=422, form=form.refuse(error))
    person = view.signed_in.user
    said = f"Your password was {'changed' if view.has_password else 'set'}; all your other sessions have ended."
    if not person.has_totp and not await view.console.passkeys.has_any(person):
        said += " A password alone can be stolen: set up two-factor authentication or a passkey below."
    return view.go(_PROFILE, said)


async def ask_networks(view: View) -> Response:
    """Show from where one may come, to be changed."""
    return view.page("profile_networks.html", form=Form.of(networks=view.signed_in.user.networks))


async def set_networks(view: View) -> Response:
    """Come from some networks only, or from everywhere."""
    console, form = view.console, view.form
    try:
        proven = await console.own_password.prove(view.signed_in, form.secret("password"), view.client_address)
        if form.touched(Form.of(networks=view.signed_in.user.networks), ("networks",)):
            await console.people.set_own_networks(proven, form.lines("networks"), view.client_address)
    except RefusedError as error:
        return view.page("profile_networks.html", status=422, form=form.refuse(error))
    return view.go(_PROFILE, "Your networks were saved.")


async def begin_two_factor(view: View) -> Response:
    """Show a new secret as a picture; nothing is on yet."""
    enrolment = await view.console.second_factor.begin(view.signed_in)
    return view.page("two_factor.html", enrolment=enrolment, form=Form())


async def confirm_two_factor(view: View) -> Response:
    """Turn two-factor authentication on by a first code, and show the recovery codes this once."""
    form, second_factor = view.form, view.console.second_factor
    ticket = form.text("ticket")
    try:
        codes = await second_factor.confirm(
            view.signed_in, ticket, form.text("code"), view.client_address, password=form.secret("password")
        )
    except MissingError:
        raise
    except RefusedError as error:
        enrolment = await second_factor.resume(view.signed_in, ticket)
        return view.page("two_factor.html", status=422, enrolment=enrolment, form=form.refuse(error))
    return _codes_page(view, codes)


async def ask_two_factor_off(view: View) -> Response:
    """Ask for the password before the second factor goes."""
    return view.page("two_factor_off.html", form=Form())


async def two_factor_off(view: View) -> Response:
    """Turn two-factor authentication off."""
    try:
        await view.console.second_factor.turn_off(view.signed_in, view.form.secret("password"), view.client_address)
    except RefusedError as error:
        return view.page("two_factor_off.html", status=422, form=view.form.refuse(error))
    return view.go(_PROFILE, "Two-factor authentication is off.")


async def ask_recovery_codes(view: View) -> Response:
    """Ask for the password before new recovery codes are made."""
    return view.page("recovery_codes_new.html", form=Form())


async def recovery_codes(view: View) -> Response:
    """Make new recovery codes and show them this once."""
    try:
        codes = await view.console.second_factor.new_recovery_codes(
            view.signed_in, view.form.secret("password"), view.client_address
        )
    except RefusedError as error:
        return view.page("recovery_codes_new.html", status=422, form=view.form.refuse(error))
    return _codes_page(view, codes)


async def end_session(view: View) -> Response:
    """End another of one's own sessions."""
    await view.console.sessions.end_one(view.signed_in, view.request.path_params["session_id"], view.client_address)
    return view.go(_PROFILE, "The session has ended.")


async def end_other_sessions(view: View) -> Response:
    """End every other session of one's own."""
    ended = await view.console.sessions.end_others(view.signed_in, view.client_address)
    return view.go(_PROFILE, f"{ended} other session{'s' if ended != 1 else ''} ended.")


def _codes_page(view: View, codes: list[Secret]) -> Response:
    return view.page("recovery_codes.html", codes=[str(code) for code in codes])
