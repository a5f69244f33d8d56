"""Signing in and out, and what is opened by a link: setting a password, and signing in without one."""

from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.accounts.people.links import PASSWORD_PATH
from postroad.accounts.people.links import SIGN_IN_PATH as LINK_PATH
from postroad.accounts.people.sign_in import Granted, Refused, SecondFactorNeeded, SignInResult
from postroad.httpd.console import cookies
from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import SIGN_IN_PATH, Access, own_path, page
from postroad.httpd.console.view import View
from postroad.model.refused import MissingError, RefusedError
from postroad.model.user import User

PASSKEYS_PATH = "/profile/passkeys"
_AFTER_RESET = f"{PASSKEYS_PATH}?after=reset"
_POST = ("POST",)
_SAID = {
    "signed-out": "You are signed out.",
    "password-link": "If this is the address of a user, a link is on its way. It works once and for one hour.",
}
"""Sentences that the sign-in page can open with; who is not signed in has no flash."""
_STATUS = {"busy": 503, "locked": 429}


def routes() -> list[BaseRoute]:
    """Return the routes of signing in and out."""
    return [
        page(SIGN_IN_PATH, ask_password, access=Access.ANYBODY),
        page(SIGN_IN_PATH, sign_in, access=Access.ANYBODY, methods=_POST),
        page("/sign-in/second-factor", second_factor, access=Access.ANYBODY, methods=_POST),
        page(f"{LINK_PATH}/{{token}}", ask_to_use_link, access=Access.ANYBODY),
        page(f"{LINK_PATH}/{{token}}", use_link, access=Access.ANYBODY, methods=_POST),
        page("/sign-out", sign_out, access=Access.PERSON, methods=_POST),
        page("/forgot-password", ask_address, access=Access.ANYBODY),
        page("/forgot-password", mail_link, access=Access.ANYBODY, methods=_POST),
        page(f"{PASSWORD_PATH}/{{token}}", ask_new_password, access=Access.ANYBODY),
        page(f"{PASSWORD_PATH}/{{token}}", set_password, access=Access.ANYBODY, methods=_POST),
    ]


async def ask_password(view: View) -> Response:
    """Ask for address and password."""
    wanted = own_path(view.request.query_params.get("next", ""))
    if view.is_signed_in:
        return view.go(wanted)
    said = _SAID.get(view.request.query_params.get("said", ""))
    return _sign_in_page(view, Form.of(next=wanted), said=said)


async def sign_in(view: View) -> Response:
    """Sign in with a password."""
    form = view.form
    result = await view.console.sign_in.with_password(
        form.text("email"), form.secret("password"), client_address=view.client_address, user_agent=user_agent(view)
    )
    if isinstance(result, Refused):
        form.refuse(RefusedError(result.sentence))
        return _sign_in_page(view, form, status=_STATUS.get(result.reason, 422), until=result.until)
    return await signed_in(view, result, own_path(form.text("next")))


async def second_factor(view: View) -> Response:
    """Go on with a code of the app, or a recovery code."""
    form = view.form
    result = await view.console.sign_in.with_second_factor(
        form.text("ticket"), form.text("code"), client_address=view.client_address, user_agent=user_agent(view)
    )
    wanted = own_path(form.text("next"))
    if isinstance(result, Granted):
        return await signed_in(view, result, wanted)
    if result.reason == "expired":
        form.refuse(RefusedError(result.sentence))
        return _sign_in_page(view, form, status=422)
    form.refuse(RefusedError(result.sentence, field="code"))
    status = _STATUS.get(result.reason, 422)
    return _code_page(view, form, form.text("ticket"), wanted, status=status, until=result.until)


async def ask_to_use_link(view: View) -> Response:
    """Show a button that uses the link up: whatever looks at links in mail and chats presses none."""
    person = await view.console.sign_in.person_of_link(_token(view))
    if person is None:
        raise MissingError("There is no such link: it was used already, or has expired.")
    return view.page("sign_in_link.html", person=person)


async def use_link(view: View) -> Response:
    """Sign in by a link."""
    result = await view.console.sign_in.with_link(
        _token(view), client_address=view.client_address, user_agent=user_agent(view)
    )
    if isinstance(result, Refused):
        return _sign_in_page(view, Form().refuse(RefusedError(result.sentence)), status=422)
    return await signed_in(view, result, "/")


