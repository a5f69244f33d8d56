"""API keys: the list with its locks, a new key that is shown once, and what can be changed of one."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from postroad.accounts.api_keys import AddedKey
from postroad.httpd.console.call_examples import call_examples
from postroad.httpd.console.forms import Form
from postroad.httpd.console.route import Access, page
from postroad.httpd.console.view import View
from postroad.model.credential import ApiKey
from postroad.model.refused import RefusedError
from postroad.policy.network_list import in_words

_LIST = "/credentials/api-keys"
_ONE = "/credentials/api-keys/{api_key_id:id}"
_POST = ("POST",)
TEST_PATH = "/api/postroad/v1/key"


def routes() -> list[BaseRoute]:
    """Return the routes of the API keys."""
    return [
        page(_LIST, list_keys, access=Access.ACCOUNT),
        page(f"{_LIST}/new", new_key, access=Access.ADMIN),
        page(f"{_LIST}/new", add_key, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/networks", ask_networks, access=Access.ADMIN),
        page(f"{_ONE}/networks", set_networks, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/edit", ask_edit, access=Access.ADMIN),
        page(f"{_ONE}/edit", edit, access=Access.ADMIN, methods=_POST),
        page(f"{_ONE}/remove", ask_remove, access=Access.ADMIN),
        page(f"{_ONE}/remove", remove, access=Access.ADMIN, methods=_POST),
    ]


async def list_keys(view: View) -> Response:
    """Show the keys of the chosen domain, or all of the account."""
    domain_id = None if view.domain is None else view.domain.id
    keys = await view.console.api_keys.all(view.actor, account_id=view.account_id, domain_id=domain_id)
    names = {domain.id: domain.name for domain in view.domains}
    examples = [] if view.domain is None else call_examples(_base(view), view.domain.name, "KEY")
    return view.page("api_keys.html", keys=keys, names=names, examples=examples)


async def new_key(view: View) -> Response:
    """Ask what a new key is for."""
    chosen = view.domain or (view.domains[0] if view.domains else None)
    return _new_page(view, Form.of(domain=None if chosen is None else chosen.name))


async def add_key(view: View) -> Response:
    """Add a key and show it, in this answer and never again."""
    try:
        added = await _added(view)
    except RefusedError as error:
        return _new_page(view, view.form.refuse(error), status=422)
    base = _base(view)
    # A key of the account sends for any of its domains: the command takes the chosen one.
    chosen = next((one.name for one in view.domains if one.id == added.key.domain_id), None)
    name = chosen or (view.domain.name if view.domain else None)
    examples = [] if name is None else call_examples(base, name, str(added.text))
    return view.page("api_key_added.html", added=added, url=base + TEST_PATH, examples=examples)


async def ask_networks(view: View) -> Response:
    """Show from where a key may be used, to be changed."""
    key = await _key(view)
    return view.page("api_key_networks.html", key=key, form=_filled_in(key))


async def set_networks(view: View) -> Response:
    """Let a key be used from some networks alone, or from everywhere."""
    key = await _key(view)
    try:
        if view.form.touched(_filled_in(key), ("networks",)):
            key = await view.console.api_keys.set_networks(view.actor, key.id, view.form.text("networks"))
    except RefusedError as error:
        form = view.form.refuse(error)
        return view.page("api_key_networks.html", status=422, key=key, form=form)
    if not key.networks:
        return view.go(_LIST, f"{key.prefix}… may be used from everywhere.")
    count = len(key.networks)
    return view.go(
        _LIST, f"{key.prefix}… may be used from {count} address{'es or ranges' if count > 1 else ' or range'}."
    )


async def ask_edit(view: View) -> Response:
    """Show a key's note, to be changed."""
    key = await _key(view)
    return view.page("api_key_edit.html", key=key, form=Form.of(note=key.note))


async def edit(view: View) -> Response:
    """Give a key another note."""
    try:
        key = await view.console.api_keys.edit(view.actor, _key_id(view), view.form.text("note"))
    except RefusedError as error:
        form = view.form.refuse(error)
        return view.page("api_key_edit.html", status=422, key=await _key(view), form=form)
    return view.go(_LIST, f"The note of {key.prefix}… was saved.")


async def ask_remove(view: View) -> Response:
    """Ask before a key is revoked."""
    return view.page("api_key_remove.html", key=await _key(view))


async def remove(view: View) -> Response:
    """Revoke a key."""
    key = await view.console.api_keys.remove(view.actor, _key_id(view))
    return view.go(_LIST, f"{key.prefix}… was removed; it is refused everywhere within five seconds.")


def _base(view: View) -> str:
    return f"{view.request.url.scheme}://{view.request.url.netloc}"


async def _added(view: View) -> AddedKey:
    form, keys = view.form, view.console.api_keys
    note, networks = form.text("note"), form.text("networks")
    if form.text("kind") == "account":
        return await keys.add_for_account(view.actor, view.account_id, note=note, networks=networks)
    if not form.text("domain"):
        raise RefusedError("Choose the sending domain that the key sends for.", field="domain")
    return await keys.add_for_domain(view.actor, form.text("domain"), note=note, networks=networks)


def _new_page(view: View, form: Form, status: int = 200) -> Response:
    choices = [(domain.name, domain.name) for domain in view.domains]
    return view.page("api_key_new.html", status=status, form=form, choices=choices)


def _filled_in(key: ApiKey) -> Form:
    return Form.of(networks=[in_words(network) for network in key.networks])


def _key_id(view: View) -> int:
    return int(view.request.path_params["api_key_id"])


async def _key(view: View) -> ApiKey:
    return await view.console.api_keys.get(view.actor, _key_id(view))