async def sign_out(view: View) -> Response:
    """End this session."""
    await view.console.sessions.end(view.signed_in, view.client_address)
    response = view.go(f"{SIGN_IN_PATH}?said=signed-out")
    cookies.drop_session(view.request, response)
    return response


async def ask_address(view: View) -> Response:
    """Ask whose password was forgotten."""
    return view.page("forgot_password.html", form=Form())


async def mail_link(view: View) -> Response:
    """Have a link mailed; the answer is the same, and as quick, for every address."""
    view.console.password_changes.ask_for_link(view.form.text("email"), view.client_address)
    return view.go(f"{SIGN_IN_PATH}?said=password-link")


async def ask_new_password(view: View) -> Response:
    """Ask for the password that a link may set."""
    person = await view.console.password_changes.person_of_link(_token(view))
    if person is None:
        raise MissingError("There is no such link: it was used already, or has expired. Ask for a new one.")
    return view.page("set_password.html", person=person, form=Form())


async def set_password(view: View) -> Response:
    """Set the password and go on to sign in; whoever has passkeys is shown them, for they go on opening the door."""
    changes, form = view.console.password_changes, view.form
    try:
        person = await changes.set_by_link(_token(view), form.secret("password"), view.client_address)
    except MissingError:
        raise
    except RefusedError as error:
        known = await changes.person_of_link(_token(view))
        return view.page("set_password.html", status=422, person=known, form=form.refuse(error))
    result = await view.console.sign_in.proceed(
        person, method="password", client_address=view.client_address, user_agent=user_agent(view)
    )
    if isinstance(result, Refused):
        return _sign_in_page(view, Form().refuse(RefusedError(result.sentence)), status=422)
    has_passkeys = await view.console.passkeys.has_any(person)
    return await signed_in(view, result, _AFTER_RESET if has_passkeys else "/")


async def signed_in(view: View, result: SignInResult, wanted: str) -> Response:
    """Give the browser its new session and go to the page that was wanted, or ask for the second factor."""
    assert not isinstance(result, Refused), "what was refused is shown by the page that it was tried on"
    if isinstance(result, SecondFactorNeeded):
        return _code_page(view, Form(), result.ticket, wanted)
    if view.is_signed_in:
        await view.console.sessions.end(view.signed_in, view.client_address)
    response = view.go(wanted)
    cookies.write_session(view.request, response, result.token, view.console.session_seconds)
    cookies.choose_domain(response, None)
    return response


async def enter(view: View, user: User, method: str, wanted: str) -> Response:
    """Sign in a person that was proven entirely in another way than by a password, if it may come in."""
    result = await view.console.sign_in.enter(
        user, method=method, client_address=view.client_address, user_agent=user_agent(view)
    )
    if isinstance(result, Refused):
        return refused(view, result.sentence, wanted)
    return await signed_in(view, result, wanted)


def refused(view: View, sentence: str, wanted: str = "/") -> Response:
    """Show the sign-in page with why nobody was signed in by another way."""
    return _sign_in_page(view, Form.of(next=wanted).refuse(RefusedError(sentence)), status=422)


def user_agent(view: View) -> str:
    """Return how the browser names itself."""
    return view.request.headers.get("user-agent", "")


def _sign_in_page(
    view: View, form: Form, *, status: int = 200, said: str | None = None, until: int | None = None
) -> Response:
    wanted = own_path(form.text("next"))
    return view.page(
        "sign_in.html",
        status=status,
        form=form,
        said=said,
        until=until,
        next_query="" if wanted == "/" else f"?next={quote(wanted)}",
        wanted=wanted,
        is_safe=cookies.may_have_session(view.request),
    )


def _code_page(
    view: View, form: Form, ticket: str, wanted: str, *, status: int = 200, until: int | None = None
) -> Response:
    return view.page("second_factor.html", status=status, form=form, ticket=str(ticket), wanted=wanted, until=until)


def _token(view: View) -> str:
    token: str = view.request.path_params["token"]
    return token
